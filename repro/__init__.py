"""Which of the things a model card says are true, how do we know, and what would it take to know the rest?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.api import check_card as check_card
    from repro.api import explain_check as explain_check
    from repro.api import mend_card as mend_card
    from repro.api import propose_card as propose_card
    from repro.api import read_card as read_card
    from repro.api import refresh_card as refresh_card
    from repro.api import rendered as rendered
    from repro.api import sweep_cards as sweep_cards
    from repro.api_runs import plan_card as plan_card
    from repro.api_runs import run_card as run_card
    from repro.api_runs import study_card as study_card
    from repro.api_runs import verify_card as verify_card
    from repro.errors import ReproError as ReproError

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("read_card", "check_card", "mend_card", "explain_check", "sweep_cards"), "repro.api"),
    **dict.fromkeys(("plan_card", "study_card", "run_card", "verify_card"), "repro.api_runs"),
    **dict.fromkeys(("refresh_card", "propose_card", "rendered"), "repro.api"),
    "ReproError": "repro.errors",
}
"""Where each name comes from, which is loaded when it is first used: `import repro` loads nothing else."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
