"""The ledger: every statement that can be true or false as a claim with an id, a kind and its place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from repro.card import Cell, Span
from repro.read.document import Document
from repro.read.stages import Assignment
from repro.read.statement import Gathered, Reading, Statement
from repro.read.values import fold, left_open, number, plain_value
from repro.spec import AnyFact, Claim, ClaimKind, CodeBlock, Fact, Origin, Stage, Value, missing

_DATA = frozenset(("dataset_fraction", "dataset_rows"))
_IDENTITY = (("base_model", "base model"), ("datasets", "data set"), ("license", "licence"), ("framework", "framework"))
_RUNNABLE = frozenset(("usage", "serving"))


@dataclass(slots=True)
class _Ledger:
    """Claims with unique ids: what is stated twice with different values is two claims, "x" and "x#2"."""

    claims: list[Claim] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    def add(self, claim: Claim) -> Claim:
        count = self.seen.get(claim.id, 0) + 1
        self.seen[claim.id] = count
        if count > 1:
            claim = replace(claim, id=f"{claim.id}#{count}")
        self.claims.append(claim)
        return claim


def claims(
    doc: Document, gathered: Gathered, assignment: Assignment, facts: tuple[AnyFact, ...], code: tuple[CodeBlock, ...],
    trainer_logs: bool,
) -> tuple[Claim, ...]:  # fmt: skip
    """All claims of a card, in the order of identity, data, configuration, losses, scores, memory, usage.

    `trainer_logs` says that the card's tables come from a trainer that logs means since its last log.
    """
    ledger = _Ledger()
    _identity(ledger, facts)
    for stage in assignment.stages:
        cells = {s.span: s.cell for s in gathered.statements if s.cell is not None}
        _configuration(ledger, stage, cells)
    _steps_stated(ledger, gathered, assignment)
    _losses(ledger, gathered, assignment, trainer_logs)
    _scores(ledger, gathered, assignment)
    _memory(ledger, gathered)
    _usage(ledger, code)
    return tuple(ledger.claims)


def _identity(ledger: _Ledger, facts: tuple[AnyFact, ...]) -> None:
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
                ledger.add(Claim(f"identity.{name}", ClaimKind.IDENTITY, text, printed, fact.span, value))


def _configuration(ledger: _Ledger, stage: Stage, cells: dict[Span, Cell | None]) -> None:
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


def _steps_stated(ledger: _Ledger, gathered: Gathered, assignment: Assignment) -> None:
    seen: set[tuple[str, Value | None]] = set()
    for statement in gathered.statements:
        stage = assignment.of(statement.stage)
        if statement.key == "total_steps" and stage and (stage, statement.value) not in seen:
            seen.add((stage, statement.value))
            ledger.add(_steps_claim(stage, statement))


def _steps_claim(stage: str, statement: Statement) -> Claim:
    cell = statement.cell if statement.cell and statement.cell.end > statement.cell.start else None
    return Claim(
        id=f"{stage}.steps",
        kind=ClaimKind.STEPS,
        text=f"optimizer steps of the {stage} stage",
        printed=statement.printed,
        span=statement.span,
        value=statement.value,
        number=statement.number,
        stage=stage,
        cell_start=cell.start if cell else None,
        cell_end=cell.end if cell else None,
    )


def _losses(ledger: _Ledger, gathered: Gathered, assignment: Assignment, trainer_logs: bool) -> None:
    first: dict[int, Claim] = {}
    before: dict[int, Claim] = {}
    for reading in gathered.readings:
        name = assignment.of(reading.stage)
        stage = next((s for s in assignment.stages if s.name == name), None)
        reading = _with_window(reading, stage, trainer_logs)
        where = (
            f"@{reading.step}"
            if reading.step is not None
            else f"@epoch{reading.epoch:g}"
            if reading.epoch is not None
            else ""
        )
        is_loss = reading.metric in ("loss", "eval_loss")
        note, change = _note(reading)
        conditions: list[AnyFact] = [note] if note is not None else []
        if reading.window_why:
            conditions.append(missing("window", reading.window_why))
        cell = reading.cell
        claim = ledger.add(
            Claim(
                id=f"{name}.{reading.metric if is_loss else f'eval_{reading.metric}'}{where}",
                kind=ClaimKind.LOSS if is_loss else ClaimKind.EVAL,
                text=_words(reading),
                printed=reading.printed,
                span=reading.span,
                value=reading.number.value if reading.number else None,
                number=reading.number,
                stage=name,
                step=reading.step,
                epoch=reading.epoch,
                window=reading.window,
                split=reading.split,
                task="" if is_loss else "evaluation set",
                metric="" if is_loss else reading.metric,
                conditions=tuple(conditions),
                cell_start=cell.start if cell and cell.end > cell.start else None,
                cell_end=cell.end if cell and cell.end > cell.start else None,
            )
        )
        if is_loss and reading.split == "train":
            _changes(ledger, reading, claim, change, first, before, name)
            _final_step(ledger, reading, name)


def _changes(
    ledger: _Ledger, reading: Reading, claim: Claim, change: Claim | None, first: dict[int, Claim],
    before: dict[int, Claim], name: str,
) -> None:  # fmt: skip
    """The relative change noted beside a loss: from the table's first stated loss, or from the row before where it says so."""
    reference = first.get(reading.group)
    if change is not None and reference is not None:
        if reading.note is not None and "prev" in reading.note.text.lower():
            reference = before.get(reading.group, reference)
        where = claim.id.partition("@")[2]
        ledger.add(
            replace(
                change,
                id=f"{name}.change@{where}",
                stage=name,
                text=f"change of the training loss from {_place(reference)} to {_place(claim)}",
                refers_to=(reference.id, claim.id),
            )
        )
    if claim.number is not None:
        first.setdefault(reading.group, claim)
        before[reading.group] = claim


def _place(claim: Claim) -> str:
    return (
        f"step {claim.step}"
        if claim.step is not None
        else f"epoch {claim.epoch:g}"
        if claim.epoch is not None
        else "the end"
    )


def _note(reading: Reading) -> tuple[AnyFact | None, Claim | None]:
    """What stands beside a loss: a relative change as a claim yet without its references, or a remark."""
    cell = reading.note
    if cell is None:
        return None, None
    bare = cell.text.split(" vs")[0].split(" from")[0].strip(" ()")
    read = number(bare)
    if read is not None and read.unit == "%" and not read.approximate:
        sign = -1.0 if bare.startswith("↓") else 1.0
        return None, Claim(
            id="", kind=ClaimKind.CHANGE, text="", printed=cell.text, span=cell.span, value=sign * read.value, number=read,
            step=reading.step, epoch=reading.epoch, cell_start=cell.start, cell_end=cell.end,
        )  # fmt: skip
    return Fact("note", cell.text, Origin.STATED, cell.text, cell.span), None


def _final_step(ledger: _Ledger, reading: Reading, name: str) -> None:
    """A row noted as the final one states how many steps the stage took."""
    cell = reading.step_cell
    if reading.note is None or cell is None or reading.step is None or f"{name}.steps" in ledger.seen:
        return
    if not {"final", "last", "end"} & set(fold(reading.note.text).split()):
        return
    ledger.add(
        _steps_claim(name, Statement("total_steps", cell.text, cell.span, reading.step, number(cell.text), cell=cell))
    )


def _with_window(reading: Reading, stage: Stage | None, trainer_logs: bool) -> Reading:
    """The averaging window: the one the card states for the table, else the trainer's logging interval."""
    if reading.metric != "loss" or reading.window != 1 or reading.window_why:
        return reading
    logging = stage.get("logging_steps").value if stage else None
    if isinstance(logging, int) and logging > 1:
        if reading.step is not None and reading.step % logging == 0:
            return replace(reading, window=logging)
        if reading.step == 1:
            return reading  # a first log covers one step
        return replace(reading, window_why=f"logged every {logging} steps, and this is none of them")
    if trainer_logs and logging is None:
        why = "the trainer logs the mean loss since its last log, and the card does not state logging_steps"
        return replace(reading, window_why=why)
    return reading


def _words(reading: Reading) -> str:
    kind = {"loss": "training loss", "eval_loss": "validation loss"}.get(
        reading.metric, reading.metric.replace("_", " ")
    )
    mean = f" (mean of the {reading.window} steps that end there)" if reading.window > 1 else ""
    if reading.step is not None:
        return f"{kind} at step {reading.step}{mean}"
    return f"{kind} at epoch {reading.epoch:g}" if reading.epoch is not None else f"{kind} at the end of training"


def _scores(ledger: _Ledger, gathered: Gathered, assignment: Assignment) -> None:
    seen: set[tuple[str, str, float | None, str]] = set()
    for result in gathered.results:
        task, metric = fold(result.task).replace(" ", "_"), fold(result.metric).replace(" ", "_")
        key = (task, metric, result.number.value if result.number else None, result.stage)
        if not task or key in seen:
            continue
        seen.add(key)
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
                value=result.number.value if result.number else None,
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


def _memory(ledger: _Ledger, gathered: Gathered) -> None:
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


def _usage(ledger: _Ledger, code: tuple[CodeBlock, ...]) -> None:
    for count, block in enumerate((b for b in code if b.role in _RUNNABLE), start=1):
        first = next((line.strip() for line in block.text.split("\n") if line.strip()), "")
        words = f"the {block.language or 'code'} block for {block.role} runs"
        ledger.add(Claim(f"usage.{count}", ClaimKind.USAGE, words, first[:200], block.span, True))
