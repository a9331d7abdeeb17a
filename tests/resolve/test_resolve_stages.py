"""Which stages are trained, on how many seeds, at what cost, and by which commands elsewhere."""

from __future__ import annotations

import dataclasses
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resolve_specs import facts, repo, spec, stage, stated, tenth, trl

from repro.errors import HoleError, UsageError
from repro.evidence import Evidence
from repro.plan import Plan
from repro.resolve.method import judge
from repro.resolve.proxy import MODEL, stand_in_parameters
from repro.resolve.resolver import resolve
from repro.resolve.sizes import parameters
from repro.spec import CodeBlock, DatasetRef, Spec
from repro.task import Scale


def plan_of(card: Spec, evidence: Evidence | None = None, **rest: object) -> Plan:
    return resolve(card, evidence or Evidence(), **{"scale": Scale.FULL, "assume": {}, **rest})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("sft", "SFT", "sft"),
        ("sft", "Supervised Fine-Tuning (SFT)", "sft"),
        ("dpo", "Direct Preference Optimization (DPO)", "dpo"),
        ("alignment", "length-normalized DPO", "dpo"),
        ("instruct", "instruction tuning", "sft"),
        ("ppo", "PPO", ""),
        ("sft", "SFT with LoRA", "sft"),
        ("sft", "QLoRA supervised fine-tuning", "sft"),
        ("sft", "SFT with DoRA", ""),
        ("sft", "SFT of an adapter", ""),
        ("dpo", "Online DPO", ""),
        ("reward", "reward modeling", ""),
        ("pretraining", "causal language modelling", ""),
        ("simpo", "SimPO", "dpo"),
        ("ipo", "Identity Preference Optimization (IPO)", "dpo"),
        ("kto", "KTO", ""),
        ("cpo", "CPO", ""),
        ("fine-tuning", "fine-tuning", ""),
        ("merge", "SLERP merge", ""),
    ],
)
def test_methods_are_told_apart(name: str, method: str, expected: str) -> None:
    one = stage(name, method)
    assert judge(one, spec((one,)), Evidence()).method == expected


@pytest.mark.parametrize("loss", ["hinge", "apo_zero", "wpo", "Robust", "kto_pair"])
def test_a_loss_that_is_not_trained_here_is_named(loss: str) -> None:
    with pytest.raises(HoleError, match="cannot regenerate") as caught:
        plan_of(tenth(loss_type=loss))
    assert loss.lower() in str(caught.value)
    assert "dpo, dpo_norm, simpo, ipo" in caught.value.hint


@pytest.mark.parametrize(
    ("optimizer", "decay", "told"), [("adam", 0.1, True), ("adam", 0.0, False), ("adamw", 0.1, False)]
)
def test_adam_with_a_decay_is_not_turned_into_adamw_in_silence(optimizer: str, decay: float, told: bool) -> None:
    notes = plan_of(tenth(optimizer=optimizer, weight_decay=decay)).notes
    assert any("Adam is computed as AdamW" in note for note in notes) is told


def test_a_quantized_base_or_another_kind_of_model_is_seen_outside_the_method_too() -> None:
    one = stage("sft", "SFT", base="org/m")
    for card in (
        spec((dataclasses.replace(one, base=stated("base_model", "org/m-bnb-4bit")),)),
        spec((one,), of=(stated("pipeline_tag", "text-classification"),)),
        spec((one,), of=(stated("model_id", "org/my-kto-model"),)),
        spec((one,), of=(stated("tags", ("unsloth",)),)),
    ):
        assert judge(card.stages[0], card, Evidence()).method == ""


def test_parameters_of_one_of_two_trainings_are_not_run() -> None:
    one = stage("training", "one of two trainings, unsaid which")
    judged = judge(one, spec((one,)), Evidence())
    assert (judged.method, "either" in judged.why_not) == ("", True)


def test_a_card_without_training_says_so() -> None:
    with pytest.raises(HoleError, match="no training stage could be read") as caught:
        plan_of(spec(()))
    assert caught.value.where == "card.md"
    assert caught.value.exit_code == 3


def test_a_stage_before_a_named_base_is_left_out_with_a_note() -> None:
    card = tenth()
    card = dataclasses.replace(card, stages=(stage("pretraining", "pretraining"), *card.stages))
    plan = plan_of(card)
    assert [s.name for s in plan.stages] == ["sft", "dpo"]
    assert any("'pretraining'" in note and "cannot regenerate" in note for note in plan.notes)


def test_a_last_stage_that_cannot_be_trained_stops_the_run() -> None:
    card = tenth()
    card = dataclasses.replace(card, stages=(*card.stages, stage("ppo", "PPO", base="org/x")))
    with pytest.raises(HoleError, match="PPO"):
        plan_of(card)


def test_a_base_that_an_earlier_stage_made_is_that_stage() -> None:
    card = trl()
    assert [s.base for s in plan_of(card).stages] == ["org/tiny", "<sft>"]
    other = dataclasses.replace(card.stages[1], base=stated("base_model", "org/elsewhere"))
    card = dataclasses.replace(card, stages=(card.stages[0], other))
    assert [s.base for s in plan_of(card).stages] == ["org/tiny", "org/elsewhere"]
    unsaid = dataclasses.replace(card.stages[1], base=stage("x", "x").base)
    plan = plan_of(dataclasses.replace(card, stages=(card.stages[0], unsaid)))
    assert plan.stages[1].base == "<sft>"
    assert "not stated" in plan.stages[1].get("base_model").why


def test_a_tiny_model_is_run_with_three_seeds_at_full_scale_only() -> None:
    tiny = Evidence(repos=(repo("org/tiny", total_params=200_000),))
    large = Evidence(repos=(repo("org/tiny", total_params=8_000_000_000),))
    assert plan_of(trl(), tiny).seeds == (7, 1007, 2007)
    assert plan_of(trl(), large).seeds == (7,)
    assert plan_of(trl()).seeds == (7,), "of an unknown size nothing is assumed"
    assert plan_of(trl(), tiny, scale=Scale.PROXY).seeds == (7,)
    assert plan_of(trl(), tiny, num_seeds=2).seeds == (7, 1007)
    assert plan_of(trl(), large, num_seeds=2, seed=3).seeds == (3, 1003)
    assert any("3 runs" in note and "200,000" in note for note in plan_of(trl(), tiny).notes)


@pytest.mark.parametrize("rest", [{"num_seeds": 0}, {"num_seeds": 101}, {"seed": -1}, {"seed": 2**31}])
def test_seeds_that_mean_nothing_are_refused(rest: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        plan_of(trl(), **rest)


def test_sizes_come_from_the_repository_then_the_name_and_never_from_a_wrong_index() -> None:
    def size(name: str, **values: object) -> object:
        return parameters((name,), Evidence(repos=(repo(name, **values),) if values else ())).value

    assert size("org/m", total_params=123) == 123
    assert size("meta-llama/Llama-3.1-8B") == 8_030_261_248
    assert size("x/Llama-3.1-8B-Tenth", total_params=266_240) == 8_030_261_248
    assert size("org/model-1.5B-chat") == 1_500_000_000
    assert size("org/SmolLM-135M") == 135_000_000
    assert size("org/Mixtral-8x7B") is None
    assert size("org/model") is None
    shape = {"vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32}
    heads = {"num_attention_heads": 32, "num_key_value_heads": 8}
    assert size("org/m", **shape, **heads) == 8_030_261_248


def test_the_stand_ins_rate_follows_from_widths_alone() -> None:
    wide = Evidence(repos=(repo("org/tiny", hidden_size=1024),))
    rates = []
    for card in (trl(), dataclasses.replace(trl(), claims=())):
        h = plan_of(card, wide, scale=Scale.PROXY).stages[1].hyperparameters
        rates.append(h.learning_rate)
    assert rates[0] == rates[1] == pytest.approx(1e-4 * 1024 / MODEL.hidden_size)
    narrow = Evidence(repos=(repo("org/tiny", hidden_size=32),))
    h = plan_of(trl(), narrow, scale=Scale.PROXY).stages[1].hyperparameters
    assert h.learning_rate == 1e-4, "never below the card's"
    assert 100_000 < stand_in_parameters() < 1_000_000


HOSTILE = [
    "org/m; rm -rf ~",
    "$(touch pwned)",
    "`id`",
    "org/m\nrm -rf /",
    "--output_dir=/etc",
    "org/'m'",
    "\x1b[31morg/m",
    "org/m && echo",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_card_writes_never_becomes_a_command(name: str) -> None:
    card = tenth()
    stages = tuple(
        dataclasses.replace(
            s,
            name=name if s.name == "dpo" else s.name,
            base=stated("base_model", name),
            datasets=(DatasetRef(name),),
            facts=facts(1, learning_rate=1e-6, effective_batch_size=8, max_seq_length=8, num_epochs=1)
            + facts(9, lr_scheduler_type="linear", warmup_ratio=0.0),
        )
        for s in card.stages
    )
    stages = (stages[0], dataclasses.replace(stages[1], method="DPO"))
    card = dataclasses.replace(card, stages=stages, source=name, claims=())
    plan = plan_of(card, scale=Scale.PROXY)
    for command in plan.commands:
        lines = [line for line in command.text.split("\n") if not line.startswith("#")]
        words = shlex.split("\n".join(lines))
        assert words[:2] == ["accelerate", "launch"]
        assert not any(word in {"rm", "touch", "id", "echo", ";", "&&"} for word in words)
        assert all(line.endswith("\\") for line in lines[:-1]), "one command, no second line of its own"
        assert all(c.isprintable() or c == "\n" for c in command.text)


@given(st.text(max_size=40))
def test_any_card_path_is_one_word(source: str) -> None:
    card = dataclasses.replace(trl(), source=source)
    own = plan_of(card).commands[-1].text
    words = shlex.split("\n".join(line for line in own.split("\n") if not line.startswith("#")))
    assert words[: words.index("run") + 1] == ["accelerate", "launch", "--num_processes", "1", "-m", "repro", "run"]
    shown = "".join(c if c.isprintable() else "?" for c in source)
    assert words[words.index("run") + 1] == (f"./{shown}" if source.startswith("-") else shown)


def test_open_instructs_commands_carry_the_plans_values() -> None:
    sft, dpo, own = plan_of(tenth(), assume={"dpo.beta": "2"}).commands
    words = shlex.split("\n".join(line for line in dpo.text.split("\n") if not line.startswith("#")))

    def after(flag: str, count: int = 1) -> list[str]:
        return words[words.index(flag) + 1 : words.index(flag) + 1 + count]

    assert "open_instruct/dpo_tune_cache.py" in words
    assert after("--dataset_mixer_list", 2) == ["allenai/llama-3.1-tulu-3-8b-preference-mixture", "0.1"]
    assert float(after("--learning_rate")[0]) == 5e-7
    assert after("--gradient_accumulation_steps") == ["16"]
    assert "2.0" in words
    assert "open_instruct/finetune.py" in sft.text
    assert "--assume dpo.beta=2" in own.text
    whole = plan_of(tenth(), assume={"dataset_fraction": "1"}).commands[0].text
    assert "tulu-3-sft-mixture 1.0" in whole, "without the decimal point it would be one row"


def test_trls_commands_carry_its_own_terms() -> None:
    _, dpo, _ = plan_of(trl()).commands
    assert "--loss_type sigmoid_norm" in dpo.text
    assert "--max_grad_norm 1.0" in dpo.text
    assert "trl.scripts.dpo" in dpo.text


def test_zephyrs_template_is_not_taken_for_tulus() -> None:
    def template(text: str) -> object:
        card = dataclasses.replace(trl(), code=(CodeBlock("", text, stated("x", 1).span, "template"),))  # type: ignore[arg-type]
        return plan_of(card).stages[1].get("chat_template").value

    assert template("<|user|>\nHi\n<|assistant|>\nHello<|endoftext|>") == "tulu"
    assert template("<|user|>\nHi</s>\n<|assistant|>\nHello</s>") == "model"
