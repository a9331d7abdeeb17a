"""The mechanical fixes of a card: made, looked at again, and taken back where they did not mend what they should."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.card import Problem
from repro.edits import apply_edits
from repro.errors import CardError, ReproError
from repro.files import write_whole
from repro.finding import Finding, Outcome

ROUNDS = 5
"""A fix may make room for another; a card that still asks for changes after so many rounds is left as it is then."""
TRIES = 40
"""Fixes that are tried one by one where all together did harm."""


@dataclass(frozen=True, slots=True)
class Look:
    """What reading and checking a card gave."""

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...] = ()

    def fixable(self, wanted: Callable[[Finding], bool]) -> list[Finding]:
        """What failed, has an edit, nobody ignores, and is `wanted`."""
        return [f for f in self.findings if f.outcome is Outcome.FAIL and f.edits and not f.ignored and wanted(f)]


@dataclass(frozen=True, slots=True)
class Mended:
    """A card after its fixes."""

    before: bytes
    data: bytes
    fixed: tuple[Finding, ...]
    refused: tuple[tuple[Finding, str], ...]
    """Fixes that were not made, and why."""
    look: Look
    """What is found in the card as it is now."""

    @property
    def changed(self) -> bool:
        return self.data != self.before


def mend(
    data: bytes, look: Callable[[bytes], Look], wanted: Callable[[Finding], bool] = lambda finding: True
) -> Mended:
    """Make every edit that the findings of `look` bring, as far as a second look finds the failure gone and no other
    in its place. `mend(mend(x)) == mend(x)`. `wanted` chooses among the findings.

    `look` reads and checks a card's bytes; it must answer the same for the same bytes.
    """
    before, seen = data, look(data)
    fixed: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    for _ in range(ROUNDS):
        fixable = seen.fixable(wanted)
        if not fixable:
            refused = []
            break
        data, made, refused, seen = _round(data, fixable, seen, look)
        fixed += made
        if not made:
            break
    return Mended(before, data, tuple(fixed), tuple(refused), seen)


def _round(
    data: bytes, wanted: Sequence[Finding], seen: Look, look: Callable[[bytes], Look]
) -> tuple[bytes, list[Finding], list[tuple[Finding, str]], Look]:
    together = apply_edits(data, [f.edits for f in wanted])
    made = [f for f, reason in zip(wanted, together.refused, strict=True) if not reason]
    refused = [(f, reason) for f, reason in zip(wanted, together.refused, strict=True) if reason]
    if not made:
        return data, [], refused, seen
    after = look(together.data)
    if not _harm(seen, after, made):
        return together.data, made, refused, after
    kept: list[Finding] = []
    best, best_look = data, seen
    for finding in made:
        if len(kept) + len(refused) >= TRIES:
            refused.append((finding, "too many fixes had to be tried one by one"))
            continue
        trial = apply_edits(data, [f.edits for f in (*kept, finding)])
        if trial.refused[-1]:
            refused.append((finding, trial.refused[-1]))
            continue
        after = look(trial.data)
        if harm := _harm(best_look, after, [finding]):
            refused.append((finding, harm))
            continue
        kept.append(finding)
        best, best_look = trial.data, after
    return best, kept, refused, best_look


def _harm(before: Look, after: Look, made: Sequence[Finding]) -> str:
    """Why the fixes are no good: what they should mend is still there, or something else fails."""
    old = Counter(f.code for f in before.findings if f.outcome is Outcome.FAIL)
    new = Counter(f.code for f in after.findings if f.outcome is Outcome.FAIL)
    for code, count in Counter(f.code for f in made).items():
        if new[code] > old[code] - count:
            return f"{code} would still fail"
    worse = next((f for f in after.findings if f.outcome is Outcome.FAIL and new[f.code] > old[f.code]), None)
    if worse is not None:
        return f"{worse.code} would then fail: {worse.message}"
    if len(after.problems) > len(before.problems):
        return f"the card could then not be read whole: {after.problems[-1].message}"
    return ""


def write_mended(path: str, mended: Mended) -> None:
    """Write the card in its own place, whole or not at all, with its own permissions.

    Raises:
        CardError: a link, something that is no regular file, or a file that changed since it was read.
        ReproError: no permission, or the disk is full.
    """
    place = Path(path)
    try:
        about = os.lstat(place)
        if stat.S_ISLNK(about.st_mode):
            raise CardError(
                "is a link: a fix is not written through it",
                where=path,
                hint=f"name the file: {os.path.realpath(path)}",
            )
        if not stat.S_ISREG(about.st_mode):
            raise CardError("is no regular file: a fix is not written to it", where=path)
        if place.read_bytes() != mended.before:
            raise CardError("changed while it was checked: nothing was written", where=path, hint="run it again")
    except OSError as error:
        raise CardError(f"cannot be read: {error.strerror or error}", where=path) from error
    if not os.access(place, os.W_OK):
        raise ReproError("may not be written (no permission)", where=path, hint="make the file writable, or use --diff")
    write_whole(place, mended.data, mode=stat.S_IMODE(about.st_mode))
    if about.st_uid != os.geteuid():
        with contextlib.suppress(OSError):
            os.chown(place, about.st_uid, about.st_gid)
