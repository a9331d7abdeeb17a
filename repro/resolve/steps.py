"""How many optimizer steps a stage takes: epochs, rows and batch, set beside what the card counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from repro.arithmetic import steps_of_rows, warmup_steps_of_ratio
from repro.resolve.fill import Filling
from repro.resolve.values import assumed, derived, show
from repro.spec import AnyFact, Claim, ClaimKind, Origin, Spec, missing

FILTERED = 0.05
"""Largest share of rows that filters are taken to have dropped before a step count is called another recipe's."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is known of a stage's length."""

    epochs: float
    max_steps: int | None
    claimed: int | None
    """The steps that the card counts."""
    expected: int | None
    """What the full-scale run will take, as far as that can be said."""


def claimed_steps(spec: Spec, stage: str) -> Claim | None:
    """The card's count of the stage's optimizer steps, where it gives one."""
    return next((c for c in spec.claims if c.kind is ClaimKind.STEPS and c.stage == stage and _count(c)), None)


def _count(claim: Claim) -> int | None:
    value = claim.number.value if claim.number is not None else claim.value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 1e9 or value != int(value):
        return None
    return int(value)


def settle_steps(filling: Filling) -> Steps:
    """Puts `num_epochs` or `max_steps`, and `expected_steps`, into the filling; batch and rows are there already."""
    claim = claimed_steps(filling.spec, filling.stage.name)
    claimed = _count(claim) if claim else None
    batch, rows = filling.value("effective_batch_size"), filling.value("dataset_rows")
    batch = batch if isinstance(batch, int) else None
    rows = rows if isinstance(rows, int) else None
    epochs_fact, max_fact = filling.strong("num_epochs"), filling.strong("max_steps")
    max_fact = _asked(filling, epochs_fact, max_fact, claim)
    if not epochs_fact.known and not max_fact.known:
        epochs_fact, max_fact = _from_claim(filling, claim, claimed, batch, rows)
    if not epochs_fact.known and not max_fact.known:
        epochs_fact = filling.recipe("num_epochs")
    if epochs_fact.known:
        filling.put(epochs_fact)
    if max_fact.known:
        filling.put(max_fact)
    if not epochs_fact.known and not max_fact.known:
        if not any(h.key == "num_epochs" for h in filling.holes):
            filling.hole("num_epochs", "neither the card nor an artefact says, and no recipe gives it")
        return Steps(1.0, None, claimed, claimed)
    epochs = float(epochs_fact.value) if isinstance(epochs_fact.value, (int, float)) else 1.0
    max_steps = max_fact.value if isinstance(max_fact.value, int) else None
    expected = _expected(filling, claim, claimed, epochs, max_steps, batch, rows)
    return Steps(epochs, max_steps, claimed, expected)


def _asked(filling: Filling, epochs: AnyFact, most: AnyFact, claim: Claim | None) -> AnyFact:
    """`max_steps` where it was asked for, rather than what came out of a number of epochs."""
    if not most.known or not epochs.known:
        return most
    reported = claim is not None and most.span is not None and most.span == claim.span
    outcome = most.origin is Origin.FOUND and epochs.origin in {Origin.STATED, Origin.ASSUMED}
    if outcome or reported:
        filling.note(
            f"{show(most.value)} steps are what came out of {show(epochs.value)} epochs, not a limit: the epochs are "
            "run."
        )
        return missing("max_steps", "the epochs are stated")
    if epochs.origin is Origin.ASSUMED and most.origin is not Origin.ASSUMED:
        return missing("max_steps", "epochs given by --assume stand over it")
    return most


def _from_claim(
    filling: Filling, claim: Claim | None, claimed: int | None, batch: int | None, rows: int | None
) -> tuple[AnyFact, AnyFact]:
    """Epochs that the counted steps imply, or the count itself where no whole number of epochs comes near."""
    none = missing("num_epochs"), missing("max_steps")
    if claimed is None or claim is None:
        return none
    if batch is not None and rows is not None:
        per_epoch, how = _per_epoch(filling, rows, batch)
        per_epoch = max(1, per_epoch)
        epochs = max(1, math.ceil(claimed / per_epoch - 1e-9))
        if (1 - FILTERED) * per_epoch * epochs <= claimed <= per_epoch * epochs:
            why = f"steps / steps of an epoch = {claimed:,} / {how} = {claimed / per_epoch:.4g}"
            return derived("num_epochs", float(epochs), why), none[1]
    why = "epochs are not stated: the run takes as many steps as the card counts, so its count is not tested"
    return none[0], replace(derived("max_steps", claimed, why), span=claim.span)


def _expected(
    filling: Filling,
    claim: Claim | None,
    claimed: int | None,
    epochs: float,
    max_steps: int | None,
    batch: int | None,
    rows: int | None,
) -> int | None:
    if max_steps is not None:
        filling.put(derived("expected_steps", max_steps, "max_steps stands over the epochs"))
        return max_steps
    if batch is None:
        return claimed
    implied = implied_rows(claimed, batch, epochs, left_out=_left_out(filling)) if claimed else None
    if rows is None:
        if claimed is None:
            filling.put(missing("expected_steps", "the rows are known once the data are there"))
            return None
        # never put down as the rows: a count that is checked against them would prove itself
        needs = f"; it needs {implied[0]:,} to {implied[1]:,} rows, how many there are is open" if implied else ""
        filling.put(_stated(claim, claimed, f"the card's count{needs}"))
        return claimed
    one, how = _per_epoch(filling, rows, batch)
    whole = math.ceil(round(one * epochs, 9))
    if not whole:
        filling.hole("last_window", f"{rows:,} rows are fewer than one step takes, and such a window is dropped")
    formula = f"{how} x {show(epochs)} epochs = {whole:,}"
    if claimed is None:
        filling.put(derived("expected_steps", whole, f"{formula}, before filters drop rows"))
        return whole
    if claimed == whole:
        filling.put(_stated(claim, claimed, f"the card's count; {formula}"))
        return claimed
    dropped = (1 - implied[1] / rows, 1 - implied[0] / rows) if implied else None
    if dropped and dropped[1] >= 0 and dropped[0] <= FILTERED and claimed < whole:
        share = f"{max(dropped[0], 0) * 100:.1f}% to {dropped[1] * 100:.1f}%"
        needs = f"{implied[0]:,} to {implied[1]:,}" if implied else ""
        why = (
            f"the card's count; {formula} before filters; {claimed:,} steps need {needs} rows: filters dropped {share}"
        )
        filling.put(_stated(claim, claimed, why))
        return claimed
    filling.note(f"the card counts {claimed:,} steps, and {formula}: at full scale the latter is run.")
    filling.put(derived("expected_steps", whole, f"{formula}; the card counts {claimed:,}"))
    return whole


def _stated(claim: Claim | None, steps: int, why: str) -> AnyFact:
    fact = assumed("expected_steps", steps, why)
    return replace(
        fact, origin=Origin.STATED, printed=claim.printed if claim else "", span=claim.span if claim else None
    )


def _left_out(filling: Filling) -> int:
    """Rows of one pass of all devices where an epoch's last window is dropped unless it is whole; else 0.

    A window is whole when it has all its micro-batches, the last of which may be short of rows.
    """
    if filling.value("last_window") != "drop":
        return 0
    micro, devices = filling.value("per_device_batch_size"), filling.value("num_devices")
    return (micro if isinstance(micro, int) else 1) * (devices if isinstance(devices, int) else 1)


def _per_epoch(filling: Filling, rows: int, batch: int) -> tuple[int, str]:
    """Steps of an epoch, and the formula with its numbers."""
    left_out = _left_out(filling)
    if left_out:
        return (rows + left_out - 1) // batch, f"int(({rows:,} rows + {left_out - 1}) / {batch})"
    return steps_of_rows(rows, batch), f"ceil({rows:,} rows / {batch})"


def implied_rows(steps: int, batch: int, epochs: float, *, left_out: int = 0) -> tuple[int, int] | None:
    """Fewest and most rows with which ceil(rows / batch) x epochs is `steps`; None when no row count is.

    With `left_out`, the rows of one pass where a last window that is not whole is dropped, int((rows + left_out - 1)
    / batch) x epochs.
    """
    per_epoch = steps / epochs
    if abs(per_epoch - round(per_epoch)) > 1e-6 or per_epoch < 1:
        return None
    if left_out:
        return round(per_epoch) * batch - left_out + 1, (round(per_epoch) + 1) * batch - left_out
    return (round(per_epoch) - 1) * batch + 1, round(per_epoch) * batch


def settle_warmup(filling: Filling, steps: Steps) -> tuple[int | None, float]:
    """(warmup_steps where they are stated, warmup_ratio); puts both facts into the filling.

    A number of steps below 1 is a ratio, as transformers 5 writes it. `warmup_rounding` is there already.
    """
    count, ratio = filling.strong("warmup_steps"), filling.strong("warmup_ratio")
    if not count.known and not ratio.known and not any(h.key.startswith("warmup") for h in filling.holes):
        count, ratio = filling.recipe("warmup_steps"), filling.recipe("warmup_ratio")
        if not count.known and not ratio.known:
            if str(filling.value("lr_scheduler_type")) == "constant":
                count = derived("warmup_steps", 0, "a constant schedule has none")
            else:
                filling.hole("warmup_ratio", "neither the card nor an artefact says, and no recipe gives it")
    if count.known and ratio.known:
        if "warmup_ratio" in filling.given and "warmup_steps" not in filling.given:
            count = missing("warmup_steps", "the ratio given by --assume stands over it")
        elif count.value == 0 and ratio.value:
            count = missing("warmup_steps", "0 leaves it to the ratio (transformers)")
        else:
            filling.note(
                f"warmup is {show(count.value)} steps and a ratio of {show(ratio.value)}: the steps are taken."
            )
            ratio = missing("warmup_ratio", "the steps stand over it")
    if ratio.known:
        filling.put(ratio)
    share = float(ratio.value) if isinstance(ratio.value, (int, float)) else 0.0
    if isinstance(count.value, int):
        filling.put(count)
        return count.value, share
    if ratio.known and steps.expected is not None:
        filling.put(_warmup(filling, steps.expected, share))
    else:
        filling.put(missing("warmup_steps", "follows from the ratio once the steps are known"))
    return None, share


def _warmup(filling: Filling, steps: int, share: float) -> AnyFact:
    up = filling.value("warmup_rounding") == "up"
    how, devices = "ceil" if up else "int", filling.value("num_devices")
    if filling.value("scheduler_ticks") == "process" and isinstance(devices, int) and devices > 1:
        ticks = warmup_of(steps * devices, share, rounds_up=up)
        why = (
            f"{how}({steps:,} steps x {devices:,} processes x {show(share)}) = {ticks:,} ticks of the schedule, "
            f"{devices:,} a step: {ticks / devices:.4g} steps"
        )
        return derived("warmup_steps", ticks // devices, why)
    number = warmup_of(steps, share, rounds_up=up)
    return derived("warmup_steps", number, f"{how}({steps:,} steps x {show(share)}) = {number:,}")


def warmup_of(steps: int, ratio: float, *, rounds_up: bool) -> int:
    """open-instruct: `int(steps * ratio)`; transformers: `math.ceil(steps * ratio)`."""
    return math.ceil(steps * ratio) if rounds_up else warmup_steps_of_ratio(steps, ratio)
