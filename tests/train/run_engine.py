"""A process of its own that runs the plan given as JSON: to be killed, or to be launched twice over."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pydantic
from ends import Ends

from repro.plan import Plan
from repro.run import NO_ASSETS, Assets
from repro.task import Progress
from repro.train.engine import AccelerateEngine


def told(event: Progress) -> None:
    print(f"{event.task} {event.done}", flush=True)  # noqa: T201


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"processes {os.environ.get('WORLD_SIZE', '1')}", flush=True)  # noqa: T201
    plan = pydantic.TypeAdapter(Plan).validate_json(Path(sys.argv[1]).read_bytes())
    # a stage and a step after which it is ended, or a file of assets
    watch = Ends(sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 5 else None
    assets = NO_ASSETS
    if len(sys.argv) == 5:
        assets = pydantic.TypeAdapter(Assets).validate_json(Path(sys.argv[4]).read_bytes())
    AccelerateEngine(checkpoint_seconds=float(sys.argv[3])).run(plan, assets, sys.argv[2], told, watch)
