"""One stage alone, from its published parent or with the chain that it stems from."""

from __future__ import annotations

import dataclasses

import pytest
from resolve_specs import PREFERENCES, SFT_REPO, facts, spec, stage, stated, tenth

from repro import shelf
from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.plan import Plan
from repro.resolve.resolver import resolve
from repro.spec import DatasetRef, Origin, Spec
from repro.task import Scale, Start

ALONE, CHAIN = Start.PUBLISHED, Start.REGENERATED


def planned(card: Spec, *stages: str, start: Start = CHAIN, scale: Scale = Scale.FULL, **assume: str) -> Plan:
    given = {key.replace("__", "."): value for key, value in assume.items()}
    return resolve(card, Evidence(), scale=scale, assume=given, stages=stages, start=start)


def bases(plan: Plan) -> dict[str, str]:
    return {s.name: s.base for s in plan.stages}


def test_one_stage_from_its_published_parent() -> None:
    plan = planned(tenth(), "dpo", start=ALONE)
    assert bases(plan) == {"dpo": SFT_REPO}
    assert (plan.start, plan.left_out) == (ALONE, ("sft",))
    assert [f.stage for f in plan.feasibility] == ["dpo"]
    assert f"--model_name_or_path {SFT_REPO}" in plan.commands[0].text
    assert "--stages dpo" in plan.commands[-1].text
    assert "--start published" in plan.commands[-1].text
    assert any("sft" in note and "untested" in note for note in plan.notes)


def test_what_a_stage_costs_does_not_depend_on_what_else_is_run() -> None:
    alone, chain = planned(tenth(), "dpo", start=ALONE), planned(tenth())
    assert alone.feasibility == tuple(f for f in chain.feasibility if f.stage == "dpo")
    assert alone.stages[0].hyperparameters == chain.stages[1].hyperparameters


@pytest.mark.parametrize(
    ("asked", "left"),
    [((), ()), (("dpo",), ()), (("dpo", "sft"), ()), (("sft",), ("dpo",)), (("sft", "sft"), ("dpo",))],
)
def test_from_a_regenerated_start_a_stage_brings_what_it_stems_from(
    asked: tuple[str, ...], left: tuple[str, ...]
) -> None:
    plan = planned(tenth(), *asked)
    assert plan.left_out == left
    assert bases(plan).get("dpo", "<sft>") == "<sft>"
    assert [s.name for s in plan.stages] == [name for name in ("sft", "dpo") if name not in left]


def test_every_stage_from_its_published_parent() -> None:
    plan = planned(tenth(), start=ALONE)
    assert bases(plan) == {"sft": "meta-llama/Llama-3.1-8B", "dpo": SFT_REPO}
    assert plan.left_out == ()


def test_a_stage_that_the_card_lacks_is_one_sentence_with_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"^card\.md: the card has no stage 'dppo': it has sft and dpo$") as caught:
        planned(tenth(), "dppo")
    assert "--stages dpo" in caught.value.hint


def test_a_hole_in_a_stage_that_is_left_out_is_none() -> None:
    unknown = dataclasses.replace(tenth(), facts=(stated("framework", "homemade", 1), *tenth().facts[1:]))
    card = dataclasses.replace(
        unknown,
        stages=(
            unknown.stages[0],
            dataclasses.replace(
                unknown.stages[1],
                facts=(*unknown.stages[1].facts, *facts(70, seed=1, per_device_batch_size=2, weight_decay=0)),
            ),
        ),
    )
    given = {"dpo__adam_beta1": "0.9", "dpo__adam_beta2": "0.999", "dpo__adam_epsilon": "1e-8"}
    given |= {"dpo__max_grad_norm": "0", "dpo__logging_steps": "1", "dpo__master_weights": "fp32"}
    given |= {"dpo__label_scope": "all_turns", "dpo__label_smoothing": "0"}
    with pytest.raises(HoleError, match="'sft'"):
        planned(card, **given)
    with pytest.raises(HoleError, match="'sft'"):
        planned(card, "dpo", **given)
    assert bases(planned(card, "dpo", start=ALONE, **given)) == {"dpo": SFT_REPO}


def nameless() -> Spec:
    """A card that does not say what its SFT stage made."""
    card = tenth()
    sft, dpo = card.stages
    none = stage("x", "x").produces
    return dataclasses.replace(
        card,
        facts=tuple(f for f in card.facts if f.key != "base_model"),
        stages=(dataclasses.replace(sft, produces=none), dataclasses.replace(dpo, base=none)),
    )


@pytest.mark.parametrize("scale", list(Scale))
def test_a_parent_that_nobody_names_is_told_with_what_is_missing(scale: Scale) -> None:
    assert bases(planned(nameless(), "dpo", scale=scale))["dpo"] == "<sft>"
    with pytest.raises(
        HoleError, match=r"'dpo' starts from what stage 'sft' makes.*names the published model"
    ) as caught:
        planned(nameless(), "dpo", start=ALONE, scale=scale)
    assert "--assume dpo.base_model=" in caught.value.hint
    plan = planned(nameless(), "dpo", start=ALONE, scale=scale, dpo__base_model="lab/parent")
    assert bases(plan) == {"dpo": "lab/parent"}
    assert plan.stages[0].get("base_model").origin is Origin.ASSUMED


def test_a_stand_in_says_that_nothing_of_it_is_published() -> None:
    plan = planned(tenth(), "dpo", start=ALONE, scale=Scale.PROXY)
    assert bases(plan) == {"dpo": SFT_REPO}
    line = next(s for s in plan.scaled if s.name == "starting weights")
    assert (line.stage, line.full) == ("dpo", SFT_REPO)
    assert "pretrained" in line.proxy
    assert plan.stages[0].hyperparameters == planned(tenth(), scale=Scale.PROXY).stages[1].hyperparameters


def test_a_stage_that_cannot_be_regenerated_is_refused_only_when_it_is_asked_for() -> None:
    card = tenth()
    reward = stage("reward", "Reward modelling", base=SFT_REPO, produces="org/rm", datasets=(DatasetRef(PREFERENCES),))
    mixed = dataclasses.replace(card, stages=(*card.stages, reward))
    with pytest.raises(HoleError, match="'reward'"):
        planned(mixed)
    with pytest.raises(HoleError, match="'reward'"):
        planned(mixed, "dpo", "reward")
    assert planned(mixed, "dpo").left_out == ("reward",)


def test_the_same_training_has_one_folder_whatever_it_is_called(tmp_path: object) -> None:
    chain, named = (shelf.recipe_of(planned(tenth(), *asked)) for asked in ((), ("dpo",)))
    assert chain == named
    alone, both = (shelf.recipe_of(planned(tenth(), *asked, start=ALONE)) for asked in (("dpo",), ()))
    assert len({str(p) for p in (chain, alone, both)}) == 3
    single = spec((dataclasses.replace(tenth().stages[1], name="dpo"),), of=tenth().facts)
    assert shelf.recipe_of(planned(single)) == shelf.recipe_of(planned(single, start=ALONE))
