"""Which rows each optimizer step sees, in which micro-batches, and with what weight they count.

The recipe's composition is kept apart from how the rows are computed: a step is a list of groups (the recipe's
micro-batches, one a device and pass), and whoever computes it may cut and sort the rows as it likes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from repro.errors import RunError
from repro.plan import Hyperparameters
from repro.semantics import Semantics

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """One optimizer step: its groups of row numbers, in the recipe's order."""

    step: int
    """From 1."""
    groups: tuple[Rows, ...]
    full_groups: int
    """Groups of a whole window; an epoch's last may have fewer."""
    epoch: float
    """Passes over the data, this step included."""

    @property
    def rows(self) -> Rows:
        return np.concatenate(self.groups)


class Order:
    """The windows of a whole stage.

    Sampler "random": a permutation an epoch, of a generator seeded by seed + epoch: accelerate 1.15's
    SeedableRandomSampler (data_loader.py), which transformers' Trainer uses. "shuffled_random"
    (open_instruct/dpo_tune_cache.py@e6c3044): the set is shuffled once by datasets' `shuffle(seed)`, and one
    generator, seeded once, permutes it every epoch. "sequential": the rows as they come. "length_grouped"
    (transformers 5.23: trainer_pt_utils.py, get_length_grouped_indices): shuffled, cut into mega-batches of up to 50
    windows of one device, each sorted by length, the longest row of all first; which rows meet is drawn by seed +
    epoch here and by torch's global generator there.
    """

    def __init__(
        self,
        rows: int,
        hyperparameters: Hyperparameters,
        semantics: Semantics,
        *,
        max_steps: int | None = None,
        lengths: Rows | None = None,
    ) -> None:
        """
        Args:
            rows: rows of the stage, after filters.
            max_steps: stands over the epochs.
            lengths: tokens of each row, which sampler "length_grouped" goes by.

        Raises:
            RunError: no rows, too few for a window, or the batch sizes do not fit each other.
        """
        if rows <= 0:
            raise RunError("no row is left to train on", hint="is max_seq_length too short for the data?")
        micro = hyperparameters.per_device_batch_size
        effective = hyperparameters.effective_batch_size
        if micro <= 0 or effective <= 0 or effective % micro:
            raise RunError(
                f"an effective batch of {effective} cannot be made of micro-batches of {micro}",
                hint="--assume per_device_batch_size=... with a divisor of the effective batch",
            )
        self._rows = rows
        self._micro = micro
        self._devices = max(1, hyperparameters.num_devices)
        self.full_groups = effective // micro
        self._accumulation = max(1, self.full_groups // self._devices)
        self._seed = hyperparameters.data_seed if semantics.sampler_seed == "data_seed" else hyperparameters.seed
        self._sampler = semantics.sampler
        self._lengths = lengths
        if self._sampler == "length_grouped" and lengths is None:
            raise RunError("rows cannot be grouped by length where their lengths are not known")
        # datasets 5.2, Dataset.shuffle: default_rng(seed).permutation
        shuffled = self._sampler == "shuffled_random"
        self._shuffled: Rows = np.random.default_rng(self._seed).permutation(rows) if shuffled else np.arange(rows)
        groups = math.ceil(rows / micro)
        # every device gets as many micro-batches as the others: accelerate's even_batches
        self._groups_per_epoch = math.ceil(groups / self._devices) * self._devices
        whole, left = divmod(self._groups_per_epoch, self.full_groups)
        self.steps_per_epoch = whole if semantics.last_window == "drop" else whole + bool(left)
        if not self.steps_per_epoch:
            raise RunError(
                f"{rows} rows are fewer than one step takes ({effective}), and a window that is not whole is dropped",
                hint="--assume last_window=keep, or a smaller effective batch",
            )
        self.unshared_windows = math.ceil(round(math.ceil(groups / self._accumulation) * hyperparameters.num_epochs, 9))
        """Windows of all epochs if one process had all of the rows to itself."""
        by_epochs = math.ceil(round(self.steps_per_epoch * hyperparameters.num_epochs, 9))
        self.steps = max_steps if max_steps is not None else by_epochs
        if self.steps <= 0:
            raise RunError("the plan asks for no training step at all", hint="check max_steps and num_epochs")
        self._generator = torch.Generator()
        self._epoch = -1
        self._permutation: Rows = np.empty(0, np.int64)

    def window(self, step: int) -> Window:
        """The rows of step `step`, from 1; steps may be asked for in any order."""
        epoch, within = divmod(step - 1, self.steps_per_epoch)
        permutation = self._permuted(epoch)
        first = within * self.full_groups
        last = min(first + self.full_groups, self._groups_per_epoch)
        groups = tuple(permutation[i * self._micro : (i + 1) * self._micro] for i in range(first, last))
        return Window(
            step=step,
            groups=groups,
            full_groups=self.full_groups,
            epoch=epoch + min(last / self._groups_per_epoch, 1.0),
        )

    def _permuted(self, epoch: int) -> Rows:
        if epoch == self._epoch:
            return self._permutation
        if self._sampler in {"random", "length_grouped"}:
            self._generator.manual_seed(self._seed + epoch)
            permutation = self._draw()
        elif self._sampler == "sequential":
            permutation = self._shuffled
        else:
            if epoch < self._epoch or self._epoch < 0:
                self._generator.manual_seed(self._seed)
                self._epoch = -1
            permutation = self._permutation
            for _ in range(self._epoch, epoch):
                permutation = self._draw()
        if self._devices > 1:
            wanted = self._groups_per_epoch * self._micro
            permutation = np.resize(permutation, max(wanted, len(permutation)))
        self._epoch, self._permutation = epoch, permutation
        return permutation

    def _draw(self) -> Rows:
        drawn: Rows = self._shuffled[torch.randperm(self._rows, generator=self._generator).numpy()]
        return drawn if self._lengths is None or self._sampler != "length_grouped" else self._grouped(drawn)

    def _grouped(self, drawn: Rows) -> Rows:
        lengths = np.asarray(self._lengths)
        window = self._micro * self._accumulation
        size = window * max(1, min(self._rows // (window * 4), 50))
        parts = [drawn[i : i + size] for i in range(0, self._rows, size)]
        parts = [part[np.argsort(-lengths[part], kind="stable")] for part in parts]
        longest = int(np.argmax([lengths[part[0]] for part in parts]))
        parts[0][0], parts[longest][0] = parts[longest][0], parts[0][0]
        return np.concatenate(parts)


def divided_by(window: Window, divisor: str) -> int:
    """How many groups a window's loss is a mean over: "full" or "actual" ones, where an epoch's end cut it short."""
    return window.full_groups if divisor == "full" else len(window.groups)


def group_weights(
    window: Window, counts: Rows, *, reduction: str, divisor: str, devices: int = 1
) -> npt.NDArray[np.float64]:
    """What each row's summed loss counts in the step's, in the order of `window.rows`.

    Args:
        counts: for each row, the terms that its own loss sums: label tokens for SFT, 1 for a preference pair.
        reduction: "mean" (of the groups' means: open-instruct; a pair's group mean for DPO), "token_mean" (over all
            terms of the window: transformers' num_items_in_batch), "process_token_mean" (over all terms of a device's
            part of the window, then over devices: the same without average_tokens_across_devices) or "sum" (the
            groups' sums, averaged over groups: open-instruct before bb98dbc, where accelerate still divides by the
            accumulation).
        divisor: as `divided_by` takes it.
        devices: how many the recipe has, which take the groups in turn.

    Raises:
        RunError: the reduction is none of these.
    """
    groups = divided_by(window, divisor)
    sizes = [len(group) for group in window.groups]
    if reduction == "token_mean":
        return np.full(len(counts), 1.0 / max(1, int(counts.sum())))
    if reduction == "process_token_mean":
        device_of = np.repeat(np.arange(len(sizes)) % devices, sizes)
        terms = np.maximum(1, np.bincount(device_of, weights=counts))
        return 1.0 / (terms[device_of] * len(terms))
    if reduction == "sum":
        return np.full(len(counts), 1.0 / groups)
    if reduction != "mean":
        raise RunError(
            f"the loss reduction {reduction!r} cannot be regenerated",
            hint="use mean, token_mean, process_token_mean or sum",
        )
    per_group = [max(1, int(part.sum())) for part in np.split(counts, np.cumsum(sizes)[:-1])]
    return np.repeat([1.0 / (terms * groups) for terms in per_group], sizes)
