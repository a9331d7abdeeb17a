"""Label losses in pieces are those of the whole logits, which nothing keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from repro.plan import ProxyModel
from repro.train import synthetic
from repro.train.loss import LOGITS_BYTES, label_losses, token_losses
from repro.train.model import Scorer, make_proxy
from repro.train.tokenizer import train_tokenizer

LABELS, HIDDEN, VOCABULARY = 13, 5, 11
THREE_ROWS = 3 * 4 * VOCABULARY


def _given(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(LABELS, HIDDEN, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=generator, dtype=dtype, requires_grad=True)
    return states, weight, torch.randint(VOCABULARY, (LABELS,), generator=generator)


def test_gradcheck() -> None:
    states, weight, targets = _given(torch.float64)

    def losses(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return label_losses(lambda some: some @ weight.T, states, targets, vocabulary=VOCABULARY, held_bytes=THREE_ROWS)

    assert torch.autograd.gradcheck(losses, (states, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("held_bytes", [1, THREE_ROWS, LABELS * 4 * VOCABULARY])
def test_pieces_are_the_whole(dtype: torch.dtype, held_bytes: int) -> None:
    states, weight, targets = _given(torch.float32)
    upstream = torch.linspace(-1, 1, LABELS)

    def scored(score: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
            losses = score(lambda some: nn.functional.linear(some, weight))
        return [losses.detach(), *torch.autograd.grad((losses * upstream).sum(), (states, weight))]

    whole = scored(lambda head: token_losses(head(states), targets))
    pieces = scored(lambda head: label_losses(head, states, targets, vocabulary=VOCABULARY, held_bytes=held_bytes))
    # in bfloat16 the head's gradient is rounded once a piece
    tolerance = 1e-6 if dtype is torch.float32 else 2e-2
    for got, expected in zip(pieces, whole, strict=True):
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance)


def _kept(score: Callable[[], torch.Tensor]) -> int:
    """The largest tensor that the graph of `score` keeps for the backward pass, in elements."""
    sizes = [0]

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        score().mean().backward()
    return max(sizes)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tied", [False, True])
def test_no_logits_are_kept(tied: bool) -> None:
    """The real vocabulary size, a real model: its logits are never kept whole, nor ever in memory whole."""
    tokenizer = train_tokenizer(synthetic.pretraining_texts(0, 20), 300)
    vocabulary, labels = 128_256, 300
    model = make_proxy(ProxyModel(vocabulary, 8, 16, 1, 2, 1, 0), tokenizer, 1)
    model.config.tie_word_embeddings = tied
    if tied:
        model.tie_weights()
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) is tied
    largest: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda module, args, out: largest.append(out.numel()))
    ids = torch.randint(300, (1, labels + 1), generator=torch.Generator().manual_seed(2))
    scorer = Scorer(model, autocast=None)

    def ours() -> torch.Tensor:
        return scorer(ids, torch.arange(labels), ids[0, 1:])

    def plain() -> torch.Tensor:
        return token_losses(model(input_ids=ids).logits[0, :-1], ids[0, 1:])

    assert _kept(ours) <= vocabulary * 8
    assert max(largest) <= LOGITS_BYTES // 4
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    assert _kept(plain) >= labels * vocabulary
    for parameter, got in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(got, parameter.grad, atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(ours(), plain(), atol=1e-6, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_small_vocabulary_is_scored_at_once() -> None:
    calls: list[Any] = []
    states, weight, targets = _given(torch.float32)

    def head(some: torch.Tensor) -> torch.Tensor:
        calls.append(len(some))
        return some @ weight.T

    label_losses(head, states, targets, vocabulary=VOCABULARY).sum().backward()
    assert calls == [LABELS]
