"""The memory formula and the dry run against the tensors that a real forward pass saves."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from repro.memory import GB, LLAMA_LIKE, LOGITS_BYTES, LOGITS_COPIES, ModelShape, Pass, activations, device_memory
from repro.plan import Feasibility
from repro.resolve.recipes import known_models
from repro.train import loss
from repro.train.dry_run import build, count, dry_run, module_parameters
from repro.train.model import PLAIN_HEADS, Scorer, checkpoint_layers

SHAPE = ModelShape("llama", 320, 64, 176, 3, 4, 2, 16)
TOLERANCE = 0.01
"""Of the formula against what a pass saves."""


def real(shape: ModelShape) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    dimensions = dataclasses.asdict(shape)
    return LlamaForCausalLM(LlamaConfig(**{k: v for k, v in dimensions.items() if k != "model_type"}))


def saved(model: Any, rows: int, length: int, *, autocast: bool) -> int:
    """Bytes that `Scorer` keeps for the backward pass, without parameters, their casts and the logits."""
    kept: dict[int, torch.UntypedStorage] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    shapes = {tuple(sorted(p.shape)) for p in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        cast = autocast and tensor.dtype == torch.bfloat16 and tuple(sorted(tensor.shape)) in shapes
        if storage.data_ptr() not in own and not cast and tensor.shape[-1:] != (SHAPE.vocab_size,):
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.zeros(rows, length, dtype=torch.long)
    positions = torch.arange(rows * length)
    scorer = Scorer(model, autocast=torch.bfloat16 if autocast else None)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scorer(ids, positions, torch.zeros(rows * length, dtype=torch.long)).sum()
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(("rows", "length"), [(1, 200), (3, 72)])
@pytest.mark.parametrize(("precision", "masters"), [("fp32", False), ("bf16", True), ("bf16", False)])
def test_the_formula_is_what_a_real_pass_saves(precision: str, masters: bool, rows: int, length: int) -> None:
    model = real(SHAPE)
    if precision == "bf16" and not masters:
        model = model.bfloat16()
    tokens = rows * length
    work = Pass(tokens, tokens, precision, masters, gradient_checkpointing=False)
    measured = saved(model, rows, length, autocast=masters)
    tables = 2 * length * SHAPE.head_dim * (2 if precision == "bf16" and not masters else 4)
    formula = activations(SHAPE, work, sharded=False).whole - (rows - 1) * tables
    assert formula == pytest.approx(measured, rel=TOLERANCE)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_formula_is_what_a_checkpointed_pass_saves(precision: str) -> None:
    model = real(SHAPE).train()
    checkpoint_layers(model)
    work = Pass(200, 200, precision, precision == "bf16", gradient_checkpointing=True)
    between = saved(model, 1, 200, autocast=precision == "bf16")
    one = dataclasses.replace(SHAPE, num_hidden_layers=1)
    two = dataclasses.replace(SHAPE, num_hidden_layers=2)
    layer = activations(two, work, sharded=False).whole - activations(one, work, sharded=False).whole
    formula = activations(SHAPE, work, sharded=False).checkpointed
    assert formula == pytest.approx(between + layer, rel=5 * TOLERANCE)


@pytest.mark.parametrize("shape", [SHAPE, known_models()[0].shape])
def test_the_dry_run_counts_what_the_formula_says(shape: ModelShape) -> None:
    counted = count(shape, "bf16", True)
    assert sum(amount for _, amount in counted.modules) == shape.parameters
    for sharded in (False, True):
        for checkpointing in (False, True):
            work = Pass(4096, 3000, "bf16", True, checkpointing)
            ours, theirs = counted.activations(work, sharded=sharded), activations(shape, work, sharded=sharded)
            assert ours.whole == pytest.approx(theirs.whole, rel=TOLERANCE)
            assert ours.checkpointed == pytest.approx(theirs.checkpointed, rel=TOLERANCE)


def test_models_of_record_have_the_parameters_of_their_shape() -> None:
    assert len(known_models()) >= 4
    for model in known_models():
        assert model.shape.parameters == model.parameters, model.name


def test_other_architectures_are_built_too() -> None:
    shape = ModelShape("gemma2", 512, 64, 128, 2, 4, 2, 16, tie_word_embeddings=True)
    counted = dict(module_parameters(build(shape, torch.float32)))
    assert counted["Gemma2MLP"] == 2 * 3 * 64 * 128
    assert sum(counted.values()) > 512 * 64


def test_a_dry_run_says_what_it_cannot_do(plan: Any) -> None:
    work = Pass(4096, 4096, "bf16", True, gradient_checkpointing=True)
    known = Feasibility("sft", SHAPE.parameters, 0.0, 0.0, None, None, "", shape=SHAPE, work=work, devices=2)
    other = dataclasses.replace(known, stage="dpo", parameters=10 * SHAPE.parameters)
    done = dry_run(plan(feasibility=(known, other, Feasibility("last", None, None, None, None, None, ""))))
    first, second, third = done.feasibility
    assert first.modules
    assert first.fits[0].devices == 1
    states = {part.name: part.gb for part in first.parts}
    assert states["gradients"] == pytest.approx(4 * SHAPE.parameters / 2 / GB)
    assert (second.modules, third.modules) == ((), ())
    assert [note.split(":")[0] for note in done.notes] == ["dpo", "last"]


def test_the_loss_holds_what_the_formula_says_of_logits() -> None:
    assert loss.LOGITS_BYTES == LOGITS_BYTES
    assert LLAMA_LIKE == PLAIN_HEADS
    vocabulary, labels = 64_000, 600
    rows = LOGITS_BYTES // (4 * vocabulary)
    assert rows < labels, "in pieces"
    states = torch.zeros(labels, 8, requires_grad=True)
    head = torch.nn.Linear(8, vocabulary, bias=False)
    live, most = Live(), 0
    with live:
        loss.label_losses(head, states, torch.zeros(labels, dtype=torch.long), vocabulary=vocabulary).sum().backward()
    most = live.most
    piece = 4 * rows * vocabulary
    # the head's own gradient, twice while one is added to the other, is no logits
    assert piece <= most <= (LOGITS_COPIES + 0.1) * piece + 2 * 4 * 8 * vocabulary


def test_the_parts_add_up_and_sharding_divides_the_state() -> None:
    work = Pass(4096, 4096, "bf16", True, gradient_checkpointing=True, pairs=100)
    one, four = (device_memory(SHAPE, work, devices=n, parameters=SHAPE.parameters) for n in (1, 4))
    for part, quarter in zip(one[:3], four[:3], strict=True):
        assert part.gb == pytest.approx(4 * quarter.gb)
    assert sum(p.gb for p in one[:3]) == pytest.approx(16 * SHAPE.parameters / GB)
    assert [p.name for p in one][-1] == "reference log-probabilities"


class Live(torch.utils._python_dispatch.TorchDispatchMode):
    """The most bytes that storages made inside held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        import weakref

        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self._known or not storage.nbytes():
                continue
            self._known.add(key)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, key, storage.nbytes())
        return result

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
