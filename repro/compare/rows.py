"""How many rows a stage trains on: every count that somebody gives, with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from repro.arithmetic import rows_of_fraction
from repro.compare.case import KNOWN_OUTSIDE_RECIPES, Case
from repro.compare.invariants import is_dpo
from repro.spec import AnyFact, Claim, DatasetRef, Origin


@dataclass(frozen=True, slots=True)
class RowCount:
    """One possible number of rows before filters, and its rounding."""

    rows: int
    firm: bool
    """Rests on what is stated or found, on no assumption."""
    how: str
    slack: int = 0
    """Rows either way that the printed digits leave open."""

    def words(self) -> str:
        return f"{self.rows:,} rows ({self.how})"


def row_counts(case: Case, claim: Claim) -> tuple[RowCount, ...]:
    """The counts for the claim's stage, the best known first; empty when some data set's size is unknown."""
    stage = case.stage(claim)
    if stage is None:
        return ()
    if len(stage.datasets) == 1:
        counts = _of_dataset(case, claim, stage.datasets[0])
        return counts or _planned(case, claim)
    parts = [_of_dataset(case, claim, d) for d in stage.datasets]
    if parts and all(parts):
        best = [p[0] for p in parts]
        total, slack = sum(p.rows for p in best), sum(p.slack for p in best)
        return (RowCount(total, all(p.firm for p in best), f"{len(best)} data sets", slack),)
    return _planned(case, claim)


def total_rows(case: Case, claim: Claim, dataset: DatasetRef) -> tuple[tuple[int, bool, str], ...]:
    """(rows, firm, where) of the whole data set: from its repository, else from the plan's table."""
    found: list[tuple[int, bool, str]] = []
    for repo in case.evidence.repos:
        if repo.kind == "dataset" and repo.repo_id == dataset.repo_id:
            for fact in repo.facts:
                value = _whole(fact)
                if fact.key in {"num_rows", "train_rows"} and value:
                    found.append((value, True, repo.repo_id))
    planned = case.stage_plan(claim)
    if not found and planned is not None:
        for entry in planned.datasets:
            if entry.total_rows and (entry.repo_id == dataset.repo_id or len(planned.datasets) == 1):
                found.append((entry.total_rows, False, entry.repo_id))
    unique = {rows: (rows, firm, where) for rows, firm, where in reversed(found)}
    return tuple(reversed(list(unique.values())))


def sampling_known(case: Case, claim: Claim) -> bool:
    """Whether no share or row count of the stage's data is assumed."""
    stage = case.stage(claim)
    facts = [f for d in stage.datasets for f in (d.fraction, d.rows)] if stage is not None else []
    return bool(facts) and all(f.origin in KNOWN_OUTSIDE_RECIPES or not f.known for f in facts)


def may_be_packed(case: Case, claim: Claim, claimed: int, expected: int) -> str:
    """Why fewer steps than rows over batch may still be right: trainers pack several rows of an SFT set into one."""
    packing = case.fact(claim, "packing")
    denied = packing.origin in KNOWN_OUTSIDE_RECIPES and packing.value is False
    if claimed >= expected or denied or is_dpo(case, claim):
        return ""
    return "several rows packed into one sequence would explain fewer, and whether they were is not stated"


def _of_dataset(case: Case, claim: Claim, dataset: DatasetRef) -> tuple[RowCount, ...]:
    counts: list[RowCount] = []
    stage = case.stage(claim)
    own = stage if stage is not None and len(stage.datasets) == 1 else None
    given = dataset.rows if dataset.rows.known or own is None else own.get("dataset_rows")
    stated = _whole(given)
    if stated:
        digits = given.number
        slack = round(digits.interval.half_width) if digits is not None and digits.last_digit > 1 else 0
        counts.append(RowCount(stated, given.origin in KNOWN_OUTSIDE_RECIPES, "stated", slack))
    fraction = dataset.fraction if dataset.fraction.known or own is None else own.get("dataset_fraction")
    share = float(fraction.value) if isinstance(fraction.value, int | float) and fraction.known else 1.0
    sampled = fraction.origin in KNOWN_OUTSIDE_RECIPES or not fraction.known
    for rows, firm, where in total_rows(case, claim, dataset):
        if share >= 1.0:
            if not stated:
                counts.append(RowCount(rows, firm and sampled, f"all of {where}"))
            continue
        slack = 0
        if fraction.number is not None:
            digit = fraction.number.last_digit / (100 if fraction.number.unit == "%" else 1)
            slack = int(rows * digit / 2)
        how = f"{share:g} of {rows:,}"
        counts.append(RowCount(rows_of_fraction(rows, share), firm and sampled, how, slack))
    return tuple(counts)


def _planned(case: Case, claim: Claim) -> tuple[RowCount, ...]:
    planned = case.stage_plan(claim)
    fact = planned.get("dataset_rows") if planned is not None else None
    if fact is None or not (rows := _whole(fact)):
        return ()
    how = "the plan's share of a known data set" if fact.origin is Origin.DERIVED else "the plan's"
    return (RowCount(rows, fact.origin in KNOWN_OUTSIDE_RECIPES, how),)


def _whole(fact: AnyFact) -> int:
    value = fact.value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        return 0
    return int(value)
