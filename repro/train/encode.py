"""Rows of chat data to token sequences with labels, the way the recipe's framework does it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from repro.errors import RunError
from repro.train.batch import Sequences
from repro.train.odd_row import Where, named, numbered, odd
from repro.train.template import Message, checked, common_messages, render

Row: TypeAlias = Mapping[str, Any]
Encoded: TypeAlias = "tuple[list[int], list[bool]]"
Tick: TypeAlias = Callable[[int], None]

SCOPES = ("all_turns", "last_turn", "completion", "all_tokens")


@dataclass(frozen=True, slots=True)
class Codec:
    """How text becomes tokens and labels."""

    tokenizer: Any
    """A transformers tokenizer; its chat template is the one that is used."""
    tulu: bool
    """The Tulu format, rendered here; else the tokenizer's own template."""
    label_scope: str
    max_seq_length: int
    truncation_side: str
    """"right" or "left": which end of a longer row is cut off."""
    row_filter: str
    """"labels" drops a row without a label token left; "none" keeps every row that has a token."""


def encode_sft(rows: Sequence[Row], codec: Codec, tick: Tick, where: Where = numbered) -> tuple[Sequences, list[int]]:
    """Sequences of the rows that the filter keeps after truncation, and those rows' numbers.

    A row has `messages`, or `prompt` and `completion`, or `text`.

    Raises:
        RunError: a row is none of these, or the tokenizer has no template.
    """
    kept: list[int] = []
    encoded: list[Encoded] = []
    for number, row in enumerate(rows):
        with named(where, number):
            one = _truncated(_sft(row, codec), codec)
        if _kept(one, codec):
            kept.append(number)
            encoded.append(one)
        tick(number + 1)
    return Sequences.of(encoded), kept


def encode_preference(
    rows: Sequence[Row], codec: Codec, tick: Tick, where: Where = numbered
) -> tuple[Sequences, Sequences, list[int]]:
    """Chosen and rejected sequences of the rows of which the filter keeps both, and those rows' numbers.

    A row has `chosen` and `rejected`, as conversations with or without the prompt's messages, or as plain texts
    after `prompt`.

    Raises:
        RunError: a row is none of these, or the tokenizer has no template.
    """
    kept: list[int] = []
    chosen: list[Encoded] = []
    rejected: list[Encoded] = []
    for number, row in enumerate(rows):
        with named(where, number):
            pair = [_truncated(one, codec) for one in _pair(row, codec)]
        if all(_kept(one, codec) for one in pair):
            kept.append(number)
            chosen.append(pair[0])
            rejected.append(pair[1])
        tick(number + 1)
    return Sequences.of(chosen), Sequences.of(rejected), kept


def _truncated(one: Encoded, codec: Codec) -> Encoded:
    length = codec.max_seq_length
    if codec.truncation_side == "left":
        return one[0][-length:], one[1][-length:]
    return one[0][:length], one[1][:length]


def _kept(one: Encoded, codec: Codec) -> bool:
    return any(one[1][1:]) if codec.row_filter == "labels" else bool(one[0])


def _sft(row: Row, codec: Codec) -> Encoded:
    messages, asked, answered = row.get("messages"), row.get("prompt"), row.get("completion")
    if messages is None and _is_conversation(asked) and _is_conversation(answered):
        messages = [*asked, *answered]
        if codec.label_scope == "completion":
            return _after(_templated(asked, codec, prompt=True), _templated(messages, codec))
    if _is_conversation(messages):
        if codec.label_scope == "completion":
            return _after(_templated(messages[:-1], codec, prompt=True), _templated(messages, codec))
        return _conversation(messages, codec)
    prompt, completion, text = row.get("prompt"), row.get("completion"), row.get("text")
    if isinstance(prompt, str) and isinstance(completion, str):
        tokens = _plain(_ended(prompt + completion, codec), codec)
        return _after(_plain(prompt, codec), tokens) if codec.label_scope == "completion" else (tokens, _all(tokens))
    if isinstance(text, str):
        tokens = _plain(_ended(text, codec), codec)
        return tokens, _all(tokens)
    raise odd(row, "messages, nor prompt and completion, nor text", ("messages",))


def _pair(row: Row, codec: Codec) -> tuple[Encoded, Encoded]:
    prompt, chosen, rejected = row.get("prompt"), row.get("chosen"), row.get("rejected")
    if _is_conversation(chosen) and _is_conversation(rejected):
        if _is_conversation(prompt):
            chosen, rejected, shared = [*prompt, *chosen], [*prompt, *rejected], len(prompt)
        else:
            shared = common_messages(chosen, rejected)
            if shared == 0 and isinstance(prompt, str):
                opening = {"role": "user", "content": prompt}
                chosen, rejected, shared = [opening, *chosen], [opening, *rejected], 1
        if codec.label_scope != "completion":
            return _conversation(chosen, codec), _conversation(rejected, codec)
        opening_tokens = _templated(chosen[:shared], codec, prompt=True)
        both = _templated(chosen, codec), _templated(rejected, codec)
        return _completions(opening_tokens, *both)
    if isinstance(chosen, str) and isinstance(rejected, str):
        opening_text = prompt if isinstance(prompt, str) else ""
        both = (
            _plain(_ended(opening_text + chosen, codec), codec),
            _plain(_ended(opening_text + rejected, codec), codec),
        )
        if codec.label_scope == "all_tokens":
            return (both[0], _all(both[0])), (both[1], _all(both[1]))
        return _completions(_plain(opening_text, codec), *both)
    raise odd(row, "chosen and rejected conversations or texts", ("chosen", "rejected"))


def _completions(prompt: list[int], chosen: list[int], rejected: list[int]) -> tuple[Encoded, Encoded]:
    """Labels after what the prompt shares with both, as TRL 1.16 has it (trainer/dpo_trainer.py, tokenize_fn)."""
    shared = min(_shared(prompt, chosen), _shared(prompt, rejected))
    return (
        (chosen, [i >= shared for i in range(len(chosen))]),
        (rejected, [i >= shared for i in range(len(rejected))]),
    )


def _after(prompt: list[int], tokens: list[int]) -> Encoded:
    """Labels after what the prompt shares with the whole (TRL 1.16: trainer/sft_trainer.py, tokenize_fn)."""
    shared = _shared(prompt, tokens)
    return tokens, [i >= shared for i in range(len(tokens))]


def _conversation(messages: Sequence[Message], codec: Codec) -> Encoded:
    """A whole conversation under a scope that goes by turns, or over everything."""
    if codec.label_scope == "all_tokens":
        tokens = _templated(messages, codec)
        return tokens, _all(tokens)
    if codec.label_scope not in SCOPES:
        raise RunError(f"the label scope {codec.label_scope!r} is unknown", hint=f"use one of {', '.join(SCOPES)}")
    masked = _masked(messages, codec.label_scope)
    if codec.tulu and getattr(codec.tokenizer, "is_fast", False):
        rendered = render(messages, codec.tokenizer.eos_token or "")
        encoding = codec.tokenizer(rendered.text, add_special_tokens=False, return_offsets_mapping=True)
        starts = [start for start, _ in encoding["offset_mapping"]]
        labels = [True] * len(starts)
        for number in masked:
            first, end = (bisect.bisect_left(starts, place) for place in rendered.spans[number])
            labels[first:end] = [False] * (end - first)
        return list(encoding["input_ids"]), labels
    return _by_prefixes(messages, masked, codec)


def _masked(messages: Sequence[Message], scope: str) -> list[int]:
    """The messages that the loss does not cover."""
    if scope == "last_turn":
        return list(range(len(messages) - 1))
    return [number for number, message in enumerate(messages) if checked(message)[0] != "assistant"]


def _by_prefixes(messages: Sequence[Message], masked: Sequence[int], codec: Codec) -> Encoded:
    """Messages found by the length, in tokens, of what comes before each and of what comes up to it.

    Source: open_instruct/dataset_transformation.py@e6c3044 (sft_tulu_tokenize_and_truncate_v1, and its last-turn
    variant), which masks what is not an assistant's: a role marker between two assistant turns is covered.
    """
    tokens = _templated(messages, codec)
    labels = [True] * len(tokens)
    for number in masked:
        start = len(_templated(messages[:number], codec)) if number else 0
        answered = number + 1 < len(messages) and checked(messages[number + 1])[0] == "assistant"
        end = len(_templated(messages[: number + 1], codec, prompt=answered))
        labels[start:end] = [False] * (min(end, len(tokens)) - start)
    return tokens, labels


def _templated(messages: Sequence[Message], codec: Codec, *, prompt: bool = False) -> list[int]:
    plain = [dict(zip(("role", "content"), checked(message), strict=True)) for message in messages]
    if not getattr(codec.tokenizer, "chat_template", None):
        raise RunError(
            "the model's tokenizer has no chat template",
            hint="--assume chat_template=tulu, or name the template that was used",
        )
    try:
        tokens = codec.tokenizer.apply_chat_template(
            plain, tokenize=True, return_dict=False, add_generation_prompt=prompt
        )
    except RunError:
        raise
    except Exception as error:  # a template is its author's code, run in a sandbox: it may raise anything
        raise RunError(f"the tokenizer's chat template failed: {error}") from error
    return list(tokens)


def _plain(text: str, codec: Codec) -> list[int]:
    return list(codec.tokenizer(text)["input_ids"])


def _ended(text: str, codec: Codec) -> str:
    eos = codec.tokenizer.eos_token or ""
    return text if text.endswith(eos) else text + eos


def _shared(first: list[int], second: list[int]) -> int:
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return number
    return min(len(first), len(second))


def _all(tokens: list[int]) -> list[bool]:
    return [True] * len(tokens)


def _is_conversation(value: object) -> TypeGuard[Sequence[Message]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and bool(len(value))
