"""What two runs of one plan must have in common, byte for byte."""

from __future__ import annotations

from pathlib import Path

from repro.run import Run


def losses(run: Run, stage: str = "dpo") -> list[float]:
    return [step.loss for step in run.curves(stage)[0].steps]


def files(folder: Path) -> dict[str, bytes]:
    """Weights, curves and held-out rows."""
    names = [*folder.rglob("model/*.safetensors"), *folder.rglob("steps.jsonl"), *folder.rglob("heldout-*.jsonl")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in names}
