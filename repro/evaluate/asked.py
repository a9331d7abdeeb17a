"""A task put to a model: held-out rows rendered, checked to be answerable, and written for lm-eval to read."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.errors import RunError
from repro.evaluate.catalogue import EvalTask, template, with_data
from repro.evaluate.rows import Unusable, read_rows
from repro.files import write_whole

if TYPE_CHECKING:
    from repro.evaluate.model import LocalModel


@dataclass(frozen=True, slots=True)
class Asked:
    """One task as it is put to one model: in `folder`, with lm-eval's `config` and documents."""

    task: EvalTask
    folder: Path
    config: dict[str, Any]
    documents: list[dict[str, Any]]
    left_out: Mapping[str, int]
    """Rows that could not be asked, by reason."""

    @property
    def reasons(self) -> str:
        return ", ".join(f"{n} {reason}" for reason, n in sorted(self.left_out.items())) or "none"


def ask(task: EvalTask, files: Sequence[str], lm: LocalModel, folder: Path) -> Asked:
    """The task's documents for this model, and why rows were left out.

    Raises:
        RunError: the rows cannot be read.
        PrerequisiteError: the tokenizer is not the model's.
    """
    import jinja2

    config = template(task.name)
    room = 0
    if "generation_kwargs" in config:
        # A model with a short context gets a shorter answer rather than none; the template hash says so.
        room = min(int(config["generation_kwargs"]["max_gen_toks"]), max(1, lm.max_length // 2))
        config["generation_kwargs"]["max_gen_toks"] = room
    documents: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    seen: set[str] = set()
    for row in read_rows(files):
        try:
            question = task.read(row)
            prompt = lm.render(question.prompt)
        except Unusable as reason:
            left_out[str(reason)] += 1
            continue
        except (jinja2.TemplateError, TypeError, ValueError):
            left_out["the chat template refuses it"] += 1
            continue
        problem = lm.problem(prompt, question.answers, room) if prompt else "no prompt"
        if problem:
            left_out[problem] += 1
            continue
        document = task.document(question, prompt)
        content = json.dumps({**document, "id": ""})
        if content in seen:
            # The same answer again is no second observation: it would only make the standard error too small.
            left_out["repeated"] += 1
            continue
        seen.add(content)
        documents.append(document)
    return Asked(task, folder, config, documents, left_out)


def write(a: Asked) -> None:
    """What lm-eval reads: docs.parquet and task.yaml.

    Raises:
        ReproError: the folder cannot be written.
    """
    import datasets

    parquet = io.BytesIO()
    datasets.Dataset.from_list(a.documents).to_parquet(parquet)
    place = a.folder.resolve() / "docs.parquet"
    write_whole(place, parquet.getvalue())
    write_whole(a.folder / "task.yaml", with_data(a.config, str(place)))


def check_documents(a: Asked, logged: Sequence[Mapping[str, Any]]) -> None:
    """What was scored is what was asked: a reader that changed a text must not become a model's mistake."""
    for sample in logged:
        if dict(sample["doc"]) != a.documents[sample["doc_id"]]:
            raise RunError(f"{a.task.name}: row {sample['doc_id']} changed on its way through the data set reader")
