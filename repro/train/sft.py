"""Supervised fine-tuning, and plain language modelling, which is the same with every token a label."""

from __future__ import annotations

import torch

from repro.train.batch import Sequences, collate
from repro.train.loss import sequence_sums
from repro.train.objective import RowLosses, Score, scored
from repro.train.order import Rows


class SftObjective:
    """Cross-entropy of the label tokens.

    Reductions: open_instruct/finetune.py@e6c3044 ("mean"), before bb98dbc with --reduce_loss sum ("sum"),
    transformers 5.23's num_items_in_batch, which TRL 1.16's SFTTrainer uses ("token_mean").
    """

    rewarded = False

    def __init__(self, sequences: Sequences, *, reduction: str, pad_token_id: int) -> None:
        self._sequences = sequences
        self._pad = pad_token_id
        self.reduction = reduction
        self.padded_lengths: Rows = sequences.lengths
        self.terms: Rows = sequences.label_counts
        self.input_tokens: Rows = sequences.lengths
        self.label_tokens: Rows = self.terms

    def losses(self, score: Score, rows: Rows, device: torch.device) -> RowLosses:
        batch = collate([(self._sequences, rows)], self._pad, device)
        return RowLosses(loss=sequence_sums(scored(score, batch), batch.owner, len(rows)))
