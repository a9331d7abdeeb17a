"""The stranger's model card: TRL's own, with a table of hyperparameters, losses and scores that a person added."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import publisher as p


@dataclass(frozen=True)
class Told:
    """What the card says; a falsified card differs from an honest one in a field."""

    losses: dict[str, dict[int, str]]
    scores: dict[str, str]
    window: int = p.WINDOW
    beta: str = "5"
    dpo_epochs: str = "1"
    with_sft: bool = True
    lm_eval: str = ""
    dpo_steps: int = 0
    sft_steps: int = 0

    def saying(self, **changes: object) -> Told:
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def window_mean(losses: Sequence[float], step: int, window: int) -> str:
    return f"{statistics.fmean(losses[step - window : step]):.4f}"


def card(generated: Path, told: Told) -> str:
    """The card's text. `generated` is the README.md that TRL wrote."""
    base = p.SFT if told.with_sft else p.BASE
    # TRL knows its starting point only as a folder and writes None.
    text = generated.read_text("utf-8").replace('model="None"', f'model="{p.DPO}"').replace("None", base)
    text = text.replace("---\n", f"---\nbase_model: {base}\nlicense: apache-2.0\n", 1)
    text = text.replace("licence: license\n", "").split("### Framework versions")
    return f"{text[0]}\n{details(told)}\n### Framework versions{text[1]}"


def details(told: Told) -> str:
    columns = [("SFT", p.BASE, p.SFT_DATA), ("DPO", p.SFT if told.with_sft else p.BASE, p.DPO_DATA)]
    if not told.with_sft:
        columns = columns[1:]
    names = [c[0] for c in columns]
    rows = {
        "Base model": [c[1] for c in columns],
        "Dataset": [c[2] for c in columns],
        "Learning rate": [{"SFT": f"{p.SFT_LR:g}", "DPO": f"{p.DPO_LR:g}"}[n] for n in names],
        "Epochs": [{"SFT": "1", "DPO": told.dpo_epochs}[n] for n in names],
        "Effective batch size": [
            {"SFT": str(p.PER_DEVICE * p.SFT_ACCUMULATION), "DPO": str(p.PER_DEVICE * p.DPO_ACCUMULATION)}[n]
            for n in names
        ],
        "Per-device batch size": [str(p.PER_DEVICE)] * len(names),
        "Gradient accumulation steps": [
            {"SFT": str(p.SFT_ACCUMULATION), "DPO": str(p.DPO_ACCUMULATION)}[n] for n in names
        ],
        "Number of devices": ["1"] * len(names),
        "LR schedule": ["linear"] * len(names),
        "Warmup ratio": ["0.1"] * len(names),
        "Optimizer": ["AdamW"] * len(names),
        "Max sequence length": ["128"] * len(names),
        "Precision": ["fp32"] * len(names),
        "Logging steps": ["1"] * len(names),
        "Seed": [str(p.SEED)] * len(names),
        "Loss type": [{"SFT": "-", "DPO": "sigmoid_norm"}[n] for n in names],
        "Beta": [{"SFT": "-", "DPO": told.beta}[n] for n in names],
        "Total optimizer steps": [{"SFT": str(told.sft_steps), "DPO": str(told.dpo_steps)}[n] for n in names],
    }
    lines = ["## Training details", "", f"| Parameter | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {key} | {' | '.join(values)} |" for key, values in rows.items()]
    averaged = f" (mean of {told.window} steps)" if told.window > 1 else ""
    for stage in names:
        claims = told.losses.get(stage.lower(), {})
        lines += ["", f"## {stage} training loss", "", f"| Step | Loss{averaged} |", "|---|---|"]
        lines += [f"| {step} | {loss} |" for step, loss in claims.items()]
    lines += ["", "## Evaluation", "", f"Scored with lm-eval {told.lm_eval}, zero-shot, on the test splits.", ""]
    lines += ["| Task | Version | n-shot | Metric | Value |", "|---|---|---|---|---|"]
    for name, value in told.scores.items():
        task, metric = name.split("/")
        lines.append(f"| {task} | 1.0 | 0 | {metric} | {value} |")
    return "\n".join(lines) + "\n"
