"""What a repository records of its own training: the losses of one stage, and the recipe that a trainer repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from repro.evidence import LoggedLoss
from repro.gather.logs import console_losses, trainer_losses, tsv_losses
from repro.gather.model_files import Place
from repro.spec import AnyFact, Fact, Origin

METHODS = {"sft", "dpo", "kto", "orpo", "ppo", "grpo", "rlvr", "rlhf", "rm", "reward", "pretrain", "pretraining"}


def training_record(
    repo_id: str, parsed: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str], place: Place
) -> tuple[tuple[LoggedLoss, ...], tuple[AnyFact, ...]]:
    """(the losses of the stage that made the model, facts).

    A trainer's state stands over other logs. Of several other logs none is taken, and none whose name speaks of a
    method that the repository's name does not: which stage a curve belongs to is not guessed.
    """
    facts: list[AnyFact] = []
    curves: list[tuple[str, tuple[LoggedLoss, ...]]] = []
    for file, text in texts.items():
        is_state = file.rsplit("/", 1)[-1] == "trainer_state.json"
        if not is_state and not file.endswith((".tsv", ".log")):
            continue
        stray = _methods(file) - _methods(repo_id)
        if stray:
            why = f"speaks of {', '.join(sorted(stray))}, which {repo_id} does not: not taken for its training"
            facts.append(_unread(file, why, place))
            continue
        if is_state:
            losses, notes = trainer_losses(parsed.get(file))
            facts += _state_facts(parsed.get(file, {}), file, place)
        else:
            losses, notes = tsv_losses(text) if file.endswith(".tsv") else console_losses(text)
        facts += [_unread(file, note, place) for note in notes]
        if losses:
            curves.append((file, losses))
    facts += _result_facts(parsed.get("all_results.json", {}), place)
    own = [c for c in curves if c[0].endswith("trainer_state.json")] or curves
    if len(own) == 1:
        file = own[0][0]
        facts.append(Fact("losses_file", file, Origin.FOUND, span=place(file, ""), why="published training losses"))
        facts += [_unread(f, f"holds losses too; {file} is the trainer's own", place) for f, _ in curves if f != file]
        return own[0][1], tuple(facts)
    names = ", ".join(file for file, _ in curves)
    facts += [
        _unread(file, f"several logs hold losses ({names}): which is this model's is not said", place)
        for file, _ in curves
    ]
    return (), tuple(facts)


def _methods(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower())) & METHODS


def _state_facts(state: Mapping[str, Any], file: str, place: Place) -> Iterator[AnyFact]:
    """The recipe that a trainer's state repeats: total optimizer steps, epochs, the logging window."""
    wanted = {"max_steps": "max_steps", "global_step": "global_step", "logging_steps": "logging_steps"}
    wanted |= {"train_batch_size": "trainer_train_batch_size", "epoch": "epochs_trained"}
    if _ran_its_epochs(state):
        wanted["num_train_epochs"] = "num_epochs"
    for key, name in wanted.items():
        value = state.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 10**9:
            # a logging interval below 1 is a share of the run
            if name == "logging_steps" and value < 1:
                continue
            yield Fact(name, value, Origin.FOUND, printed=repr(value), span=place(file, key), why=f"{file} says so")


def _ran_its_epochs(state: Mapping[str, Any]) -> bool:
    """Whether num_train_epochs is what was asked for: under max_steps the Trainer writes the next whole number."""
    epochs, ran = state.get("num_train_epochs"), state.get("epoch")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (epochs, ran)):
        return False
    return state.get("global_step") == state.get("max_steps") and abs(ran - epochs) <= 0.01 * abs(epochs)  # type: ignore[operator, arg-type]


def _result_facts(results: Mapping[str, Any], place: Place) -> Iterator[AnyFact]:
    """Figures over the whole training of transformers' all_results.json."""
    for key in ("train_loss", "train_samples", "train_runtime", "eval_loss"):
        value = results.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
            span = place("all_results.json", key)
            yield Fact(key, value, Origin.FOUND, printed=repr(value), span=span, why="all_results.json says so")


def _unread(file: str, why: str, place: Place) -> AnyFact:
    return Fact(file, None, Origin.MISSING, span=place(file, ""), why=why)
