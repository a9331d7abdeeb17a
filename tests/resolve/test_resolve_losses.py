"""Losses on preference pairs: by which words a card names them, what each needs, and what is refused by name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from resolve_specs import facts, spec, stage, stated, tenth, trl

from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.plan import Plan
from repro.read.reader import read
from repro.resolve.method import judge
from repro.resolve.resolver import resolve
from repro.spec import Origin, Spec
from repro.task import Scale


def plan_of(card: Spec, **rest: Any) -> Plan:
    return resolve(card, Evidence(), **{"scale": Scale.FULL, "assume": {}, **rest})


def called(card: Spec, method: str, **changes: Any) -> Spec:
    """The card with its last stage called `method`, and `changes` of its parameters (None: not stated)."""
    last = card.stages[-1]
    kept = tuple(f for f in last.facts if f.key not in changes)
    new = facts(90, **{k: v for k, v in changes.items() if v is not None})
    return dataclasses.replace(
        card, stages=(*card.stages[:-1], dataclasses.replace(last, method=method, facts=(*kept, *new)))
    )


def test_simpos_margin_as_a_ratio_or_as_gamma() -> None:
    ratio = plan_of(called(trl(), "SimPO", loss_type=None, gamma_beta_ratio=0.3)).stages[1]
    assert (ratio.method, ratio.hyperparameters.loss_type) == ("dpo", "simpo")
    assert ratio.hyperparameters.gamma_beta_ratio == 0.3
    assert ratio.get("loss_type").origin is Origin.DERIVED
    assert "'SimPO'" in ratio.get("loss_type").why
    gamma = plan_of(called(trl(), "SimPO", loss_type="simpo", beta=2.0, simpo_gamma=1.6)).stages[1]
    assert gamma.hyperparameters.gamma_beta_ratio == pytest.approx(0.8)
    assert (gamma.get("gamma_beta_ratio").origin, gamma.get("loss_type").origin) == (Origin.DERIVED, Origin.STATED)
    assert gamma.get("gamma_beta_ratio").why == "gamma 1.6 / beta 2"
    given = plan_of(called(trl(), "SimPO", loss_type=None), assume={"dpo.simpo_gamma": "1", "dpo.beta": "2.5"})
    assert given.stages[1].hyperparameters.gamma_beta_ratio == pytest.approx(0.4)


def test_a_margin_that_nobody_gives_is_the_frameworks_or_a_hole() -> None:
    plan = plan_of(called(trl(), "SimPO", loss_type=None, beta=2.0))
    fact = plan.stages[1].get("gamma_beta_ratio")
    assert (fact.value, fact.origin) == (0.25, Origin.ASSUMED)
    assert "cpo_config.py" in fact.why
    assert any("likelihood term" in note for note in plan.notes)
    with pytest.raises(HoleError, match="gamma_beta_ratio") as caught:
        plan_of(called(tenth(), "SimPO", loss_type="simpo"))
    assert "--assume dpo.gamma_beta_ratio=" in caught.value.hint
    with pytest.raises(HoleError, match="simpo_gamma"):
        plan_of(called(tenth(), "SimPO", loss_type="simpo", simpo_gamma="large"))
    with pytest.raises(UsageError, match="no such meaning"):
        plan_of(trl(), assume={"sft.gamma_beta_ratio": "1"})


@pytest.mark.parametrize(
    ("method", "of", "name", "tags", "expected"),
    [
        ("DPO", {"loss_type": "ipo"}, "org/m", (), "ipo"),
        ("DPO", {"loss_type": "IPO"}, "org/m", (), "ipo"),
        ("Identity Preference Optimization", {}, "org/m", (), "ipo"),
        ("DPO", {}, "org/zephyr-7b-ipo", (), "ipo"),
        ("DPO", {}, "org/m", ("trl", "simpo"), "simpo"),
        ("DPO", {"loss_type": "sigmoid"}, "org/m-simpo", (), "dpo"),
        ("DPO (length-normalized)", {}, "org/m", (), "dpo_norm"),
        ("DPO", {}, "org/m", (), "dpo"),
    ],
)
def test_a_loss_is_named_by_a_parameter_the_method_the_tags_or_the_model(
    method: str, of: dict[str, str], name: str, tags: tuple[str, ...], expected: str
) -> None:
    card = called(trl(), method, **{"loss_type": None, "simpo_gamma": 1.0, **of})
    card = dataclasses.replace(
        card,
        facts=(*(f for f in card.facts if f.key != "model_id"), stated("model_id", name), stated("tags", tags)),
        stages=(card.stages[0], dataclasses.replace(card.stages[1], produces=stated("model_id", name))),
    )
    planned = plan_of(card)
    assert planned.stages[1].hyperparameters.loss_type == expected
    assert [s.method for s in planned.stages] == ["sft", "dpo"]


@pytest.mark.parametrize(
    ("method", "of", "name", "why"),
    [
        ("SimPO", {"loss_type": "sigmoid"}, "org/m", "'SIMPO' with the loss 'sigmoid'"),
        ("fine-tuning", {}, "org/m-ipo", "name or tags say ipo"),
        ("SFT", {}, "org/m-simpo", "name or tags say simpo"),
        ("CPO", {"loss_type": "simpo"}, "org/m", "CPO"),
        ("ORPO", {}, "org/m", "ORPO"),
        ("DPO", {"loss_type": "kto_pair"}, "org/m", "kto_pair"),
        ("DPO", {}, "org/m-wpo", "wpo"),
    ],
)
def test_what_is_another_loss_or_not_told_is_refused_by_name(
    method: str, of: dict[str, str], name: str, why: str
) -> None:
    one = stage("align", method, produces=name, of=facts(1, **of))
    judged = judge(one, spec((one,), of=(stated("framework", "trl"),)), Evidence())
    assert judged.method == ""
    assert why in judged.why_not


def test_label_smoothing_that_a_framework_leaves_out_is_said() -> None:
    def told(**changes: Any) -> list[str]:
        return [n for n in plan_of(called(trl(), "DPO", label_smoothing=0.1, **changes)).notes if "smoothing" in n]

    assert "does not use it" in told(loss_type="sigmoid")[0]
    assert "IPO has no label smoothing" in told(loss_type="ipo")[0]
    assert not told(loss_type="sigmoid", framework="open-instruct")


def test_commands_of_other_frameworks_only_where_they_have_the_loss() -> None:
    def titles(card: Spec) -> list[str]:
        return [c.title for c in plan_of(card, assume={"simpo_gamma": "1.5"}).commands]

    assert "dpo: TRL" in titles(called(trl(), "DPO", loss_type="ipo"))
    assert "dpo: TRL" not in titles(called(trl(), "SimPO", loss_type="simpo"))
    assert "dpo: open-instruct" not in titles(called(tenth(), "IPO", loss_type="ipo"))
    simpo = plan_of(called(tenth(), "SimPO", loss_type="simpo"), assume={"gamma_beta_ratio": "0.3"}).commands[1]
    assert "gamma_beta_ratio 0.3" in simpo.text
    assert "loss_type simpo" in simpo.text


CARD = """---
base_model: org/base-sft
datasets: [org/pairs]
pipeline_tag: text-generation
---
# Gull

Gull was aligned with SimPO on 1,024 pairs of org/pairs.

## SimPO training

| Hyperparameter | Value |
|---|---|
| Learning rate | 6e-7 |
| Beta | 2.5 |
| gamma_beta_ratio | 0.55 |
| Effective batch size | 128 |
| Epochs | 1 |
| LR scheduler | cosine |
| Warmup ratio | 0.1 |
| Max length | 2048 |
| Precision | bf16 |
| Optimizer | AdamW |
| Weight decay | 0.0 |
| Max grad norm | 1.0 |
"""


def test_a_card_that_says_simpo_is_read_and_planned() -> None:
    planned = plan_of(read(CARD.encode(), "card.md")[1], assume={"label_scope": "completion"})
    hyperparameters = planned.stages[-1].hyperparameters
    assert (hyperparameters.loss_type, hyperparameters.beta, hyperparameters.gamma_beta_ratio) == ("simpo", 2.5, 0.55)
    assert planned.stages[-1].get("gamma_beta_ratio").origin is Origin.STATED
