"""The front matter of a repository's README as plain data: no aliases, no tags, no depth that could hurt."""

from __future__ import annotations

import re
from typing import Any

MAX_DEPTH = 64
MAX_BYTES = 512 * 1024
MAX_NUMBER = 1000


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """(the mapping between the first two lines of three hyphens, why it could not be read).

    Both are empty when there is no front matter. Aliases and explicit tags are refused before anything is built
    (an alias bomb grows while it is built, and libyaml overflows the stack on deep nesting).
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if not lines or lines[0].rstrip() != "---":
        return {}, ""
    end = next((i for i in range(1, len(lines)) if lines[i].rstrip() == "---"), None)
    if end is None:
        return {}, "the front matter has no end"
    source = "\n".join(lines[1:end])
    if len(source) > MAX_BYTES:
        return {}, f"the front matter is longer than {MAX_BYTES} characters"
    return _mapping(source)


def _mapping(source: str) -> tuple[dict[str, Any], str]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(source, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                return {}, f"{_line(event)}: aliases are not read"
            if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
                return {}, f"{_line(event)}: explicit tags are not read"
            # YAML 1.1 reads 1:59:59 in base 60, in time that grows with the square of its length.
            digits = event.value if isinstance(event, yaml.ScalarEvent) and not event.style else ""
            if len(digits) > MAX_NUMBER and re.fullmatch(r"[-+\d:_.]+", digits):
                return {}, f"{_line(event)}: a number of {len(digits)} digits is not read"
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            if depth > MAX_DEPTH:
                return {}, f"the front matter is nested more than {MAX_DEPTH} deep"
        data = yaml.load(source, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError) as error:
        return {}, f"the front matter is not YAML: {str(error).splitlines()[0][:200] if str(error) else 'unreadable'}"
    if data is None:
        return {}, ""
    if not isinstance(data, dict):
        return {}, "the front matter is not a mapping"
    return {str(key): value for key, value in data.items()}, ""


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 2}" if event.start_mark else "the front matter"
