"""A stage's training semantics: what frameworks do differently and no card's table of parameters says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Semantics:
    """One value a field, each a term of `CHOICES`; `StagePlan.facts` says where each came from.

    What a card's table does name (loss_type, loss_reduction, label_scope, label_smoothing, weight_decay,
    max_grad_norm, master_weights, seeds) is in `Hyperparameters`.
    """

    truncation_side: str
    row_filter: str
    sampling_rule: str
    sampler: str
    sampler_seed: str
    last_window: str
    partial_window_gradient: str
    partial_window_divisor: str
    scheduler_ticks: str
    warmup_rounding: str
    weight_decay_groups: str
    training_dropout: str
    reference_log_probs: str
    """Empty for a method or a loss without a reference."""
    pad_token_rule: str


def _terms(**terms: str) -> Mapping[str, str]:
    return MappingProxyType(terms)


CHOICES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "truncation_side": _terms(
            right="a row that is too long loses its end",
            left="a row that is too long loses its beginning",
        ),
        "row_filter": _terms(
            labels="a row without a label token left after truncation is dropped (a pair, where either side is)",
            none="every row stays, and one without a label takes up its place in a batch",
        ),
        "sampling_rule": _terms(
            remainder="whole copies, then the rest drawn without replacement by numpy's RandomState(data_seed)",
            shuffle_head="the set shuffled by data_seed, then its first rows, over again where more are wanted",
            head="the first rows, over again where more are wanted",
        ),
        "sampler": _terms(
            shuffled_random="the set shuffled once by the seed, then permuted each epoch by one generator of the seed",
            random="a permutation each epoch, of a generator seeded by the seed plus the epoch",
            sequential="the rows in the data's own order, each epoch",
            length_grouped="rows of like length together, in batches drawn at random",
        ),
        "sampler_seed": _terms(
            seed="the order follows the training seed",
            data_seed="the order follows the seed of the data",
        ),
        "last_window": _terms(
            keep="an epoch's last window steps the optimizer although it has fewer micro-batches",
            drop="an epoch's last window is left out where it is not whole",
        ),
        "partial_window_gradient": _terms(
            full="divided by the micro-batches of a whole window: the last step is a smaller one",
            actual="divided by the micro-batches that there were",
        ),
        "partial_window_divisor": _terms(
            full="logged as divided by the micro-batches of a whole window: a false drop at the end of an epoch",
            actual="logged as divided by the micro-batches that there were",
        ),
        "scheduler_ticks": _terms(
            step="the schedule advances once an optimizer step",
            process="the schedule advances once a process and step, over the windows of the set before it is "
            "shared out among processes",
        ),
        "warmup_rounding": _terms(
            down="int(ticks x ratio)",
            up="ceil(ticks x ratio)",
        ),
        "weight_decay_groups": _terms(
            matrices="no decay on biases and norms",
            all="every parameter decays",
        ),
        "training_dropout": _terms(
            config="as the model's own configuration has it",
            off="none, whatever the configuration says",
        ),
        "reference_log_probs": _terms(
            start="computed once before training, by the starting weights in evaluation mode",
            live="computed batch by batch by a frozen copy of the starting weights in evaluation mode",
            synced="by a copy that follows the policy",
        ),
        "pad_token_rule": _terms(
            added="a tokenizer without a pad token of its own gets <pad>, and the embeddings grow to a multiple of 8",
            kept="tokenizer and embeddings stay as they are",
        ),
    }
)
"""What each field may be, and what each term means."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "truncation_side": "which end of a row that is too long is cut off",
        "row_filter": "which rows are dropped after truncation",
        "sampling_rule": "how a share of a data set's rows is chosen",
        "sampler": "in which order an epoch takes the rows",
        "sampler_seed": "which seed the order follows",
        "last_window": "what becomes of an epoch's last accumulation window that is not whole",
        "partial_window_gradient": "what the gradient of such a window is divided by",
        "partial_window_divisor": "what the logged loss of such a window is divided by",
        "scheduler_ticks": "when the learning rate schedule advances",
        "warmup_rounding": "how a warm-up ratio becomes a whole number",
        "weight_decay_groups": "which parameters decay",
        "training_dropout": "dropout while training",
        "reference_log_probs": "when the reference model is asked",
        "pad_token_rule": "what happens to a tokenizer without a pad token",
    }
)
"""What each field is about, in words that follow its name."""
