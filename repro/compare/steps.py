"""The law of step counts: rows times epochs over the batch, and the causes that may stand between."""

from __future__ import annotations

from dataclasses import dataclass, replace

from repro.compare.case import KNOWN_OUTSIDE_RECIPES, Case, result
from repro.compare.overrides import changed, length_given
from repro.compare.rows import RowCount, may_be_packed, row_counts, sampling_known
from repro.compare.step_causes import Cause, steps_cause
from repro.compare.stopped import stop_of
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import AnyFact, Claim, Origin


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step count follows from, and whether all of it is known apart from assumptions."""

    rows: tuple[RowCount, ...]
    batch: AnyFact
    epochs: AnyFact

    @property
    def complete(self) -> bool:
        return bool(self.rows) and _number(self.batch) > 0 and _number(self.epochs) > 0

    @property
    def firm(self) -> bool:
        """No input is a recipe's default: only then may arithmetic contradict the card."""
        return (
            self.complete
            and all(r.firm for r in self.rows)
            and self.batch.origin in KNOWN_OUTSIDE_RECIPES
            and self.epochs.origin in KNOWN_OUTSIDE_RECIPES
        )

    def words(self) -> str:
        return (
            f"{' or '.join(r.words() for r in self.rows)} x {_number(self.epochs):g} epochs / "
            f"{_number(self.batch):g} per step"
        )


def compare_steps(case: Case, claim: Claim) -> Comparison:
    """REPRODUCED when a full-scale run that was not told the count takes as many steps; else by arithmetic."""
    if claim.unstated:
        return result(claim, Verdict.UNSTATED, "The card leaves the number of steps open.")
    claimed = _steps(claim)
    if claimed is None:
        return result(claim, Verdict.UNTESTED, f'"{claim.printed}" could not be read as a number of steps.')
    inputs = Inputs(row_counts(case, claim), case.fact(claim, "effective_batch_size"), case.fact(claim, "num_epochs"))
    runs = case.curves(claim)
    stop = stop_of(case, claim)
    taken = sorted({len(r.steps) for r in runs}) if case.full and stop is None else []
    told = _told(case, claim)
    if taken and not told:
        return _regenerated(case, claim, claimed, taken, inputs)
    note = ""
    if stop is not None:
        note = f" The run was ended at step {stop.step:,} of the {stop.total_steps:,} that it would have taken."
    elif runs:
        note = f" The {case.scale} run was given its step count, so its {len(runs[0].steps)} steps test nothing."
    decided = _by_log(case, claim, claimed) or _by_arithmetic(case, claim, claimed, inputs)
    return replace(decided, why=decided.why + note, scale=case.scale)


def _regenerated(case: Case, claim: Claim, claimed: int, taken: list[int], inputs: Inputs) -> Comparison:
    count = ", ".join(str(n) for n in taken)
    other = length_given(case, claim, against_the_card=taken == [claimed])
    if taken == [claimed] and not other:
        return replace(
            result(
                claim,
                Verdict.REPRODUCED,
                f"The full-scale run took {count} steps, as the card says.",
                method="count",
                weight=Weight.MODERATE,
                weight_why="rows, batch size and epochs together give this count; the other parameters do not matter",
                measured=float(claimed),
                measured_text=f"{count} (full)",
                scale=case.scale,
            ),
            margin=0.0,
            margin_why="a count agrees or it does not",
        )
    used = max(r.rows_used for r in case.curves(claim))
    cause = steps_cause(
        claimed, (RowCount(used, True, "rows in the run"),), _number(inputs.batch), _number(inputs.epochs)
    )
    firm = (
        inputs.batch.origin in KNOWN_OUTSIDE_RECIPES
        and inputs.epochs.origin in KNOWN_OUTSIDE_RECIPES
        and sampling_known(case, claim)
        and not _conflicts(case, claim)
        and not changed(case, claim, ("effective_batch_size", "num_epochs", "max_steps"))
        and not other
    )
    packed = may_be_packed(case, claim, claimed, taken[0])
    if not firm or cause.reconciles or packed:
        reason = "not every value it follows from is the card's own"
        if not other and (cause.reconciles or packed):
            reason = cause.words if cause.reconciles else packed
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"The full-scale run took {count} steps on {used:,} rows and the card says {claimed}; {reason}.",
            method="count",
            measured=float(taken[0]),
            measured_text=f"{count} (full)",
            needs="rows, batch size and epochs as the author's run had them",
            scale=case.scale,
        )
    return result(
        claim,
        Verdict.DIFFERS,
        f"With the card's batch size {_number(inputs.batch):g} and {_number(inputs.epochs):g} epochs the full-scale "
        f"run took {count} steps on {used:,} rows; the card says {claimed}"
        f"{_fitting(claimed, used, _number(inputs.batch))}.",
        method="count",
        weight=Weight.STRONG,
        weight_why="the count follows from values that the card states itself",
        measured=float(taken[0]),
        measured_text=f"{count} (full)",
        evidence_kind="arithmetic",
        scale=case.scale,
    )


def _by_log(case: Case, claim: Claim, claimed: int) -> Comparison | None:
    told = {
        int(f.value) for k in ("max_steps", "global_step") for _, f in case.found(claim, k) if isinstance(f.value, int)
    }
    if told and claimed not in told:
        said = " and ".join(f"{n}" for n in sorted(told))
        return result(
            claim,
            Verdict.DIFFERS,
            f"The trainer's state in the repository counts {said} steps; the card says {claimed}.",
            method="artefact",
            weight=Weight.STRONG,
            weight_why="the author's own trainer state decides it",
            measured=float(max(told)),
            measured_text=f"{said} (trainer state)",
            evidence_kind="trainer_state.json",
        )
    found = case.log(claim)
    if found is None or max(e.step for e in found[1]) != claimed:
        return None
    return result(
        claim,
        Verdict.CONSISTENT,
        f"The log in {found[0].repo_id} ends at step {claimed}.",
        method="artefact",
        weight=Weight.WEAK,
        weight_why="the author's log and card agree with each other",
        evidence_kind=f"log in {found[0].repo_id}",
        needs="a full-scale run",
    )


def _by_arithmetic(case: Case, claim: Claim, claimed: int, inputs: Inputs) -> Comparison:
    limit = case.fact(claim, "max_steps")
    if limit.known and limit.origin in KNOWN_OUTSIDE_RECIPES and _number(limit) == claimed:
        return _consistent(claim, f"The stated limit of optimizer steps is {claimed} too.", "arithmetic")
    if limit.known and limit.origin is Origin.STATED and 0 < _number(limit) < claimed:
        return result(
            claim,
            Verdict.DIFFERS,
            f"The card limits training to {_number(limit):g} optimizer steps and says that it took {claimed}.",
            method="arithmetic",
            weight=Weight.STRONG,
            weight_why="the card's own figures contradict each other: arithmetic decides it",
            evidence_kind="arithmetic",
        )
    if not inputs.complete:
        lacking = [
            name
            for name, there in (
                ("the number of rows", bool(inputs.rows)),
                ("the batch size", _number(inputs.batch) > 0),
                ("the epochs", _number(inputs.epochs) > 0),
            )
            if not there
        ]
        return result(
            claim,
            Verdict.UNTESTED,
            f"{claimed} steps could be checked against rows x epochs / batch, but {' and '.join(lacking)} "
            f"{'are' if len(lacking) > 1 else 'is'} not known.",
            needs=" and ".join(lacking),
        )
    cause = steps_cause(claimed, inputs.rows, _number(inputs.batch), _number(inputs.epochs))
    if cause.reconciles:
        return _consistent(
            claim,
            f"{inputs.words()} gives {cause.expected} steps; the card says {claimed}{cause.words_after}.",
            "arithmetic",
        )
    return _contradicted(case, claim, claimed, inputs, cause)


def _contradicted(case: Case, claim: Claim, claimed: int, inputs: Inputs, cause: Cause) -> Comparison:
    base = f"{inputs.words()} gives {cause.expected} steps; the card says {claimed}"
    fit = _fitting(claimed, inputs.rows[0].rows, _number(inputs.batch))
    conflicts = _conflicts(case, claim)
    packed = may_be_packed(case, claim, claimed, cause.expected)
    if inputs.firm and not conflicts and not cause.open and not packed:
        return result(
            claim,
            Verdict.DIFFERS,
            f"{base}{fit}. A dropped or partial last batch, a filter of up to a twentieth of the rows and the "
            "rounding of what is printed were tried, and none joins them.",
            method="arithmetic",
            weight=Weight.STRONG,
            weight_why="the count follows from values that are stated or found, none of them assumed",
            measured=float(cause.expected),
            measured_text=f"{cause.expected} (arithmetic)",
            evidence_kind="arithmetic",
        )
    reason = "not every value it follows from is stated: some were assumed"
    if inputs.firm:
        reason = f"the card states {conflicts} more than once and differently" if conflicts else packed or cause.words
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"{base}{fit}; {reason}.",
        method="arithmetic",
        measured=float(cause.expected),
        measured_text=f"{cause.expected} (arithmetic)",
        needs="the rows, batch size and epochs of the author's run",
    )


def _consistent(claim: Claim, why: str, kind: str) -> Comparison:
    return result(
        claim,
        Verdict.CONSISTENT,
        why,
        method="arithmetic",
        weight=Weight.WEAK,
        weight_why="rows, batch size and epochs fit each other; that they were used is not shown",
        evidence_kind=kind,
        needs="a full-scale run",
    )


def _fitting(claimed: int, rows: int, batch: float) -> str:
    """ ", which is 1 epoch" where the claimed count is another whole number of epochs."""
    if batch <= 0 or rows <= 0:
        return ""
    per_epoch = -(-rows // int(batch))
    epochs = claimed / per_epoch
    return f", which is {round(epochs)} epoch(s)" if round(epochs) >= 1 and abs(epochs - round(epochs)) < 0.06 else ""


def _told(case: Case, claim: Claim) -> bool:
    """Whether the run's number of steps was set, rather than following from data and epochs."""
    planned = case.stage_plan(claim)
    return planned is not None and planned.hyperparameters.max_steps is not None


def _conflicts(case: Case, claim: Claim) -> str:
    """Names of inputs that the card states twice and differently."""
    stage = case.stage(claim)
    keys = {"effective_batch_size": "the batch size", "num_epochs": "the epochs", "dataset_fraction": "the share"}
    names = [
        word
        for key, word in keys.items()
        if stage is not None and len({str(f.value) for f in stage.all(key) if f.known}) > 1
    ]
    return " and ".join(names)


def _steps(claim: Claim) -> int | None:
    value = claim.number.value if claim.number is not None else claim.value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        return None
    return int(value)


def _number(fact: AnyFact) -> float:
    value = fact.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
