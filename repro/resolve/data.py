"""What a stage trains on: which data sets, how much of each, and how many rows that is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from repro.arithmetic import rows_of_fraction
from repro.evidence import Evidence
from repro.plan import DatasetPlan
from repro.resolve.fill import Filling
from repro.resolve.recipes import known_dataset
from repro.resolve.values import assumed, derived, fold, read_value, show
from repro.spec import AnyFact, DatasetRef, Fact, Origin, Spec, missing

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}", re.ASCII)
"""A repository id on a Hub: organisation/name."""
_VERSION = re.compile(r"v?\d+(\.\d+)+(\.?-?(dev|rc|post|a|b)\d*)?", re.ASCII)
"""What "Datasets: 4.1.0" in a list of library versions leaves: no data set's name."""


def named_datasets(filling: Filling) -> tuple[DatasetRef, ...]:
    """The data sets of a stage as its card, its product's card or the card's front matter names them."""
    refs = tuple(r for r in filling.stage.datasets if not _VERSION.fullmatch(r.repo_id))
    parent = filling.parent[1].datasets if filling.parent else ()
    if "dataset" in filling.given:
        share = refs[0] if len(refs) == 1 else DatasetRef("")
        return (replace(share, repo_id=str(filling.given["dataset"]), revision="", origin=Origin.ASSUMED),)
    if refs:
        return tuple(_identified(ref, parent, filling.spec) for ref in refs)
    if parent:
        return tuple(replace(ref, origin=Origin.FOUND) for ref in parent)
    listed = filling.spec.get("datasets")
    if len(filling.spec.stages) == 1 and listed.known:
        names = listed.value if isinstance(listed.value, tuple) else (str(listed.value),)
        return tuple(DatasetRef(name, span=listed.span) for name in names)
    return ()


def _identified(ref: DatasetRef, parent: Sequence[DatasetRef], spec: Spec) -> DatasetRef:
    """`ref` with a repository id: by the parent's card, the card's own front matter or the table of known sets."""
    if REPO_ID.fullmatch(ref.repo_id):
        return _with_shares(ref, next((p for p in parent if p.repo_id == ref.repo_id), None))
    wanted = fold(ref.repo_id)
    for other in parent:
        if wanted == fold(other.repo_id.rsplit("/", 1)[-1]) or len(parent) == 1:
            return _with_shares(
                replace(ref, repo_id=other.repo_id, revision=other.revision, span=other.span, origin=Origin.FOUND),
                other,
            )
    listed = spec.get("datasets").value
    for name in listed if isinstance(listed, tuple) else ():
        if wanted == fold(name.rsplit("/", 1)[-1]):
            return replace(ref, repo_id=name)
    known = known_dataset(ref.repo_id)
    return replace(ref, repo_id=known.repo_id, origin=Origin.ASSUMED) if known else ref


def _with_shares(ref: DatasetRef, other: DatasetRef | None) -> DatasetRef:
    if other is None or ref.fraction.known or ref.rows.known:
        return ref
    return replace(ref, fraction=_found(other.fraction), rows=_found(other.rows))


def _found(fact: AnyFact) -> AnyFact:
    return replace(fact, origin=Origin.FOUND) if fact.known else fact


def settle_data(filling: Filling, evidence: Evidence, refs: Sequence[DatasetRef]) -> tuple[DatasetPlan, ...]:
    """The data sets with shares and rows; puts `dataset`, `dataset_fraction` and `dataset_rows` into the filling."""
    if not refs:
        filling.put(missing("dataset", "the card names no data set for this stage"))
        filling.put(missing("dataset_rows"))
        return ()
    split = str(filling.stage.get("dataset_split").value or "train")
    plans, rows, shares = [], [], []
    for ref in refs:
        total = _total(ref, evidence)
        fraction, count = _share(filling, ref, alone=len(refs) == 1)
        shares.append(fraction)
        used = _rows(ref.repo_id, total, fraction, count)
        rows.append(used)
        repo = evidence.repo(ref.repo_id)
        plans.append(
            DatasetPlan(
                repo_id=ref.repo_id,
                revision=ref.revision or (repo.revision if repo and repo.revision != "local" else ""),
                split=split,
                fraction=_part(fraction, count),
                rows=int(count.value) if isinstance(count.value, (int, float)) else None,
                total_rows=int(total.value) if isinstance(total.value, int) else None,
            )
        )
    ids = tuple(ref.repo_id for ref in refs)
    first = refs[0]
    why = {
        Origin.ASSUMED: f"the card calls it {filling.stage.datasets[0].repo_id!r}"
        if filling.stage.datasets and "dataset" not in filling.given
        else "given by --assume",
        Origin.FOUND: "the card of the model it made says so",
    }.get(first.origin, "")
    filling.put(Fact("dataset", ids[0] if len(ids) == 1 else ids, first.origin, span=first.span, why=why))
    if len(refs) == 1 and shares[0].known:
        filling.put(shares[0])
    filling.put(rows[0] if len(rows) == 1 else _sum(rows))
    return tuple(plans)


def _part(fraction: AnyFact, count: AnyFact) -> float | None:
    """The share sampled; None where a count is given, or where all rows are used."""
    value = fraction.value
    return float(value) if isinstance(value, (int, float)) and not count.known and value != 1 else None


def _share(filling: Filling, ref: DatasetRef, *, alone: bool) -> tuple[AnyFact, AnyFact]:
    """(fraction, rows): rows only where a count and no share is given, for a share is the rule by which rows came."""
    fraction, count = missing("dataset_fraction"), missing("dataset_rows")
    if alone:
        fraction, count = filling.strong("dataset_fraction"), filling.strong("dataset_rows")
        if "dataset_rows" in filling.given and "dataset_fraction" not in filling.given:
            return missing("dataset_fraction", "rows given by --assume"), count
    fraction = fraction if fraction.known else _checked(ref.fraction)
    count = count if count.known else _checked(ref.rows)
    if fraction.known:
        return fraction, missing("dataset_rows")
    if count.known:
        return fraction, count
    return assumed("dataset_fraction", 1.0, "nothing says that only a part was used"), count


def _checked(fact: AnyFact) -> AnyFact:
    if not fact.known or fact.value is None:
        return missing(fact.key)
    try:
        return replace(fact, value=read_value(fact.key, fact.value))
    except ValueError as error:
        return missing(fact.key, str(error))


def _total(ref: DatasetRef, evidence: Evidence) -> AnyFact:
    repo = evidence.repo(ref.repo_id)
    found = repo.get("num_rows") if repo is not None and repo.kind == "dataset" else missing("num_rows")
    known = known_dataset(ref.repo_id)
    if isinstance(found.value, int) and not isinstance(found.value, bool) and found.value > 0:
        return replace(found, why=found.why or f"{repo.source if repo else ref.repo_id}")
    if known is None:
        return missing("num_rows", f"how many rows {ref.repo_id} has was not looked up")
    return assumed("num_rows", known.rows, known.rows_source)


def _rows(repo_id: str, total: AnyFact, fraction: AnyFact, count: AnyFact) -> AnyFact:
    if count.known:
        return count
    if not isinstance(total.value, int) or not isinstance(fraction.value, (int, float)):
        return missing("dataset_rows", total.why)
    rows = rows_of_fraction(total.value, float(fraction.value))
    why = f"int({show(fraction.value)} x {total.value:,}) = {rows:,} before filters ({total.why})"
    known = known_dataset(repo_id)
    if known is not None and known.other_rows != total.value:
        other = rows_of_fraction(known.other_rows, float(fraction.value))
        same_rows = f"; {known.other_rows_source} says {known.other_rows:,}, of which it is the same"
        why += (
            same_rows
            if other == rows
            else f"; {known.other_rows_source} says {known.other_rows:,}, of which it would be {other:,}"
        )
    return derived("dataset_rows", max(rows, 1), why)


def _sum(rows: Sequence[AnyFact]) -> AnyFact:
    if not all(isinstance(r.value, int) for r in rows):
        return missing("dataset_rows", "the rows of not every data set are known")
    numbers = [r.value for r in rows if isinstance(r.value, int)]
    return derived("dataset_rows", sum(numbers), " + ".join(f"{n:,}" for n in numbers) + f" = {sum(numbers):,}")
