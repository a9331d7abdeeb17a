"""The law of configuration claims: artefacts may confirm or contradict them, a run only uses them."""

from __future__ import annotations

import re

from repro.arithmetic import rows_of_steps
from repro.compare.case import Case, result
from repro.compare.end_token import compare_end_token
from repro.compare.rows import row_counts, total_rows
from repro.compare.step_causes import FILTERED
from repro.compare.template import compare_template
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import AnyFact, Claim, ClaimKind, Origin, Value

_NEEDS = "the author's training configuration in the repository, or runs with other values beside this one"


def compare_config(case: Case, claim: Claim, losses: dict[str, Comparison]) -> Comparison:
    """CONSISTENT or DIFFERS by an artefact; INCONCLUSIVE where the card states two values; otherwise UNTESTED."""
    key = key_of(claim)
    if claim.unstated:
        return result(claim, Verdict.UNSTATED, f"The card leaves the {_words(key)} open.")
    if key == "template_end_token":
        return compare_end_token(case, claim)
    conflict = _conflict(case, claim, key)
    if conflict:
        return conflict
    if key == "chat_template" and (by_text := compare_template(case, claim)) is not None:
        return by_text
    by_artefact = _by_artefact(case, claim, key)
    if by_artefact is not None:
        return by_artefact
    if key == "learning_rate" and (by_log := _peak_of_log(case, claim)) is not None:
        return by_log
    if key == "dataset_fraction" and (by_steps := _share_by_steps(case, claim)) is not None:
        return by_steps
    if key == "dataset_rows" and (by_share := _rows_by_share(case, claim)) is not None:
        return by_share
    return _only_used(case, claim, losses)


def key_of(claim: Claim) -> str:
    """The standard term that a config, data or identity claim is about."""
    return claim.id.partition("#")[0].rpartition(".")[2]


def equal(claim: Claim, value: Value | None) -> bool:
    """Whether a value found elsewhere is the claimed one, within the printed digits for numbers."""
    mine = claim.value
    if isinstance(mine, bool) or isinstance(value, bool):
        return mine is value
    if isinstance(mine, int | float) and isinstance(value, int | float):
        # A whole number of epochs or steps is exact; 5e-7 and 0.1 are what their author typed, too.
        return abs(mine - value) <= 1e-9 * max(abs(mine), abs(value), 1e-300)
    if isinstance(mine, tuple) or isinstance(value, tuple):
        left = mine if isinstance(mine, tuple) else (mine,)
        right = value if isinstance(value, tuple) else (value,)
        return {str(v).casefold() for v in left} == {str(v).casefold() for v in right}
    return str(mine).strip().casefold() == str(value).strip().casefold()


def _conflict(case: Case, claim: Claim, key: str) -> Comparison | None:
    stage = case.stage(claim)
    stated = [f for f in (stage.all(key) if stage is not None else ()) if f.known and f.origin is Origin.STATED]
    if len({_plain(f.value) for f in stated}) < 2:
        return None
    places = []
    for fact in stated:
        words = f"{fact.printed or fact.value}" + (f" (line {fact.span.line})" if fact.span is not None else "")
        if words not in places:
            places.append(words)
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"The card states both {' and '.join(places)}: which was used cannot be told from it.",
        method="none",
        weight_why="the card does not agree with itself",
        needs="one value for the stage",
    )


def _by_artefact(case: Case, claim: Claim, key: str) -> Comparison | None:
    found = [(where, f) for where, f in case.found(claim, key) if f.origin in {Origin.FOUND, Origin.STATED}]
    if not found:
        return None
    others = [(w, f) for w, f in found if not equal(claim, f.value)]
    if others and len(others) < len(found):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"Artefacts disagree: {'; '.join(f'{_where(w, f)} says {f.value}' for w, f in found)}.",
            method="artefact",
            needs="one of them, settled",
        )
    where, fact = found[0]
    kind = _where(where, fact)
    if others and _same_word(claim, fact.value):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{kind} says {fact.value} and the card {claim.printed}: one of them may be the other's short name.",
            method="artefact",
            evidence_kind=kind,
            needs="the name that the framework knows",
        )
    if others and _rounds_to(claim, fact.value):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{kind} says {fact.value} and the card {claim.printed}: the same only if the author rounded it.",
            method="artefact",
            evidence_kind=kind,
            needs="the value with all its digits",
        )
    if others:
        return result(
            claim,
            Verdict.DIFFERS,
            f"The card says {claim.printed} and {kind} says {fact.value}.",
            method="artefact",
            weight=Weight.STRONG,
            weight_why="an artefact of the training decides it, without a run",
            measured_text=str(fact.value),
            evidence_kind=kind,
        )
    return result(
        claim,
        Verdict.CONSISTENT,
        f"{kind} says {fact.value}, as the card does.",
        method="artefact",
        weight=Weight.MODERATE,
        weight_why="the author's own artefact repeats it",
        measured_text=str(fact.value),
        evidence_kind=kind,
    )


def _peak_of_log(case: Case, claim: Claim) -> Comparison | None:
    """The highest learning rate in a published log is the peak, or just under it where not every step is logged."""
    found = case.log(claim)
    if found is None or claim.number is None:
        return None
    rates = [e.learning_rate for e in found[1] if e.learning_rate is not None]
    if len(rates) < 10:
        return None
    peak, value = max(rates), claim.number.value
    where = f"log in {found[0].repo_id}"
    if peak > claim.number.interval.hi * 1.001:
        return result(
            claim,
            Verdict.DIFFERS,
            f"The {where} reaches a learning rate of {peak:.4g}, above the card's {claim.printed}.",
            method="artefact",
            weight=Weight.STRONG,
            weight_why="the author's own log decides it",
            measured=peak,
            measured_text=f"{peak:.4g} (log)",
            evidence_kind=where,
        )
    if peak >= 0.9 * value:
        return result(
            claim,
            Verdict.CONSISTENT,
            f"The {where} peaks at {peak:.4g}; the card says {claim.printed}.",
            method="artefact",
            weight=Weight.MODERATE,
            weight_why="the author's own log shows it step by step",
            measured=peak,
            measured_text=f"{peak:.4g} (log)",
            evidence_kind=where,
        )
    return None


def _share_by_steps(case: Case, claim: Claim) -> Comparison | None:
    """The share of the rows that the claimed number of steps, batch and epochs imply."""
    stage = case.stage(claim)
    steps = next((c for c in case.spec.claims if c.kind is ClaimKind.STEPS and c.stage == claim.stage), None)
    batch, epochs = case.fact(claim, "effective_batch_size").value, case.fact(claim, "num_epochs").value
    if stage is None or len(stage.datasets) != 1 or steps is None or steps.number is None or claim.number is None:
        return None
    if not isinstance(batch, int | float) or not isinstance(epochs, int | float) or batch < 1 or epochs <= 0:
        return None
    implied = rows_of_steps(int(steps.number.value), int(batch), float(epochs))
    totals = total_rows(case, claim, stage.datasets[0])
    factor = 0.01 if claim.number.unit == "%" else 1.0
    share = claim.number.value * factor
    counts = row_counts(case, claim)
    if implied is None or share <= 0 or not (totals or counts):
        return None
    total = totals[0][0] if totals else round(counts[0].rows / share)
    printed = claim.number.interval
    low, high = implied.lo / total, implied.hi / total / (1 - FILTERED)
    about = "" if totals else "about "
    shares = f"{100 * implied.lo / total:.2f} to {100 * implied.hi / total:.2f}%"
    rows = f"{implied.lo:,.0f} to {implied.hi:,.0f} rows"
    base = f"{steps.printed} steps of {batch:g} are {rows}, {shares} of {about}{total:,}"
    if low <= printed.hi * factor and high >= printed.lo * factor:
        return result(
            claim,
            Verdict.CONSISTENT,
            f"{base}; the card says {claim.printed}.",
            method="arithmetic",
            weight=Weight.WEAK,
            weight_why="share, steps and batch size fit each other; which rows were drawn is not shown",
            evidence_kind="arithmetic",
        )
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"{base}; the card says {claim.printed}. One of the figures is off, and arithmetic cannot tell which.",
        method="arithmetic",
        needs="the number of rows that the author's run loaded",
    )


def _rows_by_share(case: Case, claim: Claim) -> Comparison | None:
    """A stated row count beside the stated share of the data set's size."""
    if claim.number is None:
        return None
    counts = [c for c in row_counts(case, claim) if c.how != "stated"]
    if not counts:
        return None
    printed = claim.number.interval
    for count in counts:
        low, high = (count.rows - count.slack) * (1 - FILTERED), count.rows + count.slack
        if printed.lo <= high and printed.hi >= low:
            return result(
                claim,
                Verdict.CONSISTENT,
                f"{count.words()} would be drawn, before filters; the card says {claim.printed}.",
                method="arithmetic",
                weight=Weight.WEAK,
                weight_why="the figures fit each other; which rows were drawn is not shown",
                evidence_kind="arithmetic",
            )
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"{counts[0].words()} would be drawn; the card says {claim.printed}, and does not say what else was left out.",
        method="arithmetic",
        needs="how the rows were chosen",
    )


def _only_used(case: Case, claim: Claim, losses: dict[str, Comparison]) -> Comparison:
    own = [
        losses[c.id] for c in case.spec.claims if c.kind is ClaimKind.LOSS and c.stage == claim.stage and c.id in losses
    ]
    why = "No run used it and no artefact repeats it."
    if case.run is not None and case.curves(claim):
        why = f"The {case.scale} run used it as given; a run cannot test one parameter by itself."
        if case.scale == "proxy":
            why = "It was used as given, or scaled as the plan lists; a small stand-in cannot test it."
        tested = [c for c in own if c.method != "invariant" and c.scale == "full"]
        if tested and all(c.verdict is Verdict.REPRODUCED for c in tested):
            why += f" The {len(tested)} loss(es) of this stage were reproduced with it at full scale."
        elif any(c.verdict is Verdict.DIFFERS for c in tested):
            why += " Losses regenerated with it differ from the card's: it, or another value, is not what was used."
    return result(claim, Verdict.UNTESTED, why, needs=_NEEDS, scale=case.scale)


def _where(where: str, fact: AnyFact) -> str:
    return str(fact.span) if fact.span is not None and fact.span.source else where


def _rounds_to(claim: Claim, value: Value | None) -> bool:
    whole = isinstance(claim.value, int) and isinstance(value, int)
    number = claim.number
    return (
        number is not None
        and not whole
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and number.interval.contains(value * (100 if number.unit == "%" else 1))
    )


def _same_word(claim: Claim, value: Value | None) -> bool:
    """Whether one name begins with the other: AdamW and adamw_torch_fused, linear and linear_with_warmup."""
    if not isinstance(claim.value, str) or not isinstance(value, str):
        return False
    mine, other = (re.sub(r"[^a-z0-9]", "", v.casefold()) for v in (claim.value, value))
    return bool(mine and other) and (mine.startswith(other) or other.startswith(mine))


def _plain(value: Value | None) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{float(value):.12g}"
    return str(value).casefold()


def _words(key: str) -> str:
    return key.replace("_", " ")
