"""What a stage costs at full scale: weights, training memory, tokens and device-hours, each by a printed formula."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from repro.arithmetic import GB, training_flops, weights_gb
from repro.evidence import Evidence
from repro.memory import LLAMA_LIKE, ModelShape, Pass, device_memory, fits, state_bytes
from repro.plan import REFERENCE_FREE, Feasibility, StagePlan
from repro.resolve.sizes import parameters, shape
from repro.resolve.values import show

MFU = 0.225
"""Share of the peak that open-instruct's DPO of a 7B model reached on 16 H100 (open-instruct PR 1466): at best."""
PEAKS = {"A100": 312e12, "H100": 989e12, "H200": 989e12}
"""Dense bf16 FLOP/s of one device (NVIDIA's data sheets)."""
FROZEN_BYTES = {"": 4.0, "int8": 1.0, "nf4": 0.5, "fp4": 0.5}
"""Bytes a parameter of frozen weights under an adapter, by `Adapter.quantization`."""
MEAN_SHARE = 0.25
"""Mean length of a row as a share of the maximum; nobody states it, so it is assumed and said."""


def estimate(stage: StagePlan, stages: Sequence[StagePlan], evidence: Evidence) -> Feasibility:
    """Cost of one stage of a full-scale plan."""
    size = parameters(lineage(stage, stages), evidence)
    h = stage.hyperparameters
    rows = stage.get("dataset_rows").value
    steps = stage.expected_steps
    count = size.value if isinstance(size.value, int) else None
    seen, formula = _rows_seen(stage, rows if isinstance(rows, int) else None, steps)
    mean = max(1, round(h.max_seq_length * MEAN_SHARE))
    sides = 2 if stage.method == "dpo" else 1
    tokens = seen * sides * mean if seen is not None else None
    parts = []
    if count is not None:
        parts.append(f"{count:,} parameters ({size.why or size.origin.value})")
    else:
        parts.append(size.why)
    memory = weights = hours = None
    if count is not None:
        low, master = _precision(stage)
        weights = weights_gb(count, low)
        kept, gradients, moments = state_bytes(low, master_weights=master)
        memory = count * (kept + gradients + moments) / GB
        which = "float32 master weights" if master and low != "fp32" else "weights"
        told = f"{kept:g} + {gradients:g} + {moments:g} bytes a parameter for {which}, gradients and AdamW's moments"
        if stage.adapter is not None:
            frozen = FROZEN_BYTES[stage.adapter.quantization] if stage.adapter.quantization or master else kept
            memory = count * frozen / GB
            held = stage.adapter.quantization or ("float32" if frozen == 4 else low)
            told = f"{frozen:g} bytes a parameter for the frozen weights ({held}), the adapter's own apart,"
        parts.append(f"memory: {told} = {memory:,.4g} GB over all devices, before what one pass takes")
    if tokens is not None:
        pair = "2 sequences x " if sides == 2 else ""
        parts.append(
            f"tokens: {formula} x {pair}{mean} (mean length assumed a quarter of {h.max_seq_length:,}) = {tokens:,}"
        )
    else:
        parts.append("tokens: the row count is not known before the data are there")
    if count is not None and tokens is not None:
        forward = sum(forward_passes(stage))
        flops = training_flops(count, tokens, passes_forward=forward)
        backward = 4
        if stage.adapter is not None:  # frozen weights have no gradients of their own
            backward, flops = 2, flops - 2.0 * count * tokens
        device = device_of(stage)
        hours = flops / (PEAKS[device] * MFU) / 3600
        other = "H100" if device == "A100" else "A100"
        parts.append(
            f"device-hours: parameters x tokens x (2 x {show(round(forward, 3))} forward + {backward} backward) = "
            f"{flops:.3g} FLOP / ({PEAKS[device] / 1e12:g} TFLOP/s of one {device} x {MFU:.1%} MFU) = {hours:.3g} "
            f"{device}-hours ({flops / (PEAKS[other] * MFU) / 3600:.3g} on {other})"
        )
    cost = Feasibility(
        stage=stage.name,
        parameters=count,
        weights_gb=weights,
        training_memory_gb=memory,
        tokens=tokens,
        device_hours=hours,
        how="; ".join(p for p in parts if p),
    )
    if count is None or stage.adapter is not None:  # the parts of one device are those of whole training
        return cost
    return _with_memory(cost, stage, *shape(lineage(stage, stages), evidence))


def largest_pass(stage: StagePlan) -> Pass:
    """One process's largest pass: the recipe's micro-batch of rows of the greatest length, every token a label."""
    h = stage.hyperparameters
    precision, master = _precision(stage)
    rows = h.per_device_batch_size * (2 if stage.method == "dpo" else 1)
    tokens = rows * h.max_seq_length
    count = stage.get("dataset_rows").value
    referred = stage.method == "dpo" and h.loss_type not in REFERENCE_FREE
    return Pass(
        tokens=tokens,
        labels=tokens,
        precision=precision,
        master_weights=master,
        gradient_checkpointing=stage.get("gradient_checkpointing").value is True,
        pairs=count if referred and isinstance(count, int) else 0,
    )


def _with_memory(told: Feasibility, stage: StagePlan, found: ModelShape | None, where: str) -> Feasibility:
    """The memory of one device and the cards that have it, where the shape is known and is that of the parameters."""
    work, devices, count = largest_pass(stage), stage.hyperparameters.num_devices, told.parameters or 0
    if found is None:
        return dataclasses.replace(told, work=work, devices=devices, how=f"{told.how}; one device's memory: {where}")
    told = dataclasses.replace(told, shape=found, work=work, devices=devices)
    if found.model_type not in LLAMA_LIKE:
        why = f"no formula for activations of the type {found.model_type}: --dry-run counts them"
    elif not 0.98 <= found.parameters / count <= 1.02:
        why = f"the shape in {where} is that of {found.parameters:,} parameters, another model's"
    else:
        return dataclasses.replace(
            told,
            parts=device_memory(found, work, devices=devices, parameters=count),
            fits=fits(found, work, parameters=count),
        )
    return dataclasses.replace(told, how=f"{told.how}; one device's memory: {why}")


def _precision(stage: StagePlan) -> tuple[str, bool]:
    """("fp32" or "bf16", whether float32 master weights are kept beside)."""
    h = stage.hyperparameters
    precision = "fp32" if h.precision == "fp32" else "bf16"
    return precision, precision != "fp32" and h.master_weights == "fp32"


def forward_passes(stage: StagePlan) -> tuple[float, float]:
    """Forward passes over each token trained on: (in training, of the reference before it).

    Checkpointing computes each forward pass twice; DPO's reference is computed once over all rows, whatever is then
    trained of them (open_instruct/dpo_tune_cache.py@e6c3044).
    """
    again = 1.0 if stage.get("gradient_checkpointing").value is True else 0.0
    referred = stage.method == "dpo" and stage.hyperparameters.loss_type not in REFERENCE_FREE
    return 1.0 + again, 1 / max(stage.hyperparameters.num_epochs, 1) if referred else 0.0


def reference_share(stage: StagePlan) -> float:
    """The share of a stage's operations that its reference takes, which a prefix of the stage takes in full."""
    training, reference = forward_passes(stage)
    return 2 * reference / (2 * (training + reference) + 4)


def device_of(stage: StagePlan) -> str:
    """The device that a stage's hours are of: the card's own where it is a known one, else an A100."""
    return next((d for d in PEAKS if d in str(stage.get("hardware").value or "").upper()), "A100")


def _rows_seen(stage: StagePlan, rows: int | None, steps: int | None) -> tuple[int | None, str]:
    h = stage.hyperparameters
    if h.max_steps is None and rows is not None:
        seen = round(rows * h.num_epochs)
        return seen, f"{rows:,} rows x {show(h.num_epochs)} epochs"
    if steps is not None:
        return steps * h.effective_batch_size, f"{steps:,} steps x {h.effective_batch_size}"
    return None, ""


def lineage(stage: StagePlan, stages: Sequence[StagePlan]) -> tuple[str, ...]:
    """Repositories of a model of this stage's shape: its product, its base, and the stages' it stems from."""
    names = [stage.produces]
    base = stage.base
    by_name = {f"<{s.name}>": s for s in stages}
    for _ in stages:
        if base not in by_name:
            break
        names.append(by_name[base].produces)
        base = by_name[base].base
    names.append(base)
    return tuple(dict.fromkeys(n for n in names if n and not n.startswith("<")))
