"""Local copies of what a full-scale run and a comparison need: base weights, training rows, held-out rows."""

from __future__ import annotations

import time
from pathlib import Path

from repro.errors import PrerequisiteError
from repro.evidence import Source
from repro.files import inside
from repro.gather.dataset_files import heldout_files, split_files, split_names
from repro.gather.folder import Folder
from repro.gather.hub import Hub
from repro.plan import DatasetPlan, Plan
from repro.run import Assets
from repro.spec import Spec
from repro.task import Observer, Progress, Start, ignore


def fetch_assets(plan: Plan, source: Source, observer: Observer = ignore) -> Assets:
    """The base models that no earlier stage produces, and each data set's training and held-out files.

    Data sets are files to be read, never scripts to be run. Paths are absolute.

    Raises:
        PrerequisiteError: no network, no access, or a data set without rows for the split in a form that is read.
        ReproError: the disk is full.
    """
    source = source.watched(observer) if isinstance(source, Hub) else source
    started = time.monotonic()
    bases = _bases(plan)
    sets = list(dict.fromkeys(d for stage in plan.stages for d in stage.datasets))
    total = len(bases) + len(sets)
    models: dict[str, str] = {}
    rows: dict[str, tuple[str, ...]] = {}
    heldout: dict[str, tuple[str, ...]] = {}

    def tell(done: int, note: str) -> None:
        observer(Progress("fetch", done, total, time.monotonic() - started, note=note))

    for repo_id in bases:
        tell(len(models), repo_id)
        models[repo_id] = _with_weights(source.download(repo_id, kind="model"), f"base model {repo_id}")
    for done, dataset in enumerate(sets):
        tell(len(bases) + done, dataset.repo_id)
        if dataset.repo_id in rows:
            raise PrerequisiteError(
                f"the plan uses two splits or revisions of {dataset.repo_id}: one is supported",
                hint="publish the rows that were used as a data set of their own",
            )
        rows[dataset.repo_id], heldout[dataset.repo_id] = _rows(dataset, source)
    tell(total, "")
    return Assets(models=models, datasets=rows, heldout={k: v for k, v in heldout.items() if v})


def fetch_published(spec: Spec, source: Source, *, repo_id: str = "", revision: str = "") -> str:
    """The folder with the weights that the card describes, or with those of `repo_id` where another one is named.

    Raises:
        PrerequisiteError: the card names no repository, or it cannot be had, or holds no weights that may be loaded.
    """
    value = spec.get("model_id").value
    name = repo_id or (value if isinstance(value, str) else "")
    if isinstance(source, Folder) and source.single and not repo_id:
        return _with_weights(source.download("", kind="model"), "the folder")
    if not name:
        raise PrerequisiteError(
            "the card does not name its own repository",
            hint="name it with --against REPO, or give the folder with the weights: --against PATH",
        )
    return _with_weights(source.download(name, kind="model", revision=revision), name)


def _with_weights(folder: str, what: str) -> str:
    """The folder, when it holds weights."""
    if not any(next(Path(folder).glob(pattern), None) for pattern in ("*.safetensors", "pytorch_model*.bin")):
        raise PrerequisiteError(
            f"{what} holds no weights (model*.safetensors or pytorch_model*.bin)", hint="publish them first"
        )
    return folder


def _bases(plan: Plan) -> list[str]:
    """Starting weights in the order of the stages, without those that a stage of the run itself makes."""
    made: set[str] = set()
    bases: list[str] = []
    for stage in plan.stages:
        inner = stage.base.startswith("<") and stage.base.endswith(">")
        if not inner and stage.base not in made and stage.base not in bases:
            bases.append(stage.base)
        if plan.start is Start.REGENERATED:
            made |= {stage.produces}
    return bases


def _rows(dataset: DatasetPlan, source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    repo = source.describe(dataset.repo_id, kind="dataset", role="dataset", revision=dataset.revision)
    train = split_files(repo, dataset.split)
    if not train:
        names = split_names(repo)
        have = f"it has {', '.join(names[:8])}" if names else "it has no parquet, JSON lines or CSV files"
        raise PrerequisiteError(
            f"data set {dataset.repo_id} has no files for the split {dataset.split!r}: {have}",
            hint="loading scripts are never run; publish the rows as parquet or JSON lines",
        )
    held = heldout_files(repo, dataset.split)
    # A folder keeps its "local" revision to itself; a Hub is asked for the very commit that was described.
    folder = Path(
        source.download(
            dataset.repo_id,
            kind="dataset",
            revision=repo.revision,
            patterns=tuple(_literal(f) for f in (*train, *held)),
        )
    )
    return tuple(str(inside_snapshot(folder, f)) for f in train), tuple(str(inside_snapshot(folder, f)) for f in held)


def inside_snapshot(folder: Path, name: str) -> Path:
    """`folder / name` without following a snapshot's links into its blobs, so that the suffix stays.

    Raises:
        ReproError: the name leads out of the folder.
    """
    inside(folder, str(Path(name).parent))
    return folder.resolve() / name


def _literal(path: str) -> str:
    """A file name as a pattern that matches nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)
