"""`repro run` as a user lives with it: interrupted, killed, out of disk, finished, run again, refreshed, verified."""

from __future__ import annotations

import fcntl
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from disks import small_disk

from repro.comparison import Verdict
from repro.report import Report, from_json, json_schema

STEPS = 500
CARD = f"""---
license: apache-2.0
base_model: fixture/short-sft
library_name: transformers
tags: [dpo]
datasets:
- fixture/pairs
---

# fixture/short-dpo

A DPO model made with allenai/open-instruct. \x1b]0;pwned\x07\u202e

## Training hyperparameters

| Parameter | Value |
|---|---|
| Learning rate | 5e-7 |
| Effective batch size | 4 |
| Gradient accumulation | 2 |
| Max sequence length | 64 |
| Epochs | 1 |
| LR schedule | linear |
| Warmup ratio | 0.1 |
| DPO beta | 5 |
| DPO loss type | dpo_norm |
| Optimizer | AdamW |
| Precision | FP32 |
| Total steps | {STEPS} |

## Training metrics

| Step | Loss |
|---|---|
| 1 | 0.693 |
| {STEPS} | TBD |
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str
    seconds: float


def start(*words: str, cwd: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        # A suite started in the background inherits an ignored Ctrl-C, and would hand it on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if before is not None:
            before()

    return subprocess.Popen(
        [sys.executable, "-m", "repro", *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
    )


def finish(process: subprocess.Popen[bytes]) -> Answer:
    began = time.monotonic()
    out, err = process.communicate(timeout=400)
    return Answer(process.returncode, out.decode(), err.decode(), time.monotonic() - began)


def repro(*words: str, cwd: Path, before: Callable[[], None] | None = None) -> Answer:
    return finish(start(*words, cwd=cwd, before=before))


def wait_for(process: subprocess.Popen[bytes], seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not seen():
        if process.poll() is not None:
            pytest.fail(f"it ended too early: {finish(process).err}")
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def whole_looking(reports: Path) -> list[Path]:
    return [p for p in reports.rglob("*") if p.name in {"report.json", "run.json", "report.html"}]


@dataclass(frozen=True)
class Lived:
    """A run that met everything, and a copy of it whose DPO stage met nothing."""

    place: Path
    folder: Path
    calm: Path
    interrupted: Answer
    full: Answer
    disk: str
    seen: dict[str, list[Path]]
    answer: Answer
    words: tuple[str, ...]

    @property
    def report(self) -> Report:
        return from_json((self.folder / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    place = tmp_path_factory.mktemp("lived")
    (place / "short-dpo.md").write_text(CARD, encoding="utf-8")
    words = ("run", "short-dpo.md", "--reports", "reports", "--max-samples", "8")
    reports = place / "reports"
    seen: dict[str, list[Path]] = {}

    def folder() -> Path:
        found = list(reports.glob("short-dpo/proxy-*"))
        return found[0] if found else place / "not-yet"

    with small_disk(reports) as resize:
        process = start(*words, cwd=place)
        wait_for(process, lambda: lines(folder() / "base" / "steps.jsonl") >= 5)
        process.send_signal(signal.SIGINT)
        interrupted = finish(process)
        assert interrupted.code == 130, interrupted.err
        seen["interrupted"] = whole_looking(reports)

        process = start(*words, cwd=place)
        dpo = folder() / "seed-42" / "dpo"
        wait_for(process, lambda: any(dpo.glob("checkpoints/*")) or lines(dpo / "steps.jsonl") > STEPS * 0.2)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        seen["killed"] = whole_looking(reports)

        calm = place / "calm" / folder().relative_to(reports)
        shutil.copytree(folder(), calm)
        shutil.rmtree(calm / "seed-42")

        used = shutil.disk_usage(reports).used // 1024
        if resize(f"{used + 400}k"):
            disk = "full"
            full = repro(*words, cwd=place)
            resize("256m")
        else:
            disk = "limit"
            limit = 200_000
            full = repro(*words, cwd=place, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        seen["full"] = whole_looking(reports)

        answer = repro(*words, cwd=place)
        calm_words = ["calm" if word == "reports" else word for word in words]
        assert repro(*calm_words, "-q", cwd=place).code == 0
        yield Lived(place, folder(), calm, interrupted, full, disk, seen, answer, words)


def test_an_interruption_is_130_and_one_sentence(lived: Lived) -> None:
    assert lived.interrupted.code == 130
    assert "Traceback" not in lived.interrupted.err
    assert lived.interrupted.err.splitlines()[-1].startswith("Interrupted. ")
    assert lived.interrupted.out == ""


def test_a_disk_without_room_is_one_sentence(lived: Lived) -> None:
    # too little for what the training will keep is seen before it begins; what fills up later is tested in train/
    code, words = (4, "GB are free") if lived.disk == "full" else (1, "cannot be written")
    assert lived.full.code == code
    complaints = [line for line in lived.full.err.splitlines() if line.startswith("error: ")]
    assert len(complaints) == 1
    assert words in complaints[0]
    assert "Traceback" not in lived.full.err
    assert "a bug" not in lived.full.err


def test_nothing_half_written_looks_whole(lived: Lived) -> None:
    assert lived.seen == {"interrupted": [], "killed": [], "full": []}
    assert not list(lived.folder.rglob("*.part"))


def test_the_resumed_curve_is_that_of_an_undisturbed_run_bit_for_bit(lived: Lived) -> None:
    curves = [f / "seed-42" / "dpo" / "steps.jsonl" for f in (lived.folder, lived.calm)]
    assert lines(curves[0]) == STEPS
    assert curves[0].read_bytes() == curves[1].read_bytes()
    weights = [f / "seed-42" / "dpo" / "model" / "model.safetensors" for f in (lived.folder, lived.calm)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    resumed = [json.loads((f / "run.json").read_bytes())["stages"][0]["resumed"] for f in (lived.folder, lived.calm)]
    assert resumed[0] >= 1
    assert resumed[1] == 0


def test_the_report_is_whole_and_of_the_schema(lived: Lived) -> None:
    assert lived.answer.code == 0, lived.answer.err
    names = {p.name for p in lived.folder.iterdir()}
    assert {"report.json", "report.md", "report.html", "report.sarif", "card.md", "plots"} <= names
    text = (lived.folder / "report.json").read_text("utf-8")
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(text))
    report = from_json(text)
    assert [len(s.steps) for s in report.stages] == [STEPS]
    assert {s.model for s in report.scores} == {"base", "dpo"}


def test_a_proxy_run_confirms_no_number_and_denies_none(lived: Lived) -> None:
    verdicts = {c.verdict for c in lived.report.comparisons}
    assert not verdicts & {Verdict.REPRODUCED, Verdict.DIFFERS}
    by_claim = {c.claim: c for c in lived.report.comparisons}
    losses = [by_claim[c.id] for c in lived.report.spec.claims if c.kind == "loss"]
    assert sorted(c.verdict for c in losses) == [Verdict.CONSISTENT, Verdict.UNSTATED]


def test_results_on_stdout_progress_on_stderr(lived: Lived) -> None:
    assert lived.report.answer[1].split(" (")[0] in " ".join(lived.answer.out.split())
    for word in (f"dpo: {STEPS}/{STEPS}", "score dpo: ", "Report: ", "Scale: proxy"):
        assert word in lived.answer.err
        assert word not in lived.answer.out
    for text in (lived.answer.out, lived.answer.err):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_run_again_is_quick_and_says_the_same(lived: Lived) -> None:
    stamps = {p: p.stat().st_mtime_ns for p in lived.folder.rglob("*.safetensors")}
    run_file = (lived.folder / "run.json").read_bytes()
    again = repro(*lived.words, cwd=lived.place)
    assert (again.code, again.out) == (lived.answer.code, lived.answer.out)
    assert "dpo: " not in again.err.replace("score dpo: ", "")
    assert {p: p.stat().st_mtime_ns for p in lived.folder.rglob("*.safetensors")} == stamps
    assert (lived.folder / "run.json").read_bytes() == run_file


def test_a_card_moved_and_reworded_is_not_trained_again(lived: Lived) -> None:
    (lived.place / "elsewhere").mkdir()
    moved = lived.place / "elsewhere" / "short-dpo.md"
    moved.write_text(CARD.replace("# fixture/short-dpo\n", "# fixture/short-dpo\n\nA sentence more.\n"), "utf-8")
    copy = lived.place / "copied"
    shutil.copytree(lived.place / "calm", copy)
    answer = repro("run", str(moved), "--reports", str(copy), "--max-samples", "8", cwd=lived.place)
    assert answer.code == 0, answer.err
    assert "dpo: " not in answer.err.replace("score dpo: ", "")
    folders = list(copy.glob("short-dpo/*"))
    assert len(folders) == 1
    report = from_json((folders[0] / "report.json").read_text("utf-8"))
    assert report.card_source == str(moved)
    beta = report.plan.stages[0].get("beta") if report.plan else None
    assert beta is not None
    assert beta.span is not None
    assert "DPO beta" in moved.read_text("utf-8").splitlines()[beta.span.line - 1]


def test_card_keeps_the_authors_bytes(lived: Lived) -> None:
    answer = repro("card", "short-dpo.md", "--reports", "reports", "--output", "new.md", cwd=lived.place)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    new = (lived.place / "new.md").read_bytes()
    assert new == (lived.folder / "card.md").read_bytes()
    kept = iter(new.split(b"\n"))
    assert all(line in kept for line in CARD.encode().rstrip().split(b"\n"))  # in order
    assert f"| {STEPS} | TBD |".encode() in new
    assert b"## Reproducibility" in new


def test_verify_without_a_card_takes_the_latest_run(lived: Lived) -> None:
    answer = repro("verify", "--reports", "reports", "--offline", "-q", cwd=lived.place)
    assert answer.code == 4
    assert from_json((lived.folder / "verify" / "report.json").read_text("utf-8")).kind == "verify"
    nothing = repro("verify", "--reports", "empty", "--offline", cwd=lived.place)
    assert nothing.code == 4
    assert "no run to verify yet" in nothing.err


def test_verify_offline_takes_the_run_up(lived: Lived) -> None:
    answer = repro("verify", "short-dpo.md", "--reports", "reports", "--offline", "-q", cwd=lived.place)
    assert answer.code == 4
    report = from_json((lived.folder / "verify" / "report.json").read_text("utf-8"))
    assert report.run_id == lived.report.run_id
    assert [len(s.steps) for s in report.stages] == [STEPS]
    assert not {c.verdict for c in report.comparisons} & {Verdict.REPRODUCED, Verdict.DIFFERS}


def test_a_folder_that_another_process_holds_is_5(lived: Lived) -> None:
    unfinished = lived.place / "held"
    shutil.copytree(lived.place / "calm", unfinished)
    folder = next(unfinished.glob("short-dpo/proxy-*"))
    for name in ("run.json", "report.json"):
        (folder / name).unlink()
    with (folder / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = repro("run", "short-dpo.md", "--reports", "held", "-q", cwd=lived.place)
    assert answer.code == 5
    assert "is running in this folder" in answer.err
    assert "Traceback" not in answer.err
    assert not (folder / "report.json").exists()


def test_a_report_that_is_none_is_named(lived: Lived) -> None:
    broken = lived.place / "broken"
    shutil.copytree(lived.place / "calm", broken)
    place = next(broken.glob("short-dpo/proxy-*")) / "report.json"
    for text in ("{", "[]", '{"schema_version": 99}', '{"schema_version": 1}'):
        place.write_text(text)
        answer = repro("card", "short-dpo.md", "--reports", "broken", cwd=lived.place)
        assert answer.code == 1
        assert answer.out == ""
        assert answer.err.startswith("error: ")
        assert "report" in answer.err
        assert "Traceback" not in answer.err
