"""Milliseconds of a DPO step: this project's loop against TRL's DPOTrainer, in one process, on the same rows.

Run: python tests/bench/bench_dpo_step.py [steps]
Processor time is printed beside wall time: on a busy machine only the first says anything.
TRL runs float32 with precomputed reference log-probabilities, so that both do one forward and one backward pass.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from repro.plan import Hyperparameters, ProxyModel
from repro.task import ignore
from repro.train import synthetic
from repro.train.batch import chunks
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec, encode_preference
from repro.train.environment import keep_memory
from repro.train.loop import Job, train
from repro.train.model import Scorer, make_proxy
from repro.train.optimizer import adamw
from repro.train.order import Order
from repro.train.pretraining import SEMANTICS
from repro.train.progress import Reporter
from repro.train.tokenizer import train_tokenizer

SHAPE = ProxyModel(512, 64, 172, 3, 4, 2, 0)
BATCH, MICRO, RATE, BETA, SEED = 32, 8, 3e-5, 5.0, 42
WARM_STEPS = 5


Spent = tuple[float, float]
"""Milliseconds a step: wall time, processor time of all threads."""


def rows(count: int, *, long: bool) -> list[dict[str, Any]]:
    made = synthetic.preference_rows(0, count)
    if not long:
        return [{"chosen": r["chosen"], "rejected": r["rejected"]} for r in made]
    # conversations of one to six turns: rows as uneven as real ones
    talks = [made[i * 7 % count]["chosen"] * (i % 6) for i in range(count)]
    return [{"chosen": [*t, *r["chosen"]], "rejected": [*t, *r["rejected"]]} for t, r in zip(talks, made, strict=True)]


def ours(model: Any, tokenizer: Any, data: list[dict[str, Any]], steps: int, folder: Path) -> tuple[Spent, list[float]]:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    chosen, rejected, _ = encode_preference(data, Codec(tokenizer, False, "completion", 512), lambda done: None)
    objective = DpoObjective(
        chosen, rejected, loss_type="dpo_norm", beta=BETA, label_smoothing=0.0, pad_token_id=tokenizer.pad_token_id
    )
    scorer = Scorer(model, autocast=None)
    reference = torch.zeros(2, len(data))
    with torch.no_grad():
        for part in chunks(objective.padded_lengths, 8192):
            reference[:, torch.from_numpy(part)] = objective.log_probs(scorer, part, torch.device("cpu"))
    objective.use_reference(reference)
    hyperparameters = Hyperparameters(
        learning_rate=RATE,
        effective_batch_size=BATCH,
        gradient_accumulation_steps=BATCH // MICRO,
        per_device_batch_size=MICRO,
        num_devices=1,
        max_seq_length=512,
        num_epochs=1.0,
        max_steps=None,
        lr_scheduler_type="constant",
        warmup_steps=0,
        warmup_ratio=0.0,
        optimizer="adamw",
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        weight_decay=0.0,
        max_grad_norm=1.0,
        precision="fp32",
        master_weights="fp32",
        seed=SEED,
        data_seed=SEED,
        logging_steps=1,
        loss_type="dpo_norm",
        loss_reduction="mean",
        label_scope="completion",
        beta=BETA,
        label_smoothing=0.0,
        chat_template="model",
    )
    prepared, optimizer = accelerator.prepare(scorer, adamw(scorer, hyperparameters))
    order = Order(len(data), hyperparameters, SEMANTICS, max_steps=steps)
    job = Job("dpo", objective, order, hyperparameters, SEMANTICS, lambda step: RATE, 2048, folder, 1e9)
    cpu, began = time.process_time(), time.monotonic()
    trained = train(job, prepared, optimizer, accelerator, Reporter(ignore, "dpo", steps))
    spent = ((time.monotonic() - began) / steps * 1000, (time.process_time() - cpu) / steps * 1000)
    accelerator.free_memory()
    return spent, [s.loss for s in trained.steps]


def trl(model: Any, tokenizer: Any, data: list[dict[str, Any]], steps: int, folder: Path) -> tuple[Spent, list[float]]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=MICRO,
            gradient_accumulation_steps=BATCH // MICRO,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_steps=steps,
            logging_steps=1,
            max_length=512,
            loss_type=["sigmoid_norm"],
            beta=BETA,
            precompute_ref_log_probs=True,
            bf16=False,
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
    trainer.log = lambda logs, start_time=None: trainer.state.log_history.append(logs)  # type: ignore[method-assign]
    cpu, began = time.process_time(), time.monotonic()
    trainer.train()
    spent = ((time.monotonic() - began) / steps * 1000, (time.process_time() - cpu) / steps * 1000)
    return spent, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> None:
    warnings.simplefilter("ignore")
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    keep_memory()
    made = synthetic.sft_rows(0, 1000)
    tokenizer = train_tokenizer(
        (f"<|user|>\n{r['messages'][0]['content']}\n<|assistant|>\n{r['messages'][1]['content']}" for r in made), 512
    )
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {steps} steps of {BATCH} pairs")
    for name, long in (("short rows", False), ("rows of 1 to 6 turns", True)):
        data = rows(steps * BATCH, long=long)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            ours(make_proxy(SHAPE, tokenizer, SEED), tokenizer, data, WARM_STEPS, place / "warm")
            mine, my_losses = ours(make_proxy(SHAPE, tokenizer, SEED), tokenizer, data, steps, place / "ours")
            theirs, their_losses = trl(make_proxy(SHAPE, tokenizer, SEED), tokenizer, data, steps, place / "trl")
        apart = max(abs(a - b) for a, b in zip(my_losses, their_losses, strict=True))
        print(f"{name}: losses at most {apart:.1e} apart")
        for kind, mine_ms, theirs_ms in zip(("wall", "processor"), mine, theirs, strict=True):
            ratio = theirs_ms / mine_ms
            print(f"  {kind} ms a step: {mine_ms:.1f} here, {theirs_ms:.1f} in TRL: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
