"""What bf16 weights without float32 masters cannot take up: updates that are rounded away, counted for the plan."""

from __future__ import annotations

from repro.arithmetic import bf16_reach, bf16_share_moved
from repro.plan import StagePlan
from repro.resolve.values import show
from repro.spec import Origin

DEVIATION = 0.02
"""Standard deviation of the weights of a language model, assumed: what LlamaConfig initialises with (transformers
5.23: initializer_range), near which published matrices stay."""
FEW = 0.1
"""The share below which a plan that only assumes float32 masters says what would be without them."""


def rounding_note(stage: StagePlan) -> str:
    """A sentence where the stage's weights are kept in bf16, or only assumed not to be; empty where all is well.

    Adam's update is about the learning rate in size, whatever the gradient (Kingma and Ba 2015, arXiv:1412.6980,
    2.1), so that what it can change follows from the rate alone. A warm-up, a decay and most gradients make it less.
    """
    h = stage.hyperparameters
    if h.precision == "fp32" or stage.adapter is not None:  # an adapter's own weights are float32
        return ""
    share = bf16_share_moved(h.learning_rate, deviation=DEVIATION)
    told = (
        f"at the peak rate {show(h.learning_rate)} one step of Adam changes about {share:.1%} of them, those "
        f"below {bf16_reach(h.learning_rate):.2g} in size, and rounds the rest back (bf16 numbers lie 1/128 to "
        f"1/256 of their size apart; weights assumed normal about 0 with deviation {DEVIATION:g})"
    )
    if h.master_weights == "bf16":
        return f"{stage.name}: the weights are kept in bf16 without float32 master weights: {told}."
    fact = stage.get("master_weights")
    if fact.origin is Origin.ASSUMED and not fact.why.startswith("given") and share < FEW:
        return (
            f"{stage.name}: float32 master weights are assumed ({fact.why.split(';')[-1].strip()}). Were the weights "
            f"kept in bf16 alone, the training would hardly move them: {told}."
        )
    return ""
