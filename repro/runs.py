"""The runs of a card that are kept: the one that a command is about, and what one from the other start measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from repro import shelf
from repro.card import Card
from repro.errors import PrerequisiteError, UsageError
from repro.files import read_card_bytes
from repro.options import Options
from repro.report import Report
from repro.spec import Claim, ClaimKind, Spec

if TYPE_CHECKING:
    from repro.comparison import Beside, Comparison
    from repro.plan import Plan, StagePlan
    from repro.run import Run


def find_run(target: str, options: Options) -> tuple[str, Path, Report | None]:
    """(card's path, run's folder, its report) for a run's folder, for a card (its latest run that regenerated what
    `options` ask for), or, when `target` is empty, for the latest run of any card.

    A card without a run gets a folder of its own and no report.

    Raises:
        PrerequisiteError: no target, and no run yet.
        UsageError: the run that was named did not regenerate the stages, or from another start.
    """
    latest = None if target else shelf.latest_run(options.reports)
    if not target and latest is None:
        hint = "make one: repro run CARD"
        raise PrerequisiteError("there is no run to verify yet", where=str(options.reports), hint=hint)
    place = latest if latest is not None else Path(target)
    if place.name == shelf.VERIFY and (place.parent / "report.json").is_file():
        place = place.parent
    if (place / "report.json").is_file():
        report = shelf.load_report(place)
        if report is not None and not is_asked(report.plan, options):
            raise UsageError(
                f"this run regenerated {told(report.plan)}, which is not what was asked for",
                where=str(place),
                hint="name the card instead, or drop --stages and --start",
            )
        return str(place / shelf.CARD_COPY), place, report
    from repro.read.reader import read

    card, spec = read(read_card_bytes(target), target)
    for folder in shelf.report_folders(options.reports, card):
        if folder.name != shelf.VERIFY:
            report = shelf.load_report(folder)
            if report is not None and is_asked(report.plan, options):
                return target, folder, report
    return target, shelf.card_folder(options.reports, card, spec.model_id) / "no-run", None


def is_asked(plan: Plan | None, options: Options) -> bool:
    """Whether a run of that plan regenerated the stages asked for, from the start asked for."""
    if plan is None:
        return not options.stages and options.start is None
    there = all(plan.stage(name) is not None for name in options.stages)
    return there and (options.start is None or plan.start is options.start)


def told(plan: Plan | None) -> str:
    """What a run regenerated, in words."""
    if plan is None:
        return "nothing"
    return f"{' and '.join(s.name for s in plan.stages)} from {plan.start.value} starts"


def options_of(plan: Plan | None, options: Options) -> Options:
    """The options that choose the stages and the start of a run that was made."""
    if plan is None:
        return options
    names = tuple(s.name for s in plan.stages) if plan.left_out else ()
    return replace(options, stages=names, start=plan.start)


def none_yet(target: str, options: Options) -> str:
    """That a card has no such run, and the command that makes one."""
    words = [*(f" --stages {name}" for name in options.stages)]
    words += [f" --start {options.start.value}"] if options.start is not None else []
    which = "no run of this card yet" if not words else "no such run of this card yet"
    return f"There is {which}; one is made by: repro run {target}{''.join(words)}"


def stop_notes(finished: Run) -> tuple[str, ...]:
    """Which stages were ended early, why, and what that saved, by the run's own pace and by the plan's estimate."""
    notes = []
    for stage in finished.stopped:
        stop = stage.stopped
        if stop is None:
            continue
        left, count = stop.total_steps - stop.step, max(1, len(finished.environment.devices))
        formula = f"{left:,} steps x {stop.step_seconds:.3g} s x {_plural(count, 'device')} / 3600"
        hours = left * stop.step_seconds * count / 3600
        planned = _planned_hours(finished.plan, stage.name, left / stop.total_steps)
        saved = f"{left:,} of {stop.total_steps:,} steps"
        text = f"Saved: {saved}; {formula} = {hours:.3g} device-hours at this pace{planned}."
        seed = f" (seed {stage.seed})" if len(finished.plan.seeds) > 1 else ""
        notes.append(f"{stage.name}{seed} was ended at step {stop.step:,}: {stop.why} {text}")
    made = {(s.name, s.seed) for s in finished.stages}
    for name in dict.fromkeys(s.name for s in finished.plan.stages for seed in finished.plan.seeds):
        lacking = [seed for seed in finished.plan.seeds if (name, seed) not in made]
        if lacking:
            seeds = f" of {len(lacking)} seed{'s' if len(lacking) > 1 else ''}" if len(finished.plan.seeds) > 1 else ""
            notes.append(f"{name}{seeds} was not trained: what it starts from was ended early.")
    if notes:
        notes.append("The same command without --stop-when-decided goes on from the last step trained.")
    return tuple(notes)


def _plural(count: int, one: str) -> str:
    return f"{count} {one}{'s' if count != 1 else ''}"


def _planned_hours(plan: Plan, name: str, share: float) -> str:
    from repro.resolve.feasibility import reference_share

    cost = next((f for f in plan.feasibility if f.stage == name), None)
    stage = plan.stage(name)
    if cost is None or cost.device_hours is None or stage is None:
        return ""
    hours = cost.device_hours * (1 - reference_share(stage)) * share
    return f", {hours:.3g} by the plan's estimate of {cost.device_hours:.3g} for the whole stage"


def with_beside(report: Report, card: Card, folder: Path, reports: Path) -> Report:
    """The report with what the latest run from the other start says of the same claims, where there is one."""
    return replace(report, beside=_beside(card, report.spec, report.plan, report.comparisons, folder, reports))


def _beside(
    card: Card, spec: Spec, plan: Plan | None, comparisons: tuple[Comparison, ...], folder: Path, reports: Path
) -> tuple[Beside, ...]:
    """What the latest run of this very card says of the same losses and scores that started their stage from the
    other start: published where this one regenerated it, and the other way round.

    Only runs of the same scale whose stage has the same parameters and data are set beside.
    """
    from repro.comparison import Beside

    measured = {c.claim for c in comparisons if c.measured is not None}
    wanted = [c for c in spec.claims if c.id in measured and c.kind in {ClaimKind.LOSS, ClaimKind.EVAL}]
    found: dict[str, Beside] = {}
    for place in shelf.report_folders(reports, card) if wanted and plan is not None else []:
        if place.name == shelf.VERIFY or place.resolve() == folder.resolve():
            continue
        other = shelf.load_report(place)
        if plan is None or other is None or other.plan is None or other.plan.scale is not plan.scale:
            continue
        for claim in wanted:
            ours, theirs = _stage(plan, spec, claim), _stage(other.plan, spec, claim)
            said = other.comparison(claim)
            if claim.id in found or ours is None or theirs is None or said is None or said.measured is None:
                continue
            if bool(ours.parent) != bool(theirs.parent) and _same_recipe(ours, theirs):
                found[claim.id] = Beside(
                    claim=claim.id,
                    chain=bool(theirs.parent),
                    run_id=other.run_id,
                    created=other.created,
                    verdict=said.verdict,
                    measured_text=said.measured_text,
                    interval=said.interval,
                    why=said.why,
                )
    return tuple(found[c.id] for c in wanted if c.id in found)


def _stage(plan: Plan, spec: Spec, claim: Claim) -> StagePlan | None:
    last = spec.stages[-1].name if spec.stages else ""
    return plan.stage(claim.stage or last)


def _same_recipe(one: StagePlan, other: StagePlan) -> bool:
    return one.hyperparameters == other.hyperparameters and one.datasets == other.datasets
