"""Scores in the body of a card: lm-eval's own tables, benchmark tables, lists, sentences, a trainer's bullets."""

from __future__ import annotations

import re

from repro.card import Block, BlockKind, Problem, Span, Table
from repro.read.document import Document
from repro.read.score_dicts import dict_results
from repro.read.score_lists import about_scores, line_results, list_result, sentence_results, trainer_bullets
from repro.read.score_splits import split_results
from repro.read.score_tables import Sheet, table_results
from repro.read.statement import Gathered, Reading, Result
from repro.read.text_tables import text_tables
from repro.read.values import fold
from repro.spec import AnyFact, Fact, Origin

_HARNESS = re.compile(
    r"(?i)\b(lm[- _]?eval(?:uation)?(?:[- _]harness)?|language model evaluation harness|eval(?:uation)? harness|olmes|"
    r"lighteval|helm|opencompass|evalplus)\b(?:\s*\(?v?(?:ersion\s*)?(\d+\.\d+(?:\.\d+)?))?"
)
_EVALUATION_SET = re.compile(r"(?i)achieves the following results on (?:the )?(evaluation|test|validation) set")
_LANGUAGES = frozenset(("", "text", "txt", "markdown", "md", "plaintext", "console", "bash", "sh", "shell"))
_DATA_LANGUAGES = _LANGUAGES | {"json", "python", "py", "yaml"}
MAX_ROWS = 400
MAX_PARAGRAPH = 20_000


def read_scores(doc: Document) -> Gathered:
    """Scores of the card's own model; tables that compare other models give none of theirs."""
    results: list[Result] = []
    readings: list[Reading] = []
    problems: list[Problem] = []
    taken = 0
    headed: set[tuple[str, ...]] = set()  # the headings above a trainer's lists, once there is one
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.TABLE and block.table is not None:
            results.extend(_table(doc, index, block.table, problems))
        elif block.kind is BlockKind.CODE:
            text = block.text
            if block.language in _LANGUAGES and "|" in text and ("---" in text or "Metric" in text):
                for table in text_tables(doc.lines, block.span.line, block.span.end_line, block.span.source):
                    results.extend(_table(doc, index, table, problems))
            elif block.language in _DATA_LANGUAGES and ("':" in text or '":' in text):
                results.extend(dict_results(doc, index, block))
        elif (which := _trainers(block)) and index >= taken:
            several = len(headed) > 1 or (not headed and _several(doc, index, headed))
            for result in trainer_bullets(doc, index, which, several):
                (readings if isinstance(result, Reading) else results).append(result)  # type: ignore[arg-type]
            taken = index + 1
            while taken < len(doc.blocks) and doc.blocks[taken].kind is BlockKind.LIST_ITEM:
                taken += 1
        elif index >= taken and block.kind in (BlockKind.LIST_ITEM, BlockKind.PARAGRAPH):
            if "|" in block.text and "---" in block.text and block.kind is BlockKind.PARAGRAPH:
                # a table that Markdown does not see, for a rule with tabs or of another length
                for table in text_tables(doc.lines, block.span.line, block.span.end_line, block.span.source):
                    results.extend(_table(doc, index, table, problems))
                continue
            found = list(list_result(doc, index))
            results.extend(found)
            if found:
                continue
            if block.kind is BlockKind.PARAGRAPH and block.span.end_line > block.span.line and ":" in block.text:
                found = line_results(doc, index)
                results.extend(found)
                if found:
                    continue
            if block.kind is BlockKind.PARAGRAPH and " on " in block.text and len(block.text) < MAX_PARAGRAPH:
                results.extend(sentence_results(doc, block))
    return Gathered(results=tuple(results), readings=tuple(readings), problems=tuple(problems))


def _several(doc: Document, index: int, headed: set[tuple[str, ...]]) -> bool:
    """Whether lists of a trainer stand under different headings, which are gathered in `headed`."""
    headed.update(block.heading_path for block in doc.blocks[index:] if _trainers(block))
    return len(headed) > 1


def _trainers(block: Block) -> str:
    """The set that a trainer's bullets below are of, or empty."""
    if block.kind is BlockKind.PARAGRAPH:
        match = _EVALUATION_SET.search(block.text) if "following results" in block.text else None
        return match.group(1).lower() if match else ""
    return "validation" if block.kind is BlockKind.HEADING and fold(block.text) == "validation metrics" else ""


def _table(doc: Document, index: int, table: Table, problems: list[Problem]) -> list[Result]:
    if len(table.rows) > MAX_ROWS or not table.rows or len(table.header) < 2:
        return []
    lead = doc.introduction(index)
    of_this = "this model" in lead.lower() and "compar" not in lead.lower()
    sheet = Sheet(doc, table, about_scores(doc, index), _conditions(doc, index), of_this)
    found = list(split_results(sheet)) or list(table_results(sheet))
    if sheet.untold:
        line = table.header[0].span.line
        problems.append(Problem(Span(doc.card.source, line, line), sheet.untold))
    return found


def _conditions(doc: Document, index: int) -> tuple[AnyFact, ...]:
    """The harness that the headings or the paragraphs beside a table name."""
    block = doc.blocks[index]
    nearby = [doc.blocks[i] for i in (index - 1, index + 1, index - 2) if 0 <= i < len(doc.blocks)]
    texts: list[Block] = [
        b for b in nearby if b.kind in (BlockKind.PARAGRAPH, BlockKind.HEADING) and len(b.text) < 2000
    ]
    texts += [
        b
        for b in doc.blocks[max(0, index - 12) : index]
        if b.kind is BlockKind.HEADING and b.text in block.heading_path
    ]
    for beside in texts:
        if match := _HARNESS.search(beside.text):
            name = fold(match.group(1))
            value = "lm-eval" if "eval" in name and name not in ("olmes", "lighteval", "evalplus") else name
            place = doc.locate(beside.span, match.group(1))
            facts: list[AnyFact] = [Fact("harness", value, Origin.STATED, match.group(1), place)]
            if match.group(2):
                facts.append(Fact("harness_version", match.group(2), Origin.STATED, match.group(2), place))
            return tuple(facts)
    return ()
