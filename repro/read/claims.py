"""The ledger: every statement that can be true or false as a claim with an id, a kind and its place."""

from __future__ import annotations

from repro.card import Cell, Span
from repro.read.document import Document
from repro.read.loss_claims import Ledger, loss_claims, steps_claim
from repro.read.stages import Assignment
from repro.read.statement import Gathered, Result
from repro.read.turn_ends import turn_ends
from repro.read.values import fold, left_open, plain_value
from repro.spec import AnyFact, Claim, ClaimKind, CodeBlock, Fact, Origin, Stage, Value

_DATA = frozenset(("dataset_fraction", "dataset_rows"))
_IDENTITY = (("base_model", "base model"), ("datasets", "data set"), ("license", "licence"), ("framework", "framework"))
_RUNNABLE = frozenset(("usage", "serving"))


def claims(
    doc: Document, gathered: Gathered, assignment: Assignment, facts: tuple[AnyFact, ...], code: tuple[CodeBlock, ...],
    trainer_logs: bool,
) -> tuple[Claim, ...]:  # fmt: skip
    """All claims of a card, in the order of identity, data, configuration, losses, scores, memory, usage.

    `trainer_logs` says that the card's tables come from a trainer that logs means since its last log.
    """
    ledger = Ledger()
    _identity(ledger, doc, facts)
    for stage in assignment.stages:
        cells = {s.span: s.cell for s in gathered.statements if s.cell is not None}
        _configuration(ledger, stage, cells)
    _template_ends(ledger, doc, assignment, code)
    _steps_stated(ledger, gathered, assignment)
    loss_claims(ledger, gathered, assignment, trainer_logs)
    _scores(ledger, gathered, assignment)
    _memory(ledger, gathered)
    _usage(ledger, code)
    return tuple(ledger.claims)


def _identity(ledger: Ledger, doc: Document, facts: tuple[AnyFact, ...]) -> None:
    for key, words in _IDENTITY:
        seen: set[Value | None] = set()
        for fact in facts:
            if fact.key != key or fact.span is None or not (fact.known or fact.printed):
                continue
            values: tuple[Value | None, ...] = fact.value if isinstance(fact.value, tuple) else (fact.value,)
            for value in values:
                if value in seen:
                    continue
                seen.add(value)
                name = "dataset" if key == "datasets" else key
                printed = str(value) if isinstance(fact.value, tuple) else fact.printed
                text = f"{words}: {value if value is not None else fact.printed}"
                span = doc.locate(fact.span, printed) if isinstance(fact.value, tuple) else fact.span
                ledger.add(Claim(f"identity.{name}", ClaimKind.IDENTITY, text, printed, span, value))


def _configuration(ledger: Ledger, stage: Stage, cells: dict[Span, Cell]) -> None:
    seen: set[tuple[str, Value | None]] = set()
    # A table's figure stands for the same one in prose: it can be pointed at, and filled where it is open.
    facts = sorted(stage.facts, key=lambda f: f.span is None or f.span not in cells)
    for fact in facts:
        if fact.span is None or fact.key in ("framework", "hardware") or (fact.key, fact.value) in seen:
            continue
        seen.add((fact.key, fact.value))
        kind = ClaimKind.DATA if fact.key in _DATA else ClaimKind.CONFIG
        cell = cells.get(fact.span)
        if cell is not None and (cell.end <= cell.start or cell.text != fact.printed):
            cell = None
        ledger.add(
            Claim(
                id=f"{stage.name}.{fact.key}",
                kind=kind,
                text=f"{stage.name}: {fact.key.replace('_', ' ')} {fact.printed}",
                printed=fact.printed,
                span=fact.span,
                value=fact.value,
                number=fact.number,
                stage=stage.name,
                cell_start=cell.start if cell else None,
                cell_end=cell.end if cell else None,
            )
        )


def _template_ends(ledger: Ledger, doc: Document, assignment: Assignment, code: tuple[CodeBlock, ...]) -> None:
    seen: set[tuple[str, str]] = set()
    for token, span, index in turn_ends(doc, code):
        stage = assignment.of(doc.stage_hint(index))
        if (stage, token) in seen:
            continue
        seen.add((stage, token))
        name = f"{stage}.template_end_token" if stage else "template_end_token"
        text = f"the chat template shown ends a turn with {token}"
        ledger.add(Claim(name, ClaimKind.CONFIG, text, token, span, token, stage=stage))


def _steps_stated(ledger: Ledger, gathered: Gathered, assignment: Assignment) -> None:
    seen: set[tuple[str, Value | None]] = set()
    for statement in gathered.statements:
        stage = assignment.of(statement.stage)
        if statement.key == "total_steps" and stage and (stage, statement.value) not in seen:
            seen.add((stage, statement.value))
            ledger.add(steps_claim(stage, statement))


def _scores(ledger: Ledger, gathered: Gathered, assignment: Assignment) -> None:
    seen: set[tuple[str, str, float | str, str]] = set()
    for result in gathered.results:
        task, metric = fold(result.task).replace(" ", "_"), fold(result.metric).replace(" ", "_")
        key = (task, metric, result.number.value if result.number else result.printed, result.stage)
        # Two tables may give the same figure for two conditions; a list or the front matter repeats what a table says.
        again = (*key[:3], f"{result.stage}:{result.span.line}") if result.cell else key
        if not task or again in seen:
            continue
        seen.update((key, again))
        stage = assignment.hints.get(result.stage, result.stage)
        own_stage = f"{stage}." if stage and stage != assignment.default else ""
        cell = result.cell if result.cell and result.cell.end > result.cell.start else None
        ledger.add(
            Claim(
                id=f"eval.{own_stage}{task}.{metric or 'score'}",
                kind=ClaimKind.EVAL,
                text=f"{result.task}: {result.metric}",
                printed=result.printed,
                span=result.span,
                value=_score(result),
                number=result.number,
                stage=stage or assignment.default,
                split=result.split,
                task=result.task,
                metric=result.metric,
                conditions=result.conditions,
                cell_start=cell.start if cell else None,
                cell_end=cell.end if cell else None,
            )
        )


def _score(result: Result) -> Value | None:
    """A score's value; as printed where it is no number and yet not left open."""
    if result.number is not None:
        return result.number.value
    return None if left_open(result.printed) else result.printed


def _memory(ledger: Ledger, gathered: Gathered) -> None:
    for memory in gathered.memories:
        conditions: list[AnyFact] = [
            Fact("precision", memory.precision, Origin.STATED, memory.precision_printed, memory.span)
        ]
        if memory.gpus:
            conditions.append(Fact("gpus", memory.gpus, Origin.STATED, memory.gpus_printed, memory.span))
        cell = memory.cell
        ledger.add(
            Claim(
                id=f"vram.{memory.precision}",
                kind=ClaimKind.INFERENCE,
                text=f"memory for inference in {memory.precision_printed}",
                printed=memory.printed,
                span=memory.span,
                value=plain_value(memory.number)
                if memory.number
                else None
                if left_open(memory.printed)
                else memory.printed,
                number=memory.number,
                conditions=tuple(conditions),
                cell_start=cell.start if cell else None,
                cell_end=cell.end if cell else None,
            )
        )


def _usage(ledger: Ledger, code: tuple[CodeBlock, ...]) -> None:
    for count, block in enumerate((b for b in code if b.role in _RUNNABLE), start=1):
        first = next((line.strip() for line in block.text.split("\n") if line.strip()), "")
        words = f"the {block.language or 'code'} block for {block.role} runs"
        ledger.add(Claim(f"usage.{count}", ClaimKind.USAGE, words, first[:200], block.span, True))
