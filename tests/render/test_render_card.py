"""The refreshed card: the author's bytes come back, and a cell is filled only when the verdict law allows."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.comparison import Verdict
from repro.errors import ReproError
from repro.render.card import BEGIN, END, refresh_card, take_apart
from repro.render.front_matter import plain_mapping
from repro.report import Report
from repro.spec import DatasetRef, Fact, Origin, Spec
from repro.task import Scale


def about(report: Report, data: bytes) -> Report:
    """The report, as if it were on the card `data`."""
    return dataclasses.replace(report, card_sha256=hashlib.sha256(data).hexdigest())


def with_facts(report: Report, data: bytes, **values: str) -> Report:
    facts = tuple(Fact(key, value, Origin.STATED) for key, value in values.items())
    spec = dataclasses.replace(report.spec, facts=facts, stages=(), text=data.decode("utf-8", "replace"))
    return about(dataclasses.replace(report, spec=spec), data)


PIECES = st.lists(
    st.sampled_from(
        [
            b"---\n",
            b"license: mit\n",
            b"a: [1,\n",
            b"\xef\xbb\xbf",
            b"\r\n",
            b"\n",
            b"# Title\n",
            b"| a | b |\n|---|---|\n| 1 | TBD |\n",
            b"```\n",
            b"~~~~ py\n",
            b"<!-- open\n",
            b"\xff\x00 bytes\n",
            "naïve ↓\n".encode(),
            b"no newline",
        ]
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=120, deadline=None)
@given(data=PIECES)
def test_the_authors_bytes_come_back_and_twice_is_once(data: bytes, proxy_report: Report, check_report: Report) -> None:
    for report in (check_report, proxy_report):
        mine = with_facts(report, data, license="apache-2.0", base_model="org/name")
        refreshed = refresh_card(data, mine)
        assert take_apart(refreshed).original == data
        assert refresh_card(refreshed, mine) == refreshed
        assert BEGIN.encode() in refreshed


def test_the_given_card_keeps_every_line_at_proxy_scale(card_bytes: bytes, proxy_report: Report) -> None:
    refreshed = refresh_card(card_bytes, proxy_report)
    assert refreshed.startswith(card_bytes)
    section = refreshed[len(card_bytes) :].decode()
    assert "## Reproducibility" in section
    assert section.index("Cannot tell from this run") < section.index("| Claim |")
    assert "A measurement at proxy scale may not fill" in section
    assert "repro run dpo-mahals.md --scale proxy --seed 42" in section


def test_a_later_report_replaces_the_section(card_bytes: bytes, proxy_report: Report, full_report: Report) -> None:
    first = refresh_card(card_bytes, proxy_report)
    second = refresh_card(first, full_report)
    assert second == refresh_card(card_bytes, full_report)
    assert second.count(BEGIN.encode()) == 1


def test_full_scale_fills_the_open_cell_and_nothing_else(card_bytes: bytes, full_report: Report) -> None:
    refreshed = refresh_card(card_bytes, full_report).decode()
    author = card_bytes.decode()
    assert refreshed.startswith(author.replace("| 844 | TBD |", "| 844 | 0.501 (regenerated) |"))


@pytest.mark.parametrize(
    "change",
    [
        {"scale": "proxy"},
        {"measured": None},
        {"verdict": Verdict.NOT_COMPARABLE},
    ],
)
def test_a_cell_stays_open_where_the_law_does_not_allow(
    card_bytes: bytes, full_report: Report, change: dict[str, object]
) -> None:
    comparisons = tuple(
        dataclasses.replace(c, **change) if c.claim == "dpo.loss@844" else c  # type: ignore[arg-type]
        for c in full_report.comparisons
    )
    report = dataclasses.replace(full_report, comparisons=comparisons)
    assert refresh_card(card_bytes, report).startswith(card_bytes)


def test_a_proxy_plan_never_fills_whatever_a_comparison_says(card_bytes: bytes, full_report: Report) -> None:
    assert full_report.plan is not None
    report = dataclasses.replace(full_report, plan=dataclasses.replace(full_report.plan, scale=Scale.PROXY))
    assert refresh_card(card_bytes, report).startswith(card_bytes)


def test_a_cell_whose_bytes_moved_is_left_alone(card_bytes: bytes, full_report: Report) -> None:
    moved = b"\n" + card_bytes
    assert refresh_card(moved, about(full_report, moved)).startswith(moved)


def test_another_version_of_the_card_is_refused(card_bytes: bytes, proxy_report: Report) -> None:
    with pytest.raises(ReproError, match="another version"):
        refresh_card(card_bytes + b"changed", proxy_report)


def test_an_author_who_edits_a_refreshed_card_keeps_the_edit(card_bytes: bytes, full_report: Report) -> None:
    edited = refresh_card(card_bytes, full_report).replace(b"English only", b"English and French")
    mine = dataclasses.replace(about(full_report, edited), comparisons=())
    again = refresh_card(edited, mine)
    assert b"English and French" in again
    assert b"0.501 (regenerated)" in again
    assert again.count(BEGIN.encode()) == again.count(END.encode()) == 1
    assert refresh_card(again, mine) == again


def test_newlines_and_byte_order_mark_stay(card_bytes: bytes, proxy_report: Report) -> None:
    data = b"\xef\xbb\xbf" + card_bytes.replace(b"\n", b"\r\n")
    refreshed = refresh_card(data, about(proxy_report, data))
    assert refreshed.startswith(data)
    assert refreshed.count(b"\n") == refreshed.count(b"\r\n")


def test_an_open_fence_does_not_swallow_the_section(check_report: Report) -> None:
    data = b"# x\n\n```python\nprint(1)\n"
    assert b"\n```\n" + BEGIN.encode() in refresh_card(data, about(check_report, data))
    closed = data + b"```\n"
    assert b"```\n```\n" not in refresh_card(closed, about(check_report, closed))


def test_missing_keys_are_added_before_the_closing_line(check_report: Report) -> None:
    data = b"---\nlicense: mit # mine\ntags:\n- x\n---\n# x\n"
    report = with_facts(check_report, data, license="apache-2.0", base_model="org/base", language="no")
    refreshed = refresh_card(data, report)
    front = refreshed.split(b"---\n")[1]
    assert front.startswith(b"license: mit # mine\ntags:\n- x\n")
    assert yaml.safe_load(front) == {"license": "mit", "tags": ["x"], "base_model": "org/base", "language": ["no"]}


def test_front_matter_is_made_only_when_something_is_known(check_report: Report) -> None:
    data = b"# x\n"
    assert refresh_card(data, with_facts(check_report, data)).startswith(b"# x\n")
    made = refresh_card(data, with_facts(check_report, data, license="mit"))
    assert made.startswith(b"---\nlicense: mit\n---\n\n# x\n")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("license", "Llama 3.1 Community License"),
        ("base_model", "a model"),
        ("base_model", "org/name\nevil: true"),
        ("language", "English"),
        ("pipeline_tag", "{{7*7}}"),
    ],
)
def test_values_that_the_hub_would_not_take_are_not_written(check_report: Report, key: str, value: str) -> None:
    data = b"# x\n"
    assert refresh_card(data, with_facts(check_report, data, **{key: value})).startswith(b"# x\n")


def test_a_conflict_and_an_assumption_are_not_written(check_report: Report) -> None:
    data = b"# x\n"
    report = with_facts(check_report, data)
    two = (Fact("license", "mit", Origin.STATED), Fact("license", "apache-2.0", Origin.FOUND))
    guess = (Fact("base_model", "org/base", Origin.ASSUMED),)
    spec: Spec = dataclasses.replace(report.spec, facts=two + guess)
    assert refresh_card(data, dataclasses.replace(report, spec=spec)).startswith(b"# x\n")


def test_data_sets_of_the_last_stage_are_known(check_report: Report) -> None:
    data = b"---\nlicense: mit\n---\n"
    stage = dataclasses.replace(check_report.spec.stages[-1], datasets=(DatasetRef("org/data"),))
    base = with_facts(check_report, data)
    report = dataclasses.replace(base, spec=dataclasses.replace(base.spec, stages=(stage,)))
    assert b"datasets:\n- org/data\n---\n" in refresh_card(data, report)


@pytest.mark.parametrize(
    "body",
    [b"{a: 1}\n", b"- a\n", b"a: &x 1\nb: *x\n", b"a: [\n", b"a: " + b"[" * 200, b"just words\n", b"a: 2024-99-99\n"],
)
def test_front_matter_that_is_not_understood_is_not_touched(body: bytes, check_report: Report) -> None:
    assert plain_mapping(body) is None
    data = b"---\n" + body + b"---\n# x\n"
    refreshed = refresh_card(data, with_facts(check_report, data, license="mit"))
    assert refreshed.startswith(data)
