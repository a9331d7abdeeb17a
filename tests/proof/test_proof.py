"""Proof on something not ours: TRL trains and publishes, the program audits, and says what is true.

A falsified card must break the claims that the falsehood touches, and never pass as a whole.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import publisher as p
import pytest
from hub.loopback import LoopbackHub
from stranger_card import Told, card, window_mean

from repro.comparison import Comparison, Verdict
from repro.report import Report, from_json
from repro.spec import ClaimKind

HERE = Path(__file__).parent
CLAIMED_SCORES = ("repro_preference/acc", "repro_preference/acc_norm")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Stranger:
    """What the stranger published, and where."""

    folder: Path
    endpoint: str
    losses: dict[str, list[float]]
    scores: dict[str, float]

    def told(self, window: int = p.WINDOW) -> Told:
        ends = {stage: (p.WINDOW, len(losses)) for stage, losses in self.losses.items()}
        return Told(
            losses={
                stage: {step: window_mean(self.losses[stage], step, window) for step in steps}
                for stage, steps in ends.items()
            },
            scores={name: f"{self.scores[name]:.4f}" for name in CLAIMED_SCORES},
            window=window,
            lm_eval=lm_eval_version(),
            sft_steps=len(self.losses["sft"]),
            dpo_steps=len(self.losses["dpo"]),
        )


def lm_eval_version() -> str:
    from importlib.metadata import version

    return version("lm_eval")


def environment() -> dict[str, str]:
    """Ours without tokens and offline switches: the loopback Hub must be reached."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return kept | {"HF_HUB_DISABLE_XET": "1"}


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    folder = tmp_path_factory.mktemp("stranger")
    program = [sys.executable, "-W", "ignore", str(HERE / "publisher.py"), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=900, env=environment())
    assert done.returncode == 0, done.stderr[-4000:]
    facts = json.loads((folder / "facts.json").read_text())
    losses = {stage: [float(loss) for loss in curve] for stage, curve in facts["losses"].items()}
    with LoopbackHub() as hub:
        for repo in (p.BASE, p.SFT, p.DPO):
            hub.add_model(repo, folder / repo.split("/")[1])
        for repo in (p.SFT_DATA, p.DPO_DATA):
            hub.add_dataset(repo, folder / repo.split("/")[1])
        yield Stranger(folder, hub.endpoint, losses, facts["scores"])


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def repro(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=1500, env=environment())


def write(folder: Path, stranger: Stranger, told: Told) -> Path:
    """The card as a file of its own folder: cards of one name share the training of one plan."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny-dpo.md"
    path.write_text(card(stranger.folder / "tiny-dpo" / "README.md", told), "utf-8")
    return path


def audit(path: Path, stranger: Stranger, reports: Path, *more: str) -> tuple[int, Report]:
    done = repro("run", str(path), "--scale", "full", "--endpoint", stranger.endpoint, "--reports", str(reports), *more)
    assert done.returncode in {0, 11, 12}, done.stderr[-4000:]
    return done.returncode, report_of(done)


def report_of(done: subprocess.CompletedProcess[str]) -> Report:
    place = re.search(r"Report: (\S+)report\.html", done.stderr)
    assert place, done.stderr[-2000:]
    return from_json((Path(place[1]) / "report.json").read_text("utf-8"))


def results(report: Report) -> dict[str, Comparison]:
    """The loss and score claims' verdicts."""
    kinds = {c.id: c.kind for c in report.spec.claims}
    return {c.claim: c for c in report.comparisons if kinds[c.claim] in {ClaimKind.LOSS, ClaimKind.EVAL}}


def explain(found: dict[str, Comparison]) -> str:
    return "\n".join(f"{c.claim}: {c.verdict} {c.why} {c.needs}" for c in found.values())


@pytest.fixture(scope="session")
def honest(stranger: Stranger, reports: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Report, Path]:
    path = write(tmp_path_factory.mktemp("honest"), stranger, stranger.told())
    code, report = audit(path, stranger, reports)
    return code, report, path


def test_an_honest_card_is_reproduced(honest: tuple[int, Report, Path]) -> None:
    code, report, _ = honest
    found = results(report)
    assert len(found) == 4 + len(CLAIMED_SCORES)
    assert {c.verdict for c in found.values()} == {Verdict.REPRODUCED}, explain(found)
    assert report.answer[0] is Verdict.REPRODUCED
    assert code == 0
    assert not [c for c in report.comparisons if c.verdict is Verdict.DIFFERS]


def test_verify_against_the_hub_says_the_same(
    stranger: Stranger, reports: Path, honest: tuple[int, Report, Path]
) -> None:
    _, _, path = honest
    command = ("verify", str(path), "--against", "hub", "--endpoint", stranger.endpoint, "--reports", str(reports))
    done = repro(*command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = report_of(done)
    assert report.kind == "verify"
    found = results(report)
    assert {c.verdict for c in found.values()} == {Verdict.REPRODUCED}, explain(found)
    # Both models, the same samples, the same harness, and the published log laid over the regenerated curve.
    assert {s.model for s in report.scores} >= {"published", "dpo"}
    assert all(len(c.legs) == 2 for c in found.values()), explain(found)


def test_single_step_readings_are_not_taken_for_proof(
    stranger: Stranger, reports: Path, tmp_path: Path, honest: tuple[int, Report, Path]
) -> None:
    """The second card: the same training, read at single steps. The noise decides, and says so."""
    _, report = audit(write(tmp_path, stranger, stranger.told(window=1)), stranger, reports)
    found = results(report)
    last = found[f"dpo.loss@{len(stranger.losses['dpo'])}"]
    assert last.verdict is Verdict.INCONCLUSIVE, explain(found)
    assert "mean" in last.needs
    assert Verdict.DIFFERS not in {c.verdict for c in found.values()}, explain(found)
    assert report.answer[0] is not Verdict.REPRODUCED


def test_a_falsified_loss_differs(
    stranger: Stranger, reports: Path, tmp_path: Path, honest: tuple[int, Report, Path]
) -> None:
    told = stranger.told()
    last = len(stranger.losses["dpo"])
    better = f"{float(told.losses['dpo'][last]) - 0.08:.4f}"
    told = told.saying(losses={**told.losses, "dpo": {**told.losses["dpo"], last: better}})
    code, report = audit(write(tmp_path, stranger, told), stranger, reports)
    found = results(report)
    assert found[f"dpo.loss@{last}"].verdict is Verdict.DIFFERS, explain(found)
    assert found[f"sft.loss@{len(stranger.losses['sft'])}"].verdict is Verdict.REPRODUCED, explain(found)
    assert code == 11
    assert report.answer[0] is Verdict.DIFFERS


def test_a_falsified_loss_differs_by_the_run_alone(
    stranger: Stranger, reports: Path, tmp_path: Path, honest: tuple[int, Report, Path]
) -> None:
    """Without the published log to contradict it, the regenerated curve must."""
    log = stranger.folder / "tiny-dpo" / "trainer_state.json"
    away = log.rename(log.with_suffix(".kept"))
    with LoopbackHub() as hub:
        for repo in (p.BASE, p.SFT, p.DPO):
            hub.add_model(repo, stranger.folder / repo.split("/")[1])
        for repo in (p.SFT_DATA, p.DPO_DATA):
            hub.add_dataset(repo, stranger.folder / repo.split("/")[1])
        told = stranger.told()
        last = len(stranger.losses["dpo"])
        told = told.saying(
            losses={**told.losses, "dpo": {**told.losses["dpo"], last: f"{float(told.losses['dpo'][last]) - 0.08:.4f}"}}
        )
        path = write(tmp_path, stranger, told)
        command = ("run", str(path), "--scale", "full", "--endpoint", hub.endpoint, "--reports", str(reports))
        done = repro(*command)
    away.rename(log)
    found = results(report_of(done))
    assert found[f"dpo.loss@{last}"].verdict is Verdict.DIFFERS, explain(found)
    assert found[f"dpo.loss@{last}"].method == "prediction interval"
    assert done.returncode == 11


def test_a_falsified_beta_breaks_the_losses(stranger: Stranger, reports: Path, tmp_path: Path) -> None:
    code, report = audit(write(tmp_path, stranger, stranger.told().saying(beta="0.5")), stranger, reports)
    found = results(report)
    assert found[f"dpo.loss@{len(stranger.losses['dpo'])}"].verdict is Verdict.DIFFERS, explain(found)
    assert report.answer[0] is Verdict.DIFFERS
    assert code == 11


def test_doubled_epochs_break_the_step_count(stranger: Stranger, reports: Path, tmp_path: Path) -> None:
    path = write(tmp_path, stranger, stranger.told().saying(dpo_epochs="2"))
    code, report = audit(path, stranger, reports, "--seeds", "1")
    by_id = {c.claim: c for c in report.comparisons}
    assert by_id["dpo.steps"].verdict is Verdict.DIFFERS, by_id["dpo.steps"].why
    assert by_id["sft.steps"].verdict is Verdict.REPRODUCED
    assert report.answer[0] is Verdict.DIFFERS
    assert code == 11


def test_a_skipped_sft_stage_breaks_what_follows_from_it(stranger: Stranger, reports: Path, tmp_path: Path) -> None:
    told = stranger.told().saying(with_sft=False)
    code, report = audit(write(tmp_path, stranger, told), stranger, reports, "--seeds", "1")
    found = results(report)
    assert Verdict.DIFFERS in {c.verdict for c in found.values()}, explain(found)
    assert report.answer[0] is Verdict.DIFFERS
    assert code == 11


def test_no_token_and_no_pickle_was_touched(stranger: Stranger, honest: tuple[int, Report, Path]) -> None:
    _, report, _ = honest
    assert "hf_" not in json.dumps([c.why for c in report.comparisons])
    assert not list(stranger.folder.rglob("training_args.bin"))
