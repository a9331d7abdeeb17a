"""Where reports are kept: `<reports>/<card>/<scale>-<hash>/`, found again by the card's bytes, whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from repro import __version__
from repro.card import Card
from repro.errors import ReproError
from repro.files import cannot_write, inside, write_whole
from repro.plan import Plan
from repro.report import Report, from_json
from repro.sensitivity import Sensitivity
from repro.spec import Fact
from repro.task import Start

CARD_COPY = "card-as-read.md"
"""The author's bytes, kept beside the run: the card may change later."""

SENSITIVITY = "sensitivity"
"""Folder, beside a card's runs, of the studies of what the card leaves open."""
SENSITIVITY_FILE = "sensitivity.json"
"""A study's result, written last."""

VERIFY = "verify"
"""Folder inside a run's for the report that compares it with the published model."""


def card_folder(reports: Path, card: Card, model_id: str = "") -> Path:
    """The folder of all reports on cards of that name; never outside `reports`, whatever the card is called.

    A README.md is named after its model: every repository has one.
    """
    name = card.name
    if name.lower() == "readme" and model_id:
        name = model_id.rsplit("/", 1)[-1]
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return inside(reports, kept.strip(".-")[:80] or "card")


def recipe_of(plan: Plan) -> Plan:
    """What of a plan decides the training: without where each value was read and what is only said about it, so that
    the same recipe in a card moved or reworded is the same run."""
    stages = tuple(
        dataclasses.replace(
            stage, facts=tuple(Fact(f.key, f.value, f.origin) for f in sorted(stage.facts, key=lambda f: f.key))
        )
        for stage in plan.stages
    )
    scaled = tuple(dataclasses.replace(s, why="") for s in plan.scaled)
    # Where no stage of the plan could have made another's start, the bases say all that there is to say of starts.
    one_way = not any(later.base == earlier.produces for earlier in stages for later in stages)
    return dataclasses.replace(
        plan,
        card="",
        stages=stages,
        scaled=scaled,
        notes=(),
        commands=(),
        feasibility=(),
        start=Start.REGENERATED if one_way else plan.start,
        left_out=(),
        prices=None,
    )


def run_folder(reports: Path, card: Card, recipe: Plan, model_id: str = "") -> Path:
    """The folder of the run of `recipe_of(plan)`: the hash is of recipe and version, so that the same command comes
    back and resumes."""
    import pydantic_core

    body = pydantic_core.to_json(recipe, inf_nan_mode="strings")
    digest = hashlib.sha256(body + __version__.encode()).hexdigest()[:10]
    return card_folder(reports, card, model_id) / f"{recipe.scale.value}-{digest}"


def prepare(folder: Path, data: bytes) -> None:
    """Make the folder and keep the card in it, before anything long begins.

    Raises:
        ReproError: it cannot be written: better known now than after the training.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_whole(folder / CARD_COPY, data)


def keep(
    folder: Path, renderings: Mapping[str, Callable[[], str | bytes]], observe: Callable[[int, str], None]
) -> None:
    """Write a report's files in order; an earlier report.json goes first and the new one, named last, comes last:
    its presence means that all are there and belong together."""
    try:
        (folder / "report.json").unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder / "report.json", error) from error
    for done, (name, make) in enumerate(renderings.items(), start=1):
        write_whole(inside(folder, name), make())
        observe(done, name)


def load_report(folder: Path) -> Report | None:
    """The report in a folder, or None when it has none that is whole.

    Raises:
        ReproError: it is there and cannot be read.
    """
    place = folder / "report.json"
    try:
        return from_json(place.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReproError(f"cannot be read: {error.strerror}", where=str(place)) from error


def report_folders(reports: Path, card: Card) -> list[Path]:
    """Folders with a whole report on this very text of the card, newest first."""
    found: list[tuple[float, Path]] = []
    if not reports.is_dir():
        return []
    for place in [*reports.glob("*/*/report.json"), *reports.glob(f"*/*/{VERIFY}/report.json")]:
        folder = place.parent
        if _is_of(folder.parent if folder.name == VERIFY else folder, card):
            found.append((place.stat().st_mtime, folder))
    return [folder for _, folder in sorted(found, reverse=True)]


def _is_of(folder: Path, card: Card) -> bool:
    """Whether the card that is kept in the folder is this very text."""
    copy = folder / CARD_COPY
    return copy.is_file() and hashlib.sha256(copy.read_bytes()).hexdigest() == card.sha256


def load_sensitivity(folder: Path) -> Sensitivity | None:
    """The finished study in a folder, or None when there is none, or one of another version."""
    import pydantic

    try:
        return pydantic.TypeAdapter(Sensitivity).validate_json((folder / SENSITIVITY_FILE).read_bytes())
    except (OSError, pydantic.ValidationError):
        return None


def latest_sensitivity(reports: Path, card: Card, model_id: str = "") -> Sensitivity | None:
    """The newest finished study of this very text of the card, or None."""
    found = []
    for place in (card_folder(reports, card, model_id) / SENSITIVITY).glob(f"*/{SENSITIVITY_FILE}"):
        if _is_of(place.parent, card):
            found.append((place.stat().st_mtime, place.parent))
    return load_sensitivity(max(found)[1]) if found else None


def latest_run(reports: Path) -> Path | None:
    """The folder of the newest finished audit of any card."""
    found = [
        (p.stat().st_mtime, p.parent) for p in reports.glob("*/*/report.json") if (p.parent / "run.json").is_file()
    ]
    return max(found)[1] if found else None
