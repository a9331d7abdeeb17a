"""One process at a time writes a run's folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.errors import RunError
from repro.files import cannot_write


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends.

    Raises:
        RunError: another process holds it.
        ReproError: the folder cannot be written.
    """
    place = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(place, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise RunError(
                f"another process (pid {holder}) is running in this folder",
                where=str(folder),
                hint="wait for it to finish, or end it: what it did so far is kept",
            ) from None
        except OSError as error:  # a file system without locks: better to run than to refuse
            if error.errno not in {38, 95}:
                raise cannot_write(place, error) from error
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            raise cannot_write(place, error) from error
        yield
    finally:
        os.close(handle)
