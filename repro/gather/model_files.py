"""What a model repository's small files say: shape, precision, special tokens, chat template, parameters."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from repro.arithmetic import llama_parameters
from repro.card import Span
from repro.gather.logs import read_json
from repro.spec import AnyFact, Fact, Origin, Value

Place = Callable[[str, str], Span]
"""(file, key) -> where the key stands in the file."""

MAX_HEADER_BYTES = 25_000_000
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_INTEGERS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)


def config_facts(data: Mapping[str, Any], place: Place, file: str = "config.json") -> Iterator[AnyFact]:
    """Facts of a config.json: `torch_dtype` is the older name of `dtype` and serves for both."""
    text = data.get("text_config")
    inner: Mapping[str, Any] = text if isinstance(text, dict) else {}
    for key in _INTEGERS:
        value = data.get(key, inner.get(key))
        if _whole(value):
            yield _found(key, value, file, place(file, key))
    for key in ("model_type", "transformers_version"):
        if isinstance(data.get(key), str):
            yield _found(key, data[key], file, place(file, key))
    dtype_key = next((k for k in ("dtype", "torch_dtype") if isinstance(data.get(k, inner.get(k)), str)), "")
    if dtype_key:
        printed = str(data.get(dtype_key, inner.get(dtype_key)))
        yield _found("torch_dtype", printed.removeprefix("torch."), file, place(file, dtype_key), printed)
    if isinstance(data.get("tie_word_embeddings"), bool):
        yield _found("tie_word_embeddings", data["tie_word_embeddings"], file, place(file, "tie_word_embeddings"))
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        ids = data.get(key)
        if _whole(ids, zero=True):
            yield _found(key, ids, file, place(file, key))
        elif isinstance(ids, list) and ids and all(_whole(i, zero=True) for i in ids):
            yield _found(key, tuple(str(i) for i in ids), file, place(file, key))
    names = data.get("architectures")
    if isinstance(names, list) and names and all(isinstance(n, str) for n in names):
        yield _found("architectures", tuple(names), file, place(file, "architectures"))
    quantization = data.get("quantization_config")
    if isinstance(quantization, dict) and isinstance(quantization.get("quant_method"), str):
        yield _found("quantization", quantization["quant_method"], file, place(file, "quantization_config"))


def generation_facts(data: Mapping[str, Any], place: Place, file: str = "generation_config.json") -> Iterator[AnyFact]:
    """Sampling defaults, each with "generation_" before its name."""
    for key in ("temperature", "top_p", "top_k", "do_sample", "eos_token_id", "repetition_penalty"):
        value = data.get(key)
        if isinstance(value, bool) or (isinstance(value, (int, float)) and math.isfinite(value)):
            yield _found(f"generation_{key}", value, file, place(file, key))
        elif isinstance(value, list) and value and all(_whole(i, zero=True) for i in value):
            yield _found(f"generation_{key}", tuple(str(i) for i in value), file, place(file, key))


def token_facts(data: Mapping[str, Any], place: Place, file: str) -> Iterator[AnyFact]:
    """Special tokens and the chat template of tokenizer_config.json or special_tokens_map.json."""
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        token = data.get(key)
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str) and content:
            yield _found(key, content, file, place(file, key))
    for key in ("tokenizer_class", "padding_side"):
        if isinstance(data.get(key), str):
            yield _found(key, data[key], file, place(file, key))
    if isinstance(data.get("add_bos_token"), bool):
        yield _found("add_bos_token", data["add_bos_token"], file, place(file, "add_bos_token"))
    # transformers writes int(1e30) for "no limit"
    if _whole(data.get("model_max_length")) and data["model_max_length"] < 10**12:
        yield _found("model_max_length", data["model_max_length"], file, place(file, "model_max_length"))
    template = data.get("chat_template")
    if isinstance(template, list):
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict) and _name(t)}
        template = named.get("default")
    if isinstance(template, str) and template:
        yield _found("chat_template", template, file, place(file, "chat_template"))


def index_facts(data: Mapping[str, Any], place: Place, file: str, dtype: str) -> Iterator[AnyFact]:
    """Sizes that a weight index states, and the parameters that its bytes are at the precision of the config."""
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    size, count = metadata.get("total_size"), metadata.get("total_parameters")
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if _whole(size):
        yield _found("index_total_size_bytes", size, file, place(file, "total_size"))
        width = _WIDTHS.get(dtype, 0)
        if width and size % width == 0:
            why = f"total_size of {file} {size} bytes / {width} bytes each ({dtype} in config.json)"
            yield Fact("total_params", size // width, Origin.DERIVED, span=place(file, "total_size"), why=why)
    if _whole(count):
        yield _found("index_total_parameters", count, file, place(file, "total_parameters"))


def config_parameters(data: Mapping[str, Any], place: Place, file: str = "config.json") -> AnyFact | None:
    """The parameters that a Llama of the stated shape has (key "config_parameters"), where the shape is complete."""
    if data.get("model_type") != "llama" or data.get("attention_bias") or data.get("mlp_bias"):
        return None
    shape = {key: data.get(key) for key in _INTEGERS if key != "max_position_embeddings"}
    shape["num_key_value_heads"] = shape["num_key_value_heads"] or shape["num_attention_heads"]
    head_dim = shape.pop("head_dim")
    if not all(_whole(value) for value in shape.values()) or not (head_dim is None or _whole(head_dim)):
        return None
    tied = data.get("tie_word_embeddings", False) is True
    sizes = {key: int(value) for key, value in shape.items() if value is not None}
    parameters = llama_parameters(**sizes, head_dim=head_dim, tie_word_embeddings=tied)
    why = "parameters of a Llama of the shape in config.json" + (", embeddings tied" if tied else "")
    return Fact("config_parameters", parameters, Origin.DERIVED, span=place(file, "hidden_size"), why=why)


def safetensors_header(start: bytes) -> tuple[dict[str, Any], int, str]:
    """(header, bytes that it takes with its length, why it could not be read) from a file's first bytes.

    When more bytes are needed than `start` has, the header is empty and the reason too. The format is 8 bytes of
    little-endian length, then JSON (huggingface/safetensors README, "Format").
    """
    if len(start) < 8:
        return {}, 0, "shorter than a safetensors header"
    length = struct.unpack("<Q", start[:8])[0]
    if length > MAX_HEADER_BYTES:
        return {}, 0, f"states a header of {length} bytes"
    if len(start) < 8 + length:
        return {}, 8 + length, ""
    data, why = read_json(start[8 : 8 + length].decode("utf-8", errors="replace"))
    return (data, 8 + length, "") if isinstance(data, dict) else ({}, 8 + length, why or "not a mapping")


def header_parameters(headers: Mapping[str, Mapping[str, Any]], place: Place) -> tuple[tuple[AnyFact, ...], str]:
    """(total_params and safetensors_dtypes over all weight files, why they are not known).

    Only plain floating-point tensors whose shapes fit their byte offsets are counted: packed weights have fewer
    elements than parameters.
    """
    total, dtypes, seen = 0, set(), set()
    for file, header in headers.items():
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            elements = _elements(tensor)
            if elements is None:
                return (), f"{file}: the tensor {name[:80]!r} is packed or does not fit its own offsets"
            if name in seen:
                return (), f"{file}: the tensor {name[:80]!r} stands in two files"
            seen.add(name)
            total += elements
            dtypes.add(str(tensor["dtype"]))
    if not total:
        return (), "no tensors in the safetensors headers"
    files = ", ".join(headers) if len(headers) < 3 else f"{len(headers)} files"
    span = place(next(iter(headers)), "")
    why = f"sum of the tensors' shapes in the headers of {files}"
    return (
        Fact("total_params", total, Origin.FOUND, span=span, why=why),
        Fact("safetensors_dtypes", tuple(sorted(dtypes)), Origin.FOUND, span=span, why=f"headers of {files}"),
    ), ""


def key_line(text: str, key: str) -> int:
    """The line (from 1) of a JSON or YAML key, the least indented where it occurs often; 1 when it is not found."""
    if not key:
        return 0
    line, at, best = 1, 0, (10**9, 1)
    for match in re.finditer(rf'^([ \t]*)"?{re.escape(key)}"?[ \t]*:', text, re.MULTILINE):
        line += text.count("\n", at, match.start())
        at = match.start()
        best = min(best, (len(match[1]), line))
    return best[1]


def _elements(tensor: Any) -> int | None:
    if not isinstance(tensor, dict):
        return None
    shape, offsets = tensor.get("shape"), tensor.get("data_offsets")
    bits = _BITS.get(str(tensor.get("dtype")), 0)
    if not bits or not isinstance(shape, list) or len(shape) > 16 or not all(_whole(side, zero=True) for side in shape):
        return None
    elements = math.prod(shape)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_whole(o, zero=True) for o in offsets):
        return None
    return elements if (offsets[1] - offsets[0]) * 8 == elements * bits else None


def _found(key: str, value: Value, file: str, span: Span, printed: str | None = None) -> AnyFact:
    shown = printed if printed is not None else (value if isinstance(value, str) else json.dumps(value))
    return Fact(key, value, Origin.FOUND, printed=shown, span=span, why=f"{file} says so")


def _whole(value: Any, *, zero: bool = False) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and (0 if zero else 1) <= value < 10**18


def _name(template: Mapping[str, Any]) -> bool:
    return isinstance(template.get("name"), str) and isinstance(template.get("template"), str)
