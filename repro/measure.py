"""The measurements of one audit: the plan's stages trained, their checkpoints and the published model scored."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from repro.errors import PrerequisiteError, ReproError
from repro.evidence import RepoFile
from repro.files import inside
from repro.options import Audited, Options
from repro.plan import Plan, StagePlan
from repro.run import NO_ASSETS, Run, Watch
from repro.score import HarnessInfo, Score
from repro.spec import ClaimKind, Spec
from repro.task import Milestone, Observer, Progress, Scale

LOCAL = "local"
"""The revision of a repository that is a folder."""

ARGUMENTS = "training_args.bin"
"""A pickle that trainers publish; no weights, never loaded."""

MAX_PUBLISHED_GB = 4.0
"""Published weights above this are not downloaded and scored unless asked for: that is a decision about money."""


def is_main_process() -> bool:
    """Whether this is the process that scores, reports and speaks; `accelerate launch` starts others beside it."""
    return os.environ.get("RANK", "0") in {"", "0"}


def train(
    the_plan: Plan,
    audited: Audited,
    folder: Path,
    options: Options,
    observer: Observer,
    *,
    watch: Watch | None = None,
) -> Run:
    """The plan's stages, trained or taken from the folder where they are finished; `watch` may end them earlier."""
    from repro.train.engine import AccelerateEngine

    assets = NO_ASSETS
    if the_plan.scale is Scale.FULL:
        if audited.source is None:
            raise PrerequisiteError(
                "a full-scale run needs the base model and the data sets, and no place to look for them was given",
                hint="give --source hub or --source FOLDER (laid out like the Hub), or --scale proxy",
            )
        from repro.gather.assets import fetch_assets

        assets = fetch_assets(the_plan, audited.source, observer)
    engine = AccelerateEngine(report_to=options.report_to, tokens_folder=options.tokens_folder)
    return engine.run(the_plan, assets, str(folder), with_milestones(observer, audited.spec, the_plan), watch)


def watch_of(audited: Audited, the_plan: Plan) -> Watch | None:
    """What ends a run's stages early; None at a scale at which no claimed number can be decided."""
    if the_plan.scale is not Scale.FULL:
        return None
    from repro.compare.watching import Watching
    from repro.evaluate.catalogue import task_names

    return Watching(audited.spec, audited.evidence, the_plan, task_names())


def with_milestones(observer: Observer, spec: Spec, the_plan: Plan) -> Observer:
    """The observer, told with every event of a stage's training which losses the card claims along it."""
    along = {stage.name: milestones(spec, stage) for stage in the_plan.stages}

    def told(event: Progress) -> None:
        observer(dataclasses.replace(event, milestones=along[event.stage]) if along.get(event.stage) else event)

    return told


def milestones(spec: Spec, stage: StagePlan) -> tuple[Milestone, ...]:
    """The steps at which the card claims a training loss of the stage, ascending."""
    from repro.compare.deciding import step_of

    found = {}
    for claim in spec.claims:
        if claim.kind is not ClaimKind.LOSS or claim.stage != stage.name or claim.split != "train" or claim.unstated:
            continue
        step = step_of(claim, stage, stage.expected_steps)
        if step:
            found[step] = Milestone(step, claim.printed)
    return tuple(found[step] for step in sorted(found))


def dry_run(the_plan: Plan) -> Plan:
    """The plan with its memory counted on the models themselves, which are built without memory.

    Raises:
        PrerequisiteError: torch or transformers is not installed, or cannot build a model.
    """
    try:
        from repro.train.dry_run import dry_run as counted
    except ImportError as error:
        raise PrerequisiteError(
            f"a dry run needs a package that is not installed ({error.name})", hint="pip install 'card-repro[run]'"
        ) from error
    return counted(the_plan)


def this_machine() -> tuple[int, float | None]:
    """(accelerators, GB of memory of the smallest); (0, None) without any, and where torch is not installed."""
    try:
        from repro.train.machine import accelerators
    except ImportError:
        return 0, None
    return accelerators()


def load_run(folder: Path) -> Run | None:
    """The finished run in a folder, or None."""
    from repro.train.record import load_run as load

    return load(folder)


def known_now(
    folder: Path, ran: Plan | None, newer: Callable[[Scale], Plan]
) -> tuple[Plan | None, Run | None, tuple[str, ...]]:
    """(plan, run, notes) of an earlier audit, what the run assumed marked as found where it was found since.

    `newer` makes the plan of a scale by what is known now.
    """
    if ran is None:
        return None, None, ()
    from repro.resolve.regrounded import reground

    finished = load_run(folder)
    try:
        the_plan, notes = reground(ran, newer(ran.scale))
    except ReproError:
        return ran, finished, ()
    return the_plan, dataclasses.replace(finished, plan=the_plan) if finished else None, notes


def score_run(finished: Run, folder: Path, options: Options, observer: Observer) -> tuple[Score, ...]:
    """Scores of the base model and of every finished stage's model of every seed, on the run's held-out rows."""
    scores: list[Score] = []
    ended = [s for s in finished.stages if s.stopped is None]
    if not ended:  # nothing of this run is a model that a card speaks of
        return ()
    scores += _score(str(folder / finished.base_checkpoint), "base", None, finished, folder, options, observer)
    for stage in ended:
        checkpoint = str(inside(folder, stage.checkpoint))
        scores += _score(checkpoint, stage.name, stage.seed, finished, folder, options, observer)
    return tuple(scores)


def score_published(
    audited: Audited, finished: Run | None, folder: Path, options: Options, observer: Observer
) -> tuple[tuple[Score, ...], str, ReproError | None]:
    """Scores of the published model on the run's held-out rows; without any, a sentence, and the error if one was met.

    The weights are those of the very commit that the evidence is from.
    """
    from repro.gather.assets import fetch_published

    not_scored = "The published model was not scored"
    if finished is None:
        return (), f"{not_scored}: there is no run whose held-out rows it could be scored on.", None
    subject = next(iter(audited.evidence.role("subject")), None)
    if subject is None or audited.source is None:
        return (), f"{not_scored}: its repository could not be looked up.", None
    size = _weights_gb(subject.files)
    if size is None:
        return (), f"{not_scored}: {subject.source} holds no weights.", None
    if size > MAX_PUBLISHED_GB and not options.score_published:
        why = f"its weights are {size:.1f} GB. Give --score-published to download and score it."
        return (), f"{not_scored}: {why}", None
    pinned = {} if subject.revision == LOCAL else {"repo_id": subject.repo_id, "revision": subject.revision}
    try:
        checkpoint = fetch_published(audited.spec, audited.source, **pinned)
        return tuple(_score(checkpoint, "published", None, finished, folder, options, observer)), "", None
    except ReproError as error:
        return (), f"{not_scored}: {error}.", error


def _score(
    checkpoint: str,
    model: str,
    seed: int | None,
    finished: Run,
    folder: Path,
    options: Options,
    observer: Observer,
) -> list[Score]:
    from repro.evaluate.harness import LmEvalHarness

    data = [(kind, str(inside(folder, name))) for kind, name in finished.heldout]
    label = model if seed is None else f"{model}-seed-{seed}"
    place = folder / "scores" / label
    scores = LmEvalHarness(limit=options.max_samples).score(checkpoint, model, data, str(place), observer)
    return [dataclasses.replace(s, seed=seed, harness=asked_of(s, finished, folder)) for s in scores]


def asked_of(score: Score, finished: Run, folder: Path) -> HarnessInfo:
    """The score's harness, with where the rows are from and how many of those there are: another choice of rows is
    another measurement."""
    from repro.evaluate.catalogue import TASKS

    kind = next((t.kind for t in TASKS if t.name == score.task), "")
    source = next(((name, total) for k, name, total in finished.heldout_from if k == kind), None)
    file = next((name for k, name in finished.heldout if k == kind), None)
    if source is None or file is None:
        return score.harness
    kept = inside(folder, file).read_bytes().count(b"\n")
    told = (("rows_from", source[0]), ("rows_kept", f"{kept} of {source[1]}"))
    return dataclasses.replace(score.harness, arguments=tuple(sorted((*score.harness.arguments, *told))))


def _weights_gb(files: Iterable[RepoFile]) -> float | None:
    weights = [f.size_bytes or 0 for f in files if f.path.endswith((".safetensors", ".bin")) and f.path != ARGUMENTS]
    return sum(weights) / 1e9 if weights else None
