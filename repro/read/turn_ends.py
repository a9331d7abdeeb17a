"""The token with which a chat template that a card shows ends the assistant's turn."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import BlockKind, Span
from repro.read.document import Document
from repro.spec import CodeBlock

_ENDS = (
    *("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|im_end|>", "</s>", "<eos>", "<end_of_turn>", "<|end|>"),
    *("<|return|>", "<|eos|>", "<|endofturn|>", "<|END_OF_TURN_TOKEN|>", "<end_of_utterance>"),
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
"""Tokens with which published templates end a turn. "[EOS]" and "{eos_token}" name no token, so they are none."""
_PIECE = re.compile(
    r"(?P<assistant><\|(?:assistant|bot|model)\|>|<\|im_start\|>\s{0,3}assistant|<\|start\|>\s{0,3}assistant|"
    r"<\|start_header_id\|>\s{0,3}assistant|<\|CHATBOT_TOKEN\|>|<\uff5cAssistant\uff5c>|\[/INST\]|"
    r"<start_of_turn>\s{0,3}model|\b(?:ASSISTANT|Assistant):|###\s{0,3}(?:Assistant|Response|Output)\b)"
    r"|(?P<other><\|(?:user|system|tool|prompter|im_start|start|start_header_id|USER_TOKEN|SYSTEM_TOKEN)\|>|"
    r"<\uff5cUser\uff5c>|\[INST\]|<start_of_turn>|\b(?:USER|User|HUMAN|Human|SYSTEM|System):|"
    r"###\s{0,3}(?:Instruction|Input|System|User|Human)\b)"
    rf"|(?P<end>{'|'.join(re.escape(end) for end in _ENDS)})(?=\s|$|[<\[\\\"'`])"
)
"""A role's mark or an end token that nothing but white space, a mark or a quote follows."""
_ANNOUNCED = re.compile(r"(?i)\b(?:templates?|formats?|formatted|prompts?|prompting|chat)\b")
_ANOTHERS = re.compile(
    r"(?i)\b(?:unlike|instead of|rather than|(?:do|does|did) not|don't|doesn't|never|avoid|wrong|original|previous|"
    r"older|base model|parent)\b"
)
"""Words with which a card introduces a template that is not, or may not be, its own model's."""
_LONGEST = 20_000


def turn_ends(doc: Document, code: tuple[CodeBlock, ...]) -> Iterator[tuple[str, Span, int]]:
    """(token, its line, the block's index) for each assistant turn that a template in the card ends with a token.

    Only blocks that the heading or the paragraph before announces as a template or format: a transcript is none. A
    Jinja program writes its tokens under conditions, which are not followed: nothing is read of it.
    """
    templates = {block.span for block in code if block.role == "template"}
    if not templates:
        return
    for index, block in enumerate(doc.blocks):
        if block.kind is not BlockKind.CODE or block.span not in templates or "{%" in block.text:
            continue
        before = doc.introduction(index)
        heading = next(iter(doc.path(block)), "")
        if not (_ANNOUNCED.search(before) or _ANNOUNCED.search(heading)) or _ANOTHERS.search(f"{heading}. {before}"):
            continue
        first = doc.code_line(block)
        for token, offset in _assistant_ends(block.text[:_LONGEST]):
            line = first + block.text.count("\n", 0, offset)
            yield token, doc.locate(Span(block.span.source, line, line), token), index


def _assistant_ends(text: str) -> Iterator[tuple[str, int]]:
    """The first end token of each assistant turn, with its offset."""
    answering = False
    for piece in _PIECE.finditer(text):
        if piece.lastgroup == "end":
            if answering:
                yield piece["end"], piece.start()
            answering = False
        else:
            answering = piece.lastgroup == "assistant"
