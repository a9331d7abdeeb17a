"""Libraries kept from the terminal, the network and other programs, with everything put back afterwards."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

_TALKERS = ("lm_eval", "transformers", "datasets", "accelerate", "huggingface_hub", "torch", "fsspec", "filelock")


class Quiet:
    """While it lasts, third parties' logs, warnings, prints and progress bars go nowhere."""

    def __init__(self, nowhere: TextIO, streams: tuple[TextIO, TextIO]) -> None:
        self._nowhere = nowhere
        self._streams = streams

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """The terminal given back for a moment: to an observer, or for long work that is silent by itself."""
        with _streams(*self._streams):
            yield


@contextlib.contextmanager
def quiet() -> Iterator[Quiet]:
    """Python's own streams only: a writer that kept the real file, such as a console made before, still works.

    Python's generator is put back as well, from which the libraries draw (for folder names and the like).
    """
    drawn = random.getstate()
    loggers = [logging.getLogger(name) for name in _TALKERS]
    levels = [logger.level for logger in loggers]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        silence = Quiet(nowhere, (sys.stdout, sys.stderr))
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
            with warnings.catch_warnings(), _streams(nowhere, nowhere):
                warnings.simplefilter("ignore")
                yield silence
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            random.setstate(drawn)


@contextlib.contextmanager
def alone(cache: str) -> Iterator[None]:
    """No program found by its name, no download counted, data sets' copies in the folder `cache`; all restored.

    To describe the machine, lm-eval and torch's collect_env run git, compilers and the like: 2 s a call, and git's
    complaints on the terminal. What a report needs of that is in its Environment. `datasets` reports every load, of
    a local file too, to the Hub (load.py: increase_load_count).
    """
    import datasets.config

    before = dict(os.environ)
    settings = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, datasets.config.HF_DATASETS_CACHE
    os.environ["PATH"] = os.path.join(os.sep, "nonexistent")
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, datasets.config.HF_DATASETS_CACHE = False, cache
    try:
        yield
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, datasets.config.HF_DATASETS_CACHE = settings
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextlib.contextmanager
def _streams(out: TextIO, err: TextIO) -> Iterator[None]:
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
