"""DPO on a GPU: this project's loop against TRL's DPOTrainer, a Llama of 1.5 billion random weights at length 2048.

    python tests/bench/bench_gpu_dpo.py [--tiny] [--steps N] [--gradient-checkpointing]

Both train in bf16 with float32 master weights, on the same rows in the same batches, with reference log-probabilities
computed once beforehand, each in a process of its own so that neither's memory counts for the other. TRL runs with
fused AdamW, and once more with Liger's kernels where they are installed. Printed are tokens a second, the share of the
card's bf16 peak (model FLOPs: 6 a parameter and token without the input embedding, and attention's; what checkpointing
computes anew is not counted: Chowdhery et al. 2022, appendix B), and the peak of allocated memory. --tiny goes the same
way with a toy on the processor, whose figures mean nothing. Without a GPU and without --tiny nothing is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
os.environ["TQDM_DISABLE"] = "1"

import torch
from plans import HYPERPARAMETERS

from repro.arithmetic import GB
from repro.memory import CARDS, ModelShape, Pass, activations
from repro.plan import Hyperparameters
from repro.task import ignore
from repro.train import synthetic
from repro.train.batch import pass_budget
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec, encode_preference
from repro.train.loop import Job, train
from repro.train.model import Scorer, shares_prompts
from repro.train.order import Order
from repro.train.pretraining import SEMANTICS
from repro.train.progress import Reporter
from repro.train.reference import reference_log_probs
from repro.train.sharding import prepared
from repro.train.tokenizer import train_tokenizer

LARGE = ModelShape("llama", 128_256, 2048, 8192, 16, 32, 8, 64)
TINY = ModelShape("llama", 1024, 64, 176, 2, 4, 2, 16)
BATCH, MICRO, RATE, BETA, SEED, WARM_STEPS = 8, 2, 1e-6, 5.0, 42, 2
CONTENDERS = ("ours", "trl", "trl-liger")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What both train."""

    tiny: bool
    steps: int
    checkpointing: bool

    @property
    def shape(self) -> ModelShape:
        return TINY if self.tiny else LARGE

    @property
    def length(self) -> int:
        return 128 if self.tiny else 2048


def model_of(shape: ModelShape, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    dimensions = {k: v for k, v in dataclasses.asdict(shape).items() if k != "model_type"}
    tokens = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    torch.manual_seed(SEED)
    return LlamaForCausalLM(LlamaConfig(**dimensions, **tokens, max_position_embeddings=4096))


def rows(setting: Setting) -> list[dict[str, Any]]:
    """Pairs whose answers are longer than the length at which both are cut."""
    made = synthetic.preference_rows(0, 64)
    words = [row[side][-1]["content"] for row in made for side in ("chosen", "rejected")]

    def answer(number: int) -> list[dict[str, str]]:
        text = " ".join(words[(number + i) % len(words)] for i in range(setting.length))
        return [{"role": "assistant", "content": text[: 8 * setting.length]}]

    asked = [made[i % len(made)]["chosen"][:1] for i in range(BATCH * setting.steps)]
    return [{"chosen": q + answer(2 * i), "rejected": q + answer(2 * i + 1)} for i, q in enumerate(asked)]


def tokenizer_of() -> Any:
    made = synthetic.sft_rows(0, 1000)
    return train_tokenizer(
        (f"<|user|>\n{r['messages'][0]['content']}\n<|assistant|>\n{r['messages'][1]['content']}" for r in made), 512
    )


def hyperparameters(setting: Setting) -> Hyperparameters:
    return dataclasses.replace(
        HYPERPARAMETERS,
        learning_rate=RATE,
        effective_batch_size=BATCH,
        gradient_accumulation_steps=BATCH // MICRO,
        per_device_batch_size=MICRO,
        max_seq_length=setting.length,
        max_grad_norm=1.0,
        precision="bf16",
        seed=SEED,
        beta=BETA,
    )


def ours(setting: Setting, folder: Path) -> tuple[list[float], list[float]]:
    """(seconds of each step, losses)."""
    from accelerate import Accelerator

    tokenizer, settings, accelerator = tokenizer_of(), hyperparameters(setting), Accelerator(cpu=setting.tiny)
    model = model_of(setting.shape, tokenizer)
    codec = Codec(tokenizer, False, "completion", setting.length, "right", "labels")
    chosen, rejected, _ = encode_preference(rows(setting), codec, lambda done: None)
    objective = DpoObjective(
        chosen,
        rejected,
        loss_type="dpo_norm",
        beta=BETA,
        label_smoothing=0.0,
        pad_token_id=tokenizer.pad_token_id,
        share_prompts=shares_prompts(model, accelerator.device),
    )
    scorer, optimizer = prepared(
        accelerator,
        Scorer(model, autocast=torch.bfloat16),
        settings,
        decay="matrices",
        compute=torch.bfloat16,
        checkpointing=setting.checkpointing,
    )
    budget = pass_budget(objective.padded_lengths, MICRO, accelerator.device)
    place = folder / "reference.pt"
    objective.use_reference(
        reference_log_probs(objective, scorer, accelerator, path=place, key="", budget=budget, tick=lambda done: None)
    )
    order = Order(len(chosen), settings, SEMANTICS, max_steps=setting.steps)
    seconds: list[float] = []
    job = Job("dpo", objective, order, settings, SEMANTICS, lambda step: RATE, budget, folder, 1e9)
    job = dataclasses.replace(job, track=lambda step, spent: seconds.append(spent))
    trained = train(job, scorer, optimizer, accelerator, Reporter(ignore, "dpo", setting.steps))
    return seconds, [step.loss for step in trained.steps]


def trl(setting: Setting, folder: Path, *, liger: bool) -> tuple[list[float], list[float]]:
    """(seconds of each step, losses)."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import DPOConfig, DPOTrainer

    seconds: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            synchronize()
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            synchronize()
            seconds.append(time.perf_counter() - self.began)

    tokenizer = tokenizer_of()
    trainer = DPOTrainer(
        model=model_of(setting.shape, tokenizer),
        args=DPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=MICRO,
            gradient_accumulation_steps=BATCH // MICRO,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_steps=setting.steps,
            logging_steps=1,
            max_length=setting.length,
            max_grad_norm=1.0,
            loss_type=["sigmoid_norm"],
            beta=BETA,
            precompute_ref_log_probs=True,
            bf16=True,
            optim="adamw_torch_fused",
            gradient_checkpointing=setting.checkpointing,
            use_liger_kernel=liger,
            report_to=[],
            save_strategy="no",
            use_cpu=setting.tiny,
            seed=SEED,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows(setting)),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.log = lambda logs, start_time=None: trainer.state.log_history.append(logs)  # type: ignore[method-assign]
    trainer.train()
    return seconds, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measured(contender: str, setting: Setting) -> dict[str, Any]:
    """In a process of its own: seconds of the steps, losses, peak memory in GB."""
    with tempfile.TemporaryDirectory() as folder:
        if contender == "ours":
            seconds, losses = ours(setting, Path(folder))
        else:
            seconds, losses = trl(setting, Path(folder), liger=contender == "trl-liger")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    if not setting.tiny:
        peak = float(torch.cuda.max_memory_allocated())
    return {"seconds": seconds, "losses": losses, "peak_gb": peak / GB}


def flops_of_step(setting: Setting) -> float:
    """Model FLOPs: forward 2 and backward 4 a parameter and token; causal attention's 6 a layer, width and token."""
    shape, tokens = setting.shape, 2 * BATCH * setting.length
    width = shape.num_attention_heads * shape.head_dim
    attention = 6 * shape.num_hidden_layers * width * setting.length
    return tokens * (6.0 * (shape.parameters - shape.embedding_parameters) + attention)


def peak_flops() -> float | None:
    """The card's dense bf16 peak by its data sheet, where it is one that is known."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name(0).replace(" ", "").lower()
    known = [card for card in CARDS if re.sub(r" \d+ GB$", "", card.name).replace(" ", "").lower() in name]
    return max((card.bf16_flops for card in known), default=None)


def report(setting: Setting, results: dict[str, dict[str, Any]]) -> None:
    tokens, peak = 2 * BATCH * setting.length, peak_flops()
    for name, result in results.items():
        spent = statistics.median(result["seconds"][WARM_STEPS:])
        share = f"{flops_of_step(setting) / spent / peak:.1%} MFU" if peak else "MFU unknown: no peak for this device"
        print(f"{name}: {tokens / spent:,.0f} tokens/s, {share}, peak {result['peak_gb']:.2f} GB, {spent:.3f} s a step")
    mine = results["ours"]
    for name, other in results.items():
        if name == "ours":
            continue
        apart = max(abs(a - b) for a, b in zip(mine["losses"], other["losses"], strict=True))
        faster = statistics.median(other["seconds"][WARM_STEPS:]) / statistics.median(mine["seconds"][WARM_STEPS:])
        less = mine["peak_gb"] / other["peak_gb"]
        print(f"against {name}: {faster:.2f} times as fast, {less:.2f} of the memory; losses at most {apart:.1e} apart")
    tokens = 2 * MICRO * setting.length
    work = Pass(tokens, tokens, "bf16", True, setting.checkpointing)
    held = activations(setting.shape, work, sharded=False)
    states = 18 * setting.shape.parameters
    told = (states + (held.checkpointed if setting.checkpointing else held.whole)) / GB
    print(f"repro plan's formula for ours: {told:.2f} GB before logits and temporaries")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true", help="a toy on the processor, to see the script through")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    setting = Setting(given.tiny, max(given.steps, WARM_STEPS + 1), given.gradient_checkpointing)
    warnings.simplefilter("ignore")
    if given.contender:
        print(json.dumps(measured(given.contender, setting)))
        return
    if not given.tiny and not torch.cuda.is_available():
        print("There is no GPU here, so nothing is measured. --tiny sees the script through on the processor.")
        return
    where = "the processor, a toy" if given.tiny else torch.cuda.get_device_name(0)
    print(f"torch {torch.__version__} on {where}; {setting.shape.parameters:,} parameters, length {setting.length}, "
          f"{BATCH} pairs a step in passes of {MICRO}")  # fmt: skip
    results: dict[str, dict[str, Any]] = {}
    for contender in CONTENDERS:
        if contender == "trl-liger":
            import importlib.util

            if importlib.util.find_spec("liger_kernel") is None or given.tiny:
                print("trl-liger: left out, " + ("its kernels are a GPU's" if given.tiny else "not installed"))
                continue
        words = [sys.executable, __file__, *sys.argv[1:], "--contender", contender]
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ)
        if done.returncode:
            sys.exit(f"{contender}: {done.stderr[-2000:]}")
        results[contender] = json.loads(done.stdout.splitlines()[-1])
    report(setting, results)


if __name__ == "__main__":
    main()
