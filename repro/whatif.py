"""What if: the stand-in trained once more for every value that a card leaves open, to rank them by what they move."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import time
from pathlib import Path

from repro import pipeline, shelf
from repro.errors import ReproError
from repro.files import write_whole
from repro.measure import milestones
from repro.options import Audited, Options
from repro.plan import Plan
from repro.report import as_json
from repro.run import NO_ASSETS, Run
from repro.sensitivity import Effect, Noise, Sensitivity, Shift, order_of
from repro.task import SENSITIVITY_STEPS, Observer, Progress, Scale

SEEDS = 3
"""Runs of the baseline, whose spread is the unit."""
QUARTERS = (0.25, 0.5, 0.75, 1.0)
"""Checkpoints, as shares of the last stage, where a card claims no loss at all."""


def study(audited: Audited, options: Options, observer: Observer, *, steps: int = SENSITIVITY_STEPS) -> Sensitivity:
    """How far each value that the plan of an audited card assumes moves the claimed checkpoints.

    Every run has a folder of its own below `<reports>/<card>/sensitivity/`: an interrupted study goes on where it was,
    and a finished one is read back.

    Raises:
        HoleError: a run needs a fact that the card lacks and no recipe gives.
        RunError: the baseline did not finish; an alternative that does not is told as such.
    """
    options = dataclasses.replace(options, scale=Scale.PROXY, num_seeds=SEEDS)
    whole = pipeline.resolve_plan(audited, options)
    place = _folder(audited, options, whole, steps)
    kept = shelf.load_sensitivity(place)
    if kept is None:
        kept = _Study(audited, options, observer, whole, place, steps).run()
        write_whole(place / shelf.SENSITIVITY_FILE, as_json(kept))
    return kept


def _folder(audited: Audited, options: Options, whole: Plan, steps: int) -> Path:
    own = shelf.run_folder(options.reports, audited.card, shelf.recipe_of(whole), audited.spec.model_id)
    return own.parent / shelf.SENSITIVITY / f"{own.name}-{steps}"


class _Study:
    """One study while it runs."""

    def __init__(
        self, audited: Audited, options: Options, observer: Observer, whole: Plan, place: Path, steps: int
    ) -> None:
        from repro.resolve.alternatives import shortened

        self._audited, self._options, self._observer = audited, options, observer
        self._whole, self._place, self._steps = whole, place, steps
        self._plan = shortened(whole, steps)
        self._began = time.monotonic()

    def run(self) -> Sensitivity:
        from repro.compare.sensitivity import noise_of, window_of

        shelf.prepare(self._place, self._audited.data)
        tries = self._tries()
        self._tell(0, len(tries) + 1, "the assumed values, with three seeds")
        baseline = self._train(self._plan, self._place / "baseline", None)
        points = self._checkpoints()
        windows = {s.name: window_of(s.hyperparameters.max_steps or self._steps) for s in self._plan.stages}
        noise = noise_of(baseline, points, windows)
        effects = []
        for done, (effect, plan) in enumerate(tries, start=1):
            self._tell(done, len(tries) + 1, f"{effect.stage}.{effect.key} = {effect.alternative}")
            effects.append(effect if plan is None else self._measured(baseline, plan, effect, points, windows, noise))
        self._tell(len(tries) + 1, len(tries) + 1, "")
        return Sensitivity(
            effects=tuple(sorted(effects, key=order_of)),
            noise=noise,
            checkpoints=points,
            steps=tuple((s.name, len(baseline.curves(s.name)[0].steps)) for s in self._plan.stages),
            runs=SEEDS + sum(plan is not None for _, plan in tries),
            seconds=time.monotonic() - self._began,
        )

    def _tries(self) -> list[tuple[Effect, Plan | None]]:
        """Every hole with each of its alternatives, and the plan that tries it; None where nothing can be tried."""
        from repro.resolve.alternatives import NOT_TRIED, alternatives, changed, holes, shortened
        from repro.resolve.values import show

        found: list[tuple[Effect, Plan | None]] = []
        for stage, fact in holes(self._whole):
            options = alternatives(stage, fact)
            if not options:
                why = NOT_TRIED.get(fact.key, "no recipe or practice is known that chooses otherwise")
                found.append((Effect(stage.name, fact.key, show(fact.value), "", "", why_not=why), None))
            for one in options:
                effect = Effect(one.stage, one.key, one.assumed, show(one.value), one.source)
                try:
                    assume = {**self._options.assume, **dict([one.assumption])}
                    other = pipeline.resolve_plan(
                        self._audited, dataclasses.replace(self._options, assume=assume, num_seeds=1)
                    )
                    plan = changed(self._plan, shortened(other, self._steps), one)
                    why = "" if plan else "the stand-in trains the same with both: it is too small to show it"
                except ReproError as error:
                    plan, why = None, f"cannot be tried: {error}"
                found.append((dataclasses.replace(effect, why_not=why), plan))
        return found

    def _checkpoints(self) -> tuple[Shift, ...]:
        """Where the card claims training losses, at their share of the stage; else the quarters of the last stage."""
        found: dict[tuple[str, int], Shift] = {}
        for stage, short in zip(self._whole.stages, self._plan.stages, strict=True):
            whole = stage.expected_steps or self._steps
            own = short.hyperparameters.max_steps or whole
            for claimed in milestones(self._audited.spec, stage):
                if claimed.step <= whole:
                    step = max(1, round(claimed.step / whole * own))
                    found[stage.name, step] = Shift(stage.name, step, claimed.step, 0.0)
        if not found:
            last = self._plan.stages[-1]
            own = last.hyperparameters.max_steps or self._steps
            for share in QUARTERS:
                step = max(1, round(share * own))
                found[last.name, step] = Shift(last.name, step, None, 0.0)
        return tuple(found.values())

    def _measured(
        self,
        baseline: Run,
        plan: Plan,
        effect: Effect,
        points: tuple[Shift, ...],
        windows: dict[str, int],
        noise: Noise,
    ) -> Effect:
        from repro.compare.sensitivity import identical, shifts

        name = hashlib.sha256(effect.alternative.encode()).hexdigest()[:8]
        folder = self._place / f"{effect.stage}-{effect.key}-{name}"
        try:
            other = self._train(plan, folder, effect.stage)
        except ReproError as error:
            return dataclasses.replace(effect, why_not=f"the run did not finish: {error}")
        if identical(baseline, other):
            why = "the stand-in's curve is the very same: nothing in it exercises the difference"
            return dataclasses.replace(effect, why_not=why)
        moved = shifts(baseline, other, points, windows)
        largest = max(abs(shift.moved) for shift in moved)
        if not noise.deviation > 0:
            return dataclasses.replace(effect, shifts=moved, why_not="the seeds do not differ: there is no unit")
        return dataclasses.replace(effect, shifts=moved, noise_units=largest / noise.deviation)

    def _train(self, plan: Plan, folder: Path, stage: str | None) -> Run:
        from repro.train.engine import AccelerateEngine

        recipe = shelf.recipe_of(plan)
        if stage is not None:
            self._share(folder, stage)
        engine = AccelerateEngine(tokens_folder=self._options.tokens_folder)
        return engine.run(recipe, NO_ASSETS, str(folder), self._observer)

    def _share(self, folder: Path, stage: str) -> None:
        """What comes before the changed stage is the baseline's: linked, not trained again."""
        source, first = self._place / "baseline", self._plan.seeds[0]
        before = []
        for one in self._plan.stages:
            if one.name == stage:
                break
            before.append(f"seed-{first}/{one.name}")
        for part in ("base", *before):
            if (source / part).is_dir() and not (folder / part).exists():
                part_of = folder / f"{part}.part"
                shutil.rmtree(part_of, ignore_errors=True)
                shutil.copytree(source / part, part_of, copy_function=_link)
                os.rename(part_of, folder / part)

    def _tell(self, done: int, total: int, note: str) -> None:
        self._observer(Progress("sensitivity", done, total, time.monotonic() - self._began, note=note))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)
