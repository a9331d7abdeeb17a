"""The law of memory claims: the weights alone must fit, and a little more."""

from __future__ import annotations

from repro.arithmetic import BYTES_PER_PARAMETER, GB, weights_gb
from repro.compare.case import Case, result
from repro.comparison import Comparison, Verdict, Weight
from repro.spec import Claim

GIB = 2.0**30
LEAST_OVERHEAD, MOST_OVERHEAD = 0.05, 1.5
"""What caches, activations and the runtime add to the weights, as shares: less does not run, more says little."""
_NAMES = {
    "fp16": "fp16",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "8bit": "int8",
    "4bit": "int4",
}


def compare_memory(case: Case, claim: Claim) -> Comparison:
    """DIFFERS when the weights alone exceed the claim in GB and in GiB; CONSISTENT with 5 to 150% on top."""
    if claim.unstated:
        return result(claim, Verdict.UNSTATED, "The card leaves the memory open.")
    precision = _precision(claim)
    if claim.number is None or not claim.number.unit.lower().startswith(("g", "m", "t")) or precision is None:
        why = "It is no amount of memory at a known precision, so there is no arithmetic to set beside it."
        return result(claim, Verdict.UNTESTED, why, needs="the hardware that it names")
    known = _parameters(case)
    if known is None:
        why = "The number of parameters is not known, so the weights' size is not either."
        return result(claim, Verdict.UNTESTED, why, needs="the model's configuration or safetensors headers")
    parameters, source = known
    weights = weights_gb(parameters, precision)
    printed, unit = claim.number.interval, claim.number.unit.lower()
    power = {"k": -2, "m": -1, "g": 0, "t": 1}[unit[0]]
    low_unit, high_unit = GB * 1000.0**power, GIB * 1024.0**power
    low = printed.lo * (high_unit if "i" in unit else low_unit) / GB
    high = printed.hi * high_unit / GB
    base = f"{parameters:,} parameters ({source}) are {weights:.2f} GB of weights in {precision}"
    if weights > high:
        return result(
            claim,
            Verdict.DIFFERS,
            f"{base}; the card says {claim.printed}, in which they do not fit, in GB or in GiB.",
            method="arithmetic",
            weight=Weight.STRONG,
            weight_why="arithmetic decides it",
            measured=weights,
            measured_text=f"{weights:.2f} GB (weights alone)",
            evidence_kind="arithmetic",
        )
    over = claim.number.value * (low_unit if "i" not in unit else high_unit) / GB / weights - 1
    as_printed = printed.hi * (high_unit if "i" in unit else low_unit) / GB
    if as_printed >= weights * (1 + LEAST_OVERHEAD) and low <= weights * (1 + MOST_OVERHEAD):
        return result(
            claim,
            Verdict.CONSISTENT,
            f"{base}; {claim.printed} leaves {100 * over:.0f}% on top for caches and activations.",
            method="arithmetic",
            weight=Weight.WEAK,
            weight_why="any figure from 5 to 150% above the weights would do",
            measured=weights,
            measured_text=f"{weights:.2f} GB (weights alone)",
            evidence_kind="arithmetic",
            needs="the peak memory of a generation at a stated length",
        )
    little = "hardly any room for caches and activations" if over < MOST_OVERHEAD else "far more than the weights need"
    return result(
        claim,
        Verdict.INCONCLUSIVE,
        f"{base}; {claim.printed} is {little}, and the card does not say for which length and batch.",
        method="arithmetic",
        measured=weights,
        measured_text=f"{weights:.2f} GB (weights alone)",
        needs="the peak memory of a generation at a stated length",
    )


def _precision(claim: Claim) -> str | None:
    stated = next((str(f.value) for f in claim.conditions if f.key == "precision" and f.known), "")
    for text in (stated, claim.id.rpartition(".")[2]):
        for part in text.lower().replace("-", "").replace("_", "").replace(" ", "").split("/"):
            name = _NAMES.get(part, part)
            if name in BYTES_PER_PARAMETER:
                return name
    return None


def _parameters(case: Case) -> tuple[int, str] | None:
    subject = case.subject()
    for repo in (*((subject,) if subject else ()), *case.evidence.role("base")):
        for key in ("total_params", "config_parameters"):
            value = repo.get(key).value
            if isinstance(value, int | float) and value > 0:
                return int(value), repo.repo_id
    for feasibility in reversed(case.plan_run.feasibility if case.plan_run is not None else ()):
        if feasibility.parameters:
            return feasibility.parameters, "the plan's"
    return None
