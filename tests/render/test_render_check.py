"""What `repro check` prints of a card, in text, Markdown, annotations and JSON: as recorded, and never as markup."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable

import pytest
from test_render_reports import PAYLOADS, poisoned

from repro.card import Ignore, Problem, Span
from repro.checked import CheckedCard, CheckRun, Reader, Refused, checked_card
from repro.completeness import Completeness, Gap, Making
from repro.errors import CardError
from repro.finding import Edit, Family, Finding, Outcome, Persona, Severity
from repro.render.check_formats import CHECK_FORMATS
from repro.render.check_text import card_text, coloured, summary
from repro.report import Report

GAPS = (
    Gap("seed", "training seed", "dpo", 1.4, Span("", 106, 106), "after the last hyperparameter", "Why.", "42"),
    Gap("base_model", "base model, or that there is none", "", 0.7, Span("", 0, 0), "in the front matter", "W.", ""),
)


@pytest.fixture
def checked(check_report: Report) -> CheckedCard:
    """A card with findings, some of them ignored by the card and by a configuration, and a completeness."""
    first, second, *rest = check_report.findings
    ignores = (Ignore(second.code, "on purpose", Span(check_report.spec.source, 3, 3, 1, 40), in_card=True),)
    findings = (
        first,
        dataclasses.replace(second, ignored="on purpose"),
        *(dataclasses.replace(f, ignored="lost logs") if f.code == "R405" else f for f in rest),
    )
    report = dataclasses.replace(
        check_report,
        spec=dataclasses.replace(check_report.spec, ignores=ignores),
        findings=findings,
        completeness=Completeness(Making.TUNING, 71, 26, 38, GAPS),
    )
    problem = Problem(Span(report.spec.source, 5, 5), "this ignores nothing: it names no check")
    return checked_card(report, Reader(), (problem,), "cards/dpo-mahals.md")


def as_run(card: CheckedCard) -> CheckRun:
    refused = Refused("gone.md", CardError("no such file", where="gone.md", hint="give a path"))
    return CheckRun("0.1.0", (card,), (refused,), (), ())


def unknown(code: str, message: str) -> Finding:
    return Finding(
        code, code.lower(), "title", Family.TEMPLATE, Severity.LOW, Severity.HIGH, Outcome.UNKNOWN, message
    )  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_text_is_as_recorded(checked: CheckedCard, golden: Callable[[str, str], None], width: int) -> None:
    text = card_text(checked, width=width, most_gaps=1) + summary([checked], num_refused=1, width=width)
    golden(f"checked-{width}.txt", text)
    assert all(len(line) <= width for line in text.split("\n"))


def test_everything_is_as_recorded(checked: CheckedCard, golden: Callable[[str, str], None]) -> None:
    golden("checked-verbose.txt", card_text(checked, width=100, verbose=True) + summary([checked], verbose=True))


@pytest.mark.parametrize("format", ["md", "github", "json"])
def test_other_formats_are_as_recorded(checked: CheckedCard, golden: Callable[[str, str], None], format: str) -> None:
    golden(f"checked.{format}", CHECK_FORMATS[format](as_run(checked)))


def test_colour_adds_nothing_but_colour(checked: CheckedCard) -> None:
    for verbose in (False, True):
        plain = card_text(checked, width=80, verbose=verbose) + summary([checked], verbose=verbose, width=80)
        painted = card_text(checked, width=80, verbose=verbose, paint=coloured)
        painted += summary([checked], verbose=verbose, width=80, paint=coloured)
        assert painted != plain
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


def test_checks_that_cannot_tell_for_one_reason_share_a_line(checked: CheckedCard) -> None:
    told = (unknown("R302", "It was not looked at."), unknown("R305", "No."), unknown("R307", "It was not looked at."))
    text = card_text(dataclasses.replace(checked, unknown=told), width=100, verbose=True)
    assert text.count("It was not looked at.") == 1
    assert "R302 R307" in text


def test_auditors_see_what_authors_are_spared(check_report: Report) -> None:
    spared = tuple(dataclasses.replace(f, persona=Persona.AUDITOR) for f in check_report.findings)
    report = dataclasses.replace(check_report, findings=spared)
    author = checked_card(report, Reader(), (), "x")
    auditor = checked_card(report, Reader(persona=Persona.AUDITOR), (), "x")
    assert author.findings == ()
    assert author.num_hidden == len(auditor.findings) > 0
    assert not author.fails
    assert auditor.fails
    assert "more with --persona auditor" in summary([author])


def test_edits_are_in_the_json(checked: CheckedCard) -> None:
    edit = Edit(114, 15, 18, "-25%", "-24.8%")
    first = dataclasses.replace(checked.findings[0], edits=(edit,))
    card = dataclasses.replace(checked, findings=(first,))
    (told,) = json.loads(CHECK_FORMATS["json"](as_run(card)))["cards"]
    assert told["findings"][0]["edits"] == [dataclasses.asdict(edit)]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_harmless_in_every_format(checked: CheckedCard, payload: str) -> None:
    report = poisoned(checked.report, payload)
    findings = (dataclasses.replace(f, ignored=f.ignored if n % 3 else "") for n, f in enumerate(report.findings))
    report = dataclasses.replace(report, findings=tuple(findings))
    card = checked_card(report, Reader(persona=Persona.AUDITOR), (), "cards/x.md")
    text = card_text(card, width=100) + summary([card])
    github = CHECK_FORMATS["github"](as_run(card))
    for shown in (text, github, CHECK_FORMATS["md"](as_run(card))):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in github.splitlines())
    markdown = re.sub(r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)", "", CHECK_FORMATS["md"](as_run(card)))
    for opened in ("<script", "<img", "<!--", "</style"):
        assert opened not in markdown
    json.loads(CHECK_FORMATS["json"](as_run(card)))
