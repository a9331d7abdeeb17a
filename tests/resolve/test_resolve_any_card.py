"""Whatever a card says, the answer is a plan whose figures fit, or one sentence about what it lacks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resolve_specs import facts, spec, stage, stated

from repro.card import Span
from repro.errors import HoleError
from repro.evidence import Evidence
from repro.number import Number
from repro.plan import PREFERENCE_LOSSES, Plan
from repro.read.reader import read
from repro.resolve.resolver import resolve
from repro.resolve.values import KINDS
from repro.spec import Claim, ClaimKind, DatasetRef, Fact, Origin, Spec
from repro.task import Scale

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "cards"

values = st.one_of(
    st.integers(-5, 10**12),
    st.floats(allow_nan=True),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from(["linear", "dpo", "dpo_norm", "ipo", "bf16", "adamw", "TBD", "5e-7", "tulu", "trl", "2026"]),
    st.none(),
    st.tuples(st.text(max_size=5)),
)
named = st.sampled_from([*KINDS, "lora_r", "hardware", "tags"])
many = st.lists(st.tuples(named, values), max_size=4)
words = st.sampled_from(["sft", "dpo", "SFT", "DPO", "SFT", "DPO", "ppo", "fine-tuning", "", "length-normalized DPO"])


mixture = (DatasetRef("x"), DatasetRef("y"))


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    stages = []
    for number in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        method = draw(words)
        of: tuple[Fact[Any], ...] = tuple(stated(k, v, i) for i, (k, v) in enumerate(draw(many)))
        if draw(st.sampled_from([True, True, True, False])):
            of += facts(50, learning_rate=1e-4, effective_batch_size=8, max_seq_length=64, num_epochs=1, beta=0.1)
            of += facts(60, lr_scheduler_type="linear", warmup_ratio=0.1, optimizer="adamw", weight_decay=0.0)
            of += facts(70, max_grad_norm=1.0, precision="fp32", label_scope="completion", loss_reduction="mean")
            of += facts(80, loss_type="cross_entropy" if "sft" in method.lower() else "dpo_norm")
        share = Fact("dataset_fraction", draw(values), Origin.STATED)
        one = stage(
            f"{method or 'stage'}{number}",
            method,
            base=draw(st.sampled_from(["", "org/a", "org/b", "a b"])),
            produces=draw(st.sampled_from(["", "org/a", "org/b"])),
            datasets=draw(st.sampled_from([(), (DatasetRef("org/d", fraction=share),), mixture])),
            of=of,
        )
        stages.append(one)
    claims = tuple(
        Claim(
            f"c{i}",
            draw(st.sampled_from([ClaimKind.LOSS, ClaimKind.STEPS, ClaimKind.EVAL])),
            "",
            "",
            Span("card.md", 1, 1),
            draw(values),
            draw(st.sampled_from([None, Number("9", 9.0, 1), Number("x", math.inf, 1), Number("x", math.nan, 1)])),
            stage=draw(st.sampled_from([s.name for s in stages] or [""])),
            step=draw(st.sampled_from([None, 1, 77, 10**8])),
        )
        for i in range(draw(st.integers(0, 3)))
    )
    of = tuple(stated(k, v, i) for i, (k, v) in enumerate(draw(many)))
    return spec(tuple(stages), of=of, claims=claims)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(card=specs(), scale=st.sampled_from(list(Scale)))
def test_any_spec_gives_a_sound_plan_or_one_sentence(card: Spec, scale: Scale) -> None:
    sound(planned(card, scale), scale)


def planned(card: Spec, scale: Scale) -> Plan | HoleError:
    try:
        return resolve(card, Evidence(), scale=scale, assume={})
    except HoleError as error:
        return error


def sound(plan: Plan | HoleError, scale: Scale) -> None:
    if isinstance(plan, HoleError):
        assert plan.message
        assert plan.hint
        assert plan.where
        return
    assert plan.stages
    assert plan.seeds
    assert (plan.proxy is None) == (scale is Scale.FULL)
    for one in plan.stages:
        h = one.hyperparameters
        assert one.method in {"sft", "dpo"}
        assert h.per_device_batch_size * h.num_devices * h.gradient_accumulation_steps == h.effective_batch_size
        assert h.learning_rate > 0
        assert math.isfinite(h.learning_rate)
        assert h.loss_type in ({"cross_entropy"} if one.method == "sft" else set(PREFERENCE_LOSSES))
        assert h.precision in {"bf16", "fp32"}
        assert h.chat_template in {"tulu", "model"}
        assert h.warmup_steps is None or h.warmup_steps >= 0
        assert 0 <= h.warmup_ratio <= 1
        assert len({f.key for f in one.facts}) == len(one.facts)
        if scale is Scale.PROXY:
            assert one.expected_steps == h.max_steps
            assert 1 <= one.expected_steps <= 1000
            assert h.effective_batch_size <= 32
            assert sum(d.rows or 0 for d in one.datasets) >= h.effective_batch_size
        else:
            assert one.base
            assert one.datasets
            assert all("/" in d.repo_id for d in one.datasets)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("**/*.md")), ids=lambda p: p.name)
def test_real_cards_give_a_sound_plan_or_one_sentence(path: Path) -> None:
    _, card = read(path.read_bytes(), path.name)
    for scale in Scale:
        sound(planned(card, scale), scale)
