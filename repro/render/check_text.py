"""Findings as a terminal shows them: where, which check, the reason, the card's lines, the fix, and a summary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from repro.card import Span
from repro.checked import CheckedCard
from repro.finding import Finding, Persona, Severity
from repro.render.gap_rows import advice, gap_rows, range_text, score_text
from repro.render.places import card_lines
from repro.render.safe_text import one_line
from repro.render.source_lines import cells, shown_line
from repro.render.words import OUTCOMES, plural

MOST_PLACES = 4
"""Places of one finding that are quoted; the others are named."""
MOST_NAMED = 12
MOST_LINES = 3
"""Lines of one place that are quoted."""

_SGR = re.compile(r"\x1b\[[0-9;]*m")

Paint = Callable[[str, str], str]
"""(style, text) -> the text in that style: "bold", "dim", "gutter", "help", "good" or a severity's name."""

_CODES = {
    "bold": "1",
    "dim": "2",
    "gutter": "34",
    "help": "36",
    "good": "32",
    "high": "1;31",
    "medium": "1;33",
    "low": "1;36",
    "info": "1;34",
}


def coloured(style: str, text: str) -> str:
    """For a terminal (ECMA-48 SGR)."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def plain(style: str, text: str) -> str:
    """For everything else."""
    return text


def card_text(card: CheckedCard, *, width: int, paint: Paint = plain, verbose: bool = False, most_gaps: int = 0) -> str:
    """What is shown of one card before the summary; empty when there is nothing. Ends in an empty line.

    `most_gaps` missing facts are named, all to who wants to see everything.
    """
    spec = card.report.spec
    lines = card_lines(spec)
    blocks = ["\n".join(_finding(f, card, lines, width, paint)) for f in card.findings]
    everything = verbose or card.reader.persona is Persona.AUDITOR
    if everything and card.unknown:
        blocks.append("\n".join(_unknown(card, width, paint)))
    listed = [(f, own) for f, own in card.ignored if own or everything]
    if listed:
        blocks.append("\n".join(_ignored(card, listed, width, paint)))
    gaps = list(_gaps(card, None if everything else most_gaps, width, paint))
    return "".join(f"{block}\n\n" for block in [*blocks, *(["\n".join(gaps)] if gaps else [])])


def summary(
    cards: Sequence[CheckedCard], *, num_refused: int = 0, paint: Paint = plain, verbose: bool = False, width: int = 0
) -> str:
    """One line on everything that was checked; where it would not fit into `width` cells (0: no limit), several."""
    lines = [""]
    for part in _summary(cards, num_refused, verbose):
        text = _SGR.sub("", lines[-1])
        if width and lines[-1] and cells(text) + cells("".join(t for _, t in part)) + 3 > width:
            lines.append("  ")
        elif lines[-1]:
            lines[-1] += " "
        lines[-1] += "".join(paint(style, text) if style else text for style, text in part) + ";"
    return "\n".join(lines).removesuffix(";") + "\n"


def _summary(cards: Sequence[CheckedCard], num_refused: int, verbose: bool) -> Iterator[list[tuple[str, str]]]:
    """The parts of the summary, each of pieces (style, text)."""
    total = sum(len(c.findings) for c in cards)
    counts = {s: sum(f.severity is s for c in cards for f in c.findings) for s in reversed(Severity)}
    with_some = sum(bool(c.findings) for c in cards)
    of = plural(len(cards), "card")
    if total:
        split = [((s.value, f"{n} {s.value}"), ("", ", ")) for s, n in counts.items() if n]
        yield [
            ("bold", plural(total, "finding")),
            ("", " ("),
            *[piece for pair in split for piece in pair][:-1],
            ("", f") in {of if with_some == len(cards) else f'{with_some} of {of}'}"),
        ]
    else:
        yield [("good", "no findings"), ("", f" in {of}")]
    unknown = sum(len(c.unknown) for c in cards)
    if unknown:
        everything = verbose or any(c.reader.persona is Persona.AUDITOR for c in cards)
        yield [("", f"{unknown:,} cannot be told" + ("" if everything else " (-v says why)"))]
    ignored = sum(len(c.ignored) for c in cards)
    if ignored:
        by_cards = sum(own for c in cards for _, own in c.ignored)
        yield [("", f"{ignored:,} ignored" + (f" ({by_cards:,} by the card itself)" if by_cards else ""))]
    hidden = sum(c.num_hidden for c in cards)
    if hidden:
        asked = any(c.reader.min_severity.rank or c.reader.min_confidence.rank for c in cards)
        yield [("", f"{hidden:,} not shown" if asked else f"{hidden:,} more with --persona auditor")]
    told = [c.report.completeness for c in cards if c.report.completeness is not None]
    scores = [t.score for t in told if t.score is not None]
    if scores:
        yield [("", advice(told[0]) if len(cards) == 1 else range_text(scores))]
    if num_refused:
        yield [("high", f"{plural(num_refused, 'input')} could not be checked")]


def _finding(finding: Finding, card: CheckedCard, lines: tuple[str, ...], width: int, paint: Paint) -> Iterator[str]:
    level = finding.severity.value
    spans = tuple(_narrowed(span, finding, card, lines) for span in finding.spans)
    where = _where(spans[0] if spans else Span(card.report.spec.source, 0, 0))
    code = paint(level, f"{one_line(finding.code)} {level}")
    yield f"{paint('bold', where)} {code} {one_line(finding.slug)}"
    yield from wrapped(one_line(finding.message), width, "  ")
    own = [s for s in spans if s.source == card.report.spec.source and 0 < s.line <= len(lines)]
    quoted = [s for s in own[:MOST_PLACES] if s.end_line > s.line or lines[s.line - 1].strip() != "---"]
    pad = max((len(str(_last_quoted(s, lines))) for s in quoted), default=2)
    if quoted:
        yield from _quotes(quoted, lines, pad, width, level, paint)
    others = [*own[MOST_PLACES:], *(s for s in spans[1:] if s not in own)]
    if others:
        yield from wrapped(_also(others, card.report.spec.source), width, f"{' ' * pad} = also: ", "also", paint)
    if finding.fix:
        yield from wrapped(one_line(finding.fix), width, f"{' ' * pad} = help: ", "help", paint)
    sure = "" if finding.confidence is Severity.HIGH else f"confidence {finding.confidence.value}; "
    yield f"{' ' * pad} {paint('dim', f'= note: {sure}repro explain {one_line(finding.code)}')}"


def _quotes(
    quoted: list[Span], lines: tuple[str, ...], pad: int, width: int, level: str, paint: Paint
) -> Iterator[str]:
    """The card's lines with the spans underlined; spans in one line share it."""
    bar = f"{' ' * pad} {paint('gutter', '|')}"
    yield bar
    before, text, marks = 0, "", ""
    for span in quoted:
        many = span.end_line > span.line
        for number in range(span.line, _last_quoted(span, lines) + 1):
            shown = shown_line(
                lines[number - 1], 0 if many else span.column, 0 if many else span.end_column, width - pad - 3
            )
            if number == before and shown.text == text and not many and len(marks) < shown.mark_start:
                marks = f"{marks:<{shown.mark_start}}{'^' * shown.mark_width}"
                continue
            if marks:
                yield f"{bar} {_marked(marks, level, paint)}"
            if before and number == span.line and number != before + 1:
                yield paint("gutter", "...")
            yield f"{paint('gutter', f'{number:>{pad}} |')} {shown.text}".rstrip()
            text, marks = shown.text, "" if many else f"{'':<{shown.mark_start}}{'^' * shown.mark_width}"
        before = span.end_line
        if before > _last_quoted(span, lines):
            yield f"{bar} {paint('dim', f'... to line {before}')}"
    if marks:
        yield f"{bar} {_marked(marks, level, paint)}"
    yield bar


def _marked(marks: str, level: str, paint: Paint) -> str:
    first = len(marks) - len(marks.lstrip())
    return marks[:first] + paint(level, marks[first:])


def _narrowed(span: Span, finding: Finding, card: CheckedCard, lines: tuple[str, ...]) -> Span:
    """A span of a whole line, narrowed to the printed value of the claim that the finding bears on, where it stands
    there once."""
    if span.source != card.report.spec.source or span.column or span.end_line != span.line or not finding.claims:
        return span
    if not 0 < span.line <= len(lines):
        return span
    line = lines[span.line - 1]
    for claim_id in finding.claims:
        claim = card.report.spec.claim(claim_id)
        here = claim is not None and (claim.span.source, claim.span.line) == (span.source, span.line)
        if claim is not None and here and claim.printed and line.count(claim.printed) == 1:
            column = line.index(claim.printed) + 1
            return Span(span.source, span.line, span.line, column, column + len(claim.printed) - 1)
    return span


def _last_quoted(span: Span, lines: tuple[str, ...]) -> int:
    return min(max(span.line, span.end_line), span.line + MOST_LINES - 1, len(lines))


def _where(span: Span) -> str:
    column = f":{span.column}" if span.line and span.column else ""
    return one_line(f"{span.source}:{span.line}{column}" if span.line else span.source)


def _also(spans: list[Span], source: str) -> str:
    named = [f"line {s.line}" if s.source == source else one_line(str(s)) for s in spans[:MOST_NAMED]]
    more = f" and {len(spans) - MOST_NAMED} more" if len(spans) > MOST_NAMED else ""
    return ", ".join(named) + more


def _unknown(card: CheckedCard, width: int, paint: Paint) -> Iterator[str]:
    yield f"{paint('bold', one_line(card.report.spec.source))} cannot be told:"
    together: dict[str, list[str]] = {}
    for f in card.unknown:
        codes = together.setdefault(one_line(f.message), [])
        if (code := one_line(f.code)) not in codes:
            codes.append(code)
    for message, codes in sorted(together.items(), key=lambda item: item[1][0]):
        yield from wrapped(message, width, f"  {' '.join(codes)} ", "dim", paint)


def _gaps(card: CheckedCard, most: int | None, width: int, paint: Paint) -> Iterator[str]:
    found = card.report.completeness
    rows = gap_rows(found)
    if found is None or most == 0 or not rows:
        return
    shown = rows if most is None else rows[:most]
    head = "to add:" if len(shown) == len(rows) else f"the weightiest {len(shown)} of {len(rows)} to add:"
    yield from wrapped(f"{score_text(found)}; {head}", width, f"{paint('bold', one_line(card.report.spec.source))} ")
    before = ""
    for row in shown:
        place = f"line {row.line}, {row.where}" if row.line else row.where
        place, before = f"line {row.line}" if row.line and place == before else place, place
        yield from wrapped(f"{row.label} ({place})", width, f"  {row.points:>5} ", "help", paint)


def _ignored(card: CheckedCard, listed: list[tuple[Finding, bool]], width: int, paint: Paint) -> Iterator[str]:
    yield f"{paint('bold', one_line(card.report.spec.source))} ignored:"
    for f, own in listed:
        where = f":{f.spans[0].line}" if f.spans and f.spans[0].source == card.report.spec.source else ""
        by = "by the card itself" if own else "by the configuration"
        line = f"line {where[1:]}, " if where else ""
        yield from wrapped(
            f"{one_line(f.slug)} ({line}{OUTCOMES[f.outcome]}), {by}: {one_line(f.ignored)}",
            width,
            f"  {one_line(f.code)} ",
            "dim",
            paint,
        )


def wrapped(text: str, width: int, lead: str, style: str = "", paint: Paint = plain) -> Iterator[str]:
    """`text` in lines of at most `width` cells, the first after `lead`, the others below its end."""
    size = cells(_SGR.sub("", lead))
    indent = " " * min(size, 12)
    first = paint("help" if style in ("help", "also") else style, lead) if style else lead
    line, room = "", max(width - size, 20)
    start = first
    for word in text.split(" "):
        if line and cells(line) + 1 + cells(word) > room:
            yield f"{start}{line}"
            start, line, room = indent, "", max(width - len(indent), 20)
        line = f"{line} {word}" if line else word
    yield f"{start}{line}".rstrip()
