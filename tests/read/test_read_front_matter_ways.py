"""Front matter has one meaning: read line by line, from the parser's events, or from its tree of nodes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import Problem, Span
from repro.read.front_matter import _flat, read_front_matter, scalar
from repro.read.source_text import decode
from repro.read.yaml_events import Reading

WHOLE = Span("card.md", 1, 99)

SPELLED = (
    "en|no|true|5e-7|012|1.0|null|apache-2.0|a b|a - b|a, b (c)|x/y-z_1.5|~|a  b|'quoted'|[a, b]|{a: b}|a: b|a # b|*a|"
    "&a b|!t b|- a|2024-01-02|é||a:b|[]"
)
WORDS = st.sampled_from(SPELLED.split("|"))
KEYS = st.sampled_from(["license", "tags", "base_model", "model-index", "y", "a b", "'k'", "-", "1k", "datasets"])
LINES = st.one_of(
    st.builds("{}: {}".format, KEYS, WORDS),
    st.builds("{}:".format, KEYS),
    st.builds("- {}".format, WORDS),
    st.builds("  - {}".format, WORDS),
    st.builds("    {}: {}".format, KEYS, WORDS),
    st.builds("- {}: {}".format, KEYS, WORDS),
    st.builds("  - {}: {}".format, KEYS, WORDS),
    st.builds("  {}: {}".format, KEYS, WORDS),
    st.sampled_from(["", " ", "# note", "\t- a", "  more", "- ", "key:  ", "key:value", "tags: a  "]),
)


def by_nodes(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [by_nodes(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "(not a plain key)"
            if name not in mapping:
                mapping[name] = by_nodes(value)
        return mapping
    text = str(node.value)
    return text if node.style or node.tag.endswith(":binary") else scalar(text)


@settings(max_examples=1000)
@given(st.lists(LINES, max_size=8))
def test_three_ways_agree(lines: list[str]) -> None:
    inner = "".join(f"{line}\n" for line in lines)
    problems: list[Problem] = []
    values, places = Reading(inner, 1, "card.md", WHOLE).load(problems)
    flat = _flat(inner, 1)
    if flat is not None:
        assert repr(flat) == repr((values, places))
        assert not problems
    try:
        node = yaml.compose(inner, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        assert problems
        assert not values
        return
    if isinstance(node, yaml.MappingNode) and not any("alias" in p.message for p in problems):
        assert repr(values) == repr(by_nodes(node))
        assert places == {
            str(key.value) if isinstance(key, yaml.ScalarNode) else "(not a plain key)": key.start_mark.line + 2
            for key, _ in reversed(node.value)
        }


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("a: *b\n", "alias"),
        ("a: &b 1\nc: *b\n", "alias"),
        ("- a\n- b\n", "a list"),
        ("just words\n", "a single value"),
        ("a: 1\na: 2\n", "second time"),
        ("a: !odd 1\n", "!odd"),
        ("a: [1\n", "not YAML"),
        ("a: &b 1\nc: &b 2\n", "second time"),
        ("a: " + "[" * 70 + "]" * 70 + "\n", "deeper than"),
        ("a: 1\n--- x\nb: 2\n", "another document"),
    ],
)
def test_what_is_not_read_has_its_reason(inner: str, says: str) -> None:
    front = read_front_matter(decode(f"---\n{inner}---\n".encode(), "card.md"))
    assert any(says in p.message for p in front.problems)


def test_the_value_of_a_key_that_stands_twice_is_passed_over() -> None:
    front = read_front_matter(decode(b"---\na: 1\na:\n  b: !odd 1\n  b: 2\nc: 3\n---\n", "card.md"))
    assert front.values == {"a": 1, "c": 3}
    assert [p.message for p in front.problems] == ["the key 'a' stands here a second time; the first is kept"]
