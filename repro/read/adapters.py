"""Parameters of adapters (LoRA and its kin) as cards print them: ranks, scales, target modules."""

from __future__ import annotations

import re

from repro.read.statement import Parameter
from repro.read.values import fold, number

_NAMED = re.compile(r"(?i)(?<![\w])(?:lora[_ ]?)?(r|rank|alpha|α|dropout)\s*(?:=|:)?\s*(\d*\.?\d+)(?![\w.]*\d)")
_KEYS = {"r": "lora_r", "rank": "lora_r", "alpha": "lora_alpha", "α": "lora_alpha", "dropout": "lora_dropout"}
_KINDS = ("qlora", "dora", "longlora", "rslora", "lora", "ia3", "prefix tuning", "prompt tuning")
MODULE = re.compile(r"[A-Za-z][\w.]*")
ADAPTER_KEYS = frozenset(("adapter", "lora", "lora_r", "lora_alpha", "lora_target_modules", "lora_bias"))
"""Keys whose texts `adapter` reads."""


def adapter(key: str, printed: str) -> tuple[Parameter, ...]:
    """What a text says of one key of an adapter, and of the others that it names beside it ("r=16, alpha=32")."""
    if key == "lora_target_modules":
        return (target_modules(printed),)
    if key == "adapter":
        folded = fold(printed)
        kind = next((k for k in _KINDS if re.search(rf"\b{re.escape(fold(k))}\b", folded)), "")
        return (Parameter(key, printed, kind or printed), *named(printed))
    if key == "lora":
        return named(printed)
    if key == "lora_bias":
        return (Parameter(key, printed, printed.lower()),)
    read = number(printed)
    if read is not None:
        whole = read.value == int(read.value) and read.last_digit >= 1
        value = int(read.value) if whole else read.value
        if key == "lora_r" and not whole:
            return (Parameter(key, printed, None, read, "not a whole number"),)
        return (Parameter(key, printed, value, read),)
    several = named(printed)
    if any(p.key == key for p in several):
        return several
    return (Parameter(key, printed, None, None, "not a number this reader can be sure of"),)


def named(printed: str) -> tuple[Parameter, ...]:
    """The parameters that a text names with a value each: "r=16, α=32" is a rank and a scale."""
    found: dict[str, Parameter] = {}
    for match in _NAMED.finditer(printed[:300]):
        key = _KEYS[match.group(1).lower()]
        read = number(match.group(2))
        if read is not None and key not in found:
            whole = read.last_digit >= 1
            found[key] = Parameter(key, match.group(2), int(read.value) if whole else read.value, read)
    return tuple(found.values())


def target_modules(printed: str) -> Parameter:
    """The layers that a text lists, as a tuple of names; the text itself where it describes them ("all linear")."""
    bare = re.sub(r"\s*\([^()]*\)\s*$", "", printed.strip()).strip("[](){} ")
    parts = [part.strip(" '\"`*") for part in re.split(r"\s*[,;/]\s*|\s+and\s+|\s+", bare)]
    parts = [part for part in parts if part]
    names = len(parts) > 1 and all(re.search(r"_|proj|\d", part) and MODULE.fullmatch(part) for part in parts)
    if names or (len(parts) == 1 and "_" in parts[0]):
        return Parameter("lora_target_modules", printed, tuple(parts))
    return Parameter("lora_target_modules", printed, printed)
