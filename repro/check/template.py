"""R3: the chat template that the card shows, against the tokenizer that applies one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.lineage import lineages
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import calls as calls_of
from repro.check.python_code import python_snippets, source_span
from repro.check.tokens import added_tokens, subject, template_of, token
from repro.check.wording import search
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import CodeBlock, Spec

_MARK = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|<(?:start|end)_of_turn>|<eos>|\[/?INST\]")
ENDS = frozenset(
    [
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|im_end|>",
        "</s>",
        "<eos>",
        "<end_of_turn>",
        "<|end|>",
        "<|return|>",
    ]
)
"""Tokens with which published templates end a turn."""
EOS_ELSEWHERE = {"<|endoftext|>": "GPT-2, Qwen and OLMo", "</s>": "Llama 2 and Mistral", "<eos>": "Gemma"}
_ADDED = re.compile(
    r"\b(?:add(?:ed|ing|s)?|new|extra|custom|extend(?:ed|ing|s)?)\b.{0,40}\b(?:special )?tokens?\b", re.IGNORECASE
)


def _shown(spec: Spec) -> list[CodeBlock]:
    """Blocks that show a chat template as text: at least one role's mark, and no program."""
    programs = {"python", "py", "bash", "sh", "shell", "json", "yaml", "yml", "bibtex", "console"}
    return [
        b
        for b in spec.code
        if b.role in {"template", ""}
        and b.language.lower() not in programs
        and len(_MARK.findall(b.text[:20_000])) >= 2
    ]


def _marks(block: CodeBlock) -> list[str]:
    return list(dict.fromkeys(_MARK.findall(block.text[:20_000])))


@check(
    "R301",
    "template-end-token",
    severity=Severity.HIGH,
    confidence=Severity.MEDIUM,
    needs=("card", "subject"),
    asks="code",
)
def template_end_token(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The template in the card ends a turn with a token that the tokenizer has

    What: Takes the end token that the card's template shows and looks for it in the published tokenizer and its
    chat template, or, without those, among the special tokens of the base model's family.
    Why: Text that is no token of the vocabulary is split into pieces: the model neither learns nor recognises it as
    an end, prompts built by hand differ from training, and generation does not stop.
    Fix: Show the end token that the tokenizer's own template writes.
    Sources: open-instruct@e6c3044:open_instruct/dataset_transformation.py;
    https://github.com/meta-llama/llama-models (Llama 3 special tokens); lm-evaluation-harness issue 1841
    """
    blocks = [(b, [m for m in _marks(b) if m in ENDS]) for b in _shown(spec)]
    blocks = [(b, ends) for b, ends in blocks if ends]
    if not blocks:
        return [absent("The card shows no chat template with an end token.")]
    block, ends = blocks[0]
    line = next((i for i, text in enumerate(block.text.split("\n"), start=1) if ends[0] in text), 1)
    span = source_span(block, line)
    repo = subject(evidence)
    real = token(repo, "eos") if repo else ""
    if repo is not None and real:
        template, known = template_of(repo), added_tokens(repo)
        if real in ends or any(e in template for e in ends):
            return [passed(f"The end token {listing(ends)} is what the published tokenizer uses.", span)]
        if known and all(e in known for e in ends):
            words = f"{ends[0]} is a token of the vocabulary, but the tokenizer's end token is {real}"
            return [unknown(f"{words}: which of them training used would have to be said.", span)]
        return [
            failed(
                f"The card's template ends a turn with {ends[0]}; the published tokenizer ends with {real}"
                f"{f' and has no token {ends[0]}' if known else ''}.",
                span,
                fix=f"Write {real} in place of {ends[0]}.",
            )
        ]
    families = [(f, name) for f, name, _ in lineages(spec, evidence) if f.special_tokens is not None]
    if not families:
        return [unknown(f"Whether the vocabulary has {ends[0]} needs the tokenizer, which was not looked at.", span)]
    family, name = families[0]
    if any(e in (family.special_tokens or ()) for e in ends):
        return [passed(f"{listing(ends)} belongs to the vocabulary of {family.name} ({name}).", span)]
    if search(spec, _ADDED, body_only=True) or ends[0] not in EOS_ELSEWHERE:
        return [
            unknown(
                f"{ends[0]} is not in the vocabulary of {family.name}; it may have been added. "
                "The published tokenizer would tell.",
                span,
            )
        ]
    return [
        failed(
            f"The template ends a turn with {ends[0]}, which is the end token of {EOS_ELSEWHERE[ends[0]]}; the "
            f"vocabulary of {family.name} ({name}) has no such token, and the card does not say that it was "
            "added.",
            span,
        )
    ]


@check(
    "R303",
    "template-agreement",
    severity=Severity.MEDIUM,
    confidence=Severity.MEDIUM,
    needs=("card", "subject"),
    asks="code",
)
def template_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The template in the card is the tokenizer's template

    What: Looks for the role marks of the card's template (such as <|user|>) in the tokenizer's chat template.
    Why: A prompt in another format than the training's costs several points on every benchmark without an error.
    Fix: Show what `tokenizer.apply_chat_template` prints.
    Sources: https://github.com/EleutherAI/lm-evaluation-harness/issues/2344;
    https://huggingface.co/docs/transformers/chat_templating
    """
    shown = [
        (b, [m for m in _marks(b) if m not in ENDS and m not in {"<s>", "<|begin_of_text|>"}]) for b in _shown(spec)
    ]
    shown = [(b, marks) for b, marks in shown if marks]
    if not shown:
        return [absent("The card shows no chat template with role marks.")]
    repo = subject(evidence)
    template = template_of(repo) if repo else ""
    block, marks = shown[0]
    if not template:
        return [unknown("The tokenizer's chat template was not looked at, or there is none.", block.span)]
    lost = [m for m in marks if m not in template]
    if not lost:
        return [passed(f"Every role mark of the card's template ({listing(marks)}) is in the tokenizer's.", block.span)]
    # "'<|' + role + '|>'" writes marks that do not stand in the template's text
    if re.search(r"\+\s*message(?:\[['\"]role['\"]\]|\.role)", template):
        return [
            unknown(f"The tokenizer's template builds its marks from the roles: {lost[0]} may come of it.", block.span)
        ]
    return [failed(f"{listing(lost)} of the card's template is not in the tokenizer's chat template.", block.span)]


@check("R305", "template-exists", severity=Severity.HIGH, needs=("card", "subject"), asks="code")
def template_exists(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Code that applies a chat template finds one

    What: Asks whether the tokenizer of a model whose usage code calls apply_chat_template has a chat template.
    Why: Without one the call raises an error since transformers 4.44, and before that used a default of another
    model.
    Fix: Publish the template with the tokenizer (chat_template.jinja).
    Sources: https://github.com/huggingface/transformers/pull/31733;
    https://huggingface.co/docs/transformers/chat_templating
    """
    spans = [
        source_span(s.block, call.lineno)
        for s in python_snippets(spec.code)
        if s.tree is not None
        for call in calls_of(s.tree, "apply_chat_template")
    ]
    if not spans:
        return [absent("No usage code applies a chat template.")]
    repo = subject(evidence)
    if repo is None or not (repo.get("eos_token").known or repo.file("tokenizer_config.json")):
        return [unknown("The published tokenizer was not looked at.", spans[0])]
    if template_of(repo):
        return [passed("The published tokenizer has a chat template.", spans[0])]
    return [failed("The usage code applies a chat template; the published tokenizer has none.", spans[0])]
