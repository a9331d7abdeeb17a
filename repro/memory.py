"""What one training step holds in the memory of each device, part by part, and how many cards that takes."""

from __future__ import annotations

from dataclasses import dataclass

from repro.arithmetic import GB, llama_parameters

LLAMA_LIKE = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose layers keep for the backward pass what `layer_bytes` says, and whose head sees label positions
only."""
LOGITS_BYTES = 1 << 26
"""Bytes of the float32 logits that are held at a time. More labels than fit are scored in pieces whose logits are
computed anew in the backward pass: a third more work for the head, where all of them may be gigabytes."""
LOGITS_COPIES = 3
"""Float32 tensors of (labels, vocabulary) at the worst moment of the loss: the log-probabilities, the gradient that
reaches them and the one that leaves them."""
MOST_DEVICES = 1024


@dataclass(frozen=True, slots=True)
class Card:
    """A device on the market."""

    name: str
    gb: int
    """Memory by its data sheet. It is in GiB and counted here as GB: the 7% between are left to the runtime, to
    communication and to fragmentation."""
    bf16_flops: float
    """Dense bfloat16 FLOP/s by its data sheet."""


CARDS = (
    Card("RTX 4090", 24, 165e12),
    Card("A100 40 GB", 40, 312e12),
    Card("L40S", 48, 362e12),
    Card("A100 80 GB", 80, 312e12),
    Card("H100 80 GB", 80, 989e12),
    Card("H200", 141, 989e12),
    Card("B200", 180, 2250e12),
)
"""Smallest first (NVIDIA's data sheets)."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions of a decoder-only transformer, as config.json names them."""

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    tie_word_embeddings: bool = False

    @property
    def parameters(self) -> int:
        """Of a Llama of this shape."""
        return llama_parameters(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            num_key_value_heads=self.num_key_value_heads,
            head_dim=self.head_dim,
            tie_word_embeddings=self.tie_word_embeddings,
        )

    @property
    def embedding_parameters(self) -> int:
        """Of one table, vocabulary by hidden size."""
        return self.vocab_size * self.hidden_size


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward and backward pass of one process, at its largest."""

    tokens: int
    """Padded tokens."""
    labels: int
    """Positions that the loss covers: all of them at worst."""
    precision: str
    """"bf16" or "fp32", of the computation."""
    master_weights: bool
    """Whether float32 weights are kept beside bf16 computation."""
    gradient_checkpointing: bool
    pairs: int = 0
    """Preference pairs whose reference log-probabilities are cached, over the whole stage."""


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes that the forward pass leaves for the backward pass, without the logits."""

    whole: float
    """Everything kept."""
    checkpointed: float
    """Each layer's input, and one layer computed again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a device's memory."""

    name: str
    gb: float
    """GB, 1e9 bytes."""
    how: str


@dataclass(frozen=True, slots=True)
class Fit:
    """How many cards of a kind a stage needs at least."""

    card: str
    card_gb: int
    devices: int | None
    """None: not on any number of them, because what is not sharded does not fit."""
    device_gb: float | None
    """What each then holds."""


def layer_bytes(shape: ModelShape, *, precision: str, sharded: bool) -> float:
    """Bytes a token that one Llama layer keeps for its backward pass (scaled-dot-product attention, SwiGLU).

    Counted tensor by tensor from transformers 5.23's LlamaDecoderLayer: four intermediate-size ones of the
    feed-forward part; the inputs of both norms (float32) and what is normalised; the inputs of the projections;
    queries, keys, values, the attention's result and its float32 log-sum-exp a head; two reciprocal deviations. Under
    autocast with unsharded float32 weights the residual stream is float32 and each projection keeps a bf16 copy of
    its input; with weights in bf16, as sharding gathers them, it is bf16 and they share one.
    """
    h, i = shape.hidden_size, shape.intermediate_size
    q, k = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    small = 4 * shape.num_attention_heads + 8
    if precision == "fp32":
        return 16 * i + 24 * h + 8 * q + 8 * k + small
    return 8 * i + (16 if sharded else 26) * h + 4 * q + 4 * k + small


def activations(shape: ModelShape, work: Pass, *, sharded: bool) -> Activations:
    """By formula, for a `LLAMA_LIKE` shape; "bf16 weights" without masters count as `sharded` does."""
    narrow = sharded or not work.master_weights
    layer = layer_bytes(shape, precision=work.precision, sharded=narrow) * work.tokens
    width = 4 if work.precision == "fp32" else 2
    stream = 4 if work.precision == "fp32" or not narrow else 2
    h = shape.hidden_size
    tables = 2 * shape.head_dim * stream  # of the rotary embedding: at most, since a batch's rows share them
    ends = work.tokens * ((4 + stream) * h + 12 + tables) + work.labels * (width * h + 16)
    return Activations(
        whole=shape.num_hidden_layers * layer + ends,
        checkpointed=shape.num_hidden_layers * stream * h * work.tokens + layer + ends,
    )


def logits_bytes(shape: ModelShape, work: Pass) -> tuple[float, float]:
    """(bytes at the worst moment in pieces, bytes if all labels were scored at once)."""
    whole = 4.0 * work.labels * shape.vocab_size
    piece = max(1, LOGITS_BYTES // (4 * shape.vocab_size)) * 4.0 * shape.vocab_size
    if shape.model_type not in LLAMA_LIKE:
        whole = piece = 4.0 * work.tokens * shape.vocab_size
    return LOGITS_COPIES * min(whole, piece), LOGITS_COPIES * whole


def state_bytes(precision: str, *, master_weights: bool) -> tuple[float, float, float]:
    """Bytes a parameter of (weights as the optimizer has them, gradients, AdamW's two moments).

    They are of one type: torch.optim.AdamW's moments and the gradients are of the weights' own. ZeRO-3's bf16
    weights, bf16 gradients and float32 masters come to the same 16 bytes.
    """
    width = 4.0 if precision == "fp32" or master_weights else 2.0
    return width, width, 2 * width


def device_memory(
    shape: ModelShape, work: Pass, *, devices: int, parameters: int, measured: Activations | None = None
) -> tuple[Part, ...]:
    """One device's memory, sharded over `devices` as ZeRO-3 and FSDP2 do (one is not sharded).

    Args:
        parameters: of the model; the shape's own count where nothing better is known.
        measured: activations where they were counted, in place of the formula's.
    """
    sharded = devices > 1
    kept, gradient, moments = (
        parameters * b / devices for b in state_bytes(work.precision, master_weights=work.master_weights)
    )
    width = 4 if work.precision == "fp32" else 2
    share = f" / {devices} devices" if sharded else ""
    what = "float32 master weights" if work.master_weights and work.precision != "fp32" else "weights"
    size = 4 if work.precision == "fp32" or work.master_weights else 2
    parts = [
        (what, kept, f"{parameters:,} x {size} bytes{share}"),
        ("gradients", gradient, f"{parameters:,} x {size} bytes{share}"),
        ("AdamW's moments", moments, f"{parameters:,} x 2 x {size} bytes{share}"),
    ]
    table = 0 if shape.tie_word_embeddings else shape.embedding_parameters
    layer = (parameters - shape.embedding_parameters - table) / shape.num_hidden_layers
    if sharded:
        wide = 4 if work.master_weights else width
        gathered = shape.embedding_parameters * 2 * width + layer * (3 * width + wide)
        parts.append(
            (
                "gathered weights",
                gathered,
                f"the head and two layers in {width} bytes, gradients of the head and a layer",
            )
        )
    elif work.precision != "fp32" and work.master_weights:
        parts.append(("bf16 copies of the weights", 2.0 * parameters, f"{parameters:,} x 2 bytes, made by autocast"))
    held = measured or activations(shape, work, sharded=sharded)
    on, off = ("with", "without") if work.gradient_checkpointing else ("without", "with")
    used, other = held.checkpointed, held.whole
    if not work.gradient_checkpointing:
        used, other = other, used
    parts.append(
        (
            f"activations, {on} gradient checkpointing",
            used,
            f"{work.tokens:,} tokens a pass; {other / GB:.3g} GB {off} it",
        )
    )
    piece, whole = logits_bytes(shape, work)
    labels = f"{work.labels:,}"
    parts.append(
        (
            "logits",
            piece,
            f"{LOGITS_COPIES} float32 copies of a piece of {labels} x {shape.vocab_size:,}; {whole / GB:.3g} GB whole",
        )
    )
    if work.pairs:
        second = (4 if work.precision == "fp32" else 2) * parameters / devices / GB
        said = f"{work.pairs:,} pairs x 2 x 4 bytes in the host's memory; a second model would be {second:.3g} GB"
        parts.append(("reference log-probabilities", 0.0, said))
    return tuple(Part(name, amount / GB, how) for name, amount, how in parts)


def total_gb(parts: tuple[Part, ...]) -> float:
    """What all parts come to."""
    return sum(part.gb for part in parts)


def fits(
    shape: ModelShape,
    work: Pass,
    *,
    parameters: int,
    unsharded: Activations | None = None,
    sharded: Activations | None = None,
) -> tuple[Fit, ...]:
    """The smallest power of two of each card on which a stage fits; measured activations as in `device_memory`."""
    found = []
    for card in CARDS:
        devices = 1
        while devices <= MOST_DEVICES:
            held = unsharded if devices == 1 else sharded
            need = total_gb(device_memory(shape, work, devices=devices, parameters=parameters, measured=held))
            if need <= card.gb:
                found.append(Fit(card.name, card.gb, devices, need))
                break
            devices *= 2
        else:
            found.append(Fit(card.name, card.gb, None, None))
    return tuple(found)
