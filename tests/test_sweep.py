"""Sweeps in real processes: killed and gone on with, a card that hangs, and memory that does not grow."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from repro.crew import Crew
from repro.errors import CardError, UsageError
from repro.row import Row
from repro.sweep import SweepOptions, sweep
from repro.sweep_card import Asked, Swept, lost
from repro.sweep_markdown import to_markdown

ROOT = Path(__file__).parents[1]
BULK = ROOT.parent / "shared" / "corpus" / "bulk.jsonl.gz"
CARD = """---
license: apache-2.0
---
# Kestrel {n}

The score is {n}.5 on the test split.

| | A | B | Average |
|---|---|---|---|
| kestrel | 10.0 | 20.0 | {n}.0 |
"""


def source(path: Path, count: int, extra: tuple[object, ...] = ()) -> Path:
    values = [{"modelId": f"kestrel/{n}", "card": CARD.format(n=n)} for n in range(count)]
    path.write_text("".join(json.dumps(v) + "\n" for v in (*values, *extra)))
    return path


def table(folder: Path, name: str = "cards") -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def test_every_row_is_in_the_result_with_what_was_found_or_why_not(tmp_path: Path) -> None:
    place = source(tmp_path / "s.jsonl", 30, ({"modelId": "kestrel/none"}, {"modelId": "kestrel/null", "card": None}))
    seen = []
    summary = sweep(place, SweepOptions(tmp_path / "out", jobs=2, piece=7), seen.append)
    rows = table(tmp_path / "out")
    assert [r["number"] for r in rows] == list(range(32))
    assert [r["id"] for r in rows[-3:]] == ["kestrel/29", "kestrel/none", "kestrel/null"]
    assert (summary.rows, summary.read, summary.unread, summary.distinct) == (32, 30, 2, 30)
    assert rows[31]["error"] == "card holds nothing (null), not text"
    assert rows[31]["place"] == f"{place}:32"
    assert rows[31]["sha256"] is None
    assert all(r["R503"] in {"pass", "unknown", "fail"} for r in rows[:30])
    assert rows[0]["R503"] == "fail"  # an average of 0 beside 10 and 20
    assert rows[15]["R503"] == "pass"
    share = next(c for c in summary.checks if c.code == "R503")
    assert share.failed == sum(r["R503"] == "fail" for r in rows)
    assert share.failed + share.passed + share.unknown + share.not_applicable == 30
    found = [f for f in table(tmp_path / "out", "findings") if f["code"] == "R503" and f["outcome"] == "fail"]
    assert len(found) == share.failed
    assert found[0]["id"] == "kestrel/0"
    assert found[0]["line"] == 10, "the line of the row"
    assert seen[-1].done == 32
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "cards.parquet", "findings.parquet", "summary.json", "summary.md", "sweep.json",
    ]  # fmt: skip
    assert to_markdown(summary) == (tmp_path / "out" / "summary.md").read_text()
    # A finished sweep is not done again.
    before = (tmp_path / "out" / "cards.parquet").stat().st_mtime_ns
    assert sweep(place, SweepOptions(tmp_path / "out", jobs=1, piece=7)) == summary
    assert (tmp_path / "out" / "cards.parquet").stat().st_mtime_ns == before


def test_select_and_ignore_choose_the_columns(tmp_path: Path) -> None:
    place = source(tmp_path / "s.jsonl", 3)
    sweep(place, SweepOptions(tmp_path / "out", asked=Asked(select=("R5",), ignore=("R503",))))
    names = [n for n in table(tmp_path / "out")[0] if n.startswith("R")]
    assert "R501" in names
    assert "R503" not in names
    assert all(n.startswith("R5") for n in names)
    with pytest.raises(UsageError, match="no check is called 'R999'"):
        sweep(place, SweepOptions(tmp_path / "other", asked=Asked(select=("R999",))))
    assert not (tmp_path / "other").exists()


SCRIPT = """
import sys
from pathlib import Path
from repro.sweep import SweepOptions, sweep
if __name__ == "__main__":
    sweep(Path(sys.argv[1]), SweepOptions(Path(sys.argv[2]), jobs=2, piece=50))
"""


def without_times(folder: Path) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table(folder)]


def test_a_killed_sweep_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    place = source(tmp_path / "s.jsonl", 1500, (7, {"modelId": "kestrel/last", "card": "x"}))
    script = tmp_path / "go.py"
    script.write_text(SCRIPT)
    out = tmp_path / "out"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(script), str(place), str(out)], env=env)
    deadline = time.monotonic() + 120
    while len(list(out.glob("parts/*.cards.parquet"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {p.name: p.stat().st_mtime_ns for p in out.glob("parts/*.parquet")}
    assert len(finished) >= 6, "it was to be killed after three pieces"
    assert not (out / "cards.parquet").exists()
    assert not (out / "summary.json").exists()
    (out / "parts" / ".0000000.cards.parquet.x.part").write_text("left over")

    options = SweepOptions(out, jobs=2, piece=50)
    kept = {}

    def observer(event: object) -> None:
        kept.update({p.name: p.stat().st_mtime_ns for p in out.glob("parts/*.parquet") if p.name in finished})

    sweep(place, options, observer)
    assert kept == finished, "finished pieces are not done again"
    sweep(place, SweepOptions(tmp_path / "whole", jobs=1, piece=50))
    assert (out / "findings.parquet").read_bytes() == (tmp_path / "whole" / "findings.parquet").read_bytes()
    assert without_times(out) == without_times(tmp_path / "whole")
    assert len(table(out)) == 1502
    assert not (out / "parts").exists()


def test_processes_end_with_the_one_that_leads(tmp_path: Path) -> None:
    place = source(tmp_path / "s.jsonl", 3000)
    (tmp_path / "go.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "go.py"), str(place), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        process.wait()
        pytest.skip("needs /proc")
    while not list((tmp_path / "out").glob("parts/*.cards.parquet")) and process.poll() is None:
        time.sleep(0.01)
    ours = [Path(f"/proc/{pid}") for pid in children.read_text().split()]
    assert len(ours) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(p.exists() and "\nState:\tZ" not in (p / "status").read_text() for p in ours):
        assert time.monotonic() < deadline, "a process outlived its sweep"
        time.sleep(0.05)


def hang_or_die(row: Row) -> str:
    """Stands for a reader with a bug in it, of the kinds that no Python code can catch."""
    if row.id == "hang":
        import re

        re.match(r"(a+)+$", "a" * 60 + "b")
    if row.id == "sleep":
        time.sleep(1000)
    if row.id == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if row.id == "exit":
        os._exit(7)
    return f"{row.number} fine"


def gone(row: Row, why: str) -> str:
    return f"{row.number} {why}"


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_row_that_hangs_or_kills_costs_that_row_alone(jobs: int) -> None:
    names = ["ok"] * 200
    for place, name in ((3, "hang"), (40, "kill"), (41, "exit"), (100, "sleep"), (199, "kill")):
        names[place] = name
    rows = (Row(i, name, "") for i, name in enumerate(names))
    with Crew[Row, str](jobs, hang_or_die, gone, limit=0.4) as crew:
        answers = sorted(crew.answers(rows), key=lambda a: int(a.split()[0]))
    assert len(answers) == 200
    odd = {int(a.split()[0]): a.split(" ", 1)[1] for a in answers if not a.endswith("fine")}
    assert odd == {
        3: "took more than 0.4 s",
        40: "the process that read it was killed (SIGKILL)",
        41: "the process that read it ended (exit 7)",
        100: "took more than 0.4 s",
        199: "the process that read it was killed (SIGKILL)",
    }


def test_a_card_that_takes_too_long_has_that_as_its_reason(tmp_path: Path) -> None:
    large = "# Wren\n\n" + "| a | b |\n|---|---|\n" + "| 1.0 | 2.0 |\n" * 600_000
    place = source(tmp_path / "s.jsonl", 20, ({"modelId": "wren/large", "card": large},))
    summary = sweep(place, SweepOptions(tmp_path / "out", jobs=2, seconds_per_card=0.3))
    assert (summary.read, summary.unread) == (20, 1)
    assert summary.errors == {"took more than N s": 1}
    assert table(tmp_path / "out")[20]["error"] == "took more than 0.3 s"


def test_another_source_another_question_or_another_folder_is_refused(tmp_path: Path) -> None:
    place = source(tmp_path / "s.jsonl", 3)
    out = SweepOptions(tmp_path / "out")
    sweep(place, out)
    with pytest.raises(UsageError, match="differs from this one in its options"):
        sweep(place, SweepOptions(tmp_path / "out", limit=2))
    source(place, 4)
    with pytest.raises(UsageError, match="differs from this one in its files"):
        sweep(place, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="is not empty and holds no sweep"):
        sweep(place, SweepOptions(tmp_path / "mine"))
    with pytest.raises(UsageError, match="is a file, not a folder"):
        sweep(place, SweepOptions(place))
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_source_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("\n\n")
    with pytest.raises(CardError, match="holds no row"):
        sweep(tmp_path / "s.jsonl", SweepOptions(tmp_path / "out"))


def test_names_from_the_source_cannot_write_markup_into_the_summary(tmp_path: Path) -> None:
    place = tmp_path / "s.jsonl"
    place.write_text(json.dumps({"id": "<img src=x>|\x1b[31m\n# no", "text": "# Wren"}) + "\n")
    sweep(place, SweepOptions(tmp_path / "out"))
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\n# no" not in text


def test_a_lost_row_keeps_its_place() -> None:
    assert lost(Row(3, "wren", "s:4", b"abc"), "why") == Swept(3, "wren", "s:4", 3, error="why")


@pytest.mark.slow
@pytest.mark.skipif(not BULK.is_file(), reason="the corpus is not here")
def test_the_bulk_file_has_no_row_that_could_not_be_read(tmp_path: Path) -> None:
    summary = sweep(BULK, SweepOptions(tmp_path / "out", jobs=2))
    assert (summary.rows, summary.unread) == (3602, 0)
    assert not summary.errors


def repro(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "repro", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_command_leaves_its_results_and_its_exit_code_tells_of_rows_that_were_not_read(tmp_path: Path) -> None:
    source(tmp_path / "good.jsonl", 5)
    source(tmp_path / "bad.jsonl", 5, (3,))
    done = repro("sweep", "good.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0][:21]) == (0, "5 of 5 cards read; on"), done.stderr
    assert re.search(r"^  not met by +\d+\.\d%: R\d{3} [A-Z]", done.stdout, re.MULTILINE)
    assert (tmp_path / "sweeps" / "good" / "summary.json").is_file()
    done = repro("sweep", "bad.jsonl", "--output", "out", "--jobs", "1", "--quiet", cwd=tmp_path)
    assert done.returncode == 3
    assert "not read, 1: the line holds a number, not an object" in done.stdout
    assert "bad.jsonl:6: the line holds a number, not an object" in done.stdout
    assert done.stderr == ""
    assert repro("sweep", "nowhere", cwd=tmp_path).returncode == 3
    assert repro("sweep", "good.jsonl", "--output", "out", cwd=tmp_path).returncode == 2
    assert repro("sweep", "good.jsonl", "--select", "R999", "--output", "other", cwd=tmp_path).returncode == 2


def test_ctrl_c_stops_a_sweep_that_the_same_command_goes_on_with(tmp_path: Path) -> None:
    source(tmp_path / "s.jsonl", 1500)
    words = [sys.executable, "-m", "repro", "sweep", "s.jsonl", "--output", "out", "--jobs", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env=env,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a suite started in the background inherits an ignored Ctrl-C, and would hand it on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list((tmp_path / "out").glob("parts/*.cards.parquet")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert b"the same command goes on from there" in told
    assert b"Traceback" not in told
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert len(table(tmp_path / "out")) == 1500


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path) -> None:
    source(tmp_path / "s.jsonl", 1)
    code = "import sys; sys.modules['pyarrow'] = None; from repro.cli import main; sys.exit(main(['sweep', 's.jsonl']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 4
    assert "pip install 'card-repro[sweep]'" in done.stderr
    assert not (tmp_path / "sweeps").exists()


PEAK = """
import resource, sys
from pathlib import Path
from repro.sweep import SweepOptions, sweep
from repro.sweep_card import Asked
if __name__ == "__main__":
    sweep(Path(sys.argv[1]), SweepOptions(Path(sys.argv[2]), jobs=1, asked=Asked(select=("R706", "R503"))))
    print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    (tmp_path / "peak.py").write_text(PEAK)
    peaks = []
    for count in (400, 4000):
        place = source(tmp_path / f"{count}.jsonl", count)
        done = subprocess.run(
            [sys.executable, str(tmp_path / "peak.py"), str(place), str(tmp_path / str(count))],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        peaks.append([int(word) / 1024 for word in done.stdout.split()])
    for before, after in zip(*peaks, strict=True):
        assert after < before + 40, f"MiB of this process and of the others: {peaks}"
