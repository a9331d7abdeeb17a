"""Front matter, and files of entries, from the events of a YAML parser: no aliases or tags, bounded nesting."""

from __future__ import annotations

from typing import Any, TypeAlias

import yaml

from repro.card import Problem, Span, Yaml
from repro.read.front_matter import MAX_DEPTH, scalar

Printed: TypeAlias = dict[tuple[int, str], tuple[Span, str]]
"""(id of a mapping, key) -> the key's line, and its value as printed where that is a single one."""

_CORE = "tag:yaml.org,2002:"
_KINDS: dict[type, str] = {yaml.SequenceStartEvent: "a list", yaml.MappingStartEvent: "a mapping"}


class _Refusal(Exception):
    """What is not read at all, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Reading:
    """One pass over the parser's events; recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, inner: str, offset: int, name: str, whole: Span, what: str = "the front matter") -> None:
        self._inner = inner
        self._what = what
        self._offset = offset
        self._name = name
        self._whole = whole
        self._depth = 0
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._anchors: set[str] = set()
        self._printed: Printed | None = None

    def load(self, problems: list[Problem]) -> tuple[dict[str, Yaml], dict[str, int]]:
        """Values and lines; what went wrong is added to `problems`."""
        values = self._guarded(problems, dict)
        return (values, self._lines) if isinstance(values, dict) else ({}, {})

    def load_list(self, problems: list[Problem]) -> tuple[list[Yaml], Printed]:
        """The items of a text that is a list, and where and how the values of its mappings are printed."""
        self._printed = {}
        values = self._guarded(problems, list)
        return (values, self._printed) if isinstance(values, list) else ([], {})

    def _guarded(self, problems: list[Problem], wanted: type) -> Yaml:
        try:
            self._events = iter(yaml.parse(self._inner, Loader=yaml.CSafeLoader))
            values = self._document(wanted)
        except _Refusal as refusal:
            problems.append(refusal.problem)
            return None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            why = getattr(error, "problem", None) or str(error).splitlines()[0]
            problems.append(Problem(self._place(mark), f"{self._what} is not YAML: {why}"))
            return None
        problems.extend(self._problems)
        return values

    def alone(self, text: str, offset: int) -> dict[str, Yaml] | None:
        """One entry as if it stood alone."""
        part = Reading(text, offset, self._name, self._whole)
        try:
            part._events = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
            values = part._document(dict)
        except (_Refusal, yaml.YAMLError, ValueError, RecursionError):
            return None
        return values if isinstance(values, dict) and not part._problems else None

    def _place(self, mark: object) -> Span:
        line = getattr(mark, "line", None)
        if line is None:
            return self._whole
        line = min(self._whole.end_line, self._offset + 1 + line)
        return Span(self._name, line, line)

    def _document(self, wanted: type) -> Yaml:
        values: Yaml = wanted()
        documents = 0
        kind = ""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = f"{self._what} is not YAML: but found another document"
                    raise _Refusal(Problem(self._place(event.start_mark), message))
            elif isinstance(event, yaml.NodeEvent):
                kind = _KINDS.get(type(event), "a single value")
                read = self._value(event)
                if isinstance(read, wanted):
                    values, kind = read, ""
        if kind:
            asked = "a mapping of keys to values" if wanted is dict else "a list of entries"
            message = f"{self._what} is {kind}, not {asked}"
            raise _Refusal(Problem(self._whole, message))
        return values

    def _value(self, event: Any) -> Yaml:
        """The node that begins with an event, as plain data."""
        if isinstance(event, yaml.AliasEvent):
            raise _Refusal(Problem(self._place(event.start_mark), f"{self._what} uses a YAML alias (*); not read"))
        if event.anchor is not None:
            if event.anchor in self._anchors:
                message = f"{self._what} is not YAML: the anchor &{event.anchor[:60]} stands here a second time"
                raise _Refusal(Problem(self._place(event.start_mark), message))
            self._anchors.add(event.anchor)
        tag = event.tag
        if tag and tag != "!" and (not tag.startswith(_CORE) or tag.startswith(f"{_CORE}python")):
            self._problems.append(Problem(self._place(event.start_mark), f"the YAML tag {tag[:60]} is not followed"))
        if isinstance(event, yaml.ScalarEvent):
            text = str(event.value)
            return text if event.style or tag == f"{_CORE}binary" else scalar(text)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"{self._what} is nested deeper than {MAX_DEPTH} levels; not read"
            raise _Refusal(Problem(self._place(event.start_mark), message))
        whole = self._list() if isinstance(event, yaml.SequenceStartEvent) else self._mapping()
        self._depth -= 1
        return whole

    def _list(self) -> list[Yaml]:
        items: list[Yaml] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event))
        return items

    def _mapping(self) -> dict[str, Yaml]:
        mapping: dict[str, Yaml] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = str(event.value) if isinstance(event, yaml.ScalarEvent) else "(not a plain key)"
            if not isinstance(event, yaml.ScalarEvent):
                self._passed_over(event)
            place = self._place(event.start_mark)
            if self._depth == 1:
                self._lines.setdefault(key, place.line)
            if key in mapping:
                self._problems.append(Problem(place, f"the key {key!r} stands here a second time; the first is kept"))
                self._passed_over(next(self._events))
            else:
                node = next(self._events)
                if self._printed is not None:
                    self._printed[id(mapping), key] = (
                        place,
                        str(node.value) if isinstance(node, yaml.ScalarEvent) else "",
                    )
                mapping[key] = self._value(node)
        return mapping

    def _passed_over(self, event: Any) -> None:
        """A node whose content nobody asks for: what is odd in it is no problem."""
        said = len(self._problems)
        self._value(event)
        del self._problems[said:]
