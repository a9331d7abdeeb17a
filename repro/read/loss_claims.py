"""Claims about training curves: a loss at a step, its change from another, the number of steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from repro.read.stages import Assignment
from repro.read.statement import Gathered, Reading, Statement
from repro.read.values import fold, number
from repro.spec import AnyFact, Claim, ClaimKind, Fact, Origin, Stage, missing


@dataclass(slots=True)
class Ledger:
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


def steps_claim(stage: str, statement: Statement) -> Claim:
    """The claim that a stage took so many optimizer steps."""
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


def loss_claims(ledger: Ledger, gathered: Gathered, assignment: Assignment, trainer_logs: bool) -> None:
    """Claims of every loss reading, of the changes noted beside them, and of the step that is noted as the last.

    `trainer_logs` says that readings are a trainer's means since its last log, whose interval may not be stated.
    """
    first: dict[int, Claim] = {}
    before: dict[int, Claim] = {}
    stages = {s.name: s for s in reversed(assignment.stages)}
    for reading in gathered.readings:
        name = assignment.of(reading.stage)
        stage = stages.get(name)
        window, window_why = _window(reading, stage, trainer_logs)
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
        if window_why:
            conditions.append(missing("window", window_why))
        cell = reading.cell
        claim = ledger.add(
            Claim(
                id=f"{name}.{reading.metric if is_loss else f'eval_{reading.metric}'}{where}",
                kind=ClaimKind.LOSS if is_loss else ClaimKind.EVAL,
                text=_words(reading, window),
                printed=reading.printed,
                span=reading.span,
                value=reading.number.value if reading.number else None,
                number=reading.number,
                stage=name,
                step=reading.step,
                epoch=reading.epoch,
                window=window,
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
    ledger: Ledger, reading: Reading, claim: Claim, change: Claim | None, first: dict[int, Claim],
    before: dict[int, Claim], name: str,
) -> None:  # fmt: skip
    """The change noted beside a loss: from the table's first stated one, or from the row before if it says so."""
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
            id="", kind=ClaimKind.CHANGE, text="", printed=cell.text, span=cell.span, value=sign * read.value,
            number=read, step=reading.step, epoch=reading.epoch, cell_start=cell.start, cell_end=cell.end,
        )  # fmt: skip
    return Fact("note", cell.text, Origin.STATED, cell.text, cell.span), None


def _final_step(ledger: Ledger, reading: Reading, name: str) -> None:
    """A row noted as the final one states how many steps the stage took."""
    cell = reading.step_cell
    if reading.note is None or cell is None or reading.step is None or f"{name}.steps" in ledger.seen:
        return
    if not {"final", "last", "end"} & set(fold(reading.note.text).split()):
        return
    ledger.add(
        steps_claim(name, Statement("total_steps", cell.text, cell.span, reading.step, number(cell.text), cell=cell))
    )


def _window(reading: Reading, stage: Stage | None, trainer_logs: bool) -> tuple[int, str]:
    """The averaging window: the one the card states for the table, else the trainer's logging interval; and why it is
    not known, where it is not.
    """
    if reading.metric != "loss" or reading.window != 1 or reading.window_why:
        return reading.window, reading.window_why
    logging = stage.get("logging_steps").value if stage else None
    if isinstance(logging, int) and logging > 1:
        if reading.step is not None and reading.step % logging == 0:
            return logging, ""
        if reading.step == 1:
            return 1, ""  # a first log covers one step
        return 1, f"logged every {logging} steps, and this is none of them"
    if trainer_logs and logging is None:
        return 1, "the trainer logs the mean loss since its last log, and the card does not state logging_steps"
    return 1, ""


def _words(reading: Reading, window: int) -> str:
    kind = {"loss": "training loss", "eval_loss": "validation loss"}.get(
        reading.metric, reading.metric.replace("_", " ")
    )
    mean = f" (mean of the {window} steps that end there)" if window > 1 else ""
    if reading.step is not None:
        return f"{kind} at step {reading.step}{mean}"
    return f"{kind} at epoch {reading.epoch:g}" if reading.epoch is not None else f"{kind} at the end of training"
