"""Runs handed to accelerate and to Slurm: real `accelerate launch`, and a Slurm that runs its jobs here."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from repro import pipeline, slurm
from repro.errors import UsageError
from repro.launch import EXIT_CODE_FILE, exit_code, leave_exit_code, without_launch
from repro.launch_config import SHARDINGS, Machine, accelerate_config
from repro.options import Options
from repro.plan import Plan
from repro.task import Scale

ROOT = Path(__file__).parents[1]
CARD = str(ROOT / "cards" / "dpo-mahals.md")
SMALL = ["--assume", "sft.max_steps=3", "--assume", "dpo.max_steps=3", "--max-samples", "8"]


@pytest.fixture(scope="module")
def full() -> Plan:
    return pipeline.plan(CARD, Options(scale=Scale.FULL))[1]


@pytest.fixture(scope="module")
def proxy() -> Plan:
    return pipeline.plan(CARD, Options(scale=Scale.PROXY))[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a card whose name a shell would obey; what one launcher trained, the other finds."""
    folder = tmp_path_factory.mktemp("launched")
    (folder / "it's $(touch owned) a card.md").write_bytes(Path(CARD).read_bytes())
    return folder


@pytest.mark.parametrize("sharding", SHARDINGS)
@pytest.mark.parametrize("machines", [1, 2])
def test_accelerate_reads_the_configuration(full: Plan, sharding: str, machines: int, tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import DistributedType

    text, notes = accelerate_config(full, Machine(8, machines, True, 80.0, sharding))
    place = tmp_path / "accelerate.yaml"
    place.write_text(text)
    config = load_config_from_file(str(place))
    assert (config.num_processes, config.num_machines, config.mixed_precision) == (8, machines, "bf16")
    assert config.main_process_port == (29500 if machines > 1 else 0)
    assert any("of 80 GB a device" in note for note in notes)
    if sharding == "fsdp2":
        assert config.distributed_type is DistributedType.FSDP
        assert config.fsdp_config["fsdp_version"] == 2
        assert config.fsdp_config["fsdp_activation_checkpointing"] is True, "the card's DPO asks for it"
        assert config.fsdp_config["fsdp_offload_params"] is False
    else:
        assert config.distributed_type is DistributedType.DEEPSPEED
        assert config.deepspeed_config["zero_stage"] == 3
        assert config.deepspeed_config["offload_optimizer_device"] == "none"


def test_memory_decides_on_offloading(full: Plan) -> None:
    dpo = dataclasses.replace(full, feasibility=full.feasibility[1:])
    text, notes = accelerate_config(dpo, Machine(2, 1, True, 48.0))
    assert yaml.safe_load(text)["fsdp_config"]["fsdp_offload_params"] is True
    assert "host's memory" in notes[0]
    text, _ = accelerate_config(dpo, Machine(2, 1, True, 48.0, "zero3"))
    assert yaml.safe_load(text)["deepspeed_config"]["offload_param_device"] == "cpu"
    assert "it will not fit" in accelerate_config(full, Machine(8, 1, True, 16.0))[1][0]


def test_what_shares_nothing_has_the_model_whole(full: Plan, proxy: Plan) -> None:
    for plan, machine, kind in (
        (full, Machine(1, 1, True, 80.0), "NO"),
        (full, Machine(1), "NO"),
        (proxy, Machine(4, 1, True, 80.0), "MULTI_GPU"),
        (proxy, Machine(2), "MULTI_GPU"),
    ):
        config = yaml.safe_load(accelerate_config(plan, machine)[0])
        assert (config["distributed_type"], config["use_cpu"]) == (kind, not machine.accelerators)
    with pytest.raises(UsageError, match="3 processes on 2 machines"):
        Machine(3, 2)


def test_the_launchs_own_options_stay_with_it() -> None:
    words = ["run", "a card.md", "--launcher", "slurm", "--processes=4", "--scale", "full", "--time", "1:00:00"]
    assert without_launch(words) == ["run", "a card.md", "--scale", "full"]
    assert without_launch(["run", "--", "--launcher"]) == ["run", "--", "--launcher"]


def test_an_exit_code_comes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "code"
    monkeypatch.setenv(EXIT_CODE_FILE, str(left))
    for code, shown in ((0, 0), (11, 0), (4, 4), (130, 130)):
        assert leave_exit_code(code) == shown
        assert exit_code(left, 1 if shown else 0) == code
    monkeypatch.setenv("RANK", "1")
    leave_exit_code(12)
    assert exit_code(left, 0) == 130, "another process's code is none of the run's"
    assert exit_code(tmp_path / "none", 1) == 5
    assert exit_code(tmp_path / "none", 0) == 0


def environment(tmp_path: Path) -> dict[str, str]:
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": path, "COLUMNS": "100"}


def repro(*words: str, tmp_path: Path, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repro", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, cwd=tmp_path, env=environment(tmp_path)
    )


def test_the_command_line_writes_the_configuration(tmp_path: Path) -> None:
    done = repro("plan", CARD, "--write-accelerate-config", "a.yaml", "--processes", "8", tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["distributed_type"] == "FSDP"
    done = repro("run", CARD, "--launcher", "accelerate", "--machines", "2", tmp_path=tmp_path)
    assert (done.returncode, "this machine alone" in done.stderr) == (2, True)


@pytest.mark.slow
def test_two_processes_by_accelerate(place: Path) -> None:
    tmp_path, card = place, str(next(place.glob("*card.md")))
    words = ["run", card, "--launcher", "accelerate", "--processes", "2", *SMALL, "--format", "json"]
    done = repro(*words, tmp_path=tmp_path)
    assert done.returncode in {0, 12}, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [len(stage["steps"]) for stage in report["stages"]] == [3, 3]
    config = next((tmp_path / "reports" / ".launch").glob("accelerate-*.yaml"))
    assert yaml.safe_load(config.read_text())["num_processes"] == 2
    assert not list(config.parent.glob("exit-*"))
    locks = len(list((tmp_path / "reports").rglob("lock")))
    # another seed, interrupted as soon as it holds its folder
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", *words, "--seed", "7"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # heard however the suite began
    )  # fmt: skip
    while len(list((tmp_path / "reports").rglob("lock"))) == locks and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors[-2000:]
    assert "goes on from there" in errors


FAKES = {
    "sbatch": """
        out=$(printf '%s\\n' "$@" | sed -n 's/^--output=//p'); script="${!#}"
        echo "$@" > "$SLURM_FAKE/sbatch-words"
        SLURM_JOB_ID=77 SLURM_JOB_NODELIST='node[1-2]' SLURM_NODEID=0 setsid bash "$script" >> "$out" 2>&1 &
        echo $! > "$SLURM_FAKE/pid"; echo '77;here'
    """,
    "squeue": """
        if kill -0 "$(cat "$SLURM_FAKE/pid")" 2>/dev/null; then echo RUNNING; fi
    """,
    "sacct": "echo 'FAILED|1:0'",
    "srun": 'exec "$@"',
    "scontrol": "echo 127.0.0.1; echo node2",
}


def fake_slurm(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, text in FAKES.items():
        place = tmp_path / "bin" / name
        place.write_text(f"#!/bin/bash\nSLURM_FAKE={shlex.quote(str(tmp_path))}\n{text}\n")
        place.chmod(place.stat().st_mode | stat.S_IXUSR)


@pytest.mark.slow
def test_a_job_is_submitted_and_followed(place: Path) -> None:
    tmp_path, card = place, str(next(place.glob("*card.md")))
    fake_slurm(tmp_path)
    done = repro("run", card, "--launcher", "slurm", *SMALL, "--time", "0:30:00", tmp_path=tmp_path)
    assert done.returncode in {0, 12}, done.stdout[-3000:] + done.stderr[-2000:]
    assert "Job 77, log: " in done.stderr
    assert "Report: " in done.stdout, "the log is shown"
    assert not (tmp_path / "owned").exists()
    script = next((tmp_path / "reports" / ".launch").glob("*.sbatch")).read_text()
    assert "#SBATCH --time=0:30:00" in script
    assert "#SBATCH --requeue" in script
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=[A-Za-z0-9:@-]+)?", line) for line in directives), directives
    refused = repro("run", CARD, "--launcher", "slurm", "--time", "soon", tmp_path=tmp_path)
    assert (refused.returncode, "no time limit" in refused.stderr) == (2, True)


def test_without_slurm_the_job_is_written(tmp_path: Path) -> None:
    words = ["run", CARD, "--scale", "full", "--launcher", "slurm", "--machines", "2", "--processes", "16"]
    done = repro(*words, tmp_path=tmp_path)
    assert done.returncode == 4
    assert "no sbatch here" in done.stderr
    script = next((tmp_path / "reports" / ".launch").glob("*.sbatch")).read_text()
    for line in ("#SBATCH --nodes=2", "#SBATCH --gpus-per-node=8"):
        assert line in script
    assert re.search(r"#SBATCH --time=\d+:00:00", script)
    assert '--machine_rank "$SLURM_NODEID" --main_process_ip "$REPRO_HEAD"' in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_job_that_ended_early_is_said_to_have(proxy: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_slurm(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    job = slurm.write_job(tmp_path / "jobs", proxy, Machine(1), tmp_path / "no.yaml", ["--version"], limit="")
    job.script.write_text("#!/bin/bash\necho began; exit 3\n")
    shown: list[str] = []
    number = slurm.submit(job)
    with pytest.raises(slurm.RunError, match="job 77 ended as FAILED"):
        slurm.follow(job, number, shown.append, poll_seconds=0.1)
    assert "".join(shown) == "began\n"
    # submitted again, into the same log: what the first one said is not said again
    start, number = slurm.log_size(job), slurm.submit(job)
    shown.clear()
    with pytest.raises(slurm.RunError):
        slurm.follow(job, number, shown.append, start=start, poll_seconds=0.1)
    assert "".join(shown) == "began\n"
