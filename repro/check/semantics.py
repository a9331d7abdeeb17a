"""R4, continued: whether the numbers of a loss mean what the card's words make of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from repro.check.lineage import is_preference, stage_fact
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import search
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Interval
from repro.spec import ClaimKind, Spec

SUMMED = frozenset({"dpo", "wpo"})
AVERAGED = frozenset({"dpo_norm"})
LOG_2_AT_START = frozenset({"dpo", "dpo_norm", "wpo"})
"""Losses that are -log sigmoid(beta x 0) before the first update."""
START_TOLERANCE = 0.01
"""bf16 log-probabilities at two batch shapes move the first loss by up to 0.001; ten times that is allowed."""
BF16_STEP = 2.0**-8
"""Half the relative spacing of bfloat16 above a power of two; just below the next it is half of that again."""
_ADAPTER = re.compile(r"\b(?:q?lora|peft|adapter)\b", re.IGNORECASE)
_MASTER = re.compile(
    r"\bdeepspeed\b|\bzero[- ]?[123]\b|\bmaster weights\b|\bfsdp\b|\bmixed[- ]precision\b|\bnative amp\b|\bamp\b",
    re.IGNORECASE,
)


@check(
    "R403",
    "beta-against-loss",
    severity=Severity.HIGH,
    confidence=Severity.MEDIUM,
    needs=("card", "parent"),
    asks="stage",
)
def beta_against_loss(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """DPO's beta has the size that its loss needs

    What: Compares beta with the loss variant: summed log-probabilities go with betas of 0.01 to 0.5,
    log-probabilities averaged over the sequence with betas of 2 to 10.
    Why: The two differ by the length of an answer, some hundreds of tokens. With the other's beta the loss is
    saturated after a few steps, or never leaves log 2.
    Fix: State the loss variant by the framework's own name, beside beta.
    Sources: open-instruct@e6c3044:open_instruct/dpo_utils.py; Rafailov et al. 2023 (arXiv:2305.18290); Meng et al.
    2024, SimPO (arXiv:2405.14734); trl PR 3346
    """
    found = []
    for stage in spec.trainings:
        if not is_preference(stage):
            continue
        beta, loss = stage_fact(stage, "beta", evidence), stage_fact(stage, "loss_type", evidence)
        if not isinstance(beta.value, int | float) or isinstance(beta.value, bool):
            continue
        size, kind, spans = float(beta.value), str(loss.value), (beta.span, loss.span)
        claims = (f"{stage.name}.beta",)
        words = f"{stage.name}: beta {beta.printed or beta.value} with {loss.printed or loss.value}"
        if not loss.known:
            usual = "averaged" if size >= 1 else "summed"
            found.append(
                unknown(
                    f"{stage.name}: beta {beta.value} is of the size used with {usual} log-probabilities; the "
                    "loss type is not stated.",
                    *spans,
                    claims=claims,
                )
            )
        elif kind in SUMMED:
            say = passed if size <= 0.6 else failed if size >= 2 else unknown
            tail = (
                "of the usual size for summed log-probabilities"
                if size <= 0.6
                else "summed log-probabilities go with 0.01 to 0.5"
            )
            found.append(say(f"{words}: {tail}.", *spans, claims=claims))
        elif kind in AVERAGED:
            say = passed if size >= 1 else failed if size <= 0.2 else unknown
            tail = (
                "of the usual size for averaged log-probabilities"
                if size >= 1
                else "averaged log-probabilities go with 2 to 10"
            )
            found.append(say(f"{words}: {tail}.", *spans, claims=claims))
        else:
            found.append(unknown(f"{words}: which betas suit this loss is not known here.", *spans, claims=claims))
    return found or [absent("No preference stage states a beta.")]


@check(
    "R408",
    "rate-above-precision",
    severity=Severity.MEDIUM,
    confidence=Severity.MEDIUM,
    needs=("card", "parent"),
    asks="stage",
)
def rate_above_precision(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The learning rate is not lost in the weights' precision

    What: For bf16 training with a small learning rate, asks whether the optimizer kept float32 master weights.
    Why: An Adam step moves a weight by about the learning rate; a bf16 weight of 0.02 cannot hold a change below
    0.00006. At 5e-7 without master weights nearly all updates are rounded away, and the model hardly moves.
    Fix: State the precision of the weights the optimizer updates (DeepSpeed ZeRO, FSDP and AMP keep float32).
    Sources: open-instruct issue 1488; Micikevicius et al. 2018 (arXiv:1710.03740);
    https://www.deepspeed.ai/docs/config-json/#bfloat16-training-options
    """
    found = []
    for stage in spec.trainings:
        rate, precision = stage_fact(stage, "learning_rate", evidence), stage_fact(stage, "precision", evidence)
        if not isinstance(rate.value, int | float) or not precision.known:
            continue
        spans = (rate.span, precision.span)
        if str(precision.value) not in {"bf16", "fp16"} or not 0 < rate.value < 1e-5:
            continue
        reach = 2 * float(rate.value) / BF16_STEP
        printed = rate.printed or rate.value
        words = f"{stage.name}: at learning rate {printed} bf16 weights above {reach:.1e} stay as they are"
        master = stage_fact(stage, "master_weights", evidence)
        if master.known and str(master.value).lower() in {"fp32", "float32"}:
            found.append(passed(f"{stage.name}: the optimizer keeps float32 master weights.", *spans, master.span))
        elif master.known:
            found.append(failed(f"{words}, and the optimizer's copy is {master.value}.", *spans, master.span))
        elif hits := search(spec, _ADAPTER, body_only=True):
            found.append(
                unknown(f"{words}; adapters are commonly kept in float32, the card does not say.", *spans, hits[0].span)
            )
        elif hits := search(spec, _MASTER, body_only=True):
            found.append(
                passed(f"{stage.name}: {hits[0].match.group(0)} keeps float32 master weights.", *spans, hits[0].span)
            )
        else:
            found.append(
                unknown(f"{words}, unless the optimizer keeps float32 master weights, which is not stated.", *spans)
            )
    return found or [absent("No stage trains in half precision at a learning rate below 1e-5.")]


@check("R413", "first-dpo-loss", severity=Severity.HIGH, needs=("card", "parent"), asks="stage")
def first_dpo_loss(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The first DPO loss is log 2

    What: Compares a loss claimed at the first step with log 2 = 0.6931.
    Why: Before the first update policy and reference are one model, so the margin is zero and the loss is log 2 for
    every beta, data set and seed. Another value means another reference model, a loss that is no DPO loss, or dropout
    that was left on in a model that has any.
    That it is log 2 proves nothing about the rest.
    Fix: Check which reference model the run used, and state the loss variant.
    Sources: Rafailov et al. 2023 (arXiv:2305.18290), equation 7; open-instruct@e6c3044:open_instruct/dpo_utils.py;
    direct-preference-optimization issue 26
    """
    found = []
    for stage in spec.trainings:
        if not is_preference(stage):
            continue
        kind = stage_fact(stage, "loss_type", evidence)
        for claim in spec.claims:
            if claim.kind is not ClaimKind.LOSS or claim.stage != stage.name or claim.step not in {0, 1}:
                continue
            if claim.number is None or claim.window > 1 or claim.split != "train":
                continue
            claimed = claim.number.interval
            words = f"{stage.name}: the loss at step {claim.step} is {claim.printed}"
            close = claimed.meets(Interval.around(math.log(2), START_TOLERANCE))
            if kind.known and kind.value not in LOG_2_AT_START:
                found.append(unknown(f"{words}; what {kind.value} starts at is not known here.", claim.span, kind.span))
            elif close:
                found.append(
                    passed(f"{words}, log 2 within rounding, as for any DPO run.", claim.span, claims=(claim.id,))
                )
            elif kind.known:
                found.append(
                    failed(
                        f"{words}; every DPO run starts at log 2 = 0.693.", claim.span, kind.span, claims=(claim.id,)
                    )
                )
            else:
                found.append(
                    unknown(
                        f"{words}; a plain DPO loss would start at 0.693, but the loss type is not stated.", claim.span
                    )
                )
    return found or [absent("No DPO loss is claimed at the first step.")]
