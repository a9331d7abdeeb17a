"""What numbers of a training run imply for each other, with the rounding of printed digits carried along."""

from __future__ import annotations

import math

from repro.number import Interval

GB = 1e9
"""Bytes in a GB; cards rarely say whether they mean this or GiB (2**30)."""

BYTES_PER_PARAMETER = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "fp8": 1.0, "int4": 0.5, "nf4": 0.5}


def relative_change(first: Interval, second: Interval) -> Interval:
    """The change from `first` to `second` in percent of `first`: every value that the two intervals allow.

    (second - first) / first is second / first - 1, in which each appears once: the quotient's bounds are exact.
    """
    return (second / first - 1.0) * 100.0


def rows_of_fraction(total_rows: int, fraction: float) -> int:
    """Rows that a share of a data set is (open-instruct: `int(frac * rows)`)."""
    return int(total_rows * fraction)


def micro_batch(effective_batch_size: int, gradient_accumulation_steps: int) -> int | None:
    """Sequences per micro-step over all devices, or None when the accumulation does not divide the batch."""
    if gradient_accumulation_steps <= 0 or effective_batch_size % gradient_accumulation_steps:
        return None
    return effective_batch_size // gradient_accumulation_steps


def steps_of_rows(rows: int, effective_batch_size: int, epochs: float = 1.0) -> int:
    """Optimizer steps: each whole epoch ends with a partial batch when the rows do not divide."""
    per_epoch = math.ceil(rows / effective_batch_size)
    return math.ceil(round(per_epoch * epochs, 9))


def rows_of_steps(steps: int, effective_batch_size: int, epochs: float = 1.0) -> Interval | None:
    """The rows with which so many optimizer steps come out, or None when no row count gives them.

    Counts both a kept and a dropped partial batch as possible: a trainer may do either.
    """
    per_epoch = steps / epochs
    if per_epoch < 1:
        return None
    # kept: ceil(rows / batch) = per_epoch; dropped: floor(rows / batch) = per_epoch
    low = (math.ceil(per_epoch - 1e-9) - 1) * effective_batch_size + 1
    high = (math.floor(per_epoch + 1e-9) + 1) * effective_batch_size - 1
    if abs(per_epoch - round(per_epoch)) > 1e-6 and epochs == int(epochs):
        return None
    return Interval(low, high)


def warmup_steps_of_ratio(steps: int, warmup_ratio: float) -> int:
    """open-instruct: `int(steps * warmup_ratio)`."""
    return int(steps * warmup_ratio)


def weights_gb(parameters: float, precision: str) -> float:
    """GB (1e9 bytes) of the weights alone.

    Raises:
        KeyError: the precision is not one of `BYTES_PER_PARAMETER`.
    """
    return parameters * BYTES_PER_PARAMETER[precision] / GB


def training_flops(
    parameters: float, tokens: float, *, passes_forward: float = 1.0, passes_backward: float = 1.0
) -> float:
    """2 FLOPs per parameter and token forward, 4 backward (Kaplan et al. 2020, appendix C)."""
    return parameters * tokens * (2.0 * passes_forward + 4.0 * passes_backward)


def llama_parameters(
    *,
    vocab_size: int,
    hidden_size: int,
    intermediate_size: int,
    num_hidden_layers: int,
    num_attention_heads: int,
    num_key_value_heads: int,
    head_dim: int | None = None,
    tie_word_embeddings: bool = False,
) -> int:
    """Parameters of a Llama of that shape (RMS norms, no biases, SwiGLU)."""
    width = head_dim or hidden_size // num_attention_heads
    attention = 2 * hidden_size * num_attention_heads * width + 2 * hidden_size * num_key_value_heads * width
    feed_forward = 3 * hidden_size * intermediate_size
    layer = attention + feed_forward + 2 * hidden_size
    embeddings = vocab_size * hidden_size * (1 if tie_word_embeddings else 2)
    return embeddings + num_hidden_layers * layer + hidden_size


def bf16_reach(update: float) -> float:
    """The size below which a weight kept in bfloat16 is changed by adding `update` to it.

    From 2^e to 2^(e+1) bfloat16's numbers lie 2^(e-7) apart (7 stored bits of significand), and what is less than
    half of that is rounded away.
    """
    return 2.0 ** (math.floor(math.log2(256.0 * update)) + 1) if update > 0 else 0.0


def bf16_share_moved(update: float, *, deviation: float) -> float:
    """The share of bfloat16 weights, normal about 0 with that standard deviation, that `update` changes."""
    return math.erf(bf16_reach(update) / (deviation * math.sqrt(2.0)))
