"""Peak memory and time of label losses over a large vocabulary: in pieces, against all the logits at once.

    python tests/bench/bench_label_losses.py [labels] [vocabulary] [hidden]

Forward and backward through a head of float32 weights, each way in a process of its own: the peak resident set (VmHWM,
Linux) above what the process held before, and the processor time of the fastest of three.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from repro.train.environment import keep_memory
from repro.train.loss import LOGITS_BYTES, label_losses, token_losses


def measured(way: str, labels: int, vocabulary: int, hidden: int) -> tuple[float, float]:
    """(MiB, seconds) of one way, in this process."""
    keep_memory()
    torch.manual_seed(0)
    head = torch.nn.Linear(hidden, vocabulary, bias=False)
    states = torch.randn(labels, hidden, requires_grad=True)
    targets = torch.randint(vocabulary, (labels,))
    base, spent = _resident_mib("VmRSS"), []
    for _ in range(3):
        head.zero_grad()
        began = time.process_time()
        if way == "pieces":
            losses = label_losses(head, states, targets, vocabulary=vocabulary)
        else:
            losses = token_losses(head(states), targets)
        losses.mean().backward()
        spent.append(time.process_time() - began)
    return _resident_mib("VmHWM") - base, min(spent)


def _resident_mib(which: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def main() -> None:
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(measured(sys.argv[2], *map(int, sys.argv[3:]))))
        return
    given = [int(argument) for argument in sys.argv[1:]]
    labels, vocabulary, hidden = [*given, *(2000, 128_256, 64)[len(given) :]]
    found = {}
    for way in ("pieces", "whole"):
        command = [sys.executable, __file__, "--way", way, *map(str, (labels, vocabulary, hidden))]
        found[way] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    (pieces, seconds), (whole, whole_seconds) = found["pieces"], found["whole"]
    print(f"{labels} labels of {vocabulary} tokens, pieces of {LOGITS_BYTES >> 20} MiB of logits")
    print(f"  peak MiB: {pieces:.0f} in pieces, {whole:.0f} whole: {pieces / whole:.2f}")
    print(f"  processor seconds: {seconds:.2f} in pieces, {whole_seconds:.2f} whole: {seconds / whole_seconds:.2f}")


if __name__ == "__main__":
    main()
