"""Rows become questions whose order says nothing, or are turned away with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from evaluate_fixtures import preference_row, sft_row
from hypothesis import given
from hypothesis import strategies as st

from repro.evaluate.catalogue import TASKS, template, template_hash, with_data
from repro.evaluate.rows import Unusable, completion, preference

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner),
    max_leaves=8,
)


@given(st.integers(), TEXT, TEXT)
def test_the_order_of_choices_does_not_depend_on_which_is_preferred(number: int, one: str, other: str) -> None:
    if one == other:
        return
    task = TASKS[0]
    this = task.document(task.read(preference_row(number, one, other)), "p")
    that = task.document(task.read(preference_row(number, other, one)), "p")
    assert this["choices"] == that["choices"]
    assert this["gold"] == 1 - that["gold"]
    assert this["choices"][this["gold"]] == one


def test_rows_of_one_id_do_not_share_a_position() -> None:
    rows = [{**preference_row(i, f"yes {i}", "no"), "id": "same"} for i in range(64)]
    questions = [preference(row) for row in rows]
    assert 16 < sum(q.shown[0] == q.answers[0] for q in questions) < 48


@given(st.dictionaries(st.sampled_from(["prompt", "chosen", "rejected", "messages", "completion", "id"]), JSON))
def test_any_object_is_a_question_or_unusable(row: dict[str, Any]) -> None:
    for read in (preference, completion):
        try:
            question = read(row)
        except Unusable:
            continue
        assert question.prompt
        assert all(answer.strip() for answer in question.answers)


def test_the_forms_of_a_preference_row() -> None:
    user, yes, no = ({"role": r, "content": c} for r, c in (("user", "q"), ("assistant", "y"), ("assistant", "n")))
    expected = ((("user", "q"),), ("y", "n"))
    for row in (
        {"prompt": "other", "chosen": [user, yes], "rejected": [user, no]},
        {"prompt": [user], "chosen": [yes], "rejected": [no]},
        {"prompt": "q", "chosen": [yes], "rejected": [no]},
        {"prompt": [user], "chosen": "y", "rejected": "n"},
    ):
        question = preference(row)
        assert (question.prompt, question.answers) == expected
    assert preference({"prompt": "q", "chosen": "y", "rejected": "n"}).prompt == "q"


def test_the_forms_of_an_sft_row() -> None:
    user, yes = {"role": "user", "content": "q"}, {"role": "assistant", "content": "y"}
    for row in (
        {"messages": [user, yes]},
        {"messages": [user, yes, {"role": "user", "content": "left open"}]},
        {"prompt": [user], "completion": [yes]},
    ):
        question = completion(row)
        assert (question.prompt, question.answers) == ((("user", "q"),), ("y",))
    assert completion({"prompt": "q", "completion": "y"}).prompt == "q"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**preference_row(0, "a", "b"), "rejected": sft_row(1, "b")["messages"]}, "part before the answer"),
        ({**preference_row(0, "a", "b"), "chosen": [{"role": "user", "content": "q"}]}, "no answer"),
        ({**preference_row(0, "a", "b"), "chosen": [{"role": "user"}]}, "without role or text"),
        ({"prompt": None, "chosen": "a", "rejected": "b"}, "no prompt"),
    ],
)
def test_reasons(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        preference(row)


def test_every_task_has_its_configuration() -> None:
    for task in TASKS:
        config = template(task.name)
        assert config["task"] == task.name
        assert config["num_fewshot"] == 0
        assert config["target_delimiter"] == ""
        assert config["metadata"]["version"]
        assert tuple(m["metric"] for m in config["metric_list"]) == task.metrics
        row = preference_row(0, "a", "b") if task.kind == "preference" else sft_row(0, "a")
        columns = set(task.document(task.read(row), "p"))
        # A column's name, never a template: its value reaches the model as it is.
        assert {v for k, v in config.items() if k.startswith("doc_to_")} <= columns


def test_the_template_hash_knows_the_prompt_and_not_the_place() -> None:
    import yaml

    config = template("repro_completion")
    placed = yaml.safe_load(with_data(config, "/some/[where]/docs.parquet"))
    assert placed["dataset_kwargs"]["data_files"]["test"] == "/some/[[]where]/docs.parquet"
    assert template_hash(placed) == template_hash(config)
    for key, value in (("doc_to_text", "id"), ("metadata", {"version": 2.0}), ("metric_list", [])):
        assert template_hash({**config, key: value}) != template_hash(config)
