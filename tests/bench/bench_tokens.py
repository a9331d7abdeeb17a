"""Processor seconds until a stage's rows are tokens: made for the first time, and found again by another run.

python tests/bench/bench_tokens.py [pairs]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from plans import plan_of, stage_of

from repro.run import NO_ASSETS
from repro.train import synthetic
from repro.train.encode import Codec
from repro.train.tokenizer import train_tokenizer
from repro.train.tokens import stage_tokens

BATCH = 32


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 27_008
    codec = Codec(train_tokenizer(synthetic.pretraining_texts(0, 2000), 512), True, "all_turns", 64, "right", "labels")
    stage = stage_of("dpo", steps=pairs // BATCH, effective_batch_size=BATCH)
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            began = time.process_time()
            tokens = stage_tokens(
                stage,
                plan_of(stage),
                NO_ASSETS,
                codec,
                Path(folder) / "tables",
                Path(folder) / "tokens",
                writes=True,
                tick=lambda done, total: None,
            )
            spent.append(time.process_time() - began)
        size = sum(file.stat().st_size for file in (Path(folder) / "tokens").iterdir()) / 2**20
    first, again = spent
    print(f"{tokens.sampled} pairs, {size:.1f} MiB of tokens")
    print(f"  processor seconds: {first:.2f} the first time, {again:.2f} found again: {again / first:.2f}")


if __name__ == "__main__":
    main()
