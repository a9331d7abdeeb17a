"""The four answers of a check, each built in one line."""

from __future__ import annotations

from functools import lru_cache

from repro.card import Span
from repro.finding import Edit, Observation, Outcome, make_observation

_PASS, _FAIL, _UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def _spans(spans: tuple[Span | None, ...]) -> tuple[Span, ...]:
    if len(spans) == 1:
        return (spans[0],) if spans[0] is not None else ()
    kept: list[Span] = []
    for span in spans:
        if span is not None and span not in kept:
            kept.append(span)
    return tuple(kept)


def passed(message: str, *spans: Span | None, claims: tuple[str, ...] = ()) -> Observation:
    """Looked at, and as it should be."""
    return make_observation(_PASS, message, _spans(spans) if spans else (), "", claims)


def failed(
    message: str, *spans: Span | None, fix: str = "", claims: tuple[str, ...] = (), edits: tuple[Edit, ...] = ()
) -> Observation:
    """Wrong or left out, such that the card's author would agree."""
    return make_observation(_FAIL, message, _spans(spans) if spans else (), fix, claims, edits)


def unknown(message: str, *spans: Span | None, fix: str = "", claims: tuple[str, ...] = ()) -> Observation:
    """Cannot tell; the message says what would be needed."""
    return make_observation(_UNKNOWN, message, _spans(spans) if spans else (), fix, claims)


@lru_cache(maxsize=512)
def absent(message: str) -> Observation:
    """The card has nothing that the check asks about: the commonest answer, so each is made once."""
    return Observation(Outcome.NOT_APPLICABLE, message)


def plural(count: int, noun: str) -> str:
    """ "1 step", "3 steps"."""
    if count == 1:
        return f"1 {noun}"
    ending = noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    return f"{count:,} {ending}"


def listing(words: list[str], limit: int = 4) -> str:
    """The first few words with commas, and how many more there are."""
    kept = list(dict.fromkeys(words))
    text = ", ".join(kept[:limit])
    return f"{text} and {len(kept) - limit} more" if len(kept) > limit else text
