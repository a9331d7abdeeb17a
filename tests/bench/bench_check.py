"""What reading and checking a card costs, against markdown-it-py parsing the same text, and what a cold start costs.

    python tests/bench/bench_check.py [every]

The cards are every nth (12th) of the file of real cards where it lies beside the project, else cards made here. Times
are processor time of this thread, the best of three rounds over all cards. Nothing is asserted.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import ModelCard
from huggingface_hub.utils import logging
from markdown_it import MarkdownIt

from repro.check.checker import all_checks, run_checks
from repro.evidence import Evidence
from repro.read import dialects, reader
from repro.spec import Spec

ROOT = Path(__file__).parents[2]
BULK = ROOT.parent / "shared" / "corpus" / "bulk.jsonl.gz"
ROUNDS, STARTS, SHOWN = 3, 15, 10
clock = time.thread_time
logging.set_verbosity_error()


def cards(every: int) -> list[str]:
    """Real cards where they are there; else cards of the same make and sizes."""
    if BULK.exists():
        with gzip.open(BULK, "rt", encoding="utf-8") as lines:
            return [json.loads(line)["text"] for i, line in enumerate(lines) if i % every == 0]
    draw = random.Random(0)
    return [made(draw) for _ in range(200)]


_WORDS = "the model was trained on data of a lake with birds and reeds"
_CARD = """---
license: apache-2.0
base_model: lake/{name}-base
tags:
- trl
- generated
---

# {name}

{words}

## Training

- learning_rate: 2e-05
- train_batch_size: 8
- num_epochs: 3
- seed: 42

| Training Loss | Epoch | Step | Validation Loss |
|:-:|:-:|:-:|:-:|
{losses}

## Usage

```python
from transformers import pipeline
run = pipeline('text-generation', model='lake/{name}')
print(run('a heron'))
```

## Evaluation

| Task | Metric | Value |
|---|---|---|
| mmlu | acc | {score:.3f} |
"""


def made(draw: random.Random) -> str:
    """A card of a fine-tuned model with a list of hyperparameters, a table of losses, and usage code."""
    rows = [f"| {1 / (i + 1):.4f} | {i}.0 | {i * 50} | {2 / (i + 2):.4f} |" for i in range(draw.randint(1, 30))]
    name = f"heron-{draw.choice(('1b', '3b', '8b'))}-{draw.choice(('sft', 'dpo'))}"
    words = " ".join(draw.choices(_WORDS.split(), k=120))
    return _CARD.format(name=name, words=words, losses="\n".join(rows), score=draw.random())


def spent(work: Callable[[], object]) -> float:
    start = clock()
    work()
    return (clock() - start) * 1e6


def one_round(texts: list[str], peers: dict[str, Callable[[str], object]]) -> list[dict[str, float]]:
    """Microseconds of each part for each card; every card is new to what is kept of the last ones."""
    rows: list[dict[str, float]] = []
    for text in texts:
        data, specs = text.encode("utf-8", "replace"), list[Spec]()
        row = {"read": spent(lambda data=data, specs=specs: specs.append(reader.read(data, "card.md")[1]))}
        row["check"] = spent(lambda specs=specs: run_checks(specs[0], Evidence()))
        for name, peer in peers.items():
            row[name] = spent(lambda peer=peer, text=text: peer(text))
        rows.append(row)
    return rows


def floor(text: str) -> object:
    """The Hub client's own card: front matter only. Where it raises, what it took until then counts."""
    try:
        return ModelCard(text)
    except ValueError:
        return None


def against_the_peer(texts: list[str]) -> None:
    peers: dict[str, Callable[[str], object]] = {
        "markdown-it": MarkdownIt().parse,
        "markdown-it, tables": MarkdownIt("commonmark").enable("table").parse,
        "ModelCard": floor,
    }
    rounds = [one_round(texts, peers) for _ in range(ROUNDS)]
    rows = [{name: min(row[name] for row in same) for name in same[0]} for same in zip(*rounds)]
    size = statistics.median(len(text) for text in texts)
    print(f"{len(rows)} cards, median of {size:,.0f} characters; medians in microseconds:")
    for name in rows[0]:
        print(f"  {name:22s} {statistics.median(row[name] for row in rows):8,.0f}")
    for peer in ("markdown-it", "markdown-it, tables"):
        ratios = sorted((row["read"] + row["check"]) / row[peer] for row in rows)
        most = ratios[int(len(ratios) * 0.9)]
        print(f"read + check against {peer}: median {statistics.median(ratios):.2f}, 90% below {most:.2f}")
    slow = sorted(((row["read"] + row["check"]) / 1e3, len(text)) for row, text in zip(rows, texts))[-3:]
    print("slowest: " + ", ".join(f"{ms:.1f} ms ({size:,} characters)" for ms, size in reversed(slow)))


def costliest(texts: list[str]) -> None:
    """The checks and the parts of reading that cost most: a newcomer is seen here."""
    taken: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, Callable[..., object]] = {e.__name__: e for d in dialects.DIALECTS for e in d.extractors}
    specs: list[Spec] = []
    for text in texts:
        card, spec = reader.read(text.encode("utf-8", "replace"), "card.md")
        specs.append(spec)
        doc = reader.document(card)
        for name, part in parts.items():
            taken[name].append(spent(lambda part=part, doc=doc: part(doc)))
    for spec in specs:
        for check in all_checks():
            taken[f"{check.code} {check.slug}"].append(
                spent(lambda check=check, spec=spec: list(check.function(spec, Evidence())))
            )
    print("costliest, microseconds a card (mean, median; the first to ask pays for what all share):")
    for name, times in sorted(taken.items(), key=lambda item: -statistics.mean(item[1]))[: 2 * SHOWN]:
        print(f"  {statistics.mean(times):8.1f} {statistics.median(times):8.1f}  {name}")


def cold_start() -> None:
    """Processor time of `repro check` on one card, and of importing what a command line in Python imports anyway."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    commands = {
        "repro check": [sys.executable, "-m", "repro", "check", "cards/dpo-mahals.md"],
        "import rich, typer, yaml": [sys.executable, "-c", "import rich, typer, yaml"],
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for turn in range(STARTS + 1):
        for name, command in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn:  # the first compiles the modules
                taken[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    ours, theirs = (statistics.median(times) * 1e3 for times in taken.values())
    print(f"cold start: repro check {ours:.0f} ms, {theirs:.0f} ms for the imports alone: {ours / theirs:.2f} times")


if __name__ == "__main__":
    texts = cards(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
    against_the_peer(texts)
    costliest(texts)
    cold_start()
