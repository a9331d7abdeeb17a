"""Which training semantics are regenerated here; a plan that names another is refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from repro.errors import RunError
from repro.plan import REFERENCE_FREE, StagePlan

SUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "truncation_side": ("right", "left"),
        "row_filter": ("labels", "none"),
        "sampling_rule": ("remainder", "shuffle_head", "head"),
        "sampler": ("shuffled_random", "random", "sequential", "length_grouped"),
        "sampler_seed": ("seed", "data_seed"),
        "last_window": ("keep", "drop"),
        "partial_window_gradient": ("full", "actual"),
        "partial_window_divisor": ("full", "actual"),
        "scheduler_ticks": ("step", "process"),
        "warmup_rounding": ("down", "up"),
        "weight_decay_groups": ("matrices", "all"),
        "training_dropout": ("config", "off"),
        "reference_log_probs": ("start", "live"),
        "pad_token_rule": ("added", "kept"),
    }
)
"""Terms of `semantics.CHOICES` by field. A live reference is frozen and in evaluation mode: what it says of a pair is
the same number whenever it is asked, so it is asked once, before training, like one computed at the start."""


def refuse_unsupported(stage: StagePlan) -> None:
    """
    Raises:
        RunError: the plan names training semantics that are not regenerated here.
    """
    for field, terms in SUPPORTED.items():
        value = getattr(stage.semantics, field)
        unreferred = stage.method == "sft" or stage.hyperparameters.loss_type in REFERENCE_FREE
        if value in terms or (field == "reference_log_probs" and unreferred):
            continue
        raise RunError(
            f"stage {stage.name!r} has {field} {value!r}, which this version cannot regenerate",
            hint=f"it regenerates {', '.join(terms)}: --assume {stage.name}.{field}=... trains with one of them",
        )
