"""Reports as Markdown, HTML, JSON and on a terminal: the answer first, hostile text harmless."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Iterator
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console, RenderableType

from repro.card import Span
from repro.finding import Check, Family, Severity
from repro.render import terminal
from repro.render.formats import FORMATS
from repro.render.html import to_html
from repro.render.ledger import ledger_groups
from repro.render.markdown import check_markdown, to_markdown
from repro.render.templates import fill
from repro.render.view import split_answer
from repro.render.words import duration, figure, moment, value_text
from repro.report import Report, from_json
from repro.spec import Claim, ClaimKind

PAYLOADS = (
    "{{7*7}}",
    "{% raise %}",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></textarea>",
    "\x1b[31m\x1b]8;;http://evil\x07",
    "a | b",
    "```` `x` [bold]rich[/bold]",
    "\u202egnp.exe\u2066",
    "<!-- repro:begin -->\n<!-- repro:end -->",
    "line\nbreak\r\n# heading",
)


def poisoned(value: Any, payload: str) -> Any:
    """The value with the payload in every string that may come from a card, an artefact or a name."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value + payload
    if isinstance(value, tuple):
        return tuple(poisoned(v, payload) for v in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fixed = {"card_sha256", "created", "tool_version", "kind", "source", "card_source", "claim", "id", "stage"}
        return dataclasses.replace(
            value,
            **{
                f.name: poisoned(getattr(value, f.name), payload)
                for f in dataclasses.fields(value)
                if f.name not in fixed and f.init
            },
        )
    return value


def shown(view: RenderableType, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(view)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def views(report: Report) -> Iterator[RenderableType]:
    yield terminal.spec_view(report.spec)
    yield terminal.ledger_view(report)
    yield terminal.answer_view(report)
    if report.plan is not None:
        yield terminal.plan_view(report.plan)


class Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", ["proxy", "full", "check"])
def test_markdown_is_as_recorded(name: str, request: pytest.FixtureRequest, golden: Callable[[str, str], None]) -> None:
    report: Report = request.getfixturevalue(f"{name}_report")
    plots = ["plots/loss-dpo.svg"] if report.stages else []
    golden(f"{name}.md", to_markdown(report, plots))


@pytest.mark.parametrize("name", ["proxy", "full", "check"])
def test_terminal_is_as_recorded(name: str, request: pytest.FixtureRequest, golden: Callable[[str, str], None]) -> None:
    report: Report = request.getfixturevalue(f"{name}_report")
    golden(f"{name}.txt", "\n".join(shown(view) for view in views(report)))


@pytest.mark.parametrize("name", ["proxy", "full", "check"])
def test_the_answer_stands_before_everything_else(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(f"{name}_report")
    answer, _ = split_answer(report.answer[1])
    for text in (to_markdown(report), Page(to_html(report, {})).text):
        assert text.index(answer) < text.index("What the checks found")
    assert answer in " ".join(shown(terminal.answer_view(report)).split())


def test_a_proxy_report_says_what_it_cannot_decide(proxy_report: Report, full_report: Report) -> None:
    sentence = "no absolute number of the full-scale model can be confirmed or denied here"
    for text in (to_markdown(proxy_report), to_html(proxy_report, {}), shown(terminal.answer_view(proxy_report))):
        assert sentence in " ".join(text.split())
    assert sentence not in to_html(full_report, {})


def test_html_fetches_and_runs_nothing_and_links_within_itself(
    proxy_report: Report, proxy_plots: dict[str, bytes]
) -> None:
    text = to_html(proxy_report, proxy_plots)
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "iframe", "object", "embed", "form", "base", "img"})
    assert "svg" in names
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        assert not [key for key in attrs if key.startswith("on")]
        assert not {"src", "srcset", "action"} & set(attrs)
        for key in ("href", "xlink:href"):
            link = attrs.get(key)
            assert link is None or link == "data:," or (link.startswith("#") and link[1:] in ids), (tag, link)
    assert not re.search(r"url\((?!#)|@import", text)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_html_carries_the_card_with_an_anchor_a_line(proxy_report: Report) -> None:
    text = to_html(proxy_report, {})
    assert 'id="L113"><a href="#L113">113</a><span>| 103 | 0.634 | -8.6% |</span>' in text
    assert '<a href="#L113">line 113</a>' in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_of_a_card_is_data_everywhere(payload: str, full_report: Report, full_plots: dict[str, bytes]) -> None:
    report = poisoned(full_report, payload)
    page = Page(to_html(report, full_plots))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "textarea"})
    styles = to_html(full_report, full_plots).count("<style")
    assert [tag for tag, _ in page.tags].count("style") == styles
    for text in (to_markdown(report), page.text, *(shown(view) for view in views(report))):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "49" not in text or "{{7" not in payload or "{{7" in text
    # What stands in a fence or a code span is literal; the rest must hold no markup but our own.
    markdown = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", to_markdown(report))
    markdown = re.sub(r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)", "", markdown)
    assert "<script" not in markdown
    assert "<img" not in markdown
    assert "<!--" not in markdown
    headings = [line for line in markdown.split("\n") if line.startswith("# ")]
    assert len(headings) == 1
    columns = {line.count("|") - line.count("\\|") for line in markdown.split("\n") if line.startswith("| ")}
    assert columns <= {3, 4, 5, 6, 7, 8}
    if payload == "{{7*7}}":
        assert "{{7*7}}" in page.text


def test_markup_of_rich_is_shown_not_obeyed(check_report: Report) -> None:
    report = poisoned(check_report, "[bold red]x[/]")
    assert "[bold red]x[/]" in shown(terminal.spec_view(report.spec))


def test_json_is_the_report(full_report: Report) -> None:
    assert from_json(FORMATS["json"](full_report)) == full_report
    assert set(FORMATS) == {"json", "md", "html", "sarif"}


def test_a_terminal_of_any_width_is_filled_without_error(proxy_report: Report) -> None:
    for width in (20, 40, 80, 200):
        for view in views(proxy_report):
            assert max(map(len, shown(view, width).split("\n"))) <= width


def test_empty_parts_are_said_not_shown(check_report: Report) -> None:
    spec = dataclasses.replace(check_report.spec, claims=(), stages=(), facts=(), text="")
    report = dataclasses.replace(check_report, spec=spec, findings=())
    assert "The card makes no claim that could be read" in to_markdown(report)
    assert "No check was run" in to_html(report, {})
    for view in views(report):
        shown(view)


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        fill("check.md.j2", {"code": "R101"})


def test_the_page_of_a_check(golden: Callable[[str, str], None]) -> None:
    check = Check(
        code="R401",
        slug="effective-batch",
        family=Family.TRAINING,
        severity=Severity.HIGH,
        confidence=Severity.HIGH,
        title="Effective batch size",
        what="The batch is devices x accumulation x per-device.",
        why="Two of the three do not give the third.",
        fix="State all three.",
        sources=("open-instruct@e6c3044:docs/tulu3.md",),
        needs=("card",),
        function=lambda spec, evidence: (),
    )
    golden("explain.md", check_markdown(check))
    golden("explain.txt", shown(terminal.check_page(check)))


def test_an_end_token_that_the_card_shows_is_part_of_the_recipe(check_report: Report) -> None:
    token = "<|endoftext|>"
    claim = Claim(
        "dpo.template_end_token", ClaimKind.CONFIG, f"ends with {token}", token, Span("card.md", 89, 89), token
    )
    spec = dataclasses.replace(check_report.spec, claims=(*check_report.spec.claims, claim))
    report = dataclasses.replace(check_report, spec=spec)
    (group,) = (g for g in ledger_groups(report, ()) if any(row.id == claim.id for row in g.rows))
    assert group.title == "Recipe and data"
    assert token not in to_markdown(report, {}), "its pipes would end the table's cells"
    assert "&lt;|endoftext|&gt;" in to_html(report, {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (844.0, "844"),
        (27140.0, "27,140"),
        (0.51234, "0.5123"),
        (0.04, "0.0400"),
        (5e-7, "5e-07"),
        (12.5, "12.5"),
    ],
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_small_words() -> None:
    assert [duration(s) for s in (0.42, 31, 67, 18660, float("nan"))] == [
        "0.4 s",
        "31 s",
        "1 min 07 s",
        "5 h 11 min",
        "?",
    ]
    assert moment("2026-11-23T05:10:44Z") == "2026-11-23 05:10 UTC"
    assert [value_text(v) for v in (5e-7, 0.1, True, None, 27140, ("a", "b"))] == [
        "5e-7",
        "0.1",
        "yes",
        "?",
        "27,140",
        "a, b",
    ]
