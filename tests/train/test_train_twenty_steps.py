"""Twenty steps beside other trainers: loss, gradient norm, rate and weights of each, to 1e-5.

Tokens, order, batches of two micro-batches, a last window with fewer, warm-up, linear decay, clipping at 1, weight
decay in groups: 76 rows are ten windows an epoch, the last of three rows more or less; two epochs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from oracle import hold, own_curve, rows_of, trainer_curve, trl_curve, write_model

pytestmark = [pytest.mark.filterwarnings("ignore")]

ROWS, STEPS = 76, 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"loss_type": ["sigmoid"], "beta": 0.3}, {"loss_type": "dpo", "beta": 0.3}),
        ({"loss_type": ["sigmoid_norm"], "beta": 5.0}, {"loss_type": "dpo_norm", "beta": 5.0}),
        ({"loss_type": ["ipo"], "beta": 0.5}, {"loss_type": "ipo", "beta": 0.5}),
    ],
)
def test_preferences_as_trl(theirs: dict[str, Any], ours: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    rows = rows_of("dpo", ROWS)
    expected = trl_curve("dpo", folder, rows, tmp_path / "trl", max_length=60, **theirs)
    hold(own_curve("dpo", folder, rows, tmp_path / "ours", max_seq_length=60, **ours), expected, steps=STEPS)
    assert expected.losses[-1] < expected.losses[0] - 1e-3


def test_simpo_as_trl(folder: Path, tmp_path: Path) -> None:
    """CPOTrainer with simpo and without its likelihood term; gamma 1 over beta 2."""
    rows = [
        {"prompt": row["prompt"], "chosen": row["chosen"][-1]["content"], "rejected": row["rejected"][-1]["content"]}
        for row in _plain(ROWS)
    ]
    given = {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 1.0, "beta": 2.0, "max_length": 60}
    expected = trl_curve("simpo", folder, rows, tmp_path / "trl", **given)
    ours = {"loss_type": "simpo", "gamma_beta_ratio": 0.5, "beta": 2.0, "max_seq_length": 60}
    hold(own_curve("dpo", folder, rows, tmp_path / "ours", **ours), expected, steps=STEPS)
    assert expected.losses[-1] < expected.losses[0] - 1e-3


def _plain(count: int) -> list[dict[str, Any]]:
    from repro.train import synthetic

    return synthetic.preference_rows(5, count)


def test_sft_as_trl(folder: Path, tmp_path: Path) -> None:
    rows = rows_of("sft", ROWS)
    expected = trl_curve("sft", folder, rows, tmp_path / "trl")
    hold(own_curve("sft", folder, rows, tmp_path / "ours"), expected, steps=STEPS)
    assert expected.losses[-1] < expected.losses[0] - 1e-2


def test_sft_as_transformers_trainer(folder: Path, tmp_path: Path) -> None:
    """The dialect of cards that the Trainer generates: every token a label, divided by num_items_in_batch."""
    rows = [{"text": " ".join(m["content"] for m in row["messages"])} for row in rows_of("sft", ROWS)]
    expected = trainer_curve(folder, rows, tmp_path / "trainer")
    hold(own_curve("sft", folder, rows, tmp_path / "ours", framework="transformers"), expected, steps=STEPS)
    assert expected.losses[-1] < expected.losses[0] - 1e-2


def test_where_open_instruct_and_trl_differ_both_numbers_stand(folder: Path, tmp_path: Path) -> None:
    """The same rows, order and weights, two first losses: the mean of two passes' means, and the mean over the window's
    tokens; and after a prompt that both share, or over every assistant turn."""
    rows = rows_of("sft", ROWS)
    trl = trl_curve("sft", folder, rows, tmp_path / "trl", max_steps=1)
    tokens = own_curve("sft", folder, rows, tmp_path / "tokens", max_steps=1)
    passes = own_curve("sft", folder, rows, tmp_path / "passes", max_steps=1, loss_reduction="mean")
    assert tokens.losses == pytest.approx(trl.losses, abs=1e-5)
    assert abs(passes.losses[0] - trl.losses[0]) > 1e-4
    pairs = rows_of("dpo", ROWS)
    given = {"loss_type": "simpo", "beta": 2.0, "gamma_beta_ratio": 0.5, "max_seq_length": 60, "max_steps": 1}
    completion, turns = (
        own_curve("dpo", folder, pairs, tmp_path / scope, label_scope=scope, **given).losses[0]
        for scope in ("completion", "all_turns")
    )
    assert abs(completion - turns) > 1e-4, "SimPO's first loss is of the policy alone, so that the mask shows at once"
