"""Published training logs: trainer_state.json, tab-separated curves and console lines, as losses by step."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from repro.evidence import LoggedLoss

# Every alternative begins differently: a long run of digits is walked once.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?"
_CONSOLE = re.compile(rf"\bStep: (\d{{1,12}}), LR: ({_NUMBER}), Loss: ({_NUMBER})(?=[\s,]|$)")
MAX_ENTRIES = 1_000_000

Row: TypeAlias = tuple[int, float | None, float | None, float | None, float]
"""(step, loss, epoch, learning rate, worth of the loss's last digit)"""


def read_json(text: str) -> tuple[Any, str]:
    """(the data, why it could not be read): a file that is not JSON is a fact about it, not an exception."""
    try:
        return json.loads(text), ""
    except RecursionError:
        return None, "nested too deep to be read"
    except ValueError as error:
        return None, f"not JSON: {error}"


def trainer_losses(state: Any) -> tuple[tuple[LoggedLoss, ...], tuple[str, ...]]:
    """(training losses of a parsed trainer_state.json, notes on what was left out).

    The Trainer logs the mean since its last logging, so an entry's window is the distance to the entry before it,
    and never more than logging_steps (transformers v5: trainer.py, _maybe_log_save_evaluate). Reference: entries
    with a "loss" are training, those with an "eval_loss" are not.
    """
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        return (), ("no log_history",)
    every = _number(state.get("logging_steps"))
    every_steps = int(every) if every is not None and every >= 1 else None
    rows: list[Row] = []
    unreadable = 0
    for entry in state["log_history"][:MAX_ENTRIES]:
        if not isinstance(entry, dict) or "loss" not in entry:
            continue
        step, loss = _number(entry.get("step")), _number(entry["loss"])
        unreadable += step is None or loss is None
        if step is not None and step == int(step) and step >= 1:
            rows.append((int(step), loss, _number(entry.get("epoch")), _number(entry.get("learning_rate")), 0.0))
    # transformers before v5 rounded logged losses to four decimals; the numbers themselves show whether this one did.
    if all(row[1] is None or row[1] == round(row[1], 4) for row in rows):
        rows = [(*row[:4], 1e-4) for row in rows]
    losses, notes = _curve(rows, every_steps)
    return losses, (*notes, *([f"{unreadable} entries without a finite loss and step"] if unreadable else []))


def tsv_losses(text: str) -> tuple[tuple[LoggedLoss, ...], tuple[str, ...]]:
    """(losses of a tab-separated table with "step" and "loss" in its header, notes); nothing for other tables."""
    lines = text.lstrip("\ufeff").splitlines()
    header = [name.strip().lower() for name in lines[0].split("\t")] if lines else []
    if header.count("step") != 1 or header.count("loss") != 1:
        return (), ()
    at = {name: header.index(name) for name in ("step", "loss", "learning_rate", "epoch") if name in header}
    rows: list[Row] = []
    unreadable = 0
    for line in lines[1 : MAX_ENTRIES + 1]:
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        values = {name: _printed(cells[i]) if i < len(cells) else None for name, i in at.items()}
        step, loss = values["step"], values["loss"]
        unreadable += step is None or loss is None
        if step is not None and step == int(step) and step >= 1:
            digit = last_digit(cells[at["loss"]]) if loss is not None else 0.0
            rows.append((int(step), loss, values.get("epoch"), values.get("learning_rate"), digit))
    losses, notes = _curve(rows, None)
    return losses, (*notes, *([f"{unreadable} rows without a finite loss and step"] if unreadable else []))


def console_losses(text: str) -> tuple[tuple[LoggedLoss, ...], tuple[str, ...]]:
    """(losses of lines like "Step: 103, LR: 4.87e-07, Loss: 0.63", notes); every process prints them: repeats go.

    Source: open-instruct@e6c3044:open_instruct/dpo_tune_cache.py and finetune.py.
    """
    rows: list[Row] = []
    for match in _CONSOLE.finditer(text):
        loss, rate = _printed(match[3]), _printed(match[2])
        if loss is not None and int(match[1]) >= 1:
            rows.append((int(match[1]), loss, None, rate, last_digit(match[3])))
        if len(rows) >= MAX_ENTRIES:
            break
    return _curve(rows, None)


def last_digit(printed: str) -> float:
    """What one step of the last printed digit is worth: 0.63 has 0.01; 0 for 15 significant digits or more.

    >>> last_digit("0.63"), last_digit("4.87e-07"), last_digit("844")
    (0.01, 1e-09, 1.0)
    """
    mantissa, _, exponent = printed.strip().lower().partition("e")
    digits = re.sub(r"\D", "", mantissa).lstrip("0")
    if len(digits) >= 15:
        return 0.0
    decimals = len(mantissa.partition(".")[2])
    return float(f"1e{int(exponent or 0) - decimals}")


def _curve(rows: Sequence[Row], every: int | None) -> tuple[tuple[LoggedLoss, ...], tuple[str, ...]]:
    """Losses by step. Where one step bears two different losses, neither is believed; a step without a readable loss
    still ends a window.

    A window is the distance to the entry before it, at most `every`; where the log does not say how often it was
    written, at most the smallest distance in it: a gap or a late beginning must not pass for an average.
    """
    by_step: dict[int, set[tuple[float | None, float | None, float | None, float]]] = {}
    for step, loss, epoch, rate, digit in rows:
        by_step.setdefault(step, set()).add((loss, epoch, rate, digit))
    losses: list[LoggedLoss] = []
    disputed: list[int] = []
    previous = 0
    steps = sorted(by_step)
    # A full-precision log may print 0.63 too: how finely it rounds is seen from all of its lines together.
    digit = min((row[4] for row in rows if row[1] is not None), default=0.0)
    if every is None:
        if len(steps) == 1:
            return (), (f"one loss only (step {steps[0]}): over how many steps it was averaged is not known",)
        every = min((b - a for a, b in pairwise(steps)), default=1)
    for step in steps:
        readings = by_step[step]
        window = min(every, step - previous)
        previous = step
        if len({loss for loss, *_ in readings}) > 1:
            disputed.append(step)
            continue
        loss, epoch, rate, _ = min(readings, key=str)
        if loss is not None:
            losses.append(LoggedLoss(step, loss, epoch=epoch, learning_rate=rate, window=window, last_digit=digit))
    notes = (f"different losses for one step, none taken: {_steps(disputed)}",) if disputed else ()
    return tuple(losses), notes


def _steps(steps: Iterable[int]) -> str:
    steps = list(steps)
    return "steps " + ", ".join(str(s) for s in steps[:5]) + (f" and {len(steps) - 5} more" if len(steps) > 5 else "")


def _printed(text: str) -> float | None:
    if not re.fullmatch(_NUMBER, text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _number(value: Any) -> float | None:
    """A finite number out of JSON, or None: NaN, Infinity, booleans and strings are no measurements."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
