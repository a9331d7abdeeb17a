"""What a preference loss needs beside beta, and what a framework does otherwise under the same name."""

from __future__ import annotations

from repro.plan import REFERENCE_FREE
from repro.resolve.fill import Filling
from repro.resolve.recipes import framework_of
from repro.resolve.values import derived, show
from repro.spec import AnyFact, Fact, Origin


def settle_loss(filling: Filling) -> None:
    """SimPO's margin, and notes on what the loss leaves out: once loss, beta and label smoothing are settled."""
    loss = filling.value("loss_type")
    framework = framework_of(str(filling.value("framework") or ""))
    if loss == "simpo":
        _margin(filling)
        filling.note(
            "SimPO is trained as published, without a reference and without a likelihood term; TRL's CPOTrainer adds "
            "one unless cpo_alpha is 0 (TRL 1.16: experimental/cpo/cpo_config.py, default 1)."
        )
    smoothing = filling.value("label_smoothing")
    if not isinstance(smoothing, (int, float)) or not smoothing:
        return
    if loss == "ipo":
        filling.note("IPO has no label smoothing: the loss is computed without it, as TRL does.")
    elif framework == "trl" and loss not in REFERENCE_FREE:
        filling.note(
            f"label_smoothing {show(smoothing)} is trained as cDPO's mixture; TRL 1.16's own "
            f"{'sigmoid' if loss == 'dpo' else 'sigmoid_norm'} loss does not use it (trainer/dpo_trainer.py): "
            "--assume label_smoothing=0 trains as that does."
        )


def _margin(filling: Filling) -> None:
    """`gamma_beta_ratio`: as stated, or the stated or the recipe's gamma over beta; a hole otherwise."""
    ratio, gamma = filling.strong("gamma_beta_ratio"), filling.strong("simpo_gamma")
    for fact in (ratio, gamma):
        if fact.known:
            filling.put(fact)
    if ratio.known:
        return
    if any(fact.origin is not Origin.MISSING and not fact.known for fact in (ratio, gamma)):
        return  # stated, and not a number: a hole already
    default = filling.recipe("simpo_gamma")
    used: AnyFact = gamma if gamma.known else default
    beta = filling.value("beta")
    if used.known and isinstance(used.value, (int, float)) and isinstance(beta, (int, float)):
        why = f"gamma {show(used.value)} / beta {show(beta)}"
        if gamma.known:
            filling.put(derived("gamma_beta_ratio", used.value / beta, why))
        else:
            filling.put(Fact("gamma_beta_ratio", used.value / beta, Origin.ASSUMED, why=f"{used.why}; {why}"))
        return
    filling.hole("gamma_beta_ratio", "neither the card nor an artefact says, and no recipe gives it")
