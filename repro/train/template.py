"""The Tulu chat format in plain Python: what is said, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.train.odd_row import OddRow

Message = Mapping[str, Any]

TULU_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] in ('system', 'user') -%}"
    "{{ '<|' ~ message['role'] ~ '|>\\n' ~ message['content'] ~ '\\n' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>\\n' ~ message['content'] ~ eos_token ~ ('' if loop.last else '\\n') }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"
)
"""The same format for a tokenizer to carry along: a turn opens with its role, an assistant's closes with the
tokenizer's own end of sequence (open_instruct/dataset_transformation.py@e6c3044, template "tulu")."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text, and the characters that belong to each message."""

    text: str
    spans: tuple[tuple[int, int], ...]
    """(start, end) of each message: from where the messages before it end when rendered alone, to where it does,
    with the generation prompt when an assistant answers it."""


def render(messages: Sequence[Message], eos_token: str) -> Rendered:
    """The conversation in the Tulu format, without a generation prompt.

    Raises:
        RunError: a message is not a role and a text.
    """
    text = ""
    spans: list[tuple[int, int]] = []
    said = [checked(message) for message in messages]
    end = 0
    for number, (role, content) in enumerate(said):
        start, last = end, number + 1 == len(said)
        if role in ("system", "user"):
            text += f"<|{role}|>\n{content}\n"
        elif role == "assistant":
            text += f"<|assistant|>\n{content}{eos_token}"
        end = len(text)
        if role == "assistant" and not last:
            text += "\n"
        answered = not last and said[number + 1][0] == "assistant"
        # rendered alone, the prompt follows at once, without the line break that an assistant's turn is given here
        spans.append((start, end + len("<|assistant|>\n") if answered else end))
    return Rendered(text, tuple(spans))


def checked(message: Message) -> tuple[str, str]:
    """The role and the text of a message.

    Raises:
        OddRow: it is not a role and a text.
    """
    role = message.get("role") if isinstance(message, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or not isinstance(content, str):
        raise OddRow("the row holds a message that is not a role and a text", hint="messages need role and content")
    return role, content


def common_messages(first: Sequence[Message], second: Sequence[Message]) -> int:
    """How many leading messages two conversations share."""
    shared = 0
    for one, other in zip(first, second, strict=False):
        if checked(one) != checked(other):
            break
        shared += 1
    return shared
