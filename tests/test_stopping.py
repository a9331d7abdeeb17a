"""A run that is ended early says what the whole run says, of what it says anything, and goes on from where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from repro import pipeline
from repro.comparison import Comparison, Verdict
from repro.options import Options, Outcome
from repro.report import Report
from repro.run import Run
from repro.task import Progress, Scale, Start
from repro.train.record import load_run

STEPS = 190
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_layers": 1, "num_heads": 2, "num_key_value_heads": 1}
HEAD = """---
base_model: lab/parent
datasets:
- lab/pairs
---
# lab/tiny-dpo

## Training pipeline

```
lab/start
        ↓ SFT (lab/turns)
lab/parent
        ↓ DPO (lab/pairs)
lab/tiny-dpo
```

Both stages were trained with open-instruct.

## DPO hyperparameters

| Parameter | Value |
|---|---|
| Learning Rate | 1e-3 |
| Effective Batch Size | 4 |
| Gradient Accumulation | 2 |
| Max Sequence Length | 64 |
| Epochs | 1 |
| LR Schedule | Linear |
| Warmup Ratio | 0.1 |
| DPO Beta | 5 |
| DPO Loss Type | dpo_norm |
| Optimizer | AdamW |
| Precision | FP32 |

## DPO losses

| Step | Loss |
|---|---|
"""


def card(folder: Path, losses: dict[int, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "tiny-dpo.md"
    place.write_text(HEAD + "".join(f"| {step} | {loss} |\n" for step, loss in losses.items()), "utf-8")
    return place


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like a Hub: a published parent of some thousand parameters, and 190 steps' worth of pairs."""
    from repro.plan import ProxyModel
    from repro.train.model import make_proxy
    from repro.train.synthetic import preference_rows, sft_rows
    from repro.train.template import render
    from repro.train.tokenizer import EOS, train_tokenizer

    root = tmp_path_factory.mktemp("published")
    texts = [render(row["messages"], EOS).text for row in sft_rows(1, 400)]
    tokenizer = train_tokenizer(texts, 320)
    parent = root / "lab" / "parent"
    tokenizer.save_pretrained(parent)
    make_proxy(ProxyModel(vocab_size=320, pretraining_steps=0, **SHAPE), tokenizer, 7).save_pretrained(parent)
    (parent / "README.md").write_text("---\nlicense: mit\n---\n# Parent\n", "utf-8")
    data = root / "datasets" / "lab" / "pairs"
    data.mkdir(parents=True)
    rows = preference_rows(3, 4 * STEPS)
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return root


@pytest.fixture(scope="module")
def audit(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    def run(place: Path, reports: Path, *, stop: bool, seeds: int = 1, observer: object = None) -> Outcome:
        options = Options(
            reports=reports, scale=Scale.FULL, source=str(source), stages=("dpo",), start=Start.PUBLISHED,
            num_seeds=seeds, stop_when_decided=stop, max_samples=4,
        )  # fmt: skip
        outcome = pipeline.run(str(place), options, *([observer] if observer else []))  # type: ignore[list-item]
        assert outcome is not None
        return outcome

    return run


@pytest.fixture(scope="module")
def whole(audit: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The whole run of a card that tells of nothing: what a truthful card would say is read off it."""
    folder = tmp_path_factory.mktemp("whole")
    return audit(card(folder, {1: "0.693", 190: "TBD"}), folder / "reports", stop=False)


def curve(outcome: Outcome) -> list[float]:
    return [s.loss for s in outcome.report.stages[0].steps]


def kept(outcome: Outcome) -> Run:
    run = load_run(outcome.folder)
    assert run is not None
    return run


def verdicts(report: Report) -> dict[str, Comparison]:
    return {c.claim: c for c in report.comparisons if ".loss@" in c.claim}


FALSE = {1: "0.693", 30: "9.900", 150: "9.900", 190: "TBD"}


@pytest.fixture(scope="module")
def both(
    audit: Callable[..., Outcome], whole: Outcome, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Outcome, Path]:
    """One false card, run to the end and ended early, in folders of their own."""
    folder = tmp_path_factory.mktemp("both")
    place = card(folder, FALSE)
    shutil.copytree(whole.folder.parent.parent, folder / "full")
    full = audit(place, folder / "full", stop=False)
    told: list[Progress] = []
    early = audit(place, folder / "early", stop=True, observer=told.append)
    assert any("excluded" in e.warning for e in told)
    return full, early, place


def test_a_false_claim_ends_the_stage_once_its_whole_window_is_trained(both: tuple[Outcome, Outcome, Path]) -> None:
    full, early, _ = both
    assert len(full.report.stages[0].steps) == STEPS
    (stage,) = early.report.stages
    assert stage.stopped is not None
    assert (stage.stopped.step, stage.stopped.total_steps, stage.stopped.claims) == (105, STEPS, ("dpo.loss@30",))
    assert len(stage.steps) == 105
    assert curve(early) == curve(full)[:105]
    assert kept(early).stages[0].stopped == stage.stopped
    assert not list(early.folder.rglob("model.safetensors"))


def test_what_the_ended_run_decides_the_whole_run_decides_alike(both: tuple[Outcome, Outcome, Path]) -> None:
    full, early = verdicts(both[0].report), verdicts(both[1].report)
    assert full["dpo.loss@30"].verdict is early["dpo.loss@30"].verdict is Verdict.DIFFERS
    assert full["dpo.loss@30"].interval == early["dpo.loss@30"].interval
    assert full["dpo.loss@150"].verdict is Verdict.DIFFERS
    assert early["dpo.loss@150"].verdict is Verdict.UNTESTED
    assert "ended at step 105 of 190" in early["dpo.loss@150"].why
    assert "without --stop-when-decided" in early["dpo.loss@150"].needs
    assert early["dpo.loss@190"].verdict is Verdict.UNSTATED
    assert early["dpo.loss@190"].measured is None
    assert both[0].report.answer[0] is both[1].report.answer[0] is Verdict.DIFFERS


def test_the_report_says_what_was_saved_and_scores_no_unfinished_model(both: tuple[Outcome, Outcome, Path]) -> None:
    _, early, _ = both
    note = next(n for n in early.report.notes if "was ended at step 105" in n)
    assert "dpo.loss@30 is excluded" in note
    assert "Saved: 85 of 190 steps; 85 steps x" in note
    assert "device-hours at this pace" in note
    assert not [s for s in early.report.scores if s.model != "published"]
    text = (early.folder / "report.md").read_text("utf-8")
    assert "85 of 190 steps" in text.replace("\\", "")


def test_the_same_command_again_returns_what_there_is(
    both: tuple[Outcome, Outcome, Path], audit: Callable[..., Outcome]
) -> None:
    _, early, place = both
    before = (early.folder / "run.json").read_bytes()
    again = audit(place, early.folder.parent.parent, stop=True)
    assert (early.folder / "run.json").read_bytes() == before
    assert verdicts(again.report) == verdicts(early.report)


def test_without_the_flag_it_goes_on_and_ends_as_if_it_had_never_been_ended(
    both: tuple[Outcome, Outcome, Path], audit: Callable[..., Outcome], tmp_path: Path
) -> None:
    full, early, place = both
    reports = Path(shutil.copytree(early.folder.parent.parent, tmp_path / "reports"))
    told: list[Progress] = []
    on = audit(place, reports, stop=False, observer=told.append)
    assert min(e.done for e in told if e.task == "dpo") == 105
    assert curve(on) == curve(full)
    assert kept(on).stopped == ()
    assert on.report.stages[0].resumed == 1
    weights = [next(o.folder.rglob("seed-*/dpo/model/model.safetensors")).read_bytes() for o in (on, full)]
    assert weights[0] == weights[1]
    assert verdicts(on.report) == verdicts(full.report)


def test_a_card_whose_claims_are_true_is_trained_until_no_comparison_needs_more(
    audit: Callable[..., Outcome], whole: Outcome, tmp_path: Path
) -> None:
    losses = curve(whole)
    place = card(tmp_path, {1: "0.693", 20: f"{losses[19]:.3f}", 40: f"{losses[39]:.3f}"})
    early = audit(place, tmp_path / "early", stop=True)
    stop = early.report.stages[0].stopped
    assert stop is not None
    assert (stop.step, stop.claims) == (115, ())
    shutil.copytree(whole.folder.parent.parent, tmp_path / "full")
    full = audit(place, tmp_path / "full", stop=False)
    assert {k: c.verdict for k, c in verdicts(early.report).items()} == {
        k: c.verdict for k, c in verdicts(full.report).items()
    }
    assert Verdict.DIFFERS not in {c.verdict for c in verdicts(early.report).values()}
    # Another card of the same recipe is not content with where this one was ended.
    later = card(tmp_path, {1: "0.693", 20: f"{losses[19]:.3f}", 100: f"{losses[99]:.3f}"})
    on = audit(later, tmp_path / "early", stop=True)
    assert on.folder == early.folder
    assert on.report.stages[0].stopped is not None
    assert on.report.stages[0].stopped.step == 175


def test_only_the_last_seed_can_exclude_a_claim_and_the_others_are_cut_to_what_is_read(
    audit: Callable[..., Outcome], tmp_path: Path
) -> None:
    place = card(tmp_path, {30: "9.900", 40: "9.900"})
    early = audit(place, tmp_path / "early", stop=True, seeds=2)
    first, second = (s.stopped for s in early.report.stages)
    assert first is not None
    assert second is not None
    assert (first.step, first.claims) == (115, ())
    assert (second.step, second.claims) == (105, ("dpo.loss@30",))
    found = verdicts(early.report)
    assert found["dpo.loss@30"].verdict is Verdict.DIFFERS
    assert found["dpo.loss@40"].verdict is Verdict.UNTESTED
