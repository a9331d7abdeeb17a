"""What small published repositories hold: a config, weights without content, files by name."""

from __future__ import annotations

import json
import struct
from pathlib import Path

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "bos_token_id": 1,
    "dtype": "bfloat16",
    "eos_token_id": [2, 3],
    "head_dim": 8,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 256,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "transformers_version": "5.23.0",
    "vocab_size": 264,
}
PARAMETERS = 2 * 264 * 32 + 2 * (2 * 32 * 4 * 8 + 2 * 32 * 2 * 8 + 3 * 32 * 64 + 2 * 32) + 32
TEMPLATE = "{% for m in messages %}{{ '<|' + m.role + '|>' }}\n{{ m.content }}{% endfor %}"


def safetensors(tensors: dict[str, tuple[str, list[int]]], padding: int = 0) -> bytes:
    """A safetensors file whose tensors are all zero."""
    widths = {"F32": 4, "BF16": 2, "U8": 1}
    header: dict[str, object] = {"__metadata__": {"format": "pt", "note": "x" * padding}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = widths[dtype]
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + bytes(at)


def write(folder: Path, files: dict[str, str | bytes | dict[str, object]]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            content = json.dumps(content, indent=2)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
