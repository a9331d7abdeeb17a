"""What a run runs on, and the settings under which the same run gives the same numbers."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import torch

from repro.run import Environment

PACKAGES = ("accelerate", "datasets", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 25
"""Larger pieces of memory are given back when they are freed: kept, those that hold logits of a large vocabulary lie
where no second one fits (glibc 2.36, aligned allocation), and the process grows as if all were held at once."""


def environment() -> Environment:
    """The machine and the packages."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        cpu_capability=str(torch.backends.cpu.get_cpu_capability()),
        threads=torch.get_num_threads(),
        devices=tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or ("cpu",),
        packages=tuple((name, metadata.version(name)) for name in PACKAGES),
    )


@contextmanager
def reproducible() -> Iterator[None]:
    """Deterministic kernels where there are any; the process's random state and settings are put back afterwards."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random_state = torch.get_rng_state()
    was, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was, warn_only=warned)
        torch.backends.cudnn.benchmark = benchmark
        torch.set_rng_state(random_state)


def keep_memory() -> None:
    """Ask glibc to keep freed memory instead of giving it back and faulting it in again at every step.

    5 to 20% faster for models of a million parameters and below on a CPU; nothing elsewhere.
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    except (OSError, AttributeError):
        return


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no log lines of the libraries: what is shown goes through the observer."""
    import datasets
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    theirs = datasets.are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if not theirs:
            datasets.enable_progress_bars()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
