"""The first DPO loss: log 2 for every model, because policy and reference are still the same weights."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from repro.compare.case import KNOWN_OUTSIDE_RECIPES, Case, result
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import Claim

LOG_2 = math.log(2)
SIGMOID_LOSSES = frozenset({"dpo", "dpo_norm", "sigmoid", "sigmoid_norm"})
BFLOAT16_NOISE = 2e-3
"""Twice what bfloat16 with references from another batch shape was measured to be off (9e-4)."""
OWN_TOLERANCE = 1e-4
"""How near log 2 our own float32 run must start (measured: 2e-9)."""
NO_DROPOUT = re.compile(r"(?i)(?<![a-z])(?:llama|mistral|mixtral|qwen-?[23]|gemma|olmo|tulu|phi-?[34]|smollm)")
"""Families whose configuration has no dropout unless somebody adds it (transformers 5.23: models/*/configuration_*.py;
GPT-2, OPT and others have 0.1)."""
WEIGHT_WHY = "every DPO recipe whose reference is its own start satisfies it, so it says nothing about this one"


def first_dpo_loss(case: Case, claim: Claim) -> Comparison | None:
    """The verdict on a loss claimed at step 1 of a DPO stage, or None where the invariant does not apply.

    -logsigmoid(beta * 0) = log 2, label smoothing or not (Rafailov et al. 2023, equation 7); it holds at any scale,
    so a proxy, or no run at all, decides it.
    """
    stage = case.stage(claim)
    if claim.step != 1 or claim.window != 1 or claim.number is None or claim.split != "train" or stage is None:
        return None
    if not is_dpo(case, claim):
        return None
    loss_type = case.fact(claim, "loss_type")
    if loss_type.known and str(loss_type.value).lower() not in SIGMOID_LOSSES:
        return None
    runs = case.curves(claim)
    first = [r.steps[0].loss for r in runs if r.steps and r.steps[0].step == 1]
    measured = first[0] if first else None
    text = f"{measured:.6f} ({case.scale})" if measured is not None else ""
    tolerance = BFLOAT16_NOISE if _half_precision(case, claim) else OWN_TOLERANCE
    interval = claim.number.interval
    off = 0.0 if interval.contains(LOG_2) else min(abs(interval.lo - LOG_2), abs(interval.hi - LOG_2))
    law = "the first loss of DPO is log 2 = 0.693147 for every model, the policy being still its own reference"
    if any(abs(value - LOG_2) > tolerance for value in first):
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{_capital(law)}, and our own run logged {measured:.6f} there: the run does not keep the rule that it "
            "would have to test.",
            method="invariant",
            weight_why=WEIGHT_WHY,
            measured=measured,
            measured_text=text,
            needs="a run whose reference is its initial policy",
            scale=case.scale,
        )
    if not off:
        regenerated = case.full and bool(first)
        seen = f", and the run at full scale logged {measured:.6f}" if regenerated else ""
        seen = seen or (f"; this run logged {measured:.6f}" if measured is not None else "")
        agreed = result(
            claim,
            Verdict.REPRODUCED if regenerated else Verdict.CONSISTENT,
            f"{_capital(law)}; {claim.printed} is that, rounded{seen}.",
            method="invariant",
            weight=Weight.NONE,
            weight_why=WEIGHT_WHY,
            measured=measured,
            measured_text=text,
            evidence_kind="invariant",
            scale=case.scale,
        )
        if regenerated:
            return replace(agreed, margin=tolerance, margin_why="how far a run's first loss may be from log 2")
        return agreed
    multiple = _accumulated(case, claim)
    if multiple:
        return result(
            claim,
            Verdict.INCONCLUSIVE,
            f"{_capital(law)}; {claim.printed} is {multiple} times that, as a trainer logs it that adds up the "
            f"{multiple} micro-steps of its accumulation and does not divide.",
            method="invariant",
            weight_why=WEIGHT_WHY,
            measured=measured,
            measured_text=text,
            needs="the losses divided by the accumulation",
            scale=case.scale,
        )
    decisive = loss_type.known and loss_type.origin in KNOWN_OUTSIDE_RECIPES
    beyond = off > BFLOAT16_NOISE
    dropout = beyond and _may_drop_out(case, claim, first)
    if decisive and beyond and not dropout:
        return result(
            claim,
            Verdict.DIFFERS,
            f"{_capital(law)}; {claim.printed} is {off:.4f} away after rounding, more than bfloat16 explains "
            f"({BFLOAT16_NOISE}). Either it was not read at step 1, or the reference was not the initial policy.",
            method="invariant",
            weight=Weight.STRONG,
            weight_why="arithmetic decides it, without a run",
            measured=measured,
            measured_text=text,
            evidence_kind="arithmetic",
            scale=case.scale,
        )
    reason = "bfloat16 noise could explain that"
    needs = "the first loss with four digits"
    if beyond and not decisive:
        reason, needs = "the card does not say which DPO loss it used", "the loss type as the author set it"
    elif beyond:
        reason = "dropout, where it is on while training, moves it: nothing says that this model has none"
        needs = "the dropout in the base model's config.json, or a framework that is known to turn it off"
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"{_capital(law)}; {claim.printed} is {off:.4f} away after rounding, and {reason}.",
        method="invariant",
        weight_why=WEIGHT_WHY,
        measured=measured,
        measured_text=text,
        needs=needs,
        scale=case.scale,
    )


def _may_drop_out(case: Case, claim: Claim, first: list[float]) -> bool:
    """Whether the policy's first forward pass may have had dropout, which its reference has not."""
    stated, planned, stage = case.fact(claim, "dropout").value, case.stage_plan(claim), case.stage(claim)
    if isinstance(stated, (int, float)):
        return stated > 0
    if planned is not None and planned.semantics.training_dropout == "off":
        return False
    if case.full and first:  # the same model under the same rule, and it kept to log 2
        return False
    named = [f.value for f in (*case.spec.all("base_model"), *case.spec.all("model_id"))]
    named += [stage.base.value, stage.produces.value] if stage is not None else []
    named += [s.base for s in case.plan_run.stages] if case.plan_run is not None else []
    return not any(NO_DROPOUT.search(str(name)) for name in named if name)


def _accumulated(case: Case, claim: Claim) -> int:
    """The gradient accumulation, where the claimed figure is log 2 times it, else 0: a trainer whose loss is not
    divided by the accumulation logs the sum of its micro-steps (transformers' Trainer divides it only where the model
    does not itself: training_step)."""
    value = case.fact(claim, "gradient_accumulation_steps").value
    if claim.number is None or isinstance(value, bool) or not isinstance(value, int) or value < 2:
        return 0
    return value if claim.number.interval.widened(value * BFLOAT16_NOISE).contains(value * LOG_2) else 0


def is_dpo(case: Case, claim: Claim) -> bool:
    """Whether the claim's stage trains by direct preference optimization."""
    stage, planned = case.stage(claim), case.stage_plan(claim)
    if planned is not None and planned.method == "dpo":
        return True
    if stage is None:
        return False
    words = f"{stage.name} {stage.method}".lower()
    return "dpo" in words or "direct preference optimi" in words


def _half_precision(case: Case, claim: Claim) -> bool:
    planned = case.stage_plan(claim)
    return case.full and planned is not None and planned.hyperparameters.precision in {"bf16", "fp16"}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
