"""A check as a short Markdown summary, such as a pull request's comment: a table of findings, the rest folded away."""

from __future__ import annotations

from repro.checked import CheckedCard, CheckRun
from repro.finding import Finding
from repro.render.check_text import summary
from repro.render.gap_rows import gap_rows, score_text
from repro.render.safe_text import markdown_code, markdown_text, one_line, short
from repro.render.words import SEVERITIES

MOST_ROWS = 100
"""Findings of one card in the table: a comment on the Hub or on GitHub holds 65,536 characters."""
LONGEST = 400


def to_check_markdown(run: CheckRun) -> str:
    """GitHub Markdown; every text of a card in it is escaped."""
    line = summary(run.cards, num_refused=len(run.refused), verbose=True).strip()
    parts = [f"### repro check: {markdown_text(line)}\n"]
    for card in run.cards:
        parts += _card(card, alone=len(run.cards) == 1)
    if run.refused:
        parts.append("**Not checked**\n")
        for refused in run.refused:
            message = getattr(refused.error, "message", str(refused.error))
            parts.append(f"- {markdown_code(refused.name)}: {markdown_text(message)}")
        parts.append("")
    if run.problems:
        parts += [f"- {markdown_code(str(p.span))}: {markdown_text(p.message)}" for p in run.problems] + [""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _card(card: CheckedCard, *, alone: bool) -> list[str]:
    parts: list[str] = []
    if card.findings:
        parts += [
            f"**{markdown_text(card.report.spec.source)}**\n",
            "| line | check | | what | fix |",
            "|---|---|---|---|---|",
        ]
        parts += [_row(f, card) for f in card.findings[:MOST_ROWS]]
        more = len(card.findings) - MOST_ROWS
        parts.append(f"\nand {more} more.\n" if more > 0 else "")
    elif alone and not card.unknown and not card.ignored:
        parts.append(f"{markdown_text(card.report.spec.source)}: nothing to mend.\n")
    for problem in (*card.report.spec.problems, *card.problems):
        parts.append(f"- {markdown_code(str(problem.span))}: {markdown_text(problem.message)}")
    if card.ignored:
        parts += ["", f"**Ignored** in {markdown_text(card.report.spec.source)}\n"]
        for f, own in card.ignored:
            by = "by the card itself" if own else "by the configuration"
            parts.append(
                f"- {markdown_text(f.code)} {markdown_code(f.slug)}, {by}: {markdown_text(short(f.ignored, LONGEST))}"
            )
        parts.append("")
    if card.report.completeness is not None and (rows := gap_rows(card.report.completeness)):
        told = score_text(card.report.completeness)
        parts += [f"<details><summary>{markdown_text(card.report.spec.source)}: {markdown_text(told)}</summary>\n"]
        parts += ["| adds | missing | where | why |", "|---|---|---|---|"]
        for row in rows[:MOST_ROWS]:
            where = f"line {row.line}, {row.where}" if row.line else row.where
            texts = (row.points, row.label, where, row.why)
            parts.append(f"| {' | '.join(markdown_text(text) for text in texts)} |")
        parts.append("\n</details>\n")
    if card.unknown:
        name = markdown_text(card.report.spec.source)
        parts += [f"<details><summary>{name}: {len(card.unknown)} cannot be told</summary>\n"]
        parts += [
            f"- {markdown_text(f.code)} {markdown_code(f.slug)}: {markdown_text(short(f.message, LONGEST))}"
            for f in card.unknown
        ]
        parts.append("\n</details>\n")
    return parts


def _row(f: Finding, card: CheckedCard) -> str:
    own = [s for s in f.spans if s.source == card.report.spec.source and s.line]
    where = str(own[0].line) if own else ""
    word = SEVERITIES[f.severity]
    cells = (
        where,
        f"{markdown_text(f.code)} {markdown_code(f.slug)}",
        f"{word.mark} {word.label}",
        markdown_text(short(f.message, LONGEST)),
        markdown_text(short(one_line(f.fix), LONGEST)),
    )
    return f"| {' | '.join(cells)} |"
