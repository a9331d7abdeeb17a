"""The report's laws: its JSON gives an equal report back, keeps to its schema, and its answer never says too much."""

from __future__ import annotations

import dataclasses
import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import Span
from repro.comparison import ORDER, Comparison, Leg, Verdict, Weight, count
from repro.errors import ReproError
from repro.evidence import Absence, Evidence
from repro.finding import Family, Finding, Outcome, Severity
from repro.read.reader import read
from repro.report import SCHEMA_VERSION, Report, answer, from_json, json_schema, of_card, to_json
from repro.run import Environment, StageRun, Step
from repro.score import HarnessInfo, Sample, Score

CARD_PATH = Path(__file__).parents[1] / "cards" / "dpo-mahals.md"
CARD, SPEC = read(CARD_PATH.read_bytes(), "cards/dpo-mahals.md")
SCHEMA = jsonschema.Draft202012Validator(json_schema())

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
number = st.floats(allow_nan=False)
maybe = st.none() | number
pair = st.none() | st.tuples(number, number)
spans = st.builds(Span, source=text, line=st.integers(0, 999), end_line=st.integers(0, 999))
legs = st.builds(
    Leg, name=text, left=number, right=number, interval=pair, margin=maybe, samples=st.integers(0, 99), why=text
)
comparisons = st.builds(
    Comparison,
    claim=st.sampled_from([c.id for c in SPEC.claims]),
    verdict=st.sampled_from(Verdict),
    why=text,
    method=text,
    weight=st.sampled_from(Weight),
    weight_why=text,
    measured=maybe,
    interval=pair,
    p_value=maybe,
    legs=st.lists(legs, max_size=2).map(tuple),
)
findings = st.builds(
    Finding,
    code=text,
    slug=text,
    title=text,
    family=st.sampled_from(Family),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Severity),
    outcome=st.sampled_from(Outcome),
    message=text,
    spans=st.lists(spans, max_size=2).map(tuple),
)
steps = st.builds(
    Step,
    step=st.integers(1, 999),
    loss=number,
    learning_rate=number,
    grad_norm=number,
    tokens=st.integers(0, 10**9),
    rows=st.integers(0, 99),
    epoch=number,
    reward_chosen=maybe,
)
stages = st.builds(
    StageRun,
    name=text,
    method=text,
    seed=st.integers(0, 2**63),
    base=text,
    checkpoint=text,
    steps=st.lists(steps, max_size=3).map(tuple),
    rows_sampled=st.integers(0, 99),
    rows_used=st.integers(0, 99),
    seconds=number,
)
environments = st.builds(
    Environment,
    python=text,
    platform=text,
    processor=text,
    cpu_capability=text,
    threads=st.integers(1, 64),
    devices=st.lists(text, max_size=2).map(tuple),
    packages=st.lists(st.tuples(text, text), max_size=2).map(tuple),
)


def several(things: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(things, max_size=most).map(tuple)


parts = st.fixed_dictionaries(
    {
        "evidence": several(st.builds(Absence, what=text, why=text)).map(lambda found: Evidence(absences=found)),
        "findings": several(findings),
        "tool_version": text,
        "created": text,
        "kind": st.sampled_from(["run", "verify", "check"]),
        "stages": several(stages),
        "environment": st.none() | environments,
        "comparisons": several(comparisons),
        "notes": several(text),
        "seconds": number,
    }
)


@settings(max_examples=40, deadline=None)
@given(parts)
def test_decoding_the_encoding_gives_the_same_report(drawn: dict[str, Any]) -> None:
    report = of_card(CARD, SPEC, **drawn)
    encoded = to_json(report)
    assert from_json(encoded) == report
    assert to_json(from_json(encoded)) == encoded


@settings(max_examples=15, deadline=None)
@given(parts)
def test_every_report_keeps_to_the_schema(drawn: dict[str, Any]) -> None:
    document = json.loads(to_json(of_card(CARD, SPEC, **drawn)))
    error = next(SCHEMA.iter_errors(document), None)
    assert error is None, error.message[:300] if error else ""
    assert set(document) == {field.name for field in dataclasses.fields(Report)}


def test_the_schema_refuses_what_is_no_report() -> None:
    good = json.loads(to_json(of_card(CARD, SPEC, Evidence(), (), tool_version="", created="", kind="check")))
    assert SCHEMA.is_valid(good)
    for key, value in (("seconds", "soon"), ("findings", None), ("spec", {}), ("comparisons", [{}])):
        assert not SCHEMA.is_valid({**good, key: value}), key
    jsonschema.Draft202012Validator.check_schema(json_schema())


@settings(max_examples=40, deadline=None)
@given(parts)
def test_its_json_drives_no_terminal(drawn: dict[str, Any]) -> None:
    # Zero-width joiners are kept: emoji and several scripts are spelt with them.
    encoded = to_json(of_card(CARD, SPEC, **drawn))
    orders = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    driving = {c for c in set(encoded) if unicodedata.category(c) == "Cc" or unicodedata.bidirectional(c) in orders}
    assert driving <= {"\n"}


def test_nan_and_infinity_come_back() -> None:
    step = Step(1, math.nan, math.inf, -math.inf, 1, 1, 0.0)
    stage = StageRun("dpo", "dpo", 1, "", "", (step,), 1, 1, 0.0)
    report = of_card(CARD, SPEC, Evidence(), (), tool_version="", created="", kind="run", stages=(stage,))
    encoded = to_json(report)
    back = from_json(encoded).stages[0].steps[0]
    assert math.isnan(back.loss)
    assert (back.learning_rate, back.grad_norm) == (math.inf, -math.inf)
    assert to_json(from_json(encoded)) == encoded
    json.loads(encoded, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_scores_come_back() -> None:
    harness = HarnessInfo("lm_eval", "0.4", "1", "ab", 0, True, (("limit", "8"),))
    score = Score("dpo", "task", "acc", 0.5, 0.1, (Sample(0, "h", 1.0, "\x1b\u202e"),), harness, seed=42)
    report = of_card(CARD, SPEC, Evidence(), (), tool_version="", created="", kind="run", scores=(score,))
    assert from_json(to_json(report)).scores == (score,)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("", "not a report"),
        ("{", "not a report"),
        ("[]", "not a report"),
        ("null", "not a report"),
        ("{}", "schema None"),
        ('{"schema_version": 99}', "schema 99"),
        (f'{{"schema_version": {SCHEMA_VERSION}}}', "not a report"),
        ('{"schema_version": ' + "[" * 5000, "not a report"),
    ],
)
def test_what_is_no_report_is_said_to_be_none(document: str, says: str) -> None:
    with pytest.raises(ReproError, match=says):
        from_json(document)


def with_verdicts(verdicts: dict[str, Verdict], weight: Weight = Weight.WEAK) -> tuple[Comparison, ...]:
    return tuple(Comparison(claim, v, "", "", weight, "") for claim, v in verdicts.items())


results = [c.id for c in SPEC.claims if c.kind in {"loss", "eval"}]
others = [c.id for c in SPEC.claims if c.kind not in {"loss", "eval"}]
assignments = st.fixed_dictionaries({claim: st.sampled_from(Verdict) for claim in [c.id for c in SPEC.claims]})


@given(assignments, st.booleans())
def test_the_answer_is_yes_only_when_every_stated_result_was_reproduced_and_nothing_differs(
    verdicts: dict[str, Verdict], empty: bool
) -> None:
    verdict, sentence = answer(SPEC, with_verdicts(verdicts, Weight.NONE if empty else Weight.WEAK))
    stated = [verdicts[c] for c in results if verdicts[c] is not Verdict.UNSTATED]
    differs = Verdict.DIFFERS in verdicts.values()
    if verdict is Verdict.REPRODUCED:
        assert stated
        assert set(stated) == {Verdict.REPRODUCED}
        assert not differs
        assert not empty
    assert (verdict is Verdict.DIFFERS) == differs
    assert sentence.startswith("Yes") == (verdict is Verdict.REPRODUCED)
    assert sentence.startswith("No:") == differs


@given(st.sets(st.sampled_from(others), min_size=1))
def test_recipes_that_hold_are_no_results(held: set[str]) -> None:
    verdict, sentence = answer(SPEC, with_verdicts(dict.fromkeys(held, Verdict.REPRODUCED)))
    assert verdict is not Verdict.REPRODUCED
    assert not sentence.startswith("Yes")


def test_what_every_recipe_would_reproduce_is_no_yes() -> None:
    every = dict.fromkeys(results, Verdict.REPRODUCED)
    assert answer(SPEC, with_verdicts(every))[0] is Verdict.REPRODUCED
    verdict, sentence = answer(SPEC, with_verdicts(every, Weight.NONE))
    assert verdict is Verdict.INCONCLUSIVE
    assert "every recipe" in sentence
    without_one = with_verdicts(dict.fromkeys(results[1:], Verdict.REPRODUCED))
    assert answer(SPEC, without_one)[0] is not Verdict.REPRODUCED


def test_nothing_compared_is_no_answer() -> None:
    assert answer(SPEC, ())[0] is None
    assert answer(dataclasses.replace(SPEC, claims=()), ())[0] is None


@given(st.lists(comparisons, max_size=8))
def test_every_comparison_is_counted_once(found: list[Comparison]) -> None:
    counts = count(found)
    assert tuple(counts) == ORDER
    assert set(ORDER) == set(Verdict)
    assert sum(counts.values()) == len(found)


@given(st.lists(findings, max_size=6))
def test_failures_come_gravest_first(found: list[Finding]) -> None:
    report = of_card(CARD, SPEC, Evidence(), tuple(found), tool_version="", created="", kind="check")
    ranks = [f.severity.rank for f in report.failures]
    assert ranks == sorted(ranks, reverse=True)
    assert sorted(map(id, report.failures)) == sorted(id(f) for f in found if f.outcome is Outcome.FAIL)


def test_the_card_is_named_by_its_hash() -> None:
    report = of_card(CARD, SPEC, Evidence(), (), tool_version="", created="", kind="check")
    assert report.card_sha256 == CARD.sha256
    assert (report.card_name, report.card_source) == ("dpo-mahals", "cards/dpo-mahals.md")
    assert report.comparison(SPEC.claims[0]) is None
