"""Regular expressions kept compiled between starts, beside Python's own compiled modules.

Compiling some four hundred patterns takes longer than checking a card does. Python keeps compiled modules in
`__pycache__` and not the patterns in them; this does, keyed by the pattern itself, so nothing kept can be out of date.
"""

from __future__ import annotations

import contextlib
import importlib
import marshal
import os
import re
import sys
from array import array
from pathlib import Path
from typing import Any

from repro import __version__

_FORMAT = 1
_FEW = 12
"""Patterns that may be missing from what is kept before it is written anew."""
_MOST = 1000
"""`re` itself keeps 512, fewer than a check of many kinds of cards needs: it is asked to keep as many as these."""


def _place() -> Path:
    return Path(__file__).parent / "__pycache__" / f"patterns.{sys.implementation.cache_tag}.{_FORMAT}"


def _header() -> tuple[object, ...]:
    return (_FORMAT, __version__, sys.version, int(importlib.import_module("_sre").MAGIC))


def load(place: Path | None = None) -> int:
    """Put the kept patterns where `re.compile` looks first; returns how many. What cannot be read is compiled anew."""
    if hasattr(re, "_MAXCACHE"):
        setattr(re, "_MAXCACHE", _MOST + 100)  # noqa: B010
    try:
        header, entries = marshal.loads((place or _place()).read_bytes())
        cache: dict[Any, re.Pattern[str]] = getattr(re, "_cache")  # noqa: B009
        if header != _header():
            return 0
        make = importlib.import_module("_sre").compile
        for pattern, asked, flags, code, groups, index, names in entries:
            key = (str, pattern, asked)
            if key not in cache:
                cache[key] = make(pattern, flags, array("I", code).tolist(), groups, index, names)
    except (OSError, ValueError, EOFError, TypeError, AttributeError, ImportError, RuntimeError, MemoryError):
        return 0
    return len(entries)


def keep(loaded: int, place: Path | None = None) -> bool:
    """Keep what is compiled by now, where it is clearly more than was `loaded`; whether it was written. Never raises.

    Nothing is written where Python writes no compiled modules either.
    """
    if sys.dont_write_bytecode or len(getattr(re, "_cache", ())) - loaded < _FEW:
        return False
    place = place or _place()
    if loaded >= _MOST - _FEW:  # full of what other versions of these modules asked for: the next start begins anew
        with contextlib.suppress(OSError):
            place.unlink()
        return False
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        whole: Any = (_header(), _entries())
        kept = marshal.dumps(whole)
        place.parent.mkdir(exist_ok=True)
        beside.write_bytes(kept)
        beside.replace(place)
    except (OSError, ValueError, AttributeError, ImportError):
        with contextlib.suppress(OSError):
            beside.unlink()
        return False
    return True


def _entries() -> list[tuple[Any, ...]]:
    """What `_sre.compile` takes for each pattern, as `re` itself works it out."""
    parser: Any = importlib.import_module("re._parser")
    compiler: Any = importlib.import_module("re._compiler")
    entries = []
    for kind, pattern, asked in list(getattr(re, "_cache"))[-_MOST:]:  # noqa: B009
        if kind is not str or asked & (re.LOCALE | re.DEBUG):
            continue
        parsed = parser.parse(pattern, asked)
        code = compiler._code(parsed, asked)
        names: list[str | None] = [None] * parsed.state.groups
        for name, group in parsed.state.groupdict.items():
            names[group] = name
        flags = int(asked | parsed.state.flags)
        index = dict(parsed.state.groupdict)
        entries.append(
            (pattern, int(asked), flags, array("I", code).tobytes(), parsed.state.groups - 1, index, tuple(names))
        )
    return entries
