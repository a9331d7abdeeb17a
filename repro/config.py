"""A project's wishes for `repro check`: repro.toml, or [tool.repro] of pyproject.toml, found upward from a card."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from repro.card import Ignore, Span
from repro.errors import UsageError

NAMES = ("repro.toml", "pyproject.toml")
"""In the order in which they are believed, within one folder."""
MAX_BYTES = 4 * 1024 * 1024
CHOICES = {
    "persona": ("author", "auditor"),
    "fail-on": ("info", "low", "medium", "high", "never"),
    "min-severity": ("info", "low", "medium", "high"),
    "min-confidence": ("info", "low", "medium", "high"),
}


class PathIgnore(NamedTuple):
    """A wish to ignore a check in the files that a glob names."""

    glob: str
    """Relative to the configuration's folder; "*" stands for any characters, "/" too. Empty for every file."""
    ignore: Ignore


class Config(NamedTuple):
    """What one configuration file asks for."""

    folder: Path
    words: Mapping[str, str]
    """Of `CHOICES`, those that are set."""
    select: tuple[str, ...]
    ignores: tuple[PathIgnore, ...]

    def ignores_for(self, card: str) -> tuple[Ignore, ...]:
        """The wishes that hold for a card, by its path."""
        path = os.path.relpath(os.path.abspath(card), os.path.abspath(self.folder)).replace(os.sep, "/")
        return tuple(i.ignore for i in self.ignores if not i.glob or fnmatch.fnmatchcase(path, i.glob))


def find(folder: Path) -> Path | None:
    """The configuration file that holds for the cards of a folder: the nearest upward."""
    try:
        start = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return None
    for place in (start, *start.parents):
        for name in NAMES:
            file = place / name
            if os.path.isfile(file) and (name != "pyproject.toml" or _speaks_of_repro(file)):
                return file
    return None


def load(file: Path) -> Config:
    """
    Raises:
        UsageError: it cannot be read, is not TOML, or holds what no version of this program knows.
    """
    import tomllib

    name = shown(file)
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError("this is too large for a configuration file", where=name)
        text = data.decode("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=name) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is not TOML: {error}", where=name) from error
    table = tables
    if file.name == "pyproject.toml":
        tool = tables.get("tool")
        table = tool.get("repro", {}) if isinstance(tool, dict) else {}
    elif isinstance(tool := tables.get("tool"), dict) and set(tables) == {"tool"}:
        table = tool.get("repro", {})
    if not isinstance(table, dict):
        raise UsageError("[tool.repro] is not a table", where=name)
    return _config(table, file.parent, name, text.split("\n"))


def shown(file: Path) -> str:
    """A file's path as people write it: from the working folder, where it is below it."""
    path = os.path.relpath(file)
    return str(file) if path.startswith("..") else path


def _config(table: Mapping[str, Any], folder: Path, name: str, lines: list[str]) -> Config:
    words: dict[str, str] = {}
    select: tuple[str, ...] = ()
    ignores: list[PathIgnore] = []
    for key, value in table.items():
        where = f"{name}:{_line(lines, key)}"
        if key in CHOICES:
            if value not in CHOICES[key]:
                raise UsageError(f"{key} = {value!r} is none of {', '.join(CHOICES[key])}", where=where)
            words[key] = value
        elif key == "select":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise UsageError("select is not a list of codes or slugs", where=where, hint='select = ["R4"]')
            select = tuple(value)
        elif key == "ignore":
            if not isinstance(value, dict):
                raise UsageError(
                    "ignore is not a table: ignoring a check takes a reason",
                    where=where,
                    hint='write a table ignore with lines such as R301 = "the reason"',
                )
            ignores = _ignores(value, name, lines)
        else:
            known = ", ".join((*CHOICES, "select", "ignore"))
            raise UsageError(f"there is no setting {key!r}", where=where, hint=f"there are {known}")
    return Config(folder, words, select, tuple(ignores))


def _ignores(table: Mapping[str, Any], name: str, lines: list[str]) -> list[PathIgnore]:
    found: list[PathIgnore] = []
    for key, value in table.items():
        pairs = value.items() if isinstance(value, dict) else ((key, value),)
        glob = key if isinstance(value, dict) else ""
        after = _line(lines, glob) if glob else 0
        for check, reason in pairs:
            number = _line(lines, check, after)
            if not isinstance(reason, str):
                raise UsageError("the reason is not a text", where=f"{name}:{number}", hint=f'{check} = "the reason"')
            found.append(PathIgnore(glob, Ignore(check, " ".join(reason.split()), Span(name, number, number))))
    return found


def _line(lines: list[str], key: str, after: int = 0) -> int:
    """The line, from 1, where a key or a table of that name stands: the TOML reader keeps none."""
    wanted = re.compile(rf"(?:^|[\s\[{{.,'\"]){re.escape(key)}['\"]?\s*[\]=.]")
    for number, line in enumerate(lines[after:], start=after + 1):
        if key in line and wanted.search(line):
            return number
    return 1


def _speaks_of_repro(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return b"tool.repro" in opened.read(MAX_BYTES)
    except OSError:
        return False
