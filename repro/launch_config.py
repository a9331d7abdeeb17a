"""accelerate's own launch configuration for a plan and a machine, from the templates in launchers/."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from repro.errors import UsageError
from repro.memory import Part, device_memory, total_gb
from repro.plan import Feasibility, Plan
from repro.task import Scale

SHARDINGS = ("fsdp2", "zero3")
PORT = 29500
"""Where the machines of a run meet; one machine takes any port that is free."""
OFFLOADED = ("master weights", "weights", "gradients", "moments")
"""What the parts end in that offloading moves to the host's memory."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run is launched on: devices of one kind, on one machine or several."""

    processes: int
    """Over all machines; one a device."""
    machines: int = 1
    accelerators: bool = False
    """Whether the devices are GPUs or the like; else the processors."""
    device_gb: float | None = None
    """Memory of one device, where it is known."""
    sharding: str = "fsdp2"

    def __post_init__(self) -> None:
        if self.machines < 1 or self.processes < 1 or self.processes % self.machines:
            raise UsageError(
                f"{self.processes} processes on {self.machines} machines: each machine has as many as the others",
                hint="--processes counts the processes of all machines",
            )


def accelerate_config(plan: Plan, machine: Machine) -> tuple[str, tuple[str, ...]]:
    """(the file's text, what a user should know of it) for `accelerate launch --config_file`.

    At full scale several accelerators share the weights by FSDP2 or ZeRO-3; the stand-in, and processors, on which
    accelerate shards nothing, have them whole in each process. The file says what the plan wants of precision and
    checkpointing, and the run sets both itself for each stage.
    """
    notes: list[str] = []
    sharded = plan.scale is Scale.FULL and machine.accelerators and machine.processes > 1
    config = _template(machine.sharding if sharded else "replicas")
    config["num_processes"], config["num_machines"] = machine.processes, machine.machines
    config["main_process_port"] = PORT if machine.machines > 1 else 0
    config["mixed_precision"] = "bf16" if any(s.hyperparameters.precision == "bf16" for s in plan.stages) else "no"
    if plan.scale is Scale.PROXY:
        config["mixed_precision"] = "no"
    if not machine.accelerators:
        # of MULTI_CPU accelerate's launcher makes one process, unless there is MPI
        config["use_cpu"] = True
        if machine.processes > 1:
            notes.append("On processors the launcher wants ACCELERATE_USE_CPU=true in its environment, too.")
    if machine.processes == 1:
        config["distributed_type"] = "NO"
    if sharded:
        offload, said = _offload(plan, machine)
        notes += said
        _shard(config, machine.sharding, plan, offload)
    header = [
        f"# {len(plan.stages)} stage{'s' if len(plan.stages) > 1 else ''} at {plan.scale.value} scale, by repro plan."
    ]
    header += [f"# {note}" for note in notes]
    if machine.machines > 1:
        header.append(
            "# On each machine: accelerate launch --config_file THIS --machine_rank RANK --main_process_ip HOST"
        )
    return "\n".join([*header, _dump(config)]), tuple(notes)


def _shard(config: dict[str, Any], sharding: str, plan: Plan, offload: bool) -> None:
    if sharding == "fsdp2":
        checkpointing = any(s.get("gradient_checkpointing").value is True for s in plan.stages)
        config["fsdp_config"] |= {"fsdp_activation_checkpointing": checkpointing, "fsdp_offload_params": offload}
    elif offload:
        config["deepspeed_config"] |= {"offload_optimizer_device": "cpu", "offload_param_device": "cpu"}


def _offload(plan: Plan, machine: Machine) -> tuple[bool, list[str]]:
    """Whether memory asks for offloading, and the arithmetic of it."""
    if machine.device_gb is None:
        return False, []
    told = [_needs(f, machine.processes) for f in plan.feasibility]
    known = [(name, parts) for name, parts in told if parts]
    if not known:
        return False, ["The memory that a device needs is not known: repro plan says why."]
    name, parts = max(known, key=lambda pair: total_gb(pair[1]))
    need = total_gb(parts)
    if need <= machine.device_gb:
        return False, [f"{name}: {need:.1f} of {machine.device_gb:.0f} GB a device."]
    rest = total_gb(tuple(p for p in parts if not p.name.endswith(OFFLOADED)))
    said = f"{name}: {need:.1f} GB a device, of which there are {machine.device_gb:.0f}"
    if rest <= machine.device_gb:
        return True, [f"{said}: weights and optimizer are kept in the host's memory ({rest:.1f} GB stay). Slow."]
    return True, [f"{said}, and {rest:.1f} even with weights and optimizer in the host's memory: it will not fit."]


def _needs(told: Feasibility, devices: int) -> tuple[str, tuple[Part, ...]]:
    if told.shape is None or told.work is None or told.parameters is None or not told.parts:
        return told.stage, ()
    return told.stage, device_memory(told.shape, told.work, devices=devices, parameters=told.parameters)


def _template(name: str) -> dict[str, Any]:
    import yaml

    text = files("repro").joinpath("launchers", f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _dump(config: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(config, sort_keys=True))
