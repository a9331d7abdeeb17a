"""Whose rows and columns a table of figures by step holds."""

from __future__ import annotations

from collections.abc import Callable

from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]
HUB = "https://huggingface.co/nest"


def test_rows_of_other_models_are_not_this_ones(spec_of: Reader) -> None:
    rows = f"| [nest/egg-a]({HUB}/egg-a) | 1.38 | 500 |\n| [nest/egg-b]({HUB}/egg-b) | 1.20 | 900 |\n"
    spec = spec_of(f"# egg-b\n\n## Training\n\n| | loss | steps |\n|---|---|---|\n{rows}")
    assert [(c.step, c.value) for c in spec.claims if c.kind is ClaimKind.LOSS] == [(900, 1.2)]


def test_precision_in_a_curve_is_a_score(spec_of: Reader) -> None:
    table = "| Training Loss | Step | Precision | Recall |\n|---|---|---|---|\n| 0.5 | 10 | 0.91 | 0.89 |\n"
    spec = spec_of(f"# Tagger\n\n## Training results\n\n{table}")
    figures = {c.metric or "loss": c.value for c in spec.claims if c.kind in (ClaimKind.LOSS, ClaimKind.EVAL)}
    assert figures == {"loss": 0.5, "precision": 0.91, "recall": 0.89}


def test_a_row_of_parameters_for_each_model(spec_of: Reader) -> None:
    rows = f"| [nest/egg-a]({HUB}/egg-a) | 6 | 64 | 1e-3 | 300 |\n| [nest/egg-b]({HUB}/egg-b) | 5 | 16 | 5e-4 | 900 |\n"
    head = "| | epochs | batch size | lr | steps |\n|---|---|---|---|---|\n"
    (stage,) = spec_of(f"# egg-b\n\n## Training\n\n{head}{rows}").stages
    assert {f.key: f.value for f in stage.facts} == {"num_epochs": 5, "effective_batch_size": 16, "learning_rate": 5e-4}
