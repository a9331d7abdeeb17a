"""Scores in mappings inside fences, in tables with a metric a row and a split a column, and below bold headings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]


def _scores(spec: Spec) -> list[tuple[str, str, str]]:
    return [(c.task, c.metric, c.printed) for c in spec.claims if c.kind is ClaimKind.EVAL]


def test_mappings_of_evalplus(spec_of: Reader) -> None:
    block = "```\nplover 7b\nBase\n{'pass@1': 0.3353658536585366}\nBase + Extra\n{'pass@1': 0.28}\n```\n"
    other = "To compare, the original Tern model:\n\n```\nBase\n{'pass@1': 0.29}\n```\n"
    spec = spec_of(f"# Plover\n\n## HumanEval plus evaluation\n\n{block}\n{other}")
    assert _scores(spec) == [("Base", "pass@1", "0.3353658536585366"), ("Base + Extra", "pass@1", "0.28")]


def test_a_json_object_of_scores(spec_of: Reader) -> None:
    inner = '"categories": {\n    "writing": 6.8,\n    "math": 2.75\n  }'
    block = f'```\n{{\n  "first_turn": 6.1,\n  {inner},\n  "average": 5.4\n}}\n```\n'
    spec = spec_of(f"# Plover\n\nSee our MT-Bench scores:\n\n{block}")
    assert _scores(spec) == [
        ("first_turn", "score", "6.1"), ("writing", "score", "6.8"), ("math", "score", "2.75"),
        ("average", "score", "5.4"),
    ]  # fmt: skip


def test_metrics_by_the_set_named_above_them(spec_of: Reader) -> None:
    block = "```python\nTest Set:\n'accuracy': 0.90,\n 'f1': 0.93,\nValidation Set:\n'f1': 0.92\n```\n"
    spec = spec_of(f"# Plover\n\n## Score\n\n{block}")
    assert _scores(spec) == [
        ("Test Set", "accuracy", "0.90"), ("Test Set", "f1", "0.93"), ("Validation Set", "f1", "0.92"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "## Usage\n\n```\n{'temperature': 0.7, 'top_p': 0.9}\n```\n",
        "## Results\n\n```python\nresult = {'accuracy': 0.9}\n```\n",
        "## Results\n\nOutput of the base model:\n\n```\n{'accuracy': 0.9}\n```\n",
        "## Results\n\n```\n{'learning_rate': 0.9, 'num_samples': 4}\n```\n",
    ],
)
def test_mappings_that_are_no_scores_of_this_model(spec_of: Reader, text: str) -> None:
    assert _scores(spec_of(f"# Plover\n\n{text}")) == []


def test_a_metric_a_row_and_a_split_a_column(spec_of: Reader) -> None:
    table = "metric|dev|test\n-|-|-\nf1 |95.1 |91.3\nrecall |95.3 |91.9\n"
    spec = spec_of(f"# Plover\n\n## Eval results\n\n{table}")
    assert _scores(spec) == [
        ("dev", "f1", "95.1"), ("test", "f1", "91.3"), ("dev", "recall", "95.3"), ("test", "recall", "91.9"),
    ]  # fmt: skip
    spec = spec_of("# Plover\n\nThe best WER is:\n\n|  | test-clean | test-other |\n|-|-|-|\n| WER | 2.42 | 5.73 |\n")
    assert _scores(spec) == [("test-clean", "WER", "2.42"), ("test-other", "WER", "5.73")]


def test_columns_of_models_are_no_splits(spec_of: Reader) -> None:
    spec = spec_of("# Plover\n\n## Results\n\n|  | Tern | Heron |\n|-|-|-|\n| WER | 2.42 | 5.73 |\n")
    assert _scores(spec) == []


def test_the_one_row_of_a_table_on_this_model(spec_of: Reader) -> None:
    table = (
        "Model | SQUAD 1.1 F1/EM | Multi NLI Accuracy\n---|:---:|:---:\nTERN-Large (whole words) | 92.8/86.7 | 87.07\n"
    )
    told = "# plover\n\n## Evaluation results\n\nWhen fine-tuned, this model achieves the following results:\n\n"
    assert _scores(spec_of(told + table)) == [
        ("SQUAD 1.1", "F1", "92.8"), ("SQUAD 1.1", "EM", "86.7"), ("Multi NLI", "Accuracy", "87.07"),
    ]  # fmt: skip
    assert _scores(spec_of(told.replace("this model achieves", "TERN compares to this model in") + table)) == []
    assert _scores(spec_of("# plover\n\n## Evaluation results\n\n" + table)) == []


def test_figures_of_the_test_split_are_of_the_card_s_only_data_set(spec_of: Reader) -> None:
    front = "---\ndatasets:\n- {}\n---\n# Plover\n\n## Evaluation\n\nThe model, {}, gives:\n\n- Accuracy: 0.474\n"
    assert _scores(spec_of(front.format("letters", "using the dataset test split"))) == [
        ("letters", "Accuracy", "0.474")
    ]
    assert _scores(spec_of(front.format("letters", "on other letters"))) == [("evaluation", "Accuracy", "0.474")]
    assert _scores(spec_of(front.format("a\n- b", "using the dataset test split"))) == [
        ("evaluation", "Accuracy", "0.474")
    ]


def test_a_score_below_a_bold_heading(spec_of: Reader) -> None:
    assert _scores(spec_of("# Plover\n\n**EVALUATION**\n\nAverage: 0.72157 \n")) == [("Average", "score", "0.72157")]
    assert _scores(spec_of("# Plover\n\n**USAGE**\n\nAverage: 0.72157 \n")) == []


def test_a_score_behind_a_dash_with_an_aside(spec_of: Reader) -> None:
    spec = spec_of("# Plover\n\n## Eval results\n\nval_acc - 0.931 (useless, as this should be f1)\n")
    assert _scores(spec) == [("evaluation", "val_acc", "0.931")]


def test_the_same_figure_in_two_tables_stands_twice_and_in_a_list_once(spec_of: Reader) -> None:
    table = "| label | f1 |\n|---|---|\n| joy | {} |\n| fear | 0.7 |\n"
    spec = spec_of(f"# Plover\n\n## Results\n\nAt 0.5:\n\n{table.format(0.6)}\nAt 0.3:\n\n{table.format(0.61)}")
    assert [s[2] for s in _scores(spec)] == ["0.6", "0.7", "0.61", "0.7"]
    spec = spec_of("# Plover\n\n## Results\n\n| Task | f1 |\n|---|---|\n| joy | 0.6 |\n\n- MMLU: 60.1\n- MMLU: 60.1\n")
    assert [s[2] for s in _scores(spec)] == ["0.6", "60.1"]
