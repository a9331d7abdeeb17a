"""What people read in real cards is what is read, and nothing else: measured where the gold files are at hand."""

from __future__ import annotations

import pytest
from gold_labels import keys_of, meaning, plain_number
from gold_score import CORPUS, score, scores
from gold_tally import KINDS, total

from repro.read.reader import read

LEAST = 0.98

CARD = b"""---
base_model: tiny-org/seed-1b
---
# Heron-1B-SFT

## Training

| Hyperparameter | Value |
|---|---|
| Learning rate | 2e-5 |
| Batch size | 32 |
| Optimizer | AdamW with betas=(0.9,0.95) and epsilon=1e-08 |

| Step | Training Loss |
|---|---|
| 10 | 1.500 |
"""
STAGE = {
    "method": "SFT",
    "base_model": "tiny-org/seed-1b",
    "datasets": [],
    "hyperparameters": {
        "Learning rate": "2e-5",
        "Batch size": "32",
        "Optimizer": "AdamW with betas=(0.9,0.95) and epsilon=1e-08",
    },
}
ROW = {"step": "10", "epoch": None, "split": "train", "metric": "Training Loss", "value": "1.500"}
GOLD = {"card": "heron.md", "stages": [STAGE], "loss_claims": [ROW], "eval_claims": [], "notes": []}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of real cards beside the checkout")
def test_what_people_read_is_what_is_read() -> None:
    tallies = total(scores(CORPUS / "gold", CORPUS / "cards"))
    for kind in KINDS:
        said = [kind, *tallies[kind].misses, *tallies[kind].inventions]
        assert min(tallies[kind].shares()) >= LEAST, said


def _one(**changed: object) -> dict[str, tuple[float, float, float, float]]:
    tallies = score({**GOLD, **changed}, read(CARD, "heron.md")[1])
    return {kind: tallies[kind].shares() for kind in KINDS}


def test_the_scorer_is_content_with_what_is_right() -> None:
    assert set(_one().values()) == {(1.0, 1.0, 1.0, 1.0)}


def test_the_scorer_sees_what_is_missed_and_what_is_invented() -> None:
    more = {**STAGE, "hyperparameters": {**STAGE["hyperparameters"], "Seed": "42"}}  # type: ignore[dict-item]
    assert _one(stages=[more])["hyperparameters"] == (1.0, 0.75, 1.0, 0.75)
    less = {**STAGE, "hyperparameters": {"Learning rate": "2e-5", "Batch size": "32"}}
    assert _one(stages=[less])["hyperparameters"][0] == pytest.approx(2 / 6)
    assert _one(stages=[STAGE, {**STAGE, "method": "DPO"}])["stages"][1] == 0.5
    assert _one(loss_claims=[{**ROW, "step": "20"}])["losses"] == (0.0, 0.0, 0.0, 0.0)
    assert _one(loss_claims=[{**ROW, "value": "1.5"}])["losses"][1] == 0.0


def test_a_value_in_the_wrong_stage_is_no_hit() -> None:
    card = CARD.replace(b"## Training\n", b"## DPO training\n")
    tallies = score(GOLD, read(card, "heron.md")[1])  # type: ignore[arg-type]
    assert tallies["stages"].misses
    both = [{**STAGE, "hyperparameters": {}}, {**STAGE, "method": "DPO"}]
    tallies = score({**GOLD, "stages": both}, read(CARD, "heron.md")[1])
    assert tallies["hyperparameters"].shares()[1] == 1.0 or tallies["hyperparameters"].misses


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("5e-7", 5e-7),
        ("5.0e-07", 5e-7),
        ("1 x 10^-7", 1e-7),
        ("1 × 10⁻⁷", 1e-7),
        ("1,856", 1856.0),
        ("50'000", 50000.0),
        ("95,29", 95.29),
        ("34.6%", 34.6),
        ("128 * 2048 = 262,144 tokens", 262144.0),
        ("32 (2 x 16)", 32.0),
        ("4M", 4e6),
        ("cosine", None),
    ],
)
def test_the_scorers_own_numbers(printed: str, value: float | None) -> None:
    assert plain_number(printed) == value


def test_the_scorers_own_labels() -> None:
    assert keys_of("Peak learning rate") == keys_of("学习率") == ("learning_rate",)
    assert keys_of("lr_scheduler_warmup_steps") == ("warmup_ratio", "warmup_steps")
    assert meaning("lr_scheduler_warmup_steps", "0.1") == (("warmup_ratio",), {"warmup_ratio": 0.1})
    assert meaning("Warm-up", "3%")[1] == {"warmup_ratio": 0.03}
    assert keys_of("flux_capacity") == ("flux_capacity",)
