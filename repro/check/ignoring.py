"""Applies the wishes to ignore a check, and tells of those that have no reason, no check, or nothing to ignore."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from repro.card import Ignore, Problem
from repro.check.checker import find_check, near
from repro.finding import Finding, Outcome

_CONCERNED = (Outcome.FAIL, Outcome.UNKNOWN)


def ignored(findings: tuple[Finding, ...], ignores: Iterable[Ignore]) -> tuple[Finding, ...]:
    """The findings, those of an ignored check with the reason; where several wishes meet, the first reason stands."""
    reasons: dict[str, str] = {}
    for wish in ignores:
        check = find_check(wish.check) if wish.check and wish.reason else None
        if check is not None:
            reasons.setdefault(check.code, wish.reason)
    if not reasons:
        return findings
    return tuple(
        replace(f, ignored=reasons[f.code]) if f.code in reasons and f.outcome in _CONCERNED else f for f in findings
    )


def idle(findings: Iterable[Finding], ignores: Iterable[Ignore], ran: Collection[str]) -> tuple[Ignore, ...]:
    """The sound wishes that ignored nothing; of a check that was not run nothing can be said, so those are not told."""
    ignored_codes = {f.code for f in findings if f.ignored}
    result = []
    for wish in ignores:
        check = find_check(wish.check) if wish.check and wish.reason else None
        if check is not None and check.code in ran and check.code not in ignored_codes:
            result.append(wish)
    return tuple(result)


def unsound(ignores: Iterable[Ignore]) -> tuple[Problem, ...]:
    """The wishes that were not granted, and why: no check named, none of that name, or no reason given."""
    result = []
    for wish in ignores:
        if not wish.check:
            result.append(
                Problem(wish.span, "this ignores nothing: it names no check; write ignore[R301] and a reason")
            )
        elif find_check(wish.check) is None:
            close = near(wish.check)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            result.append(Problem(wish.span, f"this ignores nothing: no check is called {wish.check!r}{hint}"))
        elif not wish.reason:
            result.append(Problem(wish.span, f"{wish.check} is not ignored: ignoring a check takes a reason"))
    return tuple(result)


def useless(wish: Ignore) -> Problem:
    """The sentence for a wish that ignored nothing."""
    return Problem(wish.span, f"this ignores nothing: {wish.check} found nothing; take it out")
