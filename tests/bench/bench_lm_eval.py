"""Samples a second of the lm-eval harness, against a plain transformers loop over the same log-likelihoods.

    python tests/bench/bench_lm_eval.py [rows]

Both load the model, sort by length and use batches of 32; imports and a first round are left out of the figures.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))

from evaluate_fixtures import preference_row, save_tiny, write_rows

from repro.evaluate.harness import LmEvalHarness
from repro.task import ignore

BATCH = 32


def rows(n: int) -> list[dict[str, Any]]:
    draw = random.Random(0)
    words = ["blue", "green", "sky", "cold", "warm", "red", "is", "the", "what", "colour"]

    def text() -> str:
        return " ".join(draw.choices(words, k=draw.randint(3, 12)))

    return [preference_row(i, f"{text()} {i}", text(), prompt=text()) for i in range(n)]


@torch.no_grad()
def plain_loop(checkpoint: str, pairs: list[dict[str, Any]]) -> list[float]:
    """Log-likelihood of chosen and rejected, in turn."""
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(checkpoint).eval(),
        AutoTokenizer.from_pretrained(checkpoint),
    )
    encoded = []
    for pair in pairs:
        prompt = tokenizer.apply_chat_template(pair["chosen"][:-1], tokenize=False, add_generation_prompt=True)
        before = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        for side in ("chosen", "rejected"):
            ids = tokenizer(prompt + pair[side][-1]["content"], add_special_tokens=False)["input_ids"]
            encoded.append((before, ids))
    found = [0.0] * len(encoded)
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i][1]))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        longest = len(encoded[batch[0]][1])
        ids = torch.tensor([encoded[i][1] + [0] * (longest - len(encoded[i][1])) for i in batch])
        likely = model(ids[:, :-1]).logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
        for row, i in enumerate(batch):
            before, tokens = encoded[i]
            found[i] = float(likely[row, before - 1 : len(tokens) - 1].sum())
    return found


def harness(checkpoint: str, file: str, out: Path) -> list[float]:
    LmEvalHarness(batch_size=BATCH, device="cpu").score(checkpoint, "dpo", [("preference", file)], str(out), ignore)
    found = []
    for line in (out / "dpo" / "repro_preference" / "samples.jsonl").read_text("utf-8").splitlines():
        sample = json.loads(line)
        values = [likelihood for likelihood, _ in sample["responses"]]
        found += values if sample["doc"]["gold"] == 0 else values[::-1]
    return found


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = save_tiny(folder / "model", hidden=96, layers=2)
        pairs = rows(n)
        file = write_rows(folder / "rows.jsonl", pairs)
        best: dict[str, float] = {}
        for turn in range(4):
            began = time.perf_counter()
            ours = harness(checkpoint, file, folder / f"out{turn}")
            middle = time.perf_counter()
            theirs = plain_loop(checkpoint, pairs)
            taken = {"harness": middle - began, "plain": time.perf_counter() - middle}
            worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
            if turn:
                best = {k: min(v, best.get(k, v)) for k, v in taken.items()}
        weights = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(checkpoint).parameters())
    print(f"{n} pairs, {weights / 1e6:.2f}M weights, {torch.get_num_threads()} threads, best of 3")
    for what, seconds in best.items():
        print(f"{what:8} {n / seconds:7.0f} samples/s  {seconds:.2f} s")
    print(f"harness / plain: {best['harness'] / best['plain']:.2f} times the time; likelihoods differ by {worst:.1e}")


if __name__ == "__main__":
    main()
