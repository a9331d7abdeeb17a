"""Scoring leaves the terminal, the network, other programs and the process's own state alone."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluate_fixtures import preference_row, sft_row, write_rows

from repro.evaluate.harness import LmEvalHarness
from repro.evaluate.quiet import alone, quiet
from repro.task import Progress

GUARDED = """
import os, sys
asked = []
def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        asked.append((event, arguments[1:]))
        raise OSError("no network in this test")
    if event in {"os.exec", "os.posix_spawn", "subprocess.Popen"} and "git" in str(arguments[:2]):
        asked.append((event, str(arguments[0])))
sys.addaudithook(watch)
from repro.evaluate.harness import LmEvalHarness
from repro.task import ignore
checkpoint, preference, sft, out = sys.argv[1:]
data = [("preference", preference), ("sft", sft)]
scores = LmEvalHarness(device="cpu").score(checkpoint, "sft", data, out, ignore)
assert len(scores) == 3
# Looking for git is fine as long as nothing by that name is found.
assert not [a for a in asked if "socket" in a[0]], asked
"""


def rows(folder: Path) -> tuple[str, str]:
    preference = write_rows(folder / "p.jsonl", [preference_row(i, "blue", "red") for i in range(3)])
    return preference, write_rows(folder / "s.jsonl", [sft_row(i, "blue") for i in range(3)])


def test_nothing_is_asked_of_the_network_and_nothing_is_said(plain: str, tmp_path: Path) -> None:
    """In a process of its own, outside any git repository, as first user of every library, with caches of its own."""
    home = tmp_path / "home"
    home.mkdir()
    hidden = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_UPDATE_DOWNLOAD_COUNTS"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment |= {"HF_HOME": str(home / "hf"), "HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", GUARDED, plain, *rows(tmp_path), str(tmp_path / "out")],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not [p for p in home.rglob("*") if "dataset" in p.name], "the reader's copies stay in the run's folder"
    assert not list((tmp_path / "out" / "sft").glob(".*"))


def test_the_process_is_as_before(plain: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    preference, sft = rows(tmp_path)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)

    def state() -> tuple[object, ...]:
        loggers = [logging.getLogger(n).level for n in ("", "lm_eval", "transformers", "datasets")]
        numbers = (random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state().tolist())
        return (*numbers, loggers, dict(os.environ), sys.stdout, sys.stderr, os.getcwd(), list(warnings.filters))

    before = state()
    capfd.readouterr()
    seen: list[tuple[Progress, bool]] = []

    def observe(event: Progress) -> None:
        seen.append((event, sys.stderr is before[6]))
        print("seen", file=sys.stderr)  # noqa: T201

    LmEvalHarness(device="cpu").score(
        plain, "dpo", [("preference", preference), ("sft", sft)], str(tmp_path / "out"), observe
    )
    after = state()
    assert after == before
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "seen\n" * len(seen)
    assert all(own for _, own in seen), "an observer has the real terminal"


def test_quiet_puts_everything_back_after_an_error() -> None:
    logger = logging.getLogger("lm_eval")
    before = (logger.level, sys.stdout, sys.stderr, dict(os.environ))

    def fail() -> None:
        with quiet(), alone("/nowhere"):
            os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
            logger.critical("unheard")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (logger.level, sys.stdout, sys.stderr, dict(os.environ)) == before
