"""Adapters: where a card says that it trained one, what fills its numbers, what becomes of it at proxy scale."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from resolve_specs import facts, spec, stage, stated, tenth, trl

from repro.errors import HoleError
from repro.evidence import Evidence, Repo, RepoFile
from repro.plan import Adapter, Plan
from repro.read.reader import read
from repro.resolve.adapter import UNSAID
from repro.resolve.method import judge
from repro.resolve.proxy import small_adapter
from repro.resolve.resolver import resolve
from repro.spec import Fact, Origin, Spec
from repro.task import Scale

SUBJECT = Repo("org/n", "model", "subject", "f", "", files=(RepoFile("adapter_config.json"),))


def plan_of(card: Spec, evidence: Evidence | None = None, **rest: Any) -> Plan:
    return resolve(card, evidence or Evidence(), **{"scale": Scale.FULL, "assume": {}, **rest})


def lora(card: Spec, method: str | None = None, **of: Any) -> Spec:
    """The card with only its last stage, from a published base, with these facts beside its own."""
    last = card.stages[-1]
    kept = tuple(f for f in last.facts if f.key not in of)
    last = dataclasses.replace(last, method=method or last.method, facts=(*kept, *facts(90, **of)))
    return dataclasses.replace(card, stages=(last,), claims=())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("It was fine-tuned using QLoRA on one card.", "qlora"),
        ("|lora_r|8|", "lora"),
        ("adapter: lora", "lora"),
        ("All weights were trained, not an adapter with LoRA.", ""),
        ("You can fine-tune it further with LoRA.", ""),
    ],
)
def test_an_adapter_that_the_text_tells_of(line: str, expected: str) -> None:
    one = stage("sft", "Supervised Fine-Tuning (SFT)")
    card = dataclasses.replace(spec((one,)), text=f"# Card\n\n{line}\n")
    judged = judge(one, card, Evidence())
    assert (judged.method, judged.adapter) == ("sft", expected)
    two = dataclasses.replace(card, stages=(one, stage("dpo", "DPO")))
    assert judge(two.stages[1], two, Evidence()).adapter == (UNSAID if expected else "")


@pytest.mark.parametrize(
    ("method", "of", "tags", "evidence", "expected"),
    [
        ("SFT", {}, ("trl", "lora"), Evidence(), "lora"),
        ("SFT", {}, ("qlora",), Evidence(), "qlora"),
        ("SFT", {}, (), Evidence(repos=(SUBJECT,)), "lora"),
        ("SFT with QLoRA", {}, (), Evidence(), "qlora"),
        ("SFT", {"lora_r": 8}, (), Evidence(), "lora"),
        ("SFT", {"lora_r": 8, "load_in_4bit": True}, (), Evidence(), "qlora"),
        ("SFT", {"adapter": "full"}, ("lora",), Evidence(), ""),
        ("SFT", {"adapter": "lora"}, ("unsloth",), Evidence(), "lora"),
        ("SFT", {}, (), Evidence(), ""),
    ],
)
def test_where_a_card_or_its_repository_says_it(
    method: str, of: dict[str, Any], tags: tuple[str, ...], evidence: Evidence, expected: str
) -> None:
    one = stage("sft", method, base="org/m", of=facts(1, **of))
    judged = judge(one, spec((one,), of=(stated("tags", tags),)), evidence)
    assert (judged.method, judged.adapter) == ("sft", expected), judged.why_not


@pytest.mark.parametrize("kind", ["dora", "ia3", "prefix tuning", "longlora"])
def test_adapters_that_are_not_lora_are_refused_by_name(kind: str) -> None:
    one = stage("sft", "SFT", of=facts(1, adapter=kind))
    judged = judge(one, spec((one,)), Evidence())
    assert judged.method == ""
    assert kind in judged.why_not
    peft_type = Fact("peft_type", "IA3", Origin.FOUND)
    found = Evidence(repos=(dataclasses.replace(SUBJECT, facts=(peft_type,)),))
    plain = stage("sft", "SFT")
    assert "ia3, by adapter_config.json" in judge(plain, spec((plain,)), found).why_not


def test_what_is_stated_found_and_assumed() -> None:
    found = Fact("lora_target_modules", ("v_proj", "q_proj"), Origin.FOUND)
    subject = dataclasses.replace(SUBJECT, facts=(found, Fact("lora_dropout", 0.05, Origin.FOUND)))
    plan = plan_of(lora(trl(), lora_r=16, use_rslora=True), Evidence(repos=(subject,)))
    (one,) = plan.stages
    assert one.adapter == Adapter(16, 8.0, 0.05, ("q_proj", "v_proj"), "none", True)
    origins = {key: one.get(key).origin for key in ("lora_r", "lora_dropout", "lora_alpha", "lora_bias")}
    assert origins == {
        "lora_r": Origin.STATED,
        "lora_dropout": Origin.FOUND,
        "lora_alpha": Origin.ASSUMED,
        "lora_bias": Origin.ASSUMED,
    }
    assert "huggingface/peft@v0.21.2:src/peft/tuners/lora/config.py" in one.get("lora_alpha").why
    told = next(f.how for f in plan.feasibility)
    assert "float32 master" not in told


def test_a_rank_that_nobody_gives_is_a_hole_with_the_way_out() -> None:
    with pytest.raises(HoleError, match="lacks lora_r") as caught:
        plan_of(lora(trl(), "DPO with LoRA"))
    assert "--assume dpo.lora_r=" in caught.value.hint
    planned = plan_of(lora(trl(), "DPO with LoRA"), assume={"lora_r": "4", "lora_target_modules": "all linear layers"})
    assert planned.stages[0].adapter == Adapter(4, 8.0, 0.0, ("all-linear",), "none", False)
    with pytest.raises(HoleError, match="names of layers"):
        plan_of(lora(trl(), lora_r=4, lora_target_modules="$(rm -rf ~)"))


def test_a_card_of_two_stages_must_say_which_had_the_adapter() -> None:
    card = dataclasses.replace(trl(), facts=(*trl().facts, stated("tags", ("lora",))))
    with pytest.raises(HoleError, match="tells of an adapter") as caught:
        plan_of(card)
    assert "--assume sft.adapter=" in caught.value.hint
    plan = plan_of(card, assume={"sft.adapter": "lora", "lora_r": "8", "dpo.adapter": "none"})
    assert [s.adapter is not None for s in plan.stages] == [True, False]
    assert any("lora_r given by --assume: not used" in note for note in plan.notes)


def test_qlora_says_how_the_weights_are_held() -> None:
    plain = plan_of(lora(trl(), "DPO with QLoRA", lora_r=8)).stages[0]
    assert plain.adapter is not None
    assert (plain.adapter.quantization, plain.adapter.double_quantization) == ("nf4", False)
    assert "QLoRA" in plain.get("bnb_4bit_quant_type").why
    stated_so = lora(trl(), lora_r=8, load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=True)
    adapter = plan_of(stated_so).stages[0].adapter
    assert adapter is not None
    assert (adapter.quantization, adapter.double_quantization) == ("fp4", True)
    eight = plan_of(lora(trl(), lora_r=8, load_in_8bit=True)).stages[0].adapter
    assert eight is not None
    assert eight.quantization == "int8"


def test_commands_carry_the_adapter_or_are_left_out() -> None:
    command = plan_of(lora(trl(), lora_r=16, lora_alpha=32, lora_target_modules=("q_proj",))).commands[0].text
    assert "--use_peft" in command
    assert "--lora_r 16" in command
    assert "--lora_target_modules q_proj" in command
    titles = [c.title for c in plan_of(lora(tenth(), lora_r=16)).commands]
    assert "dpo: open-instruct" not in titles


def test_the_stand_in_carries_a_smaller_adapter_of_the_same_scale() -> None:
    plan = plan_of(lora(trl(), lora_r=64, lora_alpha=16, load_in_4bit=True, learning_rate=2e-4), scale=Scale.PROXY)
    adapter = plan.stages[0].adapter
    assert adapter == Adapter(8, 2.0, 0.0, (), "none", False)
    assert plan.stages[0].hyperparameters.learning_rate == 2e-4
    assert {s.name for s in plan.scaled} >= {"lora_r", "lora_alpha", "frozen weights"}
    ranked, _ = small_adapter(Adapter(32, 8.0, 0.0, ("query_key_value",), "none", True))
    assert (ranked.r, ranked.alpha, ranked.target_modules) == (8, 4.0, ("all-linear",))
    same, told = small_adapter(Adapter(4, 8.0, 0.0, ("model.layers.0.q_proj", "dense"), "none", False))
    assert (same.r, same.alpha, same.target_modules) == (4, 8.0, ("q_proj",))
    assert [name for name, full, proxy, _ in told if full != proxy] == ["lora_target_modules"]


CARD = """---
base_model: org/base-7b
library_name: peft
datasets: [org/chat]
pipeline_tag: text-generation
---
# Tern

Supervised fine-tuning (SFT) with TRL on 2,000 rows of org/chat.

## Training hyperparameters

| Hyperparameter | Value |
|---|---|
| LoRA rank | 16 |
| LoRA alpha | 32 |
| LoRA dropout | 0.05 |
| Target modules | q_proj, v_proj |
| Learning rate | 2e-4 |
| Batch size per device | 4 |
| Gradient accumulation steps | 4 |
| Epochs | 1 |
| Max sequence length | 512 |
"""


def test_a_card_of_an_adapter_is_read_and_planned() -> None:
    planned = plan_of(read(CARD.encode(), "card.md")[1], assume={"framework": "trl", "num_devices": "1"})
    (one,) = planned.stages
    assert one.adapter == Adapter(16, 32.0, 0.05, ("q_proj", "v_proj"), "none", False)
    assert one.get("lora_target_modules").origin is Origin.STATED
