"""A plan run in a folder: base, every seed, every stage, held-out data, and at last run.json."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import PrerequisiteError, RunError
from repro.files import write_whole
from repro.plan import Plan, StagePlan
from repro.run import Assets, Run, StageRun, Watch
from repro.task import Observer, Progress, Scale, Start
from repro.train.lock import locked
from repro.train.record import claim_folder, load_run, plan_hash, save_run, write_json_lines
from repro.train.supported import refuse_unsupported

if TYPE_CHECKING:
    from repro.train.stages import Workshop

METHODS = ("sft", "dpo")


class AccelerateEngine:
    """Trains with accelerate, on whatever it was launched on: one CPU, one GPU, or many machines."""

    def __init__(
        self,
        *,
        checkpoint_seconds: float = 5.0,
        report_to: tuple[str, ...] = (),
        tokens_folder: str | Path | None = None,
    ) -> None:
        """
        Args:
            checkpoint_seconds: the least time between two checkpoints; more where one costs more than a hundredth
                of it, 0 for one after every step.
            report_to: trackers that are told of every step: "tensorboard", "trackio", "wandb".
            tokens_folder: where rows are kept as tokens, so that other runs on the same data need not tokenise
                them again; in the run's own folder when not given.
        """
        self._tokens_folder = tokens_folder
        self._report_to = report_to
        self._checkpoint_seconds = checkpoint_seconds

    def run(self, plan: Plan, assets: Assets, folder: str, observer: Observer, watch: Watch | None = None) -> Run:
        """Run the plan in `folder`; called again, resume, or return what is finished.

        A stage that `watch` ended keeps its last checkpoint; a call that is not content with where it was ended goes
        on from there.

        Raises:
            PrerequisiteError: a package, the weights or the data are missing.
            RunError: training did not finish, or another process is running in the folder.
            ReproError: the folder is another plan's, cannot be written, or the disk is full.
        """
        place = Path(folder)
        finished = load_run(place)
        if finished is not None and (kept := _ended(finished, watch)) is not None:
            claim_folder(place, plan)
            return kept
        _refuse(plan)
        try:
            import torch
            from accelerate import Accelerator

            from repro.train.environment import environment, keep_memory, quiet, reproducible
            from repro.train.sharding import unheard
            from repro.train.stages import Workshop
            from repro.train.trackers import check_trackers
        except ImportError as error:
            raise PrerequisiteError(
                f"training needs a package that is not installed ({error.name})", hint="pip install 'card-repro[run]'"
            ) from error
        check_trackers(self._report_to)
        accelerator = Accelerator(mixed_precision="no")  # the plan decides, stage by stage
        with _alone(place, accelerator), quiet(), reproducible():
            if accelerator.device.type == "cpu":
                keep_memory()
            if accelerator.is_main_process:
                claim_folder(place, plan)
                warning = unheard(accelerator)
                if warning:
                    observer(Progress("launch", 0, 0, 0.0, warning=warning))
            accelerator.wait_for_everyone()
            shop = Workshop(
                plan=plan,
                assets=assets,
                folder=place,
                tokens=Path(self._tokens_folder) if self._tokens_folder else place / "data" / "tokens",
                accelerator=accelerator,
                observer=observer,
                checkpoint_seconds=self._checkpoint_seconds,
                report_to=self._report_to,
                watch=watch,
            )
            try:
                return _run(shop, environment())
            except (torch.OutOfMemoryError, MemoryError) as error:
                raise RunError(
                    f"memory ran out: {str(error).splitlines()[0] if str(error) else 'no more to be had'}",
                    hint="a smaller --assume per_device_batch_size=..., or more devices; what was done so far is kept",
                ) from error
            finally:
                accelerator.free_memory()


def _refuse(plan: Plan) -> None:
    """
    Raises:
        RunError: the plan holds a stage that cannot be trained here.
    """
    if not plan.stages:
        raise RunError("the plan has no stage to train")
    for stage in plan.stages:
        if stage.method not in METHODS:
            raise RunError(
                f"stage {stage.name!r} trains with {stage.method}, which this version cannot regenerate",
                hint=f"it regenerates {' and '.join(METHODS)}",
            )
        refuse_unsupported(stage)
    if len({stage.name for stage in plan.stages}) < len(plan.stages):
        raise RunError("two stages of the plan have the same name")


@contextlib.contextmanager
def _alone(folder: Path, accelerator: Any) -> Iterator[None]:
    """The folder's lock, held by the main process for all."""
    with locked(folder) if accelerator.is_main_process else contextlib.nullcontext():
        yield


def _run(shop: Workshop, environment: Any) -> Run:
    from repro.train.pretraining import make_base
    from repro.train.stages import run_stage

    started = _started(shop)
    plan = shop.plan
    base: StageRun | None = make_base(shop) if plan.scale is Scale.PROXY else None
    heldout, heldout_from = _heldout(shop)
    stages: list[StageRun] = []
    base_checkpoint = base.checkpoint if base is not None else _starting_point(shop, plan.stages[0])
    for seed in plan.seeds:
        earlier: dict[str, StageRun] = {}
        unmade: set[str] = set()
        for stage in plan.stages:
            if any(name in unmade for name in (stage.parent, *_makers(stage, plan))):
                unmade.add(stage.name)  # what it starts from was not finished
                continue
            previous = _previous(stage, plan, earlier)
            start = previous.checkpoint if previous is not None else base_checkpoint
            if previous is None and plan.scale is Scale.FULL:
                start = _starting_point(shop, stage)
            shifted = dataclasses.replace(stage.hyperparameters, seed=stage.hyperparameters.seed + seed - plan.seeds[0])
            done = run_stage(
                shop,
                dataclasses.replace(stage, hyperparameters=shifted),
                seed=seed,
                label=stage.name if len(plan.seeds) == 1 else f"{stage.name}, seed {seed}",
                base=shop.folder / start,
                base_name=start if base is not None or previous is not None else stage.base,
                done=tuple(stages),
            )
            earlier[stage.name] = done
            if done.stopped is not None:
                unmade.add(stage.name)
            stages.append(done)
    run = Run(
        id=f"{plan.scale.value}-{plan_hash(plan)[:12]}",
        plan=plan,
        environment=environment,
        stages=tuple(stages),
        base_checkpoint=base_checkpoint,
        heldout=heldout,
        started=started,
        heldout_from=heldout_from,
        seconds=sum(stage.seconds for stage in stages) + (base.seconds if base is not None else 0.0),
    )
    if shop.accelerator.is_main_process:
        save_run(shop.folder, run)
    shop.accelerator.wait_for_everyone()
    return run


def _ended(finished: Run, watch: Watch | None) -> Run | None:
    """A kept run as this call would leave it, or None where it has to go on: it was ended early, and this call's watch
    (none, or one of other claims) would not have ended it there."""
    stages: list[StageRun] = []
    for stage in finished.stages:
        if stage.stopped is not None:
            total = stage.stopped.total_steps
            stop = watch.stop(tuple(stages), stage, total) if watch is not None else None
            if stop is None:
                return None
            pace = stage.stopped.step_seconds
            stage = dataclasses.replace(stage, stopped=dataclasses.replace(stop, step_seconds=pace))
        stages.append(stage)
    return dataclasses.replace(finished, stages=tuple(stages))


def _makers(stage: StagePlan, plan: Plan) -> tuple[str, ...]:
    """Stages of the run that make what this one names as its start."""
    if plan.start is Start.PUBLISHED:
        return ()
    return tuple(s.name for s in plan.stages if s.produces == stage.base and s.name != stage.name)


def _previous(stage: StagePlan, plan: Plan, earlier: dict[str, StageRun]) -> StageRun | None:
    """The earlier stage that this one starts from, by "<name>" or by what it produces."""
    name = stage.base.removeprefix("<").removesuffix(">")
    if name in earlier:
        return earlier[name]
    if stage.base.startswith("<"):
        raise RunError(f"stage {stage.name!r} starts from {stage.base}, which is not an earlier stage")
    if plan.start is Start.PUBLISHED:
        return None
    produced = next((s.name for s in plan.stages if s.produces == stage.base and s.name in earlier), None)
    return earlier[produced] if produced is not None else None


def _starting_point(shop: Workshop, stage: StagePlan) -> str:
    """The local folder of a repository's weights, absolute.

    Raises:
        PrerequisiteError: it is not here.
    """
    local = shop.assets.models.get(stage.base)
    if not local:
        raise PrerequisiteError(
            f"the weights of {stage.base} are not here",
            hint="run once with a network and access to them, or choose --scale proxy",
        )
    return str(Path(local).resolve())


def _started(shop: Workshop) -> str:
    place = shop.folder / "started"
    if shop.accelerator.is_main_process and not place.exists():
        write_whole(place, datetime.now(UTC).isoformat(timespec="seconds"))
    shop.accelerator.wait_for_everyone()
    return place.read_text(encoding="utf-8")


def _heldout(shop: Workshop) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str, int], ...]]:
    """Write the held-out rows once; (kind, file) of each, and (kind, source, rows of the source)."""
    from repro.train.data import heldout_rows

    kinds = ("preference", "sft")
    names = {kind: f"data/heldout-{kind}.jsonl" for kind in kinds}
    complete = shop.folder / "data" / "heldout.json"
    if shop.accelerator.is_main_process and not complete.exists():
        found = heldout_rows(shop.plan, shop.assets, shop.folder / "data" / "cache")
        for kind, held in found.items():
            write_json_lines(shop.folder / names[kind], held.rows)
        write_whole(complete, json.dumps({kind: [held.source, held.total] for kind, held in found.items()}))
    shop.accelerator.wait_for_everyone()
    sources = json.loads(complete.read_text("utf-8"))
    present = [kind for kind in kinds if (shop.folder / names[kind]).exists()]
    return tuple((kind, names[kind]) for kind in present), tuple((k, *sources[k]) for k in present if k in sources)
