"""A claimed chat template beside the text that the tokenizer applies: a name is never compared with a text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from compare_cases import MODEL, config, evidence, fact, repo, spec

from repro.card import Span
from repro.compare.comparer import compare
from repro.comparison import Comparison, Verdict
from repro.spec import CodeBlock, Origin

TULU = "{% for m in messages %}{{ '<|user|>' }}{{ '<|assistant|>' }}{{ eos_token }}{% endfor %}"
BY_ROLE = "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token }}{% endfor %}"
CHATML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] }}{{ '<|im_end|>' }}{% endfor %}"


def judged(name: str, template: str, shown: str = "") -> Comparison:
    claim = config("chat_template", name)
    block = CodeBlock("", f"<|user|>\nHi\n<|assistant|>\nHo{shown}", Span("card.md", 9, 14), "template")
    card = replace(spec(claim), code=(block,) if shown else ())
    published = repo(
        fact("chat_template", template, Origin.FOUND, span=Span(f"{MODEL}@abc:chat_template.jinja", 1, 1)),
        fact("eos_token", "<|end_of_text|>", Origin.FOUND),
    )
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


@pytest.mark.parametrize("shown", ["<|end_of_text|>", "<|endoftext|>", "</s>"])
def test_the_end_token_shown_is_no_part_of_the_name(shown: str) -> None:
    comparison = judged("Tulu", TULU, shown)
    assert comparison.verdict is Verdict.CONSISTENT
    assert shown not in comparison.why


@pytest.mark.parametrize(("mine", "theirs"), [("AdamW", "adamw_torch_fused"), ("linear_with_warmup", "Linear")])
def test_a_short_name_never_contradicts_the_long_one(mine: str, theirs: str) -> None:
    found = repo(fact("optimizer", theirs, Origin.FOUND))
    (comparison,) = compare(spec(config("optimizer", mine)), evidence(found), None, None, ())
    assert comparison.verdict is Verdict.INCONCLUSIVE
