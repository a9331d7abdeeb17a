"""Layouts of one recipe that must train alike: one recorded curve each, by tolerance and by the residual's mean."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from curves import LEAN, TOLERANCE, assert_one_curve, residual
from plans import plan_of, stage_of

from repro.plan import DatasetPlan, Plan, StagePlan
from repro.run import NO_ASSETS, Run
from repro.task import ignore
from repro.train.dpo import DpoObjective
from repro.train.encode import Codec
from repro.train.engine import AccelerateEngine
from repro.train.loop import Job, train
from repro.train.model import Scorer, load_model, load_tokenizer, set_template
from repro.train.objective import Objective, RowLosses, Score
from repro.train.optimizer import adamw
from repro.train.order import Order, Rows
from repro.train.progress import Reporter
from repro.train.record import load_run, plan_bytes
from repro.train.schedule import learning_rate, ticks
from repro.train.sft import SftObjective
from repro.train.tokens import stage_tokens

WORKER = Path(__file__).parent / "run_engine.py"
RECORDED = Path(__file__).parents[1] / "golden" / "curves.json"
STEPS = 22
LAYOUTS = {"1x32": (1, 32), "2x16": (2, 16), "16x2": (16, 2)}
"""Accumulation x sequences of a pass: the same 32 rows a step."""
ONE_CURVE = ("tokens", "pairs")
"""Losses that do not ask which rows share a pass; "mean", of the passes' means, does."""


def recipe(layout: str) -> Plan:
    """Three stages from one base: SFT by open-instruct's mean of passes, SFT by tokens, DPO.

    321 rows in steps of 32: an epoch's last step has one row, with which some layouts fill no pass and one of two
    processes has nothing to do.
    """
    accumulation, sequences = LAYOUTS[layout]
    given: dict[str, Any] = {
        "base": "org/base",
        "datasets": (DatasetPlan("org/rows", "", "train", None, 321, None),),
        "effective_batch_size": 32,
        "gradient_accumulation_steps": accumulation,
        "per_device_batch_size": sequences,
        "learning_rate": 2e-3,
        "max_grad_norm": 1.0,
        "num_epochs": 2.0,
        "partial_window_divisor": "actual",
        "partial_window_gradient": "actual",
        "steps": STEPS,
    }
    return plan_of(
        stage_of("sft", name="mean", **given),
        stage_of("sft", name="tokens", loss_reduction="token_mean", **given),
        stage_of("dpo", name="pairs", **given),
    )


def losses(run: Run, stage: str) -> list[float]:
    return [step.loss for step in run.curves(stage)[0].steps]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each layout, with its finished run."""
    places = {layout: tmp_path_factory.mktemp(layout) for layout in LAYOUTS}
    for layout, place in places.items():
        AccelerateEngine().run(recipe(layout), NO_ASSETS, str(place), ignore)
    return places


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path]) -> dict[str, Run]:
    found = {layout: load_run(place) for layout, place in folders.items()}
    return {layout: run for layout, run in found.items() if run is not None}


@pytest.fixture(scope="module")
def recorded(runs: dict[str, Run], request: pytest.FixtureRequest) -> dict[str, list[float]]:
    if request.config.getoption("--update-goldens"):
        curves = {stage.name: losses(runs["2x16"], stage.name) for stage in recipe("2x16").stages}
        RECORDED.write_text(json.dumps(curves, indent=1) + "\n")
    return dict(json.loads(RECORDED.read_text()))


@pytest.mark.parametrize("stage", ONE_CURVE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_accumulation_is_a_larger_batch(
    layout: str, stage: str, runs: dict[str, Run], recorded: dict[str, list[float]]
) -> None:
    assert runs.keys() == LAYOUTS.keys()
    assert_one_curve(losses(runs[layout], stage), recorded[stage], f"{layout}, {stage}")


def test_a_mean_of_means_is_another_recipe(runs: dict[str, Run], recorded: dict[str, list[float]]) -> None:
    """Which rows share a pass weighs in it, and the residual's mean sees it."""
    assert_one_curve(losses(runs["2x16"], "mean"), recorded["mean"])
    apart = residual(losses(runs["16x2"], "mean"), recorded["mean"])
    assert apart.largest > TOLERANCE
    assert apart.leans


@pytest.mark.slow
def test_two_processes_are_one(runs: dict[str, Run], recorded: dict[str, list[float]], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(plan_bytes(recipe("2x16")))
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
        *("--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
        *(str(WORKER), str(tmp_path / "plan.json"), str(tmp_path / "two"), "0"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    two, one = load_run(tmp_path / "two"), runs["2x16"]
    assert two is not None
    for ours, theirs in zip(one.stages, two.stages, strict=True):
        assert_one_curve([s.loss for s in theirs.steps], recorded[ours.name], ours.name)
        assert [s.grad_norm for s in theirs.steps] == pytest.approx([s.grad_norm for s in ours.steps], rel=1e-3)
        assert [s.rows for s in theirs.steps] == [s.rows for s in ours.steps]
    assert [s.rows for s in two.stages[2].steps] == 2 * [*[32] * 10, 1]
    # each line of the log once: only the main process writes
    assert len((tmp_path / "two" / "seed-42" / "pairs" / "steps.jsonl").read_text().splitlines()) == STEPS
    assert done.stdout.count(f"pairs {STEPS}\n") == 1


class Slow:
    """An objective computed row by row, so that no row is padded, with whatever is to be done before each step."""

    def __init__(self, objective: Any, before: Callable[[Rows], None] | None = None, *, alone: bool = True) -> None:
        self._objective, self._before, self._alone = objective, before, alone
        self.shapes: set[tuple[int, ...]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def losses(self, score: Score, rows: Rows, device: torch.device) -> RowLosses:
        if self._before:
            self._before(rows)
        if not self._alone:
            return self._objective.losses(score, rows, device)  # type: ignore[no-any-return]
        parts = [self._objective.losses(score, rows[i : i + 1], device) for i in range(len(rows))]
        rewards = [part.rewards for part in parts if part.rewards is not None]
        return RowLosses(
            loss=torch.cat([part.loss for part in parts]), rewards=torch.cat(rewards, 1) if rewards else None
        )


@dataclasses.dataclass
class Bench:
    """One stage of a finished run, ready to be trained again from its base with another objective."""

    stage: StagePlan
    objective: Any
    model: Any
    base: Path
    run_folder: Path

    def curve(self, objective: Objective, folder: Path, budget: int = 2048) -> list[float]:
        given, accelerator = self.stage.hyperparameters, Accelerator()
        order = Order(len(objective.terms), given, self.stage.semantics, max_steps=STEPS)
        scorer = Scorer(load_model(self.base, torch.float32), autocast=None)
        decay = self.stage.semantics.weight_decay_groups
        model, optimizer = accelerator.prepare(scorer, adamw(scorer, given, decay=decay))
        along = ticks(self.stage, order, max_steps=STEPS)

        def rate(step: int) -> float:
            return learning_rate(given, step, along)

        job = Job("slow", objective, order, given, self.stage.semantics, rate, budget, folder, 1000.0)
        trained = train(job, model, optimizer, accelerator, Reporter(ignore, "slow", STEPS))
        accelerator.free_memory()
        return [step.loss for step in trained.steps]


@pytest.fixture
def bench(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Bench]:
    def make(name: str) -> Bench:
        folder = folders["2x16"]
        given = recipe("2x16")
        stage = next(s for s in given.stages if s.name == name)
        base = folder / "base" / "model"
        tokenizer = load_tokenizer(base)
        tulu = set_template(tokenizer, stage.hyperparameters.chat_template)
        settings = stage.hyperparameters
        rules = stage.semantics.truncation_side, stage.semantics.row_filter
        codec = Codec(tokenizer, tulu, settings.label_scope, settings.max_seq_length, *rules)
        tokens = stage_tokens(
            stage,
            given,
            NO_ASSETS,
            codec,
            tmp_path / "tables",
            tmp_path / "tokens",
            writes=False,
            tick=lambda done, total: None,
        )
        pad = tokenizer.pad_token_id
        if name == "tokens":
            objective: Any = SftObjective(tokens.parts[0], reduction="token_mean", pad_token_id=pad)
        else:
            objective = DpoObjective(
                *tokens.parts,
                loss_type=stage.hyperparameters.loss_type,
                beta=stage.hyperparameters.beta,
                label_smoothing=0.0,
                pad_token_id=pad,
            )
        return Bench(stage, objective, load_model(base, torch.float32).eval(), base, folder)

    return make


def test_padding_changes_nothing(
    bench: Callable[[str], Bench], recorded: dict[str, list[float]], tmp_path: Path
) -> None:
    """Rows of 20 to 64 tokens, in batches and each alone."""
    made = bench("tokens")
    assert len(set(made.objective.padded_lengths.tolist())) > 5
    assert_one_curve(made.curve(Slow(made.objective), tmp_path / "alone"), recorded["tokens"], "unpadded")
    wide = made.curve(made.objective, tmp_path / "wide", budget=1 << 20)
    assert_one_curve(wide, recorded["tokens"], "as wide as can be")


def test_a_cached_reference_is_the_live_one(
    bench: Callable[[str], Bench], recorded: dict[str, list[float]], tmp_path: Path
) -> None:
    """Recomputed at every step by a model kept aside, the way of a trainer without a cache."""
    made = bench("pairs")
    frozen = Scorer(made.model, autocast=None).eval()
    table = torch.full((2, len(made.objective.terms)), float("nan"))

    @torch.no_grad()
    def look(rows: Rows) -> None:
        table[:, torch.from_numpy(rows)] = made.objective.log_probs(frozen, rows, torch.device("cpu")).float()
        made.objective.use_reference(table)

    live = made.curve(Slow(made.objective, look, alone=False), tmp_path / "live")
    assert_one_curve(live, recorded["pairs"], "live reference")
    cached = torch.load(made.run_folder / "seed-42" / "pairs" / "reference.pt", weights_only=True)["log_probs"]
    torch.testing.assert_close(cached, table, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("lean", "spread", "leans"), [(0.0, 1e-4, False), (5e-5, 2e-5, True), (-5e-5, 2e-5, True)])
def test_the_statistic_sees_what_a_tolerance_does_not(lean: float, spread: float, leans: bool) -> None:
    """A push of 5e-5 to one side, within the tolerance at every step, and a larger noise that leans nowhere."""
    curve = np.linspace(0.7, 0.5, 40)
    noise = np.random.default_rng(3).normal(0, spread / 2, 40)
    noise -= noise.mean()
    found = residual((curve + lean + noise).tolist(), curve.tolist())
    assert found.largest <= TOLERANCE
    assert found.leans is leans
    assert residual((curve + LEAN / 2).tolist(), curve.tolist()).leans is False, "rounding may lean"
