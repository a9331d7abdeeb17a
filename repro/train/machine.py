"""The devices of this machine, as torch sees them."""

from __future__ import annotations

import torch

from repro.arithmetic import GB


def accelerators() -> tuple[int, float | None]:
    """(devices that compute faster than the processor, GB of memory of the smallest); (0, None) without any."""
    if not torch.cuda.is_available():
        return 0, None
    count = torch.cuda.device_count()
    return count, min(torch.cuda.get_device_properties(i).total_memory for i in range(count)) / GB
