"""Training semantics: every field of the plan moves a number where frameworks differ; what is not done is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plans import HYPERPARAMETERS, semantics_of

from repro.errors import RunError
from repro.plan import Plan, StagePlan
from repro.resolve.recipes import recipes
from repro.run import Assets
from repro.semantics import CHOICES, MEANINGS, Semantics
from repro.task import Scale, ignore
from repro.train import synthetic
from repro.train.data import sample
from repro.train.encode import Codec, encode_preference, encode_sft
from repro.train.engine import AccelerateEngine
from repro.train.order import Order, Window, group_weights
from repro.train.schedule import learning_rate, ticks
from repro.train.supported import SUPPORTED, refuse_unsupported
from repro.train.tokenizer import train_tokenizer

pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    texts = [m["content"] for row in synthetic.sft_rows(0, 200) for m in row["messages"]]
    return train_tokenizer([*texts, "<|user|>\n<|assistant|>\n" * 50], 400)


def test_every_term_is_trained_or_refused_by_name(stage: Callable[..., StagePlan]) -> None:
    fields = [field.name for field in dataclasses.fields(Semantics)]
    assert fields == list(CHOICES) == list(SUPPORTED) == list(MEANINGS)
    refused = []
    for field, terms in CHOICES.items():
        assert set(SUPPORTED[field]) <= set(terms)
        for term in terms:
            planned = stage("dpo", **{field: term})
            if term in SUPPORTED[field]:
                refuse_unsupported(planned)
                continue
            with pytest.raises(RunError, match=rf"'dpo' has {field} '{term}'") as caught:
                refuse_unsupported(planned)
            assert all(other in str(caught.value.hint) for other in SUPPORTED[field])
            refused.append((field, term))
    assert refused == [("reference_log_probs", "synced")]
    with pytest.raises(RunError, match="sampler 'whatever'"):
        refuse_unsupported(stage("dpo", sampler="whatever"))


@pytest.mark.parametrize("framework", ["open-instruct", "trl", "transformers", ""])
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_what_the_recipes_say_of_a_framework_is_whole_and_trained(framework: str, method: str) -> None:
    semantics = semantics_of(framework, method)
    for field in CHOICES:
        expected = ("",) if (method, field) == ("sft", "reference_log_probs") else SUPPORTED[field]
        assert getattr(semantics, field) in expected, field


def test_every_value_of_every_recipe_is_a_term() -> None:
    given = [
        (r.title, k, v) for r in recipes() for d in r.methods.values() for k, v in d.values.items() if k in CHOICES
    ]
    assert len(given) > 80
    assert [g for g in given if g[2] not in CHOICES[g[1]]] == []


def test_the_frameworks_differ_where_their_sources_do() -> None:
    theirs, ours = semantics_of("trl", "dpo"), semantics_of("open-instruct", "dpo")
    differing = {field for field in CHOICES if getattr(theirs, field) != getattr(ours, field)}
    assert differing == {
        *("sampler", "sampler_seed", "partial_window_gradient", "partial_window_divisor", "scheduler_ticks"),
        *("warmup_rounding", "training_dropout", "reference_log_probs", "pad_token_rule"),
    }


def codec_of(
    tokenizer: Any, length: int, *, side: str = "right", keep: str = "labels", scope: str = "all_turns"
) -> Codec:
    return Codec(tokenizer, True, scope, length, side, keep)


def test_truncation_takes_the_end_or_the_beginning(tokenizer: Any) -> None:
    rows = [{"messages": r["messages"]} for r in synthetic.sft_rows(6, 20)]
    whole, _ = encode_sft(rows, codec_of(tokenizer, 10_000), lambda done: None)
    length = int(whole.lengths.min()) - 2
    for side in ("right", "left"):
        cut, _ = encode_sft(rows, codec_of(tokenizer, length, side=side, keep="none"), lambda done: None)
        assert cut.lengths.tolist() == [length] * 20
        for i in range(20):
            row = whole.ids[whole.starts[i] : whole.starts[i + 1]]
            part = row[:length] if side == "right" else row[-length:]
            assert cut.ids[cut.starts[i] : cut.starts[i + 1]].tolist() == part.tolist()
        # an answer stands at the end: what is cut off on the left takes no label with it
        assert (cut.label_counts.sum() == whole.label_counts.sum()) == (side == "left")


def test_rows_without_a_label_stay_or_go(tokenizer: Any) -> None:
    rows = synthetic.preference_rows(5, 30)
    lost, _, numbers = encode_preference(rows, codec_of(tokenizer, 14), lambda done: None)
    every, other, all_numbers = encode_preference(rows, codec_of(tokenizer, 14, keep="none"), lambda done: None)
    assert len(lost) == len(numbers) < len(every) == len(other) == 30
    assert all_numbers == list(range(30))
    assert (np.minimum(every.label_counts, other.label_counts) == 0).sum() == 30 - len(numbers)


def test_several_answers_are_labels_or_only_the_last(tokenizer: Any) -> None:
    talk = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good day."}]
    rows = [{"messages": [*talk, *r["messages"]]} for r in synthetic.sft_rows(6, 5)]
    counts = {
        scope: encode_sft(rows, codec_of(tokenizer, 500, scope=scope), lambda done: None)[0].label_counts.tolist()
        for scope in ("all_turns", "last_turn", "completion", "all_tokens")
    }
    assert all(a > b for a, b in zip(counts["all_turns"], counts["last_turn"], strict=True))
    assert all(a > b for a, b in zip(counts["all_tokens"], counts["all_turns"], strict=True))
    assert counts["completion"] != counts["all_turns"]


def test_a_share_is_drawn_shuffled_or_taken_from_the_top() -> None:
    from datasets import Dataset

    table = Dataset.from_dict({"n": list(range(50))})
    assert sample(50, 20, 42, "head").tolist() == list(range(20))
    assert sample(50, 20, 42, "shuffle_head").tolist() == table.shuffle(seed=42).select(range(20))["n"]
    assert sample(50, 20, 42, "remainder").tolist() == np.random.RandomState(42).choice(50, 20, replace=False).tolist()
    for rule in ("head", "shuffle_head", "remainder"):
        assert sorted(sample(50, 100, 42, rule).tolist()) == sorted([*range(50)] * 2)


def order_of(rows: int, *, devices: int = 1, micro: int = 2, lengths: Any = None, **changes: Any) -> Order:
    terms = {k: changes.pop(k) for k in list(changes) if k in CHOICES}
    settings = dataclasses.replace(
        HYPERPARAMETERS, per_device_batch_size=micro, num_devices=devices, effective_batch_size=8, **changes
    )
    return Order(rows, settings, semantics_of("open-instruct", "dpo", **terms), lengths=lengths)


def epoch_of(order: Order, epoch: int = 0) -> list[int]:
    first = epoch * order.steps_per_epoch
    return [int(r) for i in range(order.steps_per_epoch) for r in order.window(first + i + 1).rows]


def test_each_sampler_has_its_own_order_and_every_row() -> None:
    lengths = np.random.default_rng(0).integers(5, 99, 41)
    orders = {s: order_of(41, sampler=s, lengths=lengths) for s in CHOICES["sampler"]}
    drawn = {s: (epoch_of(o), epoch_of(o, 1)) for s, o in orders.items()}
    assert len({tuple(first) for first, _ in drawn.values()}) == 4
    assert all(sorted(rows) == list(range(41)) for pair in drawn.values() for rows in pair)
    assert drawn["sequential"] == (list(range(41)), list(range(41)))
    assert all(first != second for s, (first, second) in drawn.items() if s != "sequential")


def test_rows_are_grouped_by_length_as_transformers_groups_them() -> None:
    from transformers.trainer_pt_utils import get_length_grouped_indices

    for rows in (7, 41, 400):
        lengths = np.random.default_rng(rows).integers(5, 99, rows)
        order = order_of(rows, sampler="length_grouped", seed=3, lengths=lengths)
        for epoch in range(2):
            generator = torch.Generator().manual_seed(3 + epoch)
            assert epoch_of(order, epoch) == get_length_grouped_indices(lengths.tolist(), 8, generator=generator)
    with pytest.raises(RunError, match="lengths"):
        order_of(7, sampler="length_grouped")


def test_the_order_follows_the_seed_that_the_plan_names() -> None:
    def drawn(which: str, **seeds: int) -> list[int]:
        return epoch_of(order_of(30, sampler="random", sampler_seed=which, **seeds))

    assert drawn("seed", seed=1, data_seed=2) == drawn("data_seed", seed=5, data_seed=1)
    assert drawn("seed", seed=1, data_seed=2) != drawn("data_seed", seed=1, data_seed=2)


@pytest.mark.parametrize(("rows", "kept", "dropped"), [(41, 6, 5), (40, 5, 5), (8, 1, 1)])
def test_the_last_window_is_kept_or_dropped(rows: int, kept: int, dropped: int) -> None:
    for last_window, steps in (("keep", kept), ("drop", dropped)):
        order = order_of(rows, last_window=last_window, num_epochs=2.0)
        assert (order.steps_per_epoch, order.steps) == (steps, 2 * steps)
        whole = [len(order.window(i + 1).groups) == order.full_groups for i in range(order.steps)]
        assert all(whole) == (last_window == "drop" or rows % 8 == 0)


def test_a_window_that_is_never_whole_cannot_be_dropped() -> None:
    with pytest.raises(RunError, match="fewer than one step takes"):
        order_of(6, last_window="drop")


def test_micro_batch_means_token_means_and_sums_weigh_rows_otherwise() -> None:
    """Two devices, two passes each of two rows; the counts are of label tokens."""
    counts = np.array([1, 3, 10, 2, 5, 5, 4, 8])
    groups = tuple(np.arange(8).reshape(4, 2))
    window = Window(1, groups, 4, 0.5)

    def weights(reduction: str, **more: Any) -> list[float]:
        return [float(w) for w in group_weights(window, counts, reduction=reduction, divisor="actual", **more)]

    assert weights("mean") == pytest.approx([1 / (4 * n) for n in (4, 4, 12, 12, 10, 10, 12, 12)])
    assert weights("token_mean") == pytest.approx([1 / 38] * 8)
    assert weights("sum") == pytest.approx([1 / 4] * 8)
    # groups go to the devices in turn: tokens 4 + 10 on the first, 12 + 12 on the second
    own = [1 / (2 * n) for n in (14, 14, 24, 24, 14, 14, 24, 24)]
    assert weights("process_token_mean", devices=2) == pytest.approx(own)
    assert weights("process_token_mean", devices=1) == pytest.approx(weights("token_mean"))
    with pytest.raises(RunError, match="cannot be regenerated"):
        weights("median")


PUBLISHED = {1: 1.142857142857143e-07, 42: 4.800000000000001e-06, 43: 4.9142857142857145e-06, 44: 4.999118010231082e-06}
PUBLISHED |= {
    45: 4.9955900551554065e-06,
    731: 2.575410125242547e-06,
    1460: 3.5279590756747225e-09,
    1461: 0.0,
    1462: 0.0,
}
"""Learning rates that open-instruct logged after a step of a public SFT run on 8 devices (accumulation 16, 93,504 rows,
2 epochs, peak 5e-6, ratio 0.03, January 2026): each is the rate of the step that follows."""


def test_a_schedule_advanced_by_every_process_gives_a_published_runs_rates(stage: Callable[..., StagePlan]) -> None:
    layout = {
        "effective_batch_size": 128,
        "per_device_batch_size": 1,
        "num_devices": 8,
        "gradient_accumulation_steps": 16,
    }
    planned = stage("sft", learning_rate=5e-6, warmup_ratio=0.03, num_epochs=2.0, **layout)
    order = Order(93_504, planned.hyperparameters, planned.semantics)
    along = ticks(planned, order, max_steps=None)
    assert (order.steps, along.total, along.warmup, along.per_step) == (1462, 11_688, 350, 8)
    for step, rate in PUBLISHED.items():
        assert learning_rate(planned.hyperparameters, step + 1, along) == pytest.approx(rate, rel=1e-9, abs=1e-20), step

    once = dataclasses.replace(planned, semantics=dataclasses.replace(planned.semantics, scheduler_ticks="step"))
    plain = ticks(once, order, max_steps=None)
    assert (plain.total, plain.warmup, plain.per_step) == (1462, 43, 1)
    assert learning_rate(planned.hyperparameters, 45, plain) != pytest.approx(PUBLISHED[44], rel=1e-4)
    assert ticks(planned, order, max_steps=100).total == 800
    assert ticks(stage("sft", warmup_steps=20, **layout), order, max_steps=None).warmup == 160


Train = Callable[..., list[Any]]


@pytest.fixture
def trained(
    tokenizer: Any,
    tmp_path: Path,
    stage: Callable[..., StagePlan],
    plan: Callable[..., Plan],
    dataset: Callable[..., Any],
) -> Train:
    """Steps of a training of one epoch of a small GPT-2, whose dropout is real, under the fields given."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=400, n_positions=128, n_embd=16, n_layer=1, n_head=2, resid_pdrop=0.3, embd_pdrop=0.3
    )
    base = tmp_path / "base"
    GPT2LMHeadModel(config).save_pretrained(base)
    tokenizer.save_pretrained(base)

    def train(method: str, rows: int = 20, **changes: Any) -> list[Any]:
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        made = synthetic.preference_rows(5, rows) if method == "dpo" else synthetic.sft_rows(5, rows)
        data = folder.with_suffix(".jsonl")
        data.write_text("".join(json.dumps(row) + "\n" for row in made))
        settings = {"learning_rate": 1e-3, "max_seq_length": 128, "warmup_ratio": 0.0, "training_dropout": "off"}
        planned = stage(method, base="org/tiny", steps=None, datasets=(dataset("org/rows"),), **{**settings, **changes})
        assets = Assets(models={"org/tiny": str(base)}, datasets={"org/rows": (str(data),)}, heldout={})
        whole = plan(planned, scale=Scale.FULL, proxy=None)
        return list(AccelerateEngine().run(whole, assets, str(folder), ignore).stages[0].steps)

    return train


def test_the_first_dpo_loss_is_log_2_only_without_dropout(trained: Train) -> None:
    off, on = trained("dpo", 8), trained("dpo", 8, training_dropout="config")
    assert off[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert abs(on[0].loss - math.log(2)) > 1e-4


def test_a_partial_window_is_divided_as_the_plan_says_in_gradient_and_log(trained: Train) -> None:
    """20 rows by 8: the last window has half of its micro-batches."""
    curves = {
        (gradient, logged): trained("sft", partial_window_gradient=gradient, partial_window_divisor=logged)
        for gradient in ("full", "actual")
        for logged in ("full", "actual")
    }
    assert {len(steps) for steps in curves.values()} == {3}
    last = {key: steps[-1] for key, steps in curves.items()}
    whole = {tuple(s.loss for s in steps[:-1]) for steps in curves.values()}
    assert len(whole) == 1, "whole windows are the same under every rule"
    mean = last["actual", "actual"]
    for (gradient, logged), step in last.items():
        assert step.loss == pytest.approx(mean.loss * (0.5 if logged == "full" else 1.0), rel=1e-6)
        assert step.grad_norm == pytest.approx(mean.grad_norm * (0.5 if gradient == "full" else 1.0), rel=1e-5)


def test_weights_without_a_float32_master_hardly_move(trained: Train) -> None:
    """At a rate below bfloat16's resolution the loss of a row seen again falls only where float32 weights are kept."""
    falls = {}
    for master in ("fp32", "bf16"):
        same = {"num_epochs": 6.0, "learning_rate": 2e-6, "sampler": "sequential", "lr_scheduler_type": "constant"}
        steps = trained("sft", 8, master_weights=master, precision="bf16", **same)
        falls[master] = steps[0].loss - steps[-1].loss
    assert falls["fp32"] > 0
    assert abs(falls["bf16"]) < 0.5 * falls["fp32"]


def test_rows_without_a_label_do_no_harm(trained: Train) -> None:
    """Truncation on the right leaves some rows no answer."""
    for method, length in (("sft", 22), ("dpo", 18)):
        fewer = trained(method, 20, max_seq_length=length)
        every = trained(method, 20, max_seq_length=length, row_filter="none")
        assert sum(s.rows for s in fewer) < sum(s.rows for s in every) == 20
        assert all(math.isfinite(s.loss) for s in every)
