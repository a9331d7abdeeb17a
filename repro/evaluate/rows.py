"""Held-out rows, in the columns of the real data sets, as questions with answers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from repro.errors import RunError

Turns: TypeAlias = tuple[tuple[str, str], ...]
"""(role, content) of each turn, in order."""


@dataclass(frozen=True, slots=True)
class Question:
    """One row: what is asked, and the answers that are scored."""

    row_id: str
    prompt: Turns | str
    """The conversation before the answer; a string where the row is plain text, which no template touches."""
    answers: tuple[str, ...]
    """(preferred, other) of a preference row; (reference,) of an SFT row."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The answers in the order in which they are shown, which does not depend on which one is preferred.

        lm-eval breaks ties towards the first choice, so an order that knew would reward a model that cannot tell:
        alphabetical, or the reverse of it, by a bit of a hash of the row.
        """
        ordered = sorted(self.answers)
        text = json.dumps([self.row_id, self.prompt, ordered], ensure_ascii=True)
        turned = hashlib.sha256(text.encode("ascii")).digest()[0] % 2 == 1
        return tuple(reversed(ordered)) if turned else tuple(ordered)


class Unusable(Exception):
    """A row that cannot be asked; the message is the reason, counted in the score's arguments."""


def read_rows(paths: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The rows of JSON-lines files, in order; blank lines are passed over.

    Raises:
        RunError: a file cannot be read, or a line is not a JSON object.
    """
    for path in paths:
        try:
            lines = Path(path).read_bytes().split(b"\n")
        except OSError as error:
            raise RunError(f"the held-out rows cannot be read: {error.strerror or error}", where=path) from error
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise RunError(
                    "this line is not a JSON object",
                    where=f"{path}:{number}",
                    hint="held-out files hold one row a line, as a JSON object",
                )
            yield row


def preference(row: Mapping[str, Any]) -> Question:
    """A row with `chosen` and `rejected`: whole conversations, or answers beside a `prompt`.

    Columns as in allenai/llama-3.1-tulu-3-8b-preference-mixture, or TRL's explicit prompt form.

    Raises:
        Unusable: an answer is missing, both are the same, or the conversations part before the answer.
    """
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if isinstance(chosen, str) and isinstance(rejected, str):
        prompt: Turns | str = _text(row.get("prompt"), "no prompt") if not _is_list(row) else _turns(row["prompt"])
        answers = (_clean(chosen), _clean(rejected))
    else:
        before, best = _split(_turns(chosen))
        before_other, other = _split(_turns(rejected))
        if before != before_other:
            raise Unusable("the conversations part before the answer")
        given = row.get("prompt")
        if not before:
            before = _turns(given) if isinstance(given, list) else (("user", _text(given, "no prompt")),)
        prompt, answers = before, (best, other)
    if not all(a.strip() for a in answers):
        raise Unusable("an answer is empty")
    if answers[0] == answers[1]:
        raise Unusable("both answers are the same")
    return Question(_row_id(row), prompt, answers)


def completion(row: Mapping[str, Any]) -> Question:
    """A row with `messages`, or with `prompt` and `completion`: the last assistant turn is the reference.

    Columns as in allenai/tulu-3-sft-mixture, or TRL's prompt-completion form.

    Raises:
        Unusable: there is no assistant turn with something before it.
    """
    if "messages" in row:
        turns = _turns(row["messages"])
        while turns and turns[-1][0] != "assistant":
            turns = turns[:-1]
        before, reference = _split(turns)
        prompt: Turns | str = before
    elif _is_list(row):
        _, reference = _split(_turns(row.get("completion")))
        prompt = _turns(row["prompt"])
    else:
        prompt, reference = _text(row.get("prompt"), "no prompt"), _text(row.get("completion"), "no answer")
    if not prompt:
        raise Unusable("no prompt")
    if not reference.strip():
        raise Unusable("an answer is empty")
    return Question(_row_id(row), prompt, (reference,))


def _is_list(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("prompt"), list)


def _split(turns: Turns) -> tuple[Turns, str]:
    if not turns or turns[-1][0] != "assistant":
        raise Unusable("no answer")
    return turns[:-1], turns[-1][1]


def _turns(value: Any) -> Turns:
    if not isinstance(value, list):
        raise Unusable("no conversation")
    turns = []
    for turn in value:
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, dict) else (None, None)
        if not isinstance(role, str) or not isinstance(content, str):
            raise Unusable("a turn without role or text")
        turns.append((_clean(role), _clean(content)))
    return tuple(turns)


def _text(value: Any, reason: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Unusable(reason)
    return _clean(value)


def _row_id(row: Mapping[str, Any]) -> str:
    return _clean(str(row.get("id", "")))[:200]


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _clean(text: str) -> str:
    # JSON can spell half a surrogate pair, which no encoder downstream accepts.
    return _LONE_SURROGATE.sub("�", text)
