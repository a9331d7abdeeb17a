"""lm-eval's own simple_evaluate on a local checkpoint and held-out rows."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import PrerequisiteError, ReproError, RunError
from repro.evaluate.asked import Asked, ask, check_documents, write
from repro.evaluate.catalogue import TASKS, EvalTask, template, template_hash
from repro.evaluate.checkpoint import digest, fingerprint, inspect
from repro.evaluate.kept import key_of, load, save
from repro.evaluate.outcome import record, score_of
from repro.evaluate.quiet import alone, quiet
from repro.files import cannot_write, inside
from repro.score import HarnessInfo, Score
from repro.task import Observer, Progress

if TYPE_CHECKING:
    from repro.evaluate.model import LocalModel


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


@dataclass(frozen=True, slots=True)
class _Job:
    """One task with its rows and the key that its result is kept under."""

    task: EvalTask
    files: tuple[str, ...]
    folder: Path
    rows_sha256: str
    key: str


class LmEvalHarness:
    """Scores a checkpoint with lm-eval on the tasks of `catalogue.TASKS` (see score.Harness).

    Args:
        limit: ask only the first so many usable rows of each task.
        batch_size: sequences a forward pass.
        device: "cpu", "cuda", "cuda:1"; "auto" takes a GPU where there is one.
        dtype: "float32", "bfloat16"; "auto" is float32, except for large models on a GPU (model.py).
    """

    def __init__(
        self, limit: int | None = None, batch_size: int = 32, *, device: str = "auto", dtype: str = "auto"
    ) -> None:
        if (limit is not None and limit < 1) or batch_size < 1:
            raise ValueError(f"limit and batch_size start at 1, not {limit}, {batch_size}")
        self.limit = limit
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype

    def score(
        self, checkpoint: str, model: str, data: Sequence[tuple[str, str]], folder: str, observer: Observer
    ) -> tuple[Score, ...]:
        """One score a metric of every task whose kind of rows is in `data`; kinds that no task asks are passed over.

        Each task leaves docs.parquet and task.yaml (what lm-eval read), samples.jsonl (every answer) and scores.json
        in `folder`/`model`/<task>. A result kept there for the same checkpoint, rows, tasks, versions and arguments
        is returned without measuring again. A task of whose rows none can be asked has no score, and the observer
        is told why.

        Raises:
            PrerequisiteError: lm-eval is not installed, or the checkpoint cannot be loaded safely.
            RunError: the rows cannot be read, none of any task can be asked, or the evaluation did not finish.
            ReproError: the folder cannot be written.
        """
        versions = _versions()
        weights = inspect(checkpoint)
        root = inside(Path(folder), _file_name(model))
        jobs = self._jobs(data, root, model, fingerprint(weights), versions)
        found: dict[str, tuple[Score, ...]] = {}
        for job in jobs:
            scores = load(job.folder, job.key)
            if scores is not None:
                found[job.task.name] = scores
                n = max((len(s.samples) for s in scores), default=0)
                observer(Progress(f"score {model}: {job.task.name}", n, n, 0.0, note="kept from an earlier run"))
        missing = [job for job in jobs if job.task.name not in found]
        if missing:
            found |= self._measure(weights, model, missing, root, versions, observer)
        return tuple(score for job in jobs for score in found.get(job.task.name, ()))

    def _jobs(
        self,
        data: Sequence[tuple[str, str]],
        root: Path,
        model: str,
        weights_sha256: str,
        versions: Mapping[str, str],
    ) -> list[_Job]:
        jobs = []
        for task in TASKS:
            files = tuple(file for kind, file in data if kind == task.kind)
            if not files:
                continue
            rows_sha256 = hashlib.sha256("".join(digest(Path(f)) for f in files).encode("ascii")).hexdigest()
            parts = {
                "task": task.name,
                "template": template_hash(template(task.name)),
                "rows": rows_sha256,
                "weights": weights_sha256,
                "model": model,
                "limit": str(self.limit),
                "batch_size": str(self.batch_size),
                "device": self.device,
                "dtype": self.dtype,
                **{f"version of {name}": number for name, number in versions.items()},
            }
            jobs.append(_Job(task, files, root / task.name, rows_sha256, key_of(parts)))
        return jobs

    def _measure(
        self,
        weights: Path,
        model: str,
        jobs: Sequence[_Job],
        root: Path,
        versions: Mapping[str, str],
        observer: Observer,
    ) -> dict[str, tuple[Score, ...]]:
        scratch = _scratch(root)
        with quiet() as silence:
            try:
                from repro.evaluate.model import LocalModel

                lm = LocalModel(
                    weights, batch_size=self.batch_size, device=self.device, dtype=self.dtype, silence=silence
                )
                lm.observer, lm.label = observer, model
                asked = [(job, ask(job.task, job.files, lm, job.folder)) for job in jobs]
                if not any(a.documents for _, a in asked):
                    reasons = "; ".join(f"{a.task.name}: {a.reasons}" for _, a in asked)
                    raise RunError(
                        f"no held-out row can be asked of {model} ({reasons})", hint="give other held-out rows"
                    )
                results = self._simple_evaluate(lm, [a for _, a in asked if a.documents], scratch)
            except ReproError:
                raise
            except ImportError as error:
                raise _not_installed(error) from error
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise cannot_write(root, error) from error
                raise RunError(
                    f"lm-eval did not finish on {model}: {type(error).__name__}: {_one_line(error)}",
                    hint="where memory ran out, a smaller batch or limit helps; -v shows the whole error",
                ) from error
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        found: dict[str, tuple[Score, ...]] = {}
        for job, a in asked:
            if not a.documents:
                observer(Progress(f"score {model}: {a.task.name}", 0, 0, 0.0, note=f"not asked: {a.reasons}"))
                continue
            found[a.task.name] = self._keep(job, a, lm, results, versions, model)
        return found

    def _simple_evaluate(self, lm: LocalModel, asked: Sequence[Asked], scratch: str) -> Any:
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        for a in asked:
            write(a)
        with alone(scratch):
            return simple_evaluate(
                model=lm,
                tasks=[a.task.name for a in asked],
                task_manager=TaskManager(include_defaults=False, include_path=[str(a.folder) for a in asked]),
                batch_size=self.batch_size,
                limit=self.limit,
                # No bootstrap and no seeds: greedy decoding and likelihoods draw no numbers, and the caller's
                # generators stay as they are. The standard error is computed from the samples.
                bootstrap_iters=0,
                random_seed=None,
                numpy_random_seed=None,
                torch_random_seed=None,
                log_samples=True,
            )

    def _keep(
        self, job: _Job, a: Asked, lm: LocalModel, results: Any, versions: Mapping[str, str], model: str
    ) -> tuple[Score, ...]:
        name = a.task.name
        logged = sorted(results["samples"][name], key=lambda sample: int(sample["doc_id"]))
        check_documents(a, logged)
        info = self._info(job, a, lm, versions)
        means = results["results"][name]
        scores = tuple(
            score_of(model, name, metric, means[f"{metric},none"], logged, info) for metric in a.task.metrics
        )
        save(job.folder, job.key, scores, (record(sample, a.task.metrics) for sample in logged))
        return scores

    def _info(self, job: _Job, a: Asked, lm: LocalModel, versions: Mapping[str, str]) -> HarnessInfo:
        arguments = {
            "add_special_tokens": "no: the chat template carries them" if lm.chat else "as the tokenizer does",
            "batch_size": str(self.batch_size),
            "device": str(lm.device.type),
            "dtype": lm.dtype,
            "left_out": a.reasons,
            "limit": "none" if self.limit is None else str(self.limit),
            "prompt": "the tokenizer's chat template" if lm.chat else "Tulu roles: the tokenizer has no template",
            "rows_sha256": job.rows_sha256,
            "unused_weights": str(lm.unused_weights),
            **{name: json.dumps(value) for name, value in a.config.get("generation_kwargs", {}).items()},
        }
        return HarnessInfo(
            name="lm-eval",
            version=versions["lm_eval"],
            task_version=str(a.config["metadata"]["version"]),
            template_hash=template_hash(a.config),
            num_fewshot=int(a.config["num_fewshot"]),
            chat_template=lm.chat,
            arguments=tuple(sorted(arguments.items())),
        )


def _scratch(root: Path) -> str:
    """A folder for the data set reader's own copies; what a killed run left is removed."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        for old in root.glob(".reader-*"):
            shutil.rmtree(old, ignore_errors=True)
        return tempfile.mkdtemp(dir=root, prefix=".reader-")
    except OSError as error:
        raise cannot_write(root, error) from error


def _versions() -> dict[str, str]:
    try:
        return {name: version(name) for name in ("lm_eval", "torch", "transformers")}
    except PackageNotFoundError as error:
        raise _not_installed(error) from error


def _not_installed(error: Exception) -> PrerequisiteError:
    return PrerequisiteError(
        f"scoring needs lm-eval, torch and transformers: {_one_line(error)}", hint="pip install 'card-repro[run]'"
    )


def _file_name(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", label).lstrip(".") or "model"


def _one_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or ["no message"])[0][:300]
    return json.dumps(text, ensure_ascii=False)[1:-1]
