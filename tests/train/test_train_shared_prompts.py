"""Pairs whose common beginning is computed once have the losses and gradients of two sequences each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.plan import ProxyModel
from repro.train import synthetic
from repro.train.batch import Batch, Sequences, collate, collate_forked, shared_prefixes
from repro.train.dpo import LONGEST_FORK, DpoObjective
from repro.train.model import Scorer, make_proxy, shares_prompts
from repro.train.objective import scored
from repro.train.tokenizer import train_tokenizer

pytestmark = [pytest.mark.filterwarnings("ignore")]

CPU = torch.device("cpu")
PAD = 9


@pytest.fixture(scope="module")
def model() -> Any:
    tokenizer = train_tokenizer(synthetic.pretraining_texts(0, 20), 300)
    return make_proxy(ProxyModel(300, 16, 32, 2, 4, 2, 0), tokenizer, 3)


tokens = st.lists(st.integers(0, 3), max_size=6)
labels = st.lists(st.booleans(), min_size=14, max_size=14)
pairs = st.lists(st.tuples(tokens, tokens, tokens, labels, labels), min_size=1, max_size=4)


def _sequences(made: list[tuple[list[int], list[bool]]]) -> Sequences:
    return Sequences.of([(ids, mask[: len(ids)]) for ids, mask in made])


def _losses(model: Any, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    losses = scored(Scorer(model, autocast=None), batch)
    (losses * torch.linspace(0.5, 1.5, len(losses))).sum().backward()
    return losses.detach(), [p.grad.clone() for p in model.parameters()]


@given(pairs)
@settings(max_examples=40, deadline=None)
def test_forked_rows_are_their_sequences(model: Any, made: list[tuple[Any, ...]]) -> None:
    # every other pair begins apart, so that it has nothing in common
    first = _sequences([([5, *prompt, *one], [*mask]) for prompt, one, _, mask, _ in made])
    second = _sequences([([5 + i % 2, *prompt, *two], [*mask]) for i, (prompt, _, two, _, mask) in enumerate(made)])
    shared = shared_prefixes(first, second)
    rows = np.arange(len(made))[::-1].copy()
    for row in rows:
        a, b = (s.ids[s.starts[row] : s.starts[row + 1]].tolist() for s in (first, second))
        common = int(shared[row])
        assert a[:common] == b[:common]
        assert common == min(len(a), len(b)) or a[common] != b[common]
    if not first.labels.any() and not second.labels.any():
        return
    apart = collate([(first, rows), (second, rows)], PAD, CPU)
    forked = collate_forked(first, second, shared, rows, PAD, CPU)
    for name in ("targets", "owner", "label_counts"):
        assert torch.equal(getattr(apart, name), getattr(forked, name)), name
    expected, expected_gradients = _losses(model, apart)
    got, gradients = _losses(model, forked)
    torch.testing.assert_close(got, expected, atol=2e-6, rtol=2e-6)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def _pair(prompt: int, answer: int) -> tuple[Sequences, Sequences]:
    mask = [False] * prompt + [True] * answer
    opening = [i % 3 for i in range(prompt)]
    return Sequences.of([([*opening, *[3] * answer], mask)]), Sequences.of([([*opening, *[4] * answer], mask)])


@pytest.mark.parametrize(
    ("prompt", "answer", "shares"),
    [(20, 5, True), (10, 30, True), (5, 30, False), (LONGEST_FORK - 20, 10, True), (LONGEST_FORK - 19, 10, False)],
)
def test_prompts_are_shared_where_it_pays(model: Any, prompt: int, answer: int, shares: bool) -> None:
    chosen, rejected = _pair(prompt, answer)
    common: dict[str, Any] = {"loss_type": "dpo", "beta": 0.5, "label_smoothing": 0.0, "pad_token_id": PAD}
    sharing = DpoObjective(chosen, rejected, **common, share_prompts=True)
    plain = DpoObjective(chosen, rejected, **common)
    assert (sharing.shares_prompts, plain.shares_prompts) == (shares, False)
    assert sharing.padded_lengths.tolist() == [prompt + 2 * answer if shares else 2 * (prompt + answer)]
    scorer = Scorer(model, autocast=None)
    with torch.no_grad():
        values = [objective.log_probs(scorer, np.zeros(1, np.int64), CPU) for objective in (sharing, plain)]
    torch.testing.assert_close(*values, atol=1e-4, rtol=1e-6)


def test_which_models_share() -> None:
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    small: dict[str, Any] = {
        "vocab_size": 20,
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    llama = LlamaForCausalLM(LlamaConfig(**small))
    assert shares_prompts(llama, CPU)
    assert not shares_prompts(llama, torch.device("cuda"))
    assert shares_prompts(Qwen2ForCausalLM(Qwen2Config(**small)), CPU)
    assert not shares_prompts(LlamaForCausalLM(LlamaConfig(**small, attention_dropout=0.1)), CPU)
    assert not shares_prompts(MistralForCausalLM(MistralConfig(**small, sliding_window=4)), CPU)
    assert shares_prompts(MistralForCausalLM(MistralConfig(**small, sliding_window=None)), CPU)
    # its head is plain but not known to be, and it has dropout
    assert not shares_prompts(GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2)), CPU)
