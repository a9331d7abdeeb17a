"""The time and the memory of a DPO stage: this project's loop against TRL's DPOTrainer, on the same rows and batches.

    python tests/bench/bench_dpo_step.py [steps] [rounds]

Both train the same stand-in from the same weights, with reference log-probabilities computed once beforehand, and in
turn: what is printed are ratios of medians over the rounds, of a step's time with its share of the reference pass.
Processor time is printed beside wall time: on a busy machine only the first says anything. TRL runs at the fastest of
its settings that leave the batches what they are: no padding to multiples, no gradient checkpointing, and the effective
batch in one pass or in several, whichever a first round shows to be the faster; both keep freed memory
(`keep_memory`), which makes both faster. Memory is the peak resident set of a process of its own each (VmHWM, Linux),
in all, and above what the process held when model, rows and libraries were loaded and training was about to begin;
there TRL runs with the allocator's defaults, which need less, and in the recipe's micro-batches.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
os.environ["TQDM_DISABLE"] = "1"

import torch
from plans import HYPERPARAMETERS

from repro.plan import Hyperparameters
from repro.resolve.proxy import MODEL
from repro.task import ignore
from repro.train import synthetic
from repro.train.batch import pass_budget
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec, encode_preference
from repro.train.environment import keep_memory
from repro.train.loop import Job, train
from repro.train.model import Scorer, make_proxy, shares_prompts
from repro.train.optimizer import adamw
from repro.train.order import Order
from repro.train.pretraining import SEMANTICS
from repro.train.progress import Reporter
from repro.train.reference import reference_log_probs
from repro.train.tokenizer import train_tokenizer

BATCH, MICRO, RATE, BETA, LENGTH, SEED = 32, 8, 3e-5, 5.0, 512, 42
KINDS = {"short rows": False, "rows of 1 to 6 turns": True}
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Spent:
    """One training, per optimizer step, the reference pass included."""

    wall_ms: float
    processor_ms: float
    losses: list[float]


class Clock:
    """Wall and processor seconds (of all threads) inside its `with` blocks."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.monotonic() - self._began[0]
        self.processor += time.process_time() - self._began[1]

    def spent(self, losses: list[float]) -> Spent:
        return Spent(self.wall / len(losses) * 1000, self.processor / len(losses) * 1000, losses)


def rows(count: int, *, long: bool) -> list[dict[str, Any]]:
    made = synthetic.preference_rows(0, count)
    if not long:
        return [{"chosen": r["chosen"], "rejected": r["rejected"]} for r in made]
    # conversations of one to six turns: rows as uneven as real ones
    talks = [made[i * 7 % count]["chosen"] * (i % 6) for i in range(count)]
    return [{"chosen": [*t, *r["chosen"]], "rejected": [*t, *r["rejected"]]} for t, r in zip(talks, made, strict=True)]


def hyperparameters(precision: str) -> Hyperparameters:
    return dataclasses.replace(
        HYPERPARAMETERS,
        learning_rate=RATE,
        effective_batch_size=BATCH,
        gradient_accumulation_steps=BATCH // MICRO,
        per_device_batch_size=MICRO,
        max_seq_length=LENGTH,
        lr_scheduler_type="constant",
        warmup_ratio=0.0,
        max_grad_norm=1.0,
        precision=precision,
        seed=SEED,
        label_scope="completion",
        beta=BETA,
        chat_template="model",
    )


def ours(tokenizer: Any, data: list[dict[str, Any]], precision: str, folder: Path) -> Callable[[], Spent]:
    from accelerate import Accelerator

    steps, settings, accelerator = len(data) // BATCH, hyperparameters(precision), Accelerator(cpu=True)
    model = make_proxy(MODEL, tokenizer, SEED)
    codec = Codec(tokenizer, False, "completion", LENGTH, "right", "labels")
    chosen, rejected, _ = encode_preference(data, codec, lambda done: None)
    objective = DpoObjective(
        chosen,
        rejected,
        loss_type="dpo_norm",
        beta=BETA,
        label_smoothing=0.0,
        pad_token_id=tokenizer.pad_token_id,
        share_prompts=shares_prompts(model, accelerator.device),
    )
    scorer = Scorer(model, autocast=PRECISIONS[precision])
    prepared, optimizer = accelerator.prepare(scorer, adamw(scorer, settings, decay="matrices"))
    order = Order(len(data), settings, SEMANTICS, max_steps=steps)
    budget = pass_budget(objective.padded_lengths, MICRO, accelerator.device)
    job = Job("dpo", objective, order, settings, SEMANTICS, lambda step: RATE, budget, folder, 1e9)

    def run() -> Spent:
        clock, place = Clock(), folder / "reference.pt"
        with clock:
            objective.use_reference(
                reference_log_probs(
                    objective, scorer, accelerator, path=place, key="", budget=4 * budget, tick=lambda done: None
                )
            )
            trained = train(job, prepared, optimizer, accelerator, Reporter(ignore, "dpo", steps))
        accelerator.free_memory()
        return clock.spent([s.loss for s in trained.steps])

    return run


def trl(
    tokenizer: Any, data: list[dict[str, Any]], precision: str, folder: Path, micro: int = MICRO
) -> Callable[[], Spent]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    clock = Clock()

    class Timed(DPOTrainer):  # type: ignore[misc]
        """The reference pass is part of the trainer's making, after the rows are tokenised."""

        def _precompute_ref_logps(self, *args: Any) -> Any:
            before_reference()
            with clock:
                return super()._precompute_ref_logps(*args)

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            self.state.log_history.append(logs)

    def run() -> Spent:
        trainer = Timed(
            model=make_proxy(MODEL, tokenizer, SEED),
            args=DPOConfig(
                output_dir=str(folder),
                per_device_train_batch_size=micro,
                precompute_ref_batch_size=4 * MICRO,
                gradient_accumulation_steps=BATCH // micro,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                max_steps=len(data) // BATCH,
                logging_steps=1,
                max_length=LENGTH,
                loss_type=["sigmoid_norm"],
                beta=BETA,
                precompute_ref_log_probs=True,
                bf16=precision == "bf16",
                gradient_checkpointing=False,
                report_to=[],
                save_strategy="no",
                use_cpu=True,
                seed=SEED,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(data),
            processing_class=tokenizer,
        )
        with clock:
            trainer.train()
        return clock.spent([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])

    return run


def before_reference() -> None:
    """Called when TRL is about to compute; a child that measures memory puts its own in this place."""


def _tokenizer() -> Any:
    made = synthetic.sft_rows(0, 1000)
    return train_tokenizer(
        (f"<|user|>\n{r['messages'][0]['content']}\n<|assistant|>\n{r['messages'][1]['content']}" for r in made), 512
    )


def times(tokenizer: Any, kind: str, precision: str, steps: int, rounds: int) -> None:
    data = rows(steps * BATCH, long=KINDS[kind])
    micro = MICRO
    mine: list[Spent] = []
    theirs: list[Spent] = []

    def one(make: Callable[..., Callable[[], Spent]], data: list[dict[str, Any]], *given: int) -> Spent:
        with tempfile.TemporaryDirectory() as folder:
            return make(tokenizer, data, precision, Path(folder), *given)()

    one(ours, data[: 3 * BATCH])
    whole, parts = (one(trl, data[: 8 * BATCH], size).processor_ms for size in (BATCH, MICRO))
    micro = BATCH if whole < parts else MICRO
    for _ in range(rounds):
        mine.append(one(ours, data))
        theirs.append(one(trl, data, micro))
    apart = max(abs(a - b) for a, b in zip(mine[0].losses, theirs[0].losses, strict=True))
    print(f"{kind}, {precision}: losses at most {apart:.1e} apart; TRL in passes of {micro} pairs")
    for name in ("wall", "processor"):
        here, there = (statistics.median(getattr(s, f"{name}_ms") for s in some) for some in (mine, theirs))
        print(f"  {name} ms a step: {here:.1f} here, {there:.1f} in TRL: {here / there:.2f} of TRL's")


def memory(kind: str, precision: str, steps: int) -> None:
    peaks = []
    for who in ("ours", "trl"):
        command = [sys.executable, __file__, "--memory", who, kind, precision, str(steps)]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        done = subprocess.run(command, capture_output=True, text=True, env=plain)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        peaks.append(json.loads(done.stdout.splitlines()[-1]))
    (peak, base), (their_peak, their_base) = peaks
    print(
        f"  peak resident MiB: {peak:.0f} here, {their_peak:.0f} in TRL: {peak / their_peak:.2f} of TRL's; "
        f"for training alone {peak - base:.0f} and {their_peak - their_base:.0f}: "
        f"{(peak - base) / (their_peak - their_base):.2f}"
    )


def _measured(who: str, kind: str, precision: str, steps: int) -> None:
    """In a process of its own: (peak MiB, MiB before training) as the last line."""
    global before_reference
    tokenizer = _tokenizer()
    data = rows(steps * BATCH, long=KINDS[kind])
    bases: list[float] = []

    def before_reference() -> None:
        bases.append(_resident_mib("VmRSS"))

    with tempfile.TemporaryDirectory() as folder:
        run = {"ours": ours, "trl": trl}[who](tokenizer, data, precision, Path(folder))
        if who == "ours":
            before_reference()
        run()
    print(json.dumps([_resident_mib("VmHWM"), bases[0]]))


def _resident_mib(which: str) -> float:
    # not getrusage: what it gives as a process's peak begins with that of the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def main() -> None:
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--memory"]:
        if sys.argv[2] == "ours":
            keep_memory()
        _measured(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
        return
    keep_memory()
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    tokenizer = _tokenizer()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {rounds} rounds of {steps} steps")
    for kind in KINDS:
        for precision in PRECISIONS:
            times(tokenizer, kind, precision, steps, rounds)
            memory(kind, precision, steps)


if __name__ == "__main__":
    main()
