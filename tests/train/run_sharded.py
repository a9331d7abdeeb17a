"""`run_engine` under real FSDP2 on CPUs: accelerate shards on accelerators only, so its type of device is set first."""

from __future__ import annotations

import runpy
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

if __name__ == "__main__":
    PartialState(cpu=True)  # gloo, and the device: all that differs from an accelerator's
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    runpy.run_path(str(Path(__file__).with_name("run_engine.py")), run_name="__main__")
