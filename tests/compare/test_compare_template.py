"""A claimed chat template beside the text that the tokenizer applies: a name is never compared with a text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from compare_cases import MODEL, config, evidence, fact, repo, spec

from repro.card import Span
from repro.compare.comparer import compare
from repro.comparison import Comparison, Verdict
from repro.evidence import RepoFile
from repro.spec import CodeBlock, Origin

TULU = "{% for m in messages %}{{ '<|user|>' }}{{ '<|assistant|>' }}{{ eos_token }}{% endfor %}"
BY_ROLE = "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token }}{% endfor %}"
CHATML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] }}{{ '<|im_end|>' }}{% endfor %}"
TOKENS = {"added_tokens_decoder": {"1": {"content": "<|end_of_text|>"}}, "eos_token": "<|end_of_text|>"}


def judged(name: str, template: str, shown: str = "", tokens: object = TOKENS, line: int = 9) -> Comparison:
    claim = config("chat_template", name)
    block = CodeBlock("", f"<|user|>\nHi\n<|assistant|>\nHo{shown}", Span("card.md", line, line + 5), "template")
    card = replace(spec(claim), code=(block,) if shown else ())
    published = repo(
        fact("chat_template", template, Origin.FOUND, span=Span(f"{MODEL}@abc:chat_template.jinja", 1, 1)),
        fact("eos_token", "<|end_of_text|>", Origin.FOUND),
    )
    published = replace(published, files=(RepoFile("tokenizer_config.json", 9, json.dumps(tokens)),))
    (comparison,) = compare(card, evidence(published), None, None, ())
    return comparison


@pytest.mark.parametrize(
    ("name", "template", "verdict"),
    [
        ("Tulu", TULU, Verdict.CONSISTENT),
        ("tulu", BY_ROLE, Verdict.CONSISTENT),
        ("ChatML", CHATML, Verdict.CONSISTENT),
        ("Tulu", CHATML, Verdict.DIFFERS),
        ("chatml", TULU, Verdict.DIFFERS),
        ("Llama 3.1", TULU, Verdict.DIFFERS),
        ("Tulu", "{{ messages }}", Verdict.INCONCLUSIVE),
        ("House style", TULU, Verdict.UNTESTED),
        ("model", TULU, Verdict.CONSISTENT),
        (TULU, TULU, Verdict.CONSISTENT),
    ],
)
def test_a_name_is_judged_by_the_marks_it_stands_for(name: str, template: str, verdict: Verdict) -> None:
    assert judged(name, template).verdict is verdict


@pytest.mark.parametrize(
    ("shown", "tokens", "line", "verdict"),
    [
        ("<|end_of_text|>", TOKENS, 9, Verdict.CONSISTENT),
        ("<|endoftext|>", TOKENS, 9, Verdict.DIFFERS),
        # Far from the name the block may show something else.
        ("<|endoftext|>", TOKENS, 60, Verdict.INCONCLUSIVE),
        # Without a list of tokens nobody can say that one is missing.
        ("<|endoftext|>", {"eos_token": "<|end_of_text|>"}, 9, Verdict.INCONCLUSIVE),
        ("<|endoftext|>", [1], 9, Verdict.INCONCLUSIVE),
        ("<|endoftext|>", {"added_tokens_decoder": {"7": {"content": "<|endoftext|>"}}}, 9, Verdict.INCONCLUSIVE),
    ],
)
def test_the_end_token_that_the_card_shows(shown: str, tokens: object, line: int, verdict: Verdict) -> None:
    comparison = judged("Tulu", TULU, shown, tokens, line)
    assert comparison.verdict is verdict
    assert (shown in comparison.why) == (verdict is not Verdict.CONSISTENT)


@pytest.mark.parametrize(("mine", "theirs"), [("AdamW", "adamw_torch_fused"), ("linear_with_warmup", "Linear")])
def test_a_short_name_never_contradicts_the_long_one(mine: str, theirs: str) -> None:
    found = repo(fact("optimizer", theirs, Origin.FOUND))
    (comparison,) = compare(spec(config("optimizer", mine)), evidence(found), None, None, ())
    assert comparison.verdict is Verdict.INCONCLUSIVE
