"""Published logs: losses by step, the window of each, and what is not believed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.gather.logs import console_losses, last_digit, read_json, trainer_losses, tsv_losses

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
"""The machine may be busy: how long an example takes says nothing."""


def test_a_console_log_is_read_once_however_many_processes_print_it() -> None:
    lines = ["  Step: 1, LR: 5.9e-09, Loss: 0.6931", "  Step: 2, LR: 1.2e-08, Loss: 0.70, TPS: 6650.1", "epoch done"]
    losses, notes = console_losses("\n".join(line for line in lines for _ in range(8)))
    assert [(r.step, r.loss, r.learning_rate, r.window) for r in losses] == [
        (1, 0.6931, 5.9e-9, 1),
        (2, 0.7, 1.2e-8, 1),
    ]
    assert [r.last_digit for r in losses] == [1e-4, 1e-4]
    assert notes == ()


def test_processes_that_disagree_are_not_believed() -> None:
    losses, notes = console_losses(
        "Step: 1, LR: 1e-7, Loss: 0.69\nStep: 2, LR: 1e-7, Loss: 0.5\nStep: 2, LR: 1e-7, Loss: 0.6\n"
        "Step: 3, LR: 1e-7, Loss: 0.4\n"
    )
    assert [r.step for r in losses] == [1, 3]
    assert losses[1].window == 1
    assert "steps 2" in notes[0]


def test_a_table_with_steps_and_losses() -> None:
    text = "step\tlearning_rate\tloss\ttps\n10\t1e-6\t1.188925862312317\t5\n20\t2e-6\tnan\t5\n30\t3e-6\t1.1\t5\n"
    losses, notes = tsv_losses(text)
    assert [(r.step, r.loss, r.window, r.last_digit) for r in losses] == [
        (10, 1.188925862312317, 10, 0.0),
        (30, 1.1, 10, 0.0),
    ]
    assert notes == ("1 rows without a finite loss and step",)
    assert tsv_losses("a\tb\n1\t2\n") == ((), ())
    assert tsv_losses("") == ((), ())


def test_how_finely_a_log_rounds_is_seen_from_the_whole_of_it() -> None:
    assert [r.last_digit for r in tsv_losses("step\tloss\n1\t0.63\n2\t0.6\n")[0]] == [0.01, 0.01]
    for losses, digit in (([0.7, 0.6931], 1e-4), ([0.7, 0.69314718], 0.0)):
        state = {"logging_steps": 1, "log_history": [{"step": i + 1, "loss": x} for i, x in enumerate(losses)]}
        assert [r.last_digit for r in trainer_losses(state)[0]] == [digit, digit]


@pytest.mark.parametrize(
    "number", ["1e-" + "9" * 6000, "9" * 6000, "1e9999", "0." + "0" * 6000 + "1", "1e-9999", "--1"]
)
def test_numbers_beyond_measure_do_no_harm(number: str) -> None:
    assert all(r.loss < 1 for r in console_losses(f"Step: 1, LR: 1, Loss: {number}\nStep: 2, LR: 1, Loss: 0.5")[0])
    assert all(r.loss < 1 for r in tsv_losses(f"step\tloss\n1\t{number}\n2\t0.5\n")[0])


def test_a_log_that_begins_late_is_no_average_over_what_came_before() -> None:
    losses, _ = tsv_losses("step\tloss\n500\t0.5\n501\t0.5\n510\t0.4\n")
    assert [r.window for r in losses] == [1, 1, 1]
    assert tsv_losses("step\tloss\n500\t0.5\n")[0] == ()


def test_the_trainers_windows_end_at_their_steps() -> None:
    state = {"logging_steps": 10, "log_history": [{"step": s, "loss": 1 / s} for s in (1, 10, 20, 25)]}
    assert [r.window for r in trainer_losses(state)[0]] == [1, 9, 10, 5]
    state = {"log_history": [{"step": s, "loss": 1 / s} for s in (10, 20, 30)]}
    assert [r.window for r in trainer_losses(state)[0]] == [10, 10, 10]


@pytest.mark.parametrize("loss", [math.nan, math.inf, "0.5", None, True, [0.5], 10**400])
def test_what_is_no_finite_number_is_no_loss(loss: object) -> None:
    losses, notes = trainer_losses({"logging_steps": 1, "log_history": [{"step": 1, "loss": loss}]})
    assert losses == ()
    assert notes


@pytest.mark.parametrize("state", [None, [], {}, {"log_history": 5}, {"log_history": [5, None, "x"]}])
def test_states_of_other_shapes_hold_nothing(state: object) -> None:
    assert trainer_losses(state)[0] == ()


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, '{"a": ' * 50_000, "1" * 10_000])
def test_broken_json_is_a_reason(text: str) -> None:
    data, why = read_json(text)
    assert data is None
    assert why


@UNHURRIED
@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    for losses, _ in (console_losses(text), tsv_losses(text), tsv_losses("step\tloss\n" + text)):
        assert all(math.isfinite(r.loss) and r.step >= 1 for r in losses)


@UNHURRIED
@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 20)), unique_by=lambda r: r[0], min_size=2))
def test_windows_never_overlap(rows: list[tuple[int, float]]) -> None:
    losses, _ = tsv_losses("step\tloss\n" + "\n".join(f"{s}\t{loss!r}" for s, loss in rows))
    assert [(r.step, r.loss) for r in losses] == sorted(rows)
    ends = [0, *(r.step for r in losses)]
    assert all(1 <= r.window <= r.step - end for r, end in zip(losses, ends, strict=False))


@UNHURRIED
@given(st.decimals(min_value=-1000, max_value=1000, places=4))
def test_the_last_digit_is_what_was_printed(value: object) -> None:
    assert last_digit(str(value)) in {1e-4, float(f"1e{str(value).lower().partition('e')[2] or 0}")}


@UNHURRIED
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_json_is_a_state_or_none(data: object) -> None:
    loaded, _ = read_json(json.dumps(data))
    trainer_losses(loaded)
    trainer_losses({"log_history": loaded, "logging_steps": loaded})
