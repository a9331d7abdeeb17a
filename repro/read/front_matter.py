"""Front matter as plain data: YAML 1.2 scalars, no aliases, tags or dates; what cannot be read is a problem."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from repro.card import Problem, Span, Yaml
from repro.read.source_text import SourceText

MAX_DEPTH = 64
MAX_BYTES = 1 << 20
_OPEN = re.compile(r"\s*?^---[ \t]*\n", re.MULTILINE)
_CLOSE = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_LATE = re.compile(r"^---[ \t]*\n(?:[A-Za-z_][\w-]*:[^\n]*\n)(?:[^\n]*\n){0,200}?---[ \t]*$", re.MULTILINE)
_INT = re.compile(r"[-+]?[0-9]{1,4000}$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_CONSTANTS: dict[str, Yaml] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
    ".inf": float("inf"), ".Inf": float("inf"), ".INF": float("inf"), "-.inf": float("-inf"), "-.Inf": float("-inf"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands between the two `---` lines, and where the card's body begins."""

    values: dict[str, Yaml]
    lines: dict[str, int]
    span: Span | None
    body: int
    """Offset in `SourceText.utf8` after the closing line."""
    problems: tuple[Problem, ...] = ()


def read_front_matter(source: SourceText) -> FrontMatter:
    """The front matter of a card; empty, with problems, where it cannot be read. Never raises."""
    text = source.text
    opening = _OPEN.match(text) if text.lstrip(" \t\n")[:3] == "---" else None
    if opening is None:
        return FrontMatter({}, {}, None, 0, _late(source))
    first = text.count("\n", 0, opening.end())  # the line of the opening ---
    closing = _CLOSE.search(text, opening.end())
    if closing is None:
        # Without an end the whole card would be YAML: more likely a rule (---) than front matter.
        looks = re.match(r"[A-Za-z_][\w-]*[ \t]*:", text[opening.end() : opening.end() + 200])
        place = Span(source.source, first, first)
        problem = (Problem(place, "the front matter has no closing --- line"),) if looks else ()
        return FrontMatter({}, {}, None, 0, problem)
    inner = text[opening.end() : closing.start()]
    last = text.count("\n", 0, closing.start()) + 1
    span = Span(source.source, first, last)
    body = len(text[: closing.end()].encode("utf-8"))
    problems: list[Problem] = []
    if first > 1:
        problems.append(Problem(Span(source.source, 1, first), "blank lines stand before the front matter"))
    if len(inner) > MAX_BYTES:
        problems.append(Problem(span, f"the front matter is larger than {MAX_BYTES // 1024} KiB and was not read"))
        return FrontMatter({}, {}, span, body, tuple(problems))
    values, lines = _load(inner, first, source.source, problems, span)
    return FrontMatter(values, lines, span, body, tuple(problems))


def _late(source: SourceText) -> tuple[Problem, ...]:
    found = _LATE.search(source.text[:20000])
    if found is None:
        return ()
    line = source.text.count("\n", 0, found.start()) + 1
    end = source.text.count("\n", 0, found.end()) + 1
    return (
        Problem(
            Span(source.source, line, end),
            "this looks like front matter, but text stands before it: the Hub reads front matter on line 1 only",
        ),
    )


def _load(
    inner: str, offset: int, name: str, problems: list[Problem], whole: Span
) -> tuple[dict[str, Yaml], dict[str, int]]:
    def place(mark: object) -> Span:
        line = getattr(mark, "line", None)
        if line is None:
            return whole
        line = min(whole.end_line, offset + 1 + line)
        return Span(name, line, line)

    try:
        depth = 0
        for event in yaml.parse(inner, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                problems.append(Problem(place(event.start_mark), "the front matter uses a YAML alias (*); not read"))
                return {}, {}
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    message = f"the front matter is nested deeper than {MAX_DEPTH} levels; not read"
                    problems.append(Problem(place(event.start_mark), message))
                    return {}, {}
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node = yaml.compose(inner, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        problems.append(Problem(place(mark), f"the front matter is not YAML: {why}"))
        return {}, {}
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        problems.append(Problem(whole, f"the front matter is {kind}, not a mapping of keys to values"))
        return {}, {}
    lines: dict[str, int] = {}
    for key, _ in node.value:
        lines.setdefault(_key(key), place(key.start_mark).line)
    values = _plain(node, place, problems)
    assert isinstance(values, dict)
    return values, lines


def _key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "(not a plain key)"


def _plain(node: yaml.Node, place: Callable[[object], Span], problems: list[Problem]) -> Yaml:
    """A node as plain data; recursion is bounded by `MAX_DEPTH`, which the scan before has made sure of."""
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
        problems.append(Problem(place(node.start_mark), f"the YAML tag {node.tag[:60]} is not followed"))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, place, problems) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Yaml] = {}
        for key_node, value_node in node.value:
            key = _key(key_node)
            if key in mapping:
                message = f"the key {key!r} stands here a second time; the first is kept"
                problems.append(Problem(place(key_node.start_mark), message))
                continue
            mapping[key] = _plain(value_node, place, problems)
        return mapping
    text = str(node.value)
    if getattr(node, "style", None) or node.tag == "tag:yaml.org,2002:binary":
        return text
    return scalar(text)


def scalar(text: str) -> Yaml:
    """A plain scalar by YAML 1.2's core schema: `no` is a string, 5e-7 a number, 012 is twelve, dates are strings."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
