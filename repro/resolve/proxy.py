"""The stand-in: the same recipe at a size that a laptop trains in minutes, by rules that never look at a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from repro.evidence import Evidence
from repro.plan import Adapter, DatasetPlan, ProxyModel, Scaled, StagePlan
from repro.resolve.feasibility import lineage
from repro.resolve.sizes import parameters, width
from repro.resolve.steps import warmup_of
from repro.resolve.values import show
from repro.spec import ClaimKind, Spec

MODEL = ProxyModel(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=176,
    num_layers=3,
    num_heads=4,
    num_key_value_heads=2,
    pretraining_steps=200,
)
"""About 0.2 million parameters: 844 DPO steps of 32 pairs take about a minute on two cores."""
RANK_SHARE = 8
LAYERS = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"})
"""Linear layers of the stand-in, which is a Llama."""
MAX_SEQ_LENGTH = 64
BATCH = 32
"""Largest effective batch that a stand-in trains with."""
STEPS_UNCLAIMED = 200
"""Most steps of a stage of which the card claims no loss or score."""
STEPS_CLAIMED = 1000
"""Most steps of a stage with claims: two such stages stay within five minutes on two cores."""


def scale_down(
    stage: StagePlan, stages: Sequence[StagePlan], spec: Spec, evidence: Evidence, *, claimed: int | None
) -> tuple[StagePlan, tuple[Scaled, ...]]:
    """The stage as the stand-in trains it, and every quantity that this changes. `claimed` is the card's step count.

    The step count is the card's own where it gives one. Kept: the schedule's shape, warm-up's share, beta, the loss,
    the reduction, the labels, the optimizer, the clipping, the seeds, the epochs; batch and accumulation up to a batch
    of 32, steps up to 1,000, or 200 where the card claims no result of the stage.
    """
    h = stage.hyperparameters
    scaled: list[Scaled] = []

    def say(name: str, full: object, proxy: object, why: str) -> None:
        if str(full) != str(proxy):
            scaled.append(Scaled(stage.name, name, str(full), str(proxy), why))

    names = lineage(stage, stages)
    wide = width(names, evidence)
    hidden = wide.value if isinstance(wide.value, int) else MODEL.hidden_size
    # muP's rule is for weights that train; an adapter's rate goes by its rank and scale, which are kept below
    ratio = max(1.0, hidden / MODEL.hidden_size) if stage.adapter is None else 1.0
    rate = h.learning_rate * ratio
    say(
        "learning_rate",
        show(h.learning_rate),
        show(rate),
        f"x {hidden:,} / {MODEL.hidden_size} = {ratio:g}: Adam's rate scales with 1 / width (muP: Yang et al. 2022, "
        f"arXiv:2203.03466, table 3); width {hidden:,} by {wide.why or wide.origin.value}; chosen without looking at "
        "any loss",
    )
    batch, accumulation, micro = _batch(h.effective_batch_size, h.per_device_batch_size)
    say("effective_batch_size", h.effective_batch_size, batch, f"at most {BATCH}, for time on a laptop")
    layout = f"{h.per_device_batch_size} x {h.num_devices} devices x {h.gradient_accumulation_steps}"
    say(
        "batch layout",
        layout,
        f"{micro} x 1 devices x {accumulation}",
        "one process; every micro-batch is kept in the accumulation",
    )
    full_steps, steps, why = _steps(stage, spec, claimed)
    say("optimizer steps", f"{full_steps:,}" if full_steps else "not known", f"{steps:,}", why)
    rows = _rows(steps, batch, h.num_epochs)
    full_rows = stage.get("dataset_rows")
    say("training rows", show(full_rows.value) if full_rows.known else "not known", f"{rows:,}", "what the steps take")
    data = " + ".join(d.repo_id for d in stage.datasets) or "not stated"
    say("data", data, "synthetic chat rows from a seed", "same columns, made here: needs no download")
    say(
        "max_seq_length",
        f"{h.max_seq_length:,}",
        min(h.max_seq_length, MAX_SEQ_LENGTH),
        "synthetic rows are about 31 tokens long",
    )
    say("precision", h.precision, "fp32", "bf16 is slower than fp32 on a CPU at this size")
    warm = h.warmup_steps
    if warm is not None:
        share = warm / full_steps if full_steps else h.warmup_ratio
        warm = min(warm, steps) if full_steps == steps else min(steps, warmup_of(steps, share, rounds_up=False))
        say("warmup_steps", h.warmup_steps, warm, "the same share of the steps")
    warm_share = show(h.warmup_ratio) if h.warmup_steps is None else ""
    if warm_share and full_steps and full_steps != steps:
        up = stage.semantics.warmup_rounding == "up"
        before, after = (warmup_of(n, h.warmup_ratio, rounds_up=up) for n in (full_steps, steps))
        say("warmup_steps", f"{before:,}", f"{after:,}", f"the same share of the steps, {warm_share}")
    adapter, changes = small_adapter(stage.adapter) if stage.adapter is not None else (None, ())
    for change in changes:
        say(*change)
    proxied = replace(
        h,
        learning_rate=rate,
        effective_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        per_device_batch_size=micro,
        num_devices=1,
        max_seq_length=min(h.max_seq_length, MAX_SEQ_LENGTH),
        max_steps=steps,
        warmup_steps=warm,
        precision="fp32",
        master_weights="fp32",
    )
    made = DatasetPlan(repo_id=data, revision="", split="train", fraction=None, rows=rows, total_rows=None)
    plan = replace(stage, hyperparameters=proxied, datasets=(made,), expected_steps=steps, adapter=adapter)
    return plan, tuple(scaled)


def small_adapter(adapter: Adapter) -> tuple[Adapter, tuple[tuple[str, str, str, str], ...]]:
    """The adapter as the stand-in carries it, and (name, full, proxy, why) of what that changes."""
    r = min(adapter.r, MODEL.hidden_size // RANK_SHARE)
    share = r / adapter.r
    alpha = adapter.alpha * (math.sqrt(share) if adapter.use_rslora else share)
    names = adapter.target_modules
    kept = tuple(n for n in names if n.rsplit(".", 1)[-1] in LAYERS)
    if names and names != ("all-linear",):
        names = tuple(sorted({n.rsplit(".", 1)[-1] for n in kept})) or ("all-linear",)
    told = (
        ("lora_r", str(adapter.r), str(r), f"at most one {RANK_SHARE}th of the stand-in's width"),
        ("lora_alpha", show(adapter.alpha), show(alpha), "so that the update's scale stays"),
        (
            "lora_target_modules",
            show(adapter.target_modules),
            show(names),
            "the stand-in's layers of those names" if kept else "the stand-in has no layers of those names",
        ),
        ("frozen weights", adapter.quantization or "as they are", "as they are", "quantizing needs a GPU"),
    )
    return replace(adapter, r=r, alpha=alpha, target_modules=names, quantization="", double_quantization=False), told


def model_scaled(stages: Sequence[StagePlan], evidence: Evidence) -> Scaled:
    """The line that says which model stands in for which."""
    last = stages[-1]
    size = parameters(lineage(last, stages), evidence)
    count = f"{size.value:,} parameters" if isinstance(size.value, int) else "size not known"
    base = stages[0].base or "base not stated"
    return Scaled(
        stage="",
        name="model",
        full=f"{base}, {count}",
        proxy=f"Llama, {stand_in_parameters():,} parameters ({MODEL.num_layers} layers, hidden {MODEL.hidden_size}, "
        f"vocabulary {MODEL.vocab_size}), pretrained {MODEL.pretraining_steps} steps here",
        why="minutes on two cores and no download; it decides no absolute number of the full-scale model",
    )


def stand_in_parameters() -> int:
    """Parameters of the stand-in."""
    from repro.arithmetic import llama_parameters

    return llama_parameters(
        vocab_size=MODEL.vocab_size,
        hidden_size=MODEL.hidden_size,
        intermediate_size=MODEL.intermediate_size,
        num_hidden_layers=MODEL.num_layers,
        num_attention_heads=MODEL.num_heads,
        num_key_value_heads=MODEL.num_key_value_heads,
    )


def _batch(effective: int, micro: int) -> tuple[int, int, int]:
    """(batch, accumulation, micro-batch): sequences a micro-step are kept as far as they divide the batch."""
    batch = min(effective, BATCH)
    kept = math.gcd(batch, micro)
    return batch, batch // kept, kept


def _steps(stage: StagePlan, spec: Spec, claimed: int | None) -> tuple[int | None, int, str]:
    """(full, proxy, why) numbers of optimizer steps."""
    own = [c for c in spec.claims if c.stage == stage.name and c.kind in {ClaimKind.LOSS, ClaimKind.EVAL}]
    last = max((c.step or 0 for c in own), default=0)
    asked = stage.hyperparameters.max_steps
    full = asked or claimed or stage.expected_steps
    if full is None and last:
        full = last
        why = f"the card's last result of the stage is at step {last:,}"
    elif full is None:
        return None, STEPS_UNCLAIMED, "the row count is not known"
    else:
        why = "the card's own count" if claimed else "from rows and batch"
        why = "max_steps" if asked and asked != claimed else why
    cap = STEPS_CLAIMED if own else STEPS_UNCLAIMED
    if full > cap:
        reason = "for time on a laptop" if own else "the card claims no result of this stage"
        return full, cap, f"at most {cap:,}: {reason}"
    return full, full, why


def _rows(steps: int, batch: int, epochs: float) -> int:
    """Rows with which the epochs are that many steps, as nearly as whole batches allow."""
    per_epoch = max(1, math.ceil(steps / max(epochs, 1.0) - 1e-9))
    return per_epoch * batch
