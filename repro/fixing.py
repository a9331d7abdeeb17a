"""A card checked and, where the user asks for it, mended: in its file, or only as the difference it would make."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from repro import pipeline
from repro.errors import UsageError
from repro.evidence import Source
from repro.files import read_card_bytes, score_files
from repro.finding import Finding
from repro.inputs import Input
from repro.options import Options
from repro.report import Report

if TYPE_CHECKING:
    from repro.mend import Look, Mended


class Fixes(StrEnum):
    """What becomes of the edits that findings bring."""

    NONE = "none"
    MADE = "made"
    SHOWN = "shown"


def check_and_mend(
    item: Input, options: Options, source: Source | None, fixes: Fixes, wanted: Callable[[Finding], bool]
) -> tuple[Report, Mended | None]:
    """The report on the card as it is in the end, and what was mended; `wanted` says which findings are to be.

    Raises:
        ReproError: the card cannot be read or written, or there is no file to write it to.
    """
    if fixes is Fixes.NONE:
        return pipeline.check(item.name, options, data=item.data, source=source, scores=item.scores), None
    from repro.mend import Look, mend, write_mended

    if fixes is Fixes.MADE and item.data is not None:
        raise UsageError(
            "is no file on this machine: there is nothing to fix in place",
            where=item.name,
            hint="--diff shows what would be changed",
        )
    data = read_card_bytes(item.name) if item.data is None else item.data
    scores = score_files(item.name) if item.data is None else item.scores
    reports: dict[bytes, Report] = {}

    def look(card: bytes) -> Look:
        report = reports[card] = pipeline.check(item.name, options, data=card, source=source, scores=scores)
        return Look(report.findings, report.spec.problems)

    mended = mend(data, look, wanted)
    if fixes is Fixes.MADE and mended.changed:
        write_mended(item.name, mended)
    return reports[mended.data if fixes is Fixes.MADE else data], mended
