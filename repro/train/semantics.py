"""Which framework's rules a stage follows where frameworks differ and no hyperparameter says it."""

from __future__ import annotations

from repro.plan import StagePlan

OPEN_INSTRUCT = "open-instruct"
TRAINER = "trl"
"""TRL, and whatever else trains through transformers' Trainer."""


def framework_of(stage: StagePlan) -> str:
    """`OPEN_INSTRUCT` or `TRAINER`; a plan that names none is run by open-instruct's rules."""
    value = stage.get("framework").value
    if not isinstance(value, str):
        return OPEN_INSTRUCT
    return OPEN_INSTRUCT if "open" in value.lower() and "instruct" in value.lower() else TRAINER
