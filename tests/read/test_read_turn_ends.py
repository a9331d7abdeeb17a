"""The end token of a chat template that a card shows is a claim of its own, on its own line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.card import Card
from repro.spec import Claim, ClaimKind, Spec

SpecOf = Callable[[str], Spec]
TULU = "<|user|>\nAsk me\n<|assistant|>\nTold you<|endoftext|>"


def shown(block: str, before: str = "## Chat template", fence: str = "") -> str:
    return f"# Finch\n\nFine-tuned with DPO.\n\n{before}\n\n```{fence}\n{block}\n```\n"


def ends(spec: Spec) -> tuple[Claim, ...]:
    return tuple(c for c in spec.claims if "template_end_token" in c.id)


def test_the_given_card_shows_one(given: tuple[Card, Spec]) -> None:
    card, spec = given
    (claim,) = ends(spec)
    assert (claim.id, claim.kind, claim.stage) == ("dpo.template_end_token", ClaimKind.CONFIG, "dpo")
    assert claim.text == "the chat template shown ends a turn with <|endoftext|>"
    assert claim.printed == claim.value == "<|endoftext|>"
    assert (claim.span.line, claim.span.end_line) == (89, 89)
    assert card.line(89)[claim.span.column - 1 : claim.span.end_column] == "<|endoftext|>"
    name = spec.claim("dpo.chat_template")
    assert name is not None
    assert name.printed == "Tulu"
    assert all("template_end_token" not in {f.key for f in stage.facts} for stage in spec.stages)


@pytest.mark.parametrize(
    ("block", "token"),
    [
        (TULU, "<|endoftext|>"),
        ("<|im_start|>user\nAsk<|im_end|>\n<|im_start|>assistant\nTold<|im_end|>", "<|im_end|>"),
        ("<|user|>\n{prompt}</s>\n<|assistant|>\n{reply}</s>", "</s>"),
        ("<s>[INST] {one} [/INST] {answer} </s><s>[INST] {two} [/INST]", "</s>"),
        ("<start_of_turn>user\nAsk<end_of_turn>\n<start_of_turn>model\nTold<end_of_turn>", "<end_of_turn>"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nTold<|eot_id|>", "<|eot_id|>"),
        ("USER: Ask\nASSISTANT: Told</s>", "</s>"),
        # The first of two in a row ends the turn.
        ("<|im_start|>assistant\nTold<|im_end|><|endoftext|>", "<|im_end|>"),
        # One token in several turns is one claim.
        ("<|assistant|>\nOne</s>\n<|user|>\nMore</s>\n<|assistant|>\nTwo</s>", "</s>"),
    ],
)
def test_templates_of_every_make(spec_of: SpecOf, block: str, token: str) -> None:
    (claim,) = ends(spec_of(shown(block)))
    assert (claim.id, claim.value) == ("dpo.template_end_token", token)


@pytest.mark.parametrize(
    "card",
    [
        # Only the user's turn is ended: how the assistant's ends is not shown.
        shown("<|user|>\n{prompt}</s>\n<|assistant|>\n"),
        shown("<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant"),
        shown("<|user|>\nAsk\n<|assistant|>\nTold"),
        # A placeholder names no token, and a token within a sentence ends none.
        shown("<|user|>\nAsk\n<|assistant|>\nTold{eos_token}"),
        shown("<|user|>\nAsk\n<|assistant|>\nThe token </s>, they say, ends it"),
        # A program writes its tokens under conditions.
        shown("{% for m in messages %}<|assistant|>\n{{ m.content }}<|im_end|>\n{% endfor %}"),
        shown("text = '<|assistant|>Told</s>'\nprint(text)", fence="python"),
        # Another model's, or nobody's.
        shown(TULU, "## Differences\n\nUnlike the base model, whose chat template is:"),
        shown(TULU, "## Chat template\n\nThe original model used this template:"),
        shown(TULU, "## Sample output"),
    ],
)
def test_what_is_not_such_a_claim(spec_of: SpecOf, card: str) -> None:
    assert ends(spec_of(card)) == ()


def test_the_stage_that_the_heading_names(spec_of: SpecOf) -> None:
    text = (
        "# Finch\n\n## SFT\n\n| Parameter | Value |\n|---|---|\n| Learning rate | 1e-5 |\n\n## DPO\n\n"
        "| Parameter | Value |\n|---|---|\n| Learning rate | 5e-7 |\n| Beta | 0.1 |\n\n"
        f"## SFT prompt template\n\n```\n{TULU}\n```\n"
    )
    (claim,) = ends(spec_of(text))
    assert (claim.id, claim.stage) == ("sft.template_end_token", "sft")


def test_a_card_without_training_has_no_stage_to_name(spec_of: SpecOf) -> None:
    (claim,) = ends(spec_of(f"# Finch\n\nA bird.\n\n## Chat template\n\n```\n{TULU}\n```\n"))
    assert (claim.id, claim.stage) == ("template_end_token", "")


def test_two_ends_are_two_claims(spec_of: SpecOf) -> None:
    text = shown(TULU) + f"\n## Prompt format\n\n```\n{TULU.replace('<|endoftext|>', '</s>')}\n```\n"
    assert [(c.id, c.value) for c in ends(spec_of(text))] == [
        ("dpo.template_end_token", "<|endoftext|>"),
        ("dpo.template_end_token#2", "</s>"),
    ]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["<|assistant|>", "</s>", "### ", "[INST]", "<|im_start|>   ", "{" * 9])
def test_hostile_blocks_end_in_time(spec_of: SpecOf, piece: str) -> None:
    assert len(ends(spec_of(shown(TULU + "\n" + piece * 20_000)))) == 1
