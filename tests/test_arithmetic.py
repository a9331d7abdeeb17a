"""What numbers of a run imply for each other: against counting, and against figures that others published."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.arithmetic import (
    BYTES_PER_PARAMETER,
    llama_parameters,
    micro_batch,
    relative_change,
    rows_of_fraction,
    rows_of_steps,
    steps_of_rows,
    training_flops,
    warmup_steps_of_ratio,
    weights_gb,
)
from repro.number import Interval, Number

rows = st.integers(1, 20_000)
batches = st.integers(1, 512)


@given(rows, batches)
def test_steps_are_what_a_loop_counts(num_rows: int, batch: int) -> None:
    assert steps_of_rows(num_rows, batch) == len(range(0, num_rows, batch))


@given(rows, batches, st.integers(1, 5))
def test_every_epoch_ends_with_its_own_partial_batch(num_rows: int, batch: int, epochs: int) -> None:
    assert steps_of_rows(num_rows, batch, epochs) == epochs * len(range(0, num_rows, batch))


@given(rows, batches, st.integers(1, 5))
def test_rows_of_steps_holds_the_rows_that_made_them(num_rows: int, batch: int, epochs: int) -> None:
    kept = rows_of_steps(steps_of_rows(num_rows, batch, epochs), batch, epochs)
    assert kept is not None
    assert kept.contains(num_rows)
    if num_rows // batch:
        dropped = rows_of_steps(epochs * (num_rows // batch), batch, epochs)
        assert dropped is not None
        assert dropped.contains(num_rows)


@given(st.integers(1, 2000), batches)
def test_no_row_count_outside_makes_those_steps(steps: int, batch: int) -> None:
    interval = rows_of_steps(steps, batch)
    assert interval is not None
    for num_rows in (int(interval.lo) - 1, int(interval.hi) + 1):
        assert steps not in {math.ceil(num_rows / batch), num_rows // batch}


@pytest.mark.parametrize(("steps", "epochs"), [(7, 2.0), (1, 2.0), (100, 3.0)])
def test_steps_that_no_rows_make(steps: int, epochs: float) -> None:
    assert rows_of_steps(steps, 8, epochs) is None


@given(st.integers(1, 4096), st.integers(-2, 512))
def test_a_micro_batch_times_the_accumulation_is_the_batch(effective: int, accumulation: int) -> None:
    micro = micro_batch(effective, accumulation)
    if micro is None:
        assert accumulation <= 0 or effective % accumulation
    else:
        assert micro * accumulation == effective


def test_the_given_cards_numbers() -> None:
    assert micro_batch(32, 16) == 2
    assert warmup_steps_of_ratio(844, 0.1) == 84
    assert rows_of_steps(844, 32) == Interval(26977, 27039)
    assert rows_of_fraction(271_409, 0.1) == 27_140
    assert steps_of_rows(27_140, 32) == 849


@given(st.integers(1, 9999), st.integers(0, 9999), st.integers(1, 4))
def test_a_relative_change_holds_every_true_pair(first: int, second: int, decimals: int) -> None:
    step = Fraction(1, 10**decimals)
    a, b = first * step, second * step
    change = relative_change(Number("", float(a), float(step)).interval, Number("", float(b), float(step)).interval)
    half = step / 2
    for x in (a - half, a, a + half):
        for y in (b - half, b, b + half):
            if x > 0:
                true = (y - x) / x * 100
                assert change.lo <= float(true) + 1e-9 * abs(float(true))
                assert float(true) - 1e-9 * abs(float(true)) <= change.hi


def test_the_given_cards_changes() -> None:
    def read(value: float) -> Interval:
        return Number("", value, 0.001).interval

    first = relative_change(read(0.693), read(0.634))
    assert first.meets(Number("-8.6%", -8.6, 0.1).interval)
    assert first.lo == pytest.approx(-8.65, abs=0.01)
    second = relative_change(read(0.693), read(0.521))
    assert second.meets(Number("-25%", -25, 1).interval)
    assert not second.meets(Number("-24%", -24, 1).interval)


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        # meta-llama/Llama-3.1-8B and Llama-3.2-1B config.json, and the totals of their safetensors' metadata
        ((128256, 4096, 14336, 32, 32, 8, False), 8_030_261_248),
        ((128256, 2048, 8192, 16, 32, 8, True), 1_235_814_400),
        ((32000, 4096, 11008, 32, 32, 32, False), 6_738_415_616),
    ],
)
def test_llama_parameters(shape: tuple[int, int, int, int, int, int, bool], parameters: int) -> None:
    vocab, hidden, intermediate, layers, heads, kv, tied = shape
    assert (
        llama_parameters(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=intermediate,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv,
            tie_word_embeddings=tied,
        )
        == parameters
    )


def test_head_dim_stands_over_the_quotient() -> None:
    shape = {
        "vocab_size": 100,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    assert llama_parameters(**shape) == llama_parameters(**shape, head_dim=16)
    assert llama_parameters(**shape, head_dim=32) - llama_parameters(**shape) == 2 * (64 * 16 * (2 * 4 + 2 * 2))


def test_memory_and_work() -> None:
    assert weights_gb(8e9, "bf16") == 16.0
    assert weights_gb(8e9, "int4") == 4.0
    assert training_flops(1e9, 1e6) == 6e15
    assert training_flops(1e9, 1e6, passes_forward=2.0, passes_backward=0.0) == 4e15
    with pytest.raises(KeyError):
        weights_gb(1.0, "fp12")
    assert set(BYTES_PER_PARAMETER) >= {"fp32", "bf16", "fp16", "int8", "int4"}
