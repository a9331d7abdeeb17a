"""bf16 weights without float32 masters: the share that one step changes, and a training that hardly moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle import Curve, own_curve, rows_of, write_model
from safetensors.torch import load_file

from repro.arithmetic import bf16_reach, bf16_share_moved

pytestmark = [pytest.mark.filterwarnings("ignore")]

RATES = (5e-7, 3e-6, 2e-5)


@pytest.mark.parametrize("rate", RATES)
def test_the_formula_against_bf16_itself(rate: float) -> None:
    weights = (torch.randn(400_000, generator=torch.Generator().manual_seed(1)) * 0.02).bfloat16()
    moved = (weights + torch.tensor(rate, dtype=torch.bfloat16)) != weights
    assert moved.float().mean().item() == pytest.approx(bf16_share_moved(rate, deviation=0.02), rel=0.1, abs=1e-3)
    below = weights.abs().float() < bf16_reach(rate)
    assert (moved == below).float().mean() > 0.999


def test_no_update_moves_nothing() -> None:
    assert bf16_reach(0.0) == bf16_share_moved(0.0, deviation=0.02) == 0.0
    assert bf16_share_moved(5e-7, deviation=0.02) == pytest.approx(0.0097, abs=2e-4)
    assert bf16_share_moved(1.0, deviation=0.02) == 1.0


def _moved(curve: Curve, folder: Path) -> float:
    """The share of the layers' matrix elements that are other bf16 numbers than they were."""
    before = load_file(folder / "model.safetensors")
    names = [n for n in before if "layers" in n and before[n].ndim == 2]
    changed = [(curve.weights[n].bfloat16() != before[n].bfloat16()).float().mean().item() for n in names]
    return sum(changed) / len(changed)


def test_at_proxy_scale_a_training_stalls_without_masters(tmp_path: Path) -> None:
    """The same rows, steps and rate: float32 masters go down at every step, bf16 alone keeps nearly all it had."""
    folder = tmp_path / "model"
    write_model(folder)
    rows = rows_of("sft", 8)
    fixed = {"learning_rate": 3e-6, "lr_scheduler_type": "constant", "warmup_ratio": 0.0, "weight_decay": 0.0}
    fixed |= {"per_device_batch_size": 8, "gradient_accumulation_steps": 1, "precision": "bf16"}

    def trained(masters: str, epochs: float) -> Curve:
        out = tmp_path / f"{masters}-{epochs:g}"
        return own_curve("sft", folder, rows, out, master_weights=masters, num_epochs=epochs, **fixed)

    one = _moved(trained("bf16", 1.0), folder)
    assert one == pytest.approx(bf16_share_moved(3e-6, deviation=0.02), rel=0.15)
    alone, kept = trained("bf16", 40.0), trained("fp32", 40.0)
    assert _moved(alone, folder) < 0.1, "forty steps reach no more than one does"
    assert _moved(kept, folder) > 0.5
    fell, should = alone.losses[0] - alone.losses[-1], kept.losses[0] - kept.losses[-1]
    assert should > 0.005
    assert fell < should / 3, (fell, should)
