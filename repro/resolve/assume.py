"""--assume: values that the user gives, which stand over everything that was stated or found."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from repro.errors import UsageError
from repro.plan import PREFERENCE_LOSSES
from repro.resolve.values import KINDS, read_value
from repro.spec import Value

ONLY = {
    **dict.fromkeys(("beta", "label_smoothing", "gamma_beta_ratio", "simpo_gamma", "reference_log_probs"), "dpo"),
    "loss_reduction": "sft",
}
"""Parameters that have a meaning in one method only."""
ONE_STAGE = {"base_model", "dataset", "dataset_rows", "max_steps"}
"""Parameters that two stages hardly share: the stage must be named where there are several."""
LOSSES = {"sft": ("cross_entropy",), "dpo": PREFERENCE_LOSSES}
"""What `loss_type` may be in each method."""


def read_assumptions(given: Mapping[str, str], stages: Sequence[tuple[str, str]]) -> dict[str, dict[str, Value]]:
    """The values by stage and key; `stages` are (name, method). "beta=0.1" holds for every stage that has a beta,
    "dpo.beta=0.1" for the stage of that name and over the unqualified one.

    Raises:
        UsageError: no such stage, parameter or value; the hint lists what comes near.
    """
    found: dict[str, dict[str, Value]] = {name: {} for name, _ in stages}
    for written in sorted(given, key=lambda w: "." in w):
        stage, dot, key = written.strip().rpartition(".")
        key = key.strip().lower().replace("-", "_")
        methods = dict(stages)
        if dot and stage not in methods:
            raise UsageError(
                f"--assume {written}: there is no stage {stage!r}", hint=_near(stage, list(methods), "the stages are")
            )
        if key not in KINDS:
            raise UsageError(
                f"--assume {written}: there is no parameter {key!r}", hint=_near(key, list(KINDS), "the parameters are")
            )
        try:
            value = read_value(key, given[written])
        except ValueError as error:
            raise UsageError(f"--assume {written}={given[written]}: {error}") from None
        into = [n for n, m in stages if (not dot or n == stage) and applies(key, value, m)]
        if not into:
            where = f"stage {stage!r}" if dot else "any stage of this card"
            raise UsageError(
                f"--assume {written}={given[written]}: {key} has no such meaning in {where}",
                hint="stages: " + ", ".join(f"{n} ({m})" for n, m in stages),
            )
        if key in ONE_STAGE and len(into) > 1:
            raise UsageError(
                f"--assume {written}={given[written]}: {key} is another in each stage",
                hint="say which: " + " or ".join(f"--assume {name}.{key}=..." for name in into),
            )
        for name in into:
            found[name][key] = value
    return found


def applies(key: str, value: Value, method: str) -> bool:
    if key == "loss_type":
        return value in LOSSES[method]
    return ONLY.get(key, method) == method


def _near(word: str, among: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(word, among, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"{otherwise} {', '.join(among)}"
