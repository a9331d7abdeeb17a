"""Real `accelerate launch` of the workers beside this file, with processes that can be killed all at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml

HERE = Path(__file__).parent
PLAIN: dict[str, object] = {
    "compute_environment": "LOCAL_MACHINE",
    "distributed_type": "MULTI_GPU",
    "mixed_precision": "no",
    "num_machines": 1,
    "machine_rank": 0,
    "main_process_port": 0,
    "use_cpu": True,
}
"""Replicas. accelerate's launcher starts one process of MULTI_CPU, and of --cpu, whatever their number (but by MPI)."""
TIMEOUT_SECONDS = 300


def start(
    worker: str, *arguments: str, folder: Path, processes: int, config: dict[str, object] = PLAIN
) -> subprocess.Popen[str]:
    """Launch a worker's processes."""
    # accelerate takes no word of DeepSpeed where it is told of processors; DeepSpeed finds them itself
    deepspeed = config["distributed_type"] == "DEEPSPEED"
    devices = {"DS_ACCELERATOR": "cpu"} if deepspeed else {"ACCELERATE_USE_CPU": "true"}
    file = folder / f"launch-{processes}.yaml"
    file.write_text(yaml.safe_dump({**config, "num_processes": processes}))
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file)),
            *(str(HERE / worker), *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **devices},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have gone well."""
    out, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, errors[-3000:]
    return out


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """SIGKILL to every process as soon as something is so."""
    began = time.monotonic()
    while not ready() and process.poll() is None and time.monotonic() - began < TIMEOUT_SECONDS:
        time.sleep(0.01)
    # torch starts each worker in a session of its own: the launcher's end is not theirs
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors[-3000:]
