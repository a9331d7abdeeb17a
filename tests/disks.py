"""Disks of a size of one's own, where this user may mount one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[str], bool]]:
    """A disk of its own at `folder` where this user may mount one; gives a function that sets its size."""
    folder.mkdir()
    mounted = False
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount"):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)], capture_output=True)
        mounted = done.returncode == 0

    def resize(size: str) -> bool:
        if not mounted:
            return False
        done = subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], capture_output=True)
        return done.returncode == 0

    try:
        yield resize
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the disk has left, to be removed again."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return ballast
