"""Finds every check, chooses among them, and runs them on a spec and its evidence."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from repro.check.subjects import SUBJECTS, subjects_of
from repro.errors import UsageError
from repro.evidence import Evidence
from repro.finding import Check, Finding, Observation, Outcome, make_finding
from repro.spec import Spec


@lru_cache(maxsize=1)
def all_checks() -> tuple[Check, ...]:
    """Every check, by code: whatever `@check` made in a module of this folder.

    Raises:
        ValueError: two checks share a code or a slug.
    """
    found: dict[str, Check] = {}
    slugs: dict[str, str] = {}
    for module_info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module_info.name in {"checker", "ignoring"}:
            continue
        module = importlib.import_module(f"{__name__.rpartition('.')[0]}.{module_info.name}")
        for value in vars(module).values():
            if not isinstance(value, Check) or found.get(value.code) is value:
                continue
            if value.code in found or value.slug in slugs:
                raise ValueError(f"{value.code} {value.slug}: this code or slug is taken twice")
            found[value.code] = value
            slugs[value.slug] = value.code
    return tuple(found[code] for code in sorted(found))


def find_check(code_or_slug: str) -> Check | None:
    """The check of that code (in any case) or slug."""
    word = code_or_slug.strip().lower()
    return next((c for c in all_checks() if word in {c.code.lower(), c.slug}), None)


def near(code_or_slug: str) -> tuple[str, ...]:
    """Codes and slugs that resemble what was asked for, likeliest first."""
    word = code_or_slug.strip().lower()
    names = {name.lower(): name for c in all_checks() for name in (c.code, c.slug)}
    return tuple(names[n] for n in difflib.get_close_matches(word, names, n=3, cutoff=0.5))


def run_checks(
    spec: Spec,
    evidence: Evidence,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    strict: bool = False,
) -> tuple[Finding, ...]:
    """Findings of the selected checks (all, when none is selected), by code.

    `select` and `ignore` hold codes ("R401"), beginnings of codes ("R4", "R"), families ("training") or slugs;
    the ignored ones are taken out last. A check that breaks is an UNKNOWN finding, unless `strict`.

    Raises:
        UsageError: a selector names no check.
    """
    findings: list[Finding] = []
    for check, known in _rounds(tuple(select), tuple(ignore), subjects_of(spec, evidence)):
        if known is not None:
            findings += known
            continue
        try:
            observations = check.function(spec, evidence)
            if not isinstance(observations, list):
                observations = list(observations)
        except Exception as error:
            if strict:
                raise
            message = f"the check itself failed ({type(error).__name__}): nothing is known of what it asks"
            observations = [Observation(Outcome.UNKNOWN, message)]
        for observation in observations:
            kept = _nothings.get((check.code, observation.message)) if observation.outcome is _NOTHING else None
            if kept is not None and kept[0] is check and kept[1] is observation:
                findings.append(kept[2])
            else:
                findings.append(_finding(check, observation))
    return tuple(findings)


@lru_cache(maxsize=512)
def _rounds(
    select: tuple[str, ...], ignore: tuple[str, ...], subjects: int
) -> tuple[tuple[Check, tuple[Finding, ...] | None], ...]:
    """Each chosen check with the findings that are known beforehand, or None where it must look.

    A check whose subject is not there finds what it finds in an empty card: tests hold every check to that.
    """
    checks = chosen_checks(select, ignore)
    return tuple((c, None if not c.asks or SUBJECTS[c.asks] & subjects else _of_nothing(c)) for c in checks)


@lru_cache(maxsize=512)
def _of_nothing(check: Check) -> tuple[Finding, ...] | None:
    try:
        return tuple(_finding(check, o) for o in check.function(NOTHING, Evidence()))
    except Exception:
        return None  # it breaks on the card itself then, where that is told


NOTHING = Spec(source="", name="", card_sha256="", dialect="", facts=(), stages=(), claims=(), code=())
"""What an empty card says."""


def chosen_checks(select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> tuple[Check, ...]:
    """The checks that `select` names (all, when it is empty) without those that `ignore` names, by code.

    Raises:
        UsageError: a selector names no check.
    """
    if not select and not ignore:
        return all_checks()
    chosen = _matching(select) if select else {c.code for c in all_checks()}
    chosen -= _matching(ignore)
    return tuple(c for c in all_checks() if c.code in chosen)


def _matching(selectors: tuple[str, ...]) -> set[str]:
    codes: set[str] = set()
    for selector in selectors:
        word = selector.strip().lower()
        hits = {
            c.code
            for c in all_checks()
            if word and (c.code.lower().startswith(word) or word in {c.slug, c.family.value})
        }
        if not hits:
            close = near(selector)
            hint = (
                f"did you mean {' or '.join(close)}?"
                if close
                else "give a code like R401, a beginning like R4, or a slug"
            )
            raise UsageError(f"no check is called {selector!r}", hint=hint)
        codes |= hits
    return codes


_NOTHING = Outcome.NOT_APPLICABLE
_MOST_NOTHINGS = 2000
_nothings: dict[tuple[str, str], tuple[Check, Observation, Finding]] = {}
"""Findings that there is nothing to look at: most findings of most cards, and the same ones, so kept."""


def _finding(check: Check, o: Observation) -> Finding:
    finding = make_finding(check, o)
    if o.outcome is _NOTHING and len(_nothings) < _MOST_NOTHINGS:
        _nothings[check.code, o.message] = (check, o, finding)
    return finding
