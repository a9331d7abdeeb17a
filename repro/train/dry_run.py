"""A plan's models built from tensors that have a shape and no memory, to count what full scale would hold."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from repro.errors import PrerequisiteError
from repro.memory import Activations, ModelShape, Pass, device_memory, fits
from repro.plan import Feasibility, Plan
from repro.train.model import PLAIN_HEADS

ATTENTION = "repro_counted"
"""The name under which transformers finds `_Attention`."""
LENGTHS = (256, 512)
"""Sequence lengths at which is counted: what is kept grows in a straight line, casts of the weights do not grow."""
_LEAST_AGREEMENT = 0.98


def dry_run(plan: Plan) -> Plan:
    """The plan with each stage's memory counted on the architecture itself rather than by formula.

    Every layer of the model is built and run, on tensors that have a shape and no storage. Stages whose model's shape
    is not known stay as they are, and a note says so.

    Raises:
        PrerequisiteError: transformers cannot build a model of that type and shape.
    """
    counted: list[Feasibility] = []
    notes: list[str] = []
    done: dict[tuple[ModelShape, str, bool], Counted] = {}
    for told in plan.feasibility:
        shape, work = told.shape, told.work
        if shape is None or work is None:
            notes.append(f"{told.stage}: no dry run, because the shape of its model is not known.")
            counted.append(told)
            continue
        key = (shape, work.precision, work.master_weights)
        if key not in done:
            done[key] = count(*key)
        modules = done[key].modules
        parameters = sum(amount for _, amount in modules)
        unsharded, sharded = done[key].activations(work, sharded=False), done[key].activations(work, sharded=True)
        if told.parameters and not _LEAST_AGREEMENT <= parameters / told.parameters <= 1 / _LEAST_AGREEMENT:
            notes.append(
                f"{told.stage}: no dry run, because a {shape.model_type} of the shape found has {parameters:,} "
                f"parameters and the model {told.parameters:,}."
            )
            counted.append(told)
            continue
        held = sharded if told.devices > 1 else unsharded
        counted.append(
            dataclasses.replace(
                told,
                modules=modules,
                parts=device_memory(shape, work, devices=told.devices, parameters=parameters, measured=held),
                fits=fits(shape, work, parameters=parameters, unsharded=unsharded, sharded=sharded),
                how=f"{told.how}; activations counted on a {shape.model_type} of {parameters:,} parameters built "
                "without memory",
            )
        )
    return dataclasses.replace(plan, feasibility=tuple(counted), notes=(*plan.notes, *notes))


@dataclass(frozen=True, slots=True)
class Saved:
    """Bytes a token that the decoder's forward pass saves for the backward pass."""

    whole: float
    inputs: float
    """With every layer checkpointed: the layers' inputs, and what is outside of them."""
    layer: float
    """Of the largest layer, which is computed anew."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One architecture, counted."""

    modules: tuple[tuple[str, int], ...]
    """(kind of module, parameters), largest first."""
    unsharded: Saved
    sharded: Saved
    hidden_size: int
    labels_only: bool
    """Whether the head sees the label positions alone."""

    def activations(self, work: Pass, *, sharded: bool) -> Activations:
        """Of one pass: what the decoder saves, and each label's state and target; the logits apart."""
        saved = self.sharded if sharded else self.unsharded
        width = 4 if work.precision == "fp32" else 2
        ends = work.labels * (width * self.hidden_size + 16) if self.labels_only else 0
        return Activations(
            whole=work.tokens * saved.whole + ends, checkpointed=work.tokens * (saved.inputs + saved.layer) + ends
        )


def count(shape: ModelShape, precision: str, master_weights: bool) -> Counted:
    """Build the model and run its decoder, with the weights as one device has them and as sharding gathers them.

    Raises:
        PrerequisiteError: transformers cannot build it.
    """
    masters = precision == "fp32" or master_weights
    autocast = precision != "fp32" and masters
    model = build(shape, torch.float32 if masters else torch.bfloat16)
    unsharded = saved_bytes(model, autocast=autocast)
    return Counted(
        modules=module_parameters(model),
        unsharded=unsharded,
        sharded=saved_bytes(build(shape, torch.bfloat16), autocast=False) if autocast else unsharded,
        hidden_size=shape.hidden_size,
        labels_only=shape.model_type in PLAIN_HEADS,
    )


def build(shape: ModelShape, dtype: torch.dtype) -> Any:
    """The architecture of a shape, on torch's fake tensors: shapes and types without storage.

    Raises:
        PrerequisiteError: transformers has no such type, or it cannot be built from these dimensions.
    """
    from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

    AttentionInterface.register(ATTENTION, _attend)
    dimensions = dataclasses.asdict(shape)
    kind = dimensions.pop("model_type")
    try:
        config = AutoConfig.for_model(kind, **dimensions)
        with FakeTensorMode():
            return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=ATTENTION)
    except Exception as error:  # transformers raises ValueError, KeyError, TypeError and more
        why = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise PrerequisiteError(
            f"a model of the type {kind!r} cannot be built without memory: {why}", hint="drop --dry-run"
        ) from error


def module_parameters(model: Any) -> tuple[tuple[str, int], ...]:
    """(class of the module that has them, parameters); within a decoder layer, of the layer's own part."""
    layers = set(getattr(model, "_no_split_modules", None) or ())
    kinds: Counter[str] = Counter()

    def walk(module: torch.nn.Module, named: str) -> None:
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                kinds[named or type(module).__name__] += parameter.numel()
        for child in module.children():
            inside = type(module).__name__ in layers
            walk(child, named or (type(child).__name__ if inside else ""))

    seen: set[int] = set()
    walk(model, "")
    return tuple(kinds.most_common())


def saved_bytes(model: Any, *, autocast: bool) -> Saved:
    """Bytes a token, from the difference between two lengths."""
    short, long = (_saved(model, length, autocast=autocast) for length in LENGTHS)
    return Saved(*((b - a) / (LENGTHS[1] - LENGTHS[0]) for a, b in zip(short, long, strict=True)))


def _saved(model: Any, length: int, *, autocast: bool) -> tuple[float, float, float]:
    """(bytes saved in all, bytes saved with each layer checkpointed, bytes of the largest layer)."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, Any] = {}
    layers: list[float] = []
    inputs: dict[int, Any] = {}
    inside: list[dict[int, Any]] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other takes its place
            if inside:
                inside[-1][storage._cdata] = storage
        return tensor

    def enter(module: Any, given: Any, named: Any) -> None:
        states = given[0] if given else named["hidden_states"]
        inputs[states.untyped_storage()._cdata] = states.untyped_storage()
        inside.append({})

    def leave(module: Any, given: Any, result: Any) -> None:
        within.update(inside[-1])
        layers.append(sum(s.nbytes() for s in inside.pop().values()))

    within: dict[int, Any] = {}
    hooks = []
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            hooks += [
                module.register_forward_pre_hook(enter, with_kwargs=True),
                module.register_forward_hook(leave),
            ]
    mode = next(model.parameters()).fake_mode
    try:
        with (
            mode,
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast),
        ):
            ids = torch.zeros(1, length, dtype=torch.long)
            model.get_decoder()(input_ids=ids, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    whole = sum(storage.nbytes() for storage in kept.values())
    outside = {key: s for key, s in kept.items() if key not in within}
    checkpointed = sum(s.nbytes() for s in {**outside, **inputs}.values())
    return float(whole), float(checkpointed), max(layers, default=0.0)


class _Attention(torch.autograd.Function):
    """What scaled-dot-product attention without a mask keeps: its inputs, its result, a float32 a query and head.

    Source: torch's _scaled_dot_product_flash_attention saves query, key, value, output and logsumexp.
    """

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        # (sequences, heads, tokens, head_dim), the result laid out as the projection after it reads it
        result = query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[3])
        ctx.save_for_backward(query, key, value, result, query.new_empty(query.shape[:3], dtype=torch.float32))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise NotImplementedError("only the forward pass is counted")


def _attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **ignored: Any
) -> tuple[torch.Tensor, None]:
    if torch.is_autocast_enabled("cpu"):  # it is one of the operations that autocast gives narrow inputs
        narrow = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(narrow), key.to(narrow), value.to(narrow)
    return _Attention.apply(query, key, value), None  # type: ignore[no-untyped-call]
