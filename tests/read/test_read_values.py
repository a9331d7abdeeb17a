"""Printed numbers and parameter values: what is read, and what is refused rather than guessed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.read.names import SPELLINGS, TRAINING, term
from repro.read.optimization import scheduler
from repro.read.parameters import interpret
from repro.read.values import left_open, number, share
from repro.spec import KEYS


@pytest.mark.parametrize(
    ("printed", "value", "last_digit", "unit"),
    [
        ("5e-7", 5e-7, 1e-7, ""),
        ("5.0e-07", 5e-7, 1e-8, ""),
        ("1 x 10^-7", 1e-7, 1e-7, ""),
        ("1×10⁻⁷", 1e-7, 1e-7, ""),
        ("2.5 * 10**-5", 2.5e-5, 1e-6, ""),
        ("10^-5", 1e-5, 1e-5, ""),
        ("5e−7", 5e-7, 1e-7, ""),
        ("1,856", 1856, 1, ""),
        ("1'050'000", 1_050_000, 1, ""),
        ("1.856,5", 1856.5, 0.1, ""),
        ("95,29", 95.29, 0.01, ""),
        ("0,634", 0.634, 0.001, ""),
        ("34.6%", 34.6, 0.1, "%"),
        ("-8.6%", -8.6, 0.1, "%"),
        ("−25%", -25, 1, "%"),
        ("94K", 94000, 1000, ""),
        ("32 (2 x 16)", 32, 1, ""),
        ("0.50", 0.5, 0.01, ""),
        ("512 tokens", 512, 1, "tokens"),
    ],
)
def test_numbers(printed: str, value: float, last_digit: float, unit: str) -> None:
    read = number(printed)
    assert read is not None
    assert (read.value, read.last_digit, read.unit) == (value, last_digit, unit)
    assert read.printed == printed


def test_an_approximate_number_says_so() -> None:
    read = number("~20 GB")
    assert read is not None
    assert (read.value, read.unit, read.approximate) == (20.0, "GB", True)


@pytest.mark.parametrize(
    "printed",
    ["", "TBD", "2-3", ">5", "2 x 16", "0.5/0.6", "1,23,456", "$5", "٣", "1e999", "five", "1e-5 to 1e-6", "0.1.2", "~"],
)
def test_what_could_be_read_in_two_ways_is_not_read(printed: str) -> None:
    assert number(printed) is None


@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    read = number(text)
    if read is not None:
        assert math.isfinite(read.value)
        assert 0 < read.last_digit < math.inf
        assert read.interval.contains(read.value)


@given(st.integers(-(10**12), 10**12), st.integers(0, 8))
def test_digits_come_back(whole: int, decimals: int) -> None:
    text = f"{whole / 10**decimals:.{decimals}f}"
    read = number(text)
    assert read is not None
    assert read.value == float(text)
    assert read.decimals == decimals


@given(st.floats(1e-12, 1e12, allow_nan=False), st.integers(0, 6))
def test_exponents_come_back(value: float, digits: int) -> None:
    text = f"{value:.{digits}e}"
    read = number(text)
    assert read is not None
    assert read.value == float(text)
    assert read.interval.contains(value)


@pytest.mark.parametrize(
    "printed", ["TBD", "N/A", "-", "?", "—", "**TBD**", "", "[More Information Needed]", "<value>"]
)
def test_left_open(printed: str) -> None:
    assert left_open(printed)


@pytest.mark.parametrize("printed", ["0", "none of it", "5", "linear", "<|user|>"])
def test_not_left_open(printed: str) -> None:
    assert not left_open(printed)


@pytest.mark.parametrize(
    ("label", "key", "stage"),
    [
        ("Learning Rate", "learning_rate", ""),
        ("lr", "learning_rate", ""),
        ("total_train_batch_size", "effective_batch_size", ""),
        ("Effective Batch Size", "effective_batch_size", ""),
        ("train_batch_size", "per_device_batch_size", ""),
        ("Batch size (per device)", "per_device_batch_size", ""),
        ("Gradient Accumulation", "gradient_accumulation_steps", ""),
        ("DPO Beta", "beta", "dpo"),
        ("DPO Loss Type", "loss_type", "dpo"),
        ("SFT learning rate", "learning_rate", "sft"),
        ("lr_scheduler_warmup_ratio", "warmup_ratio", ""),
        ("β", "beta", ""),
    ],
)
def test_spellings(label: str, key: str, stage: str) -> None:
    assert term(label) == (key, stage)


@pytest.mark.parametrize("label", ["", "Notes", "eval_runtime", "Temperature", "The learning rate was chosen by hand"])
def test_labels_that_are_no_term(label: str) -> None:
    assert term(label) is None


def test_every_training_term_that_facts_bear_is_a_standard_one() -> None:
    own = {"lora", "batch_size", "total_steps", "warmup", "adam_betas", "bf16", "fp16", "dataset_split"}
    assert TRAINING - own <= set(KEYS)
    assert set(SPELLINGS.values()) - own - {"loss", "dataset", "method"} <= set(KEYS)


@pytest.mark.parametrize(
    ("key", "printed", "expected"),
    [
        ("learning_rate", "2e-5", {"learning_rate": 2e-5}),
        ("effective_batch_size", "128 (64 x 1 x 2)", {"effective_batch_size": 128}),
        ("effective_batch_size", "8 x 16 = 128", {"effective_batch_size": 128}),
        ("effective_batch_size", "4M tokens", {"effective_batch_size": None}),
        ("max_seq_length", "8K", {"max_seq_length": None}),
        ("num_epochs", "two", {"num_epochs": 2}),
        ("num_epochs", "2.5", {"num_epochs": 2.5}),
        ("num_epochs", "2-3", {"num_epochs": None}),
        ("warmup", "10%", {"warmup_ratio": 0.1}),
        ("warmup", "100", {"warmup_steps": 100}),
        ("warmup", "1", {"warmup_ratio": None}),
        ("warmup_steps", "0.1", {"warmup_ratio": 0.1}),
        ("num_devices", "2 x A100 80G", {"num_devices": 2, "hardware": "2 x A100 80G"}),
        ("loss_type", "sigmoid", {"loss_type": "dpo"}),
        ("loss_type", "sigmoid_norm", {"loss_type": "dpo_norm"}),
        ("loss_type", "ipo", {"loss_type": "ipo"}),
        ("precision", "bf16 mixed precision", {"precision": "bf16"}),
        ("precision", "BF16/FP16", {"precision": None}),
        ("bf16", "false", {"bf16": False}),
        ("max_grad_norm", "none", {"max_grad_norm": 0.0}),
        ("gradient_checkpointing", "True", {"gradient_checkpointing": True}),
        ("dataset_fraction", "10%", {"dataset_fraction": 0.1}),
        ("dataset_fraction", "10", {"dataset_fraction": None}),
        ("seed", "TBD", {"seed": None}),
        ("lr_scheduler_type", "Cosine to 3e-6", {"lr_scheduler_type": "cosine", "min_learning_rate": 3e-6}),
        ("lr_scheduler_type", "cosine with 10% warmup", {"lr_scheduler_type": "cosine", "warmup_ratio": 0.1}),
        ("lr_scheduler_type", "linear, 100 warmup steps", {"lr_scheduler_type": "linear", "warmup_steps": 100}),
        ("lr_scheduler_type", "linear decay to 0", {"lr_scheduler_type": "linear"}),
        ("lora_r", "r=16, α=32", {"lora_r": 16, "lora_alpha": 32}),
        ("lora_alpha", "32.0", {"lora_alpha": 32.0}),
        ("lora_r", "16.5", {"lora_r": None}),
        ("lora_target_modules", "q_proj, v_proj", {"lora_target_modules": ("q_proj", "v_proj")}),
        ("lora_target_modules", "all linear layers", {"lora_target_modules": "all linear layers"}),
        ("adapter", "QLoRA (r=8)", {"adapter": "qlora", "lora_r": 8}),
        ("effective_batch_tokens", "128 * 2048 = 262,144 tokens", {"effective_batch_tokens": 262144}),
        ("effective_batch_tokens", "4M", {"effective_batch_tokens": 4_000_000}),
        ("min_lr_ratio", "0.1", {"min_lr_ratio": 0.1}),
        ("load_in_4bit", "True", {"load_in_4bit": True}),
    ],
)
def test_parameters(key: str, printed: str, expected: dict[str, object]) -> None:
    read = interpret(key, printed)
    assert {p.key: p.value for p in read} == expected
    assert all(p.why for p in read if p.value is None)


def test_an_optimizer_is_taken_apart() -> None:
    printed = "Use OptimizerNames.ADAMW_TORCH with betas=(0.9,0.95) and epsilon=1e-08 and optimizer_args=None"
    values = {p.key: p.value for p in interpret("optimizer", printed)}
    assert values == {"optimizer": "adamw", "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_epsilon": 1e-8}
    assert interpret("optimizer", "Adam")[0].value == "adam"
    assert interpret("optimizer", "adamw_bnb_8bit")[0].value == "adamw_8bit"
    assert interpret("optimizer", "8-bit AdamW")[0].value == "adamw_8bit"
    assert interpret("optimizer", "AdamW (8 bit)")[0].value == "adamw_8bit"
    assert interpret("optimizer", "Adafactor")[0].value == "adafactor"


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Linear", "linear"),
        ("cosine", "cosine"),
        ("Cosine Schedule with Warmup", "cosine"),
        ("linear warmup, cosine decay", "cosine"),
        ("SchedulerType.COSINE", "cosine"),
        ("constant_with_warmup", "constant_with_warmup"),
        ("Cosine to 3e-6", "cosine_to_3e_6"),
    ],
)
def test_schedules(printed: str, name: str) -> None:
    assert scheduler(printed) == name


@given(st.sampled_from(sorted(set(SPELLINGS.values()))), st.text(max_size=80))
def test_any_value_is_read_or_has_a_reason(key: str, printed: str) -> None:
    for parameter in interpret(key, printed):
        assert parameter.value is not None or parameter.why


def test_shares() -> None:
    ten, odd = number("10%"), number("34.6%")
    assert ten is not None
    assert odd is not None
    assert (share(ten), share(odd)) == (0.1, 0.346)
