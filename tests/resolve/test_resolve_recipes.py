"""Recipes: what they say is what the sources say, and the date chooses among them."""

from __future__ import annotations

import ast
import datetime
import importlib.util
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.resolve.assume import applies
from repro.resolve.choose import Chosen, choose
from repro.resolve.recipes import framework_of, known_dataset, known_model, period_of, recipes, version_of
from repro.resolve.values import KINDS, read_value

MIXTURE = "allenai/llama-3.1-tulu-3-8b-preference-mixture"


def chosen(date: str, *, method: str = "dpo", base: str = "org/m", data: str = "org/d", commit: str = "") -> Chosen:
    return choose(
        method,
        framework="open-instruct",
        version="",
        commit=commit,
        date=date,
        base=base,
        datasets=(data,) if data else (),
    )


def default(found: Chosen, key: str) -> object:
    value = found.value(key)
    return value[0] if value else None


def test_every_recipe_gives_values_of_the_right_kind_for_the_right_method() -> None:
    assert len(recipes()) >= 8
    for recipe in recipes():
        assert recipe.sources, recipe.title
        for method, defaults in recipe.methods.items():
            assert set(defaults.why) <= set(defaults.values), recipe.title
            for key, value in defaults.values.items():
                assert key in KINDS, (recipe.title, key)
                assert applies(key, read_value(key, value), method), (recipe.title, method, key)


def test_periods_of_one_kind_neither_overlap_nor_leave_a_gap() -> None:
    for title in ("Tulu 3 8B", "open-instruct code defaults"):
        of = sorted((r for r in recipes() if r.title == title), key=lambda r: r.start)
        assert of[0].start == datetime.date.min
        assert of[-1].end == datetime.date.max
        assert all(a.end == b.start for a, b in itertools.pairwise(of))


@pytest.mark.parametrize(
    ("date", "beta", "loss", "epochs"),
    [
        ("2025-01-15", 0.1, "dpo", 2),
        ("2025-12", 0.1, "dpo", 2),
        ("2026-02-28", 0.1, "dpo", 2),
        ("2026-03-01", 5.0, "dpo_norm", 1),
        ("2026-08", 5.0, "dpo_norm", 1),
        ("2026", 0.1, "dpo", 2),
        ("", 5.0, "dpo_norm", 1),
    ],
)
def test_dpo_defaults_drift_with_the_date(date: str, beta: float, loss: str, epochs: int) -> None:
    found = chosen(date)
    assert [default(found, k) for k in ("beta", "loss_type", "num_epochs")] == [beta, loss, epochs]


@pytest.mark.parametrize(
    ("date", "reduction"), [("2024-12", "sum"), ("2025-08-31", "sum"), ("2025-10", "mean"), ("2026", "mean")]
)
def test_the_sum_over_tokens_ends_with_the_option(date: str, reduction: str) -> None:
    found = chosen(date, method="sft", base="meta-llama/Llama-3.1-8B", data="Tulu-3 SFT mixture")
    assert default(found, "loss_reduction") == reduction
    assert default(found, "learning_rate") == 5e-6


def test_a_year_that_spans_a_change_is_doubtful_and_says_what_else_it_could_be() -> None:
    found = chosen("2026")
    assert found.doubtful("beta")
    assert not found.doubtful("adam_beta1")
    value = found.value("beta")
    assert value is not None
    assert "first day, 2026-01-01" in value[1]
    assert "at 7917d41 it is 5.0" in value[1]
    assert not chosen("2026-01-20").doubtful("beta")


def test_a_commit_stands_over_the_date() -> None:
    assert default(chosen("2024-12", commit="7917d41c0ffee"), "beta") == 5.0
    assert default(chosen("2026-08", commit="bb98dbc"), "beta") == 0.1
    assert default(chosen("2026-08", commit="7"), "beta") == 5.0, "too short to be a commit"


def test_the_named_recipe_needs_its_data_and_its_base() -> None:
    base = "someone/Llama-3.1-8B-SFT"
    assert default(chosen("2026", base=base, data=MIXTURE), "learning_rate") == 5e-7
    assert default(chosen("2026", base=base, data="org/other"), "learning_rate") is None
    assert default(chosen("2026", base="someone/Llama-3.1-70B", data=MIXTURE), "learning_rate") is None
    assert default(chosen("2026", base=base, data=""), "learning_rate") is None


def test_without_a_known_framework_only_definitions_are_left() -> None:
    for name in ("", "axolotl", "my own code"):
        found = choose("dpo", framework=name, version="", commit="", date="2026", base="", datasets=())
        assert default(found, "label_smoothing") == 0.0
        assert default(found, "beta") is None
        assert default(found, "learning_rate") is None


def test_defaults_of_another_version_are_used_with_a_caution_and_older_majors_not_at_all() -> None:
    def trl(version: str) -> Chosen:
        return choose("sft", framework="TRL", version=version, commit="", date="", base="", datasets=())

    assert trl("1.16.0").caution == ""
    assert "1.9.0" in trl("1.9.0").caution
    assert "no version" in trl("").caution
    assert default(trl("0.8.6"), "learning_rate") is None


_TERMS = {
    "learning_rate": "learning_rate",
    "max_length": "max_seq_length",
    "beta": "beta",
    "label_smoothing": "label_smoothing",
    "logging_steps": "logging_steps",
    "gradient_checkpointing": "gradient_checkpointing",
    "packing": "packing",
    "per_device_train_batch_size": "per_device_batch_size",
    "num_train_epochs": "num_epochs",
    "lr_scheduler_type": "lr_scheduler_type",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "adam_beta1": "adam_beta1",
    "adam_beta2": "adam_beta2",
    "adam_epsilon": "adam_epsilon",
    "max_grad_norm": "max_grad_norm",
    "seed": "seed",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
}


def _defaults(package: str, *files: str) -> dict[str, object]:
    """Literal defaults of the dataclass fields in a package's source; later files stand over earlier ones."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    found: dict[str, object] = {}
    for file in files:
        for node in ast.walk(ast.parse((Path(spec.origin).parent / file).read_text())):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Call)
            ):
                for word in node.value.keywords:
                    if word.arg == "default" and isinstance(word.value, ast.Constant):
                        found[node.target.id] = word.value.value
    return found


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_trls_defaults_are_those_of_the_installed_source(method: str) -> None:
    real = _defaults("transformers", "training_args.py") | _defaults(
        "trl", "trainer/base_config.py", f"trainer/{method}_config.py"
    )
    ours = next(r for r in recipes() if r.framework == "trl").methods[method].values
    compared = 0
    for field, key in _TERMS.items():
        if key in ours and field in real:
            assert ours[key] == real[field], field
            compared += 1
    assert compared >= 14


def test_transformers_defaults_are_those_of_the_installed_source() -> None:
    real = _defaults("transformers", "training_args.py")
    ours = next(r for r in recipes() if r.framework == "transformers").methods["sft"].values
    for field in (
        "learning_rate",
        "num_train_epochs",
        "warmup_steps",
        "weight_decay",
        "max_grad_norm",
        "logging_steps",
    ):
        assert ours[_TERMS[field]] == real[field], field


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-11-03T10:00:00Z", "2025-11-03", "2025-11-03"),
    ],
)
def test_a_printed_date_is_all_the_days_it_leaves_open(text: str, first: str, last: str) -> None:
    assert period_of(text) == (datetime.date.fromisoformat(first), datetime.date.fromisoformat(last))


@given(st.text(max_size=30))
def test_no_text_breaks_dates_versions_and_names(text: str) -> None:
    period = period_of(text)
    assert period is None or period[0] <= period[1]
    assert all(part >= 0 for part in version_of(text))
    assert framework_of(text) in {"", "open-instruct", "trl", "transformers"}
    known_dataset(text)
    known_model(text)
    choose("dpo", framework="open-instruct", version=text, commit=text, date=text, base=text, datasets=(text,))


def test_known_sets_and_models_go_by_the_names_that_cards_use() -> None:
    for name in ("Tulu-3 SFT mixture", "allenai/tulu-3-sft-mixture", "tulu 3 sft mix"):
        known = known_dataset(name)
        assert known is not None
        assert known.rows == 939_343
    assert known_dataset("tulu") is None
    for name, there in (
        ("meta-llama/Llama-3.1-8B", True),
        ("x/Llama-3.1-8B-Tenth", True),
        ("x/Llama-3.1-8Bish", False),
    ):
        assert (known_model(name) is not None) == there
