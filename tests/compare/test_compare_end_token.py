"""The end token of a template that a card shows, beside what the published tokenizer has and writes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from compare_cases import MODEL, config, evidence, fact, repo, spec, stage

from repro.card import Span
from repro.compare.comparer import compare
from repro.comparison import Comparison, Verdict, Weight
from repro.evidence import Evidence, Repo, RepoFile
from repro.spec import Claim, ClaimKind, Origin

TULU = "{% for m in messages %}{{ '<|user|>' }}{{ '<|assistant|>' }}{{ eos_token }}{% endfor %}"
CHATML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] }}{{ '<|im_end|>' }}{% endfor %}"
PHI = "{% for m in messages %}{{ '<|end|>' }}{% endfor %}{{ eos_token }}"
OPEN = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
END = "<|end_of_text|>"
OTHER = "<|endoftext|>"


def listing(*tokens: str) -> str:
    return json.dumps({"added_tokens_decoder": {str(i): {"content": t} for i, t in enumerate(tokens)}})


def tokenizer(template: str, eos: tuple[str, ...] = (END,), text: str = listing(END), extra: str = "") -> Repo:
    where = Span(f"{MODEL}@abc:chat_template.jinja", 1, 1)
    found = (fact("chat_template", template, Origin.FOUND, span=where),) if template else ()
    published = repo(*found, *(fact("eos_token", token, Origin.FOUND) for token in eos))
    files = [RepoFile("tokenizer_config.json", 9, text), RepoFile("README.md", 9, f"ends with {OTHER}")]
    return replace(published, files=(*files, *([RepoFile("added_tokens.json", 9, extra)] if extra else ())))


def judged(token: str, *repos: Repo, others: tuple[Claim, ...] = ()) -> Comparison:
    claims = (config("template_end_token", token), *others)
    return compare(spec(*claims), evidence(*repos), None, None, ())[0]


@pytest.mark.parametrize(
    ("token", "published", "verdict"),
    [
        (END, tokenizer(TULU), Verdict.CONSISTENT),
        ("<|im_end|>", tokenizer(CHATML, text=listing("<|im_end|>")), Verdict.CONSISTENT),
        (END, tokenizer(""), Verdict.CONSISTENT),
        (OTHER, tokenizer(TULU), Verdict.DIFFERS),
        (OTHER, tokenizer(CHATML, text=listing("<|im_end|>")), Verdict.DIFFERS),
        # The token exists, so training may have used it.
        (OTHER, tokenizer(TULU, text=listing(END, OTHER)), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, extra=json.dumps({OTHER: 7})), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, eos=(END, OTHER)), Verdict.INCONCLUSIVE),
        # Without a list of tokens nobody can say that one is missing.
        (OTHER, tokenizer(TULU, text=json.dumps({"eos_token": END})), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, text="[1]"), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, text="["), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, text="[" * 100_000), Verdict.INCONCLUSIVE),
        # Nor can anybody say how turns end where no template, or none that writes an end, is published.
        (OTHER, tokenizer(""), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(OPEN), Verdict.INCONCLUSIVE),
        (END, tokenizer(OPEN), Verdict.INCONCLUSIVE),
        (OTHER, tokenizer(TULU, eos=()), Verdict.INCONCLUSIVE),
        # The tokenizer's end token, and a template that ends its turns otherwise.
        (END, tokenizer(CHATML), Verdict.INCONCLUSIVE),
        # Two ends in one template: which of them ends an assistant's turn takes running it.
        ("<|end|>", tokenizer(PHI), Verdict.INCONCLUSIVE),
        # Gemma's token, and what people write for any.
        ("<eos>", tokenizer(TULU), Verdict.INCONCLUSIVE),
        (OTHER, repo(), Verdict.UNTESTED),
    ],
)
def test_the_end_token_that_the_card_shows(token: str, published: Repo, verdict: Verdict) -> None:
    comparison = judged(token, published)
    assert comparison.verdict is verdict
    assert comparison.claimed == token
    assert bool(comparison.needs) == (verdict in {Verdict.INCONCLUSIVE, Verdict.UNTESTED})
    weights = {Verdict.DIFFERS: Weight.STRONG, Verdict.CONSISTENT: Weight.WEAK}
    assert comparison.weight is weights.get(verdict, Weight.NONE)
    assert comparison.method == ("none" if verdict is Verdict.UNTESTED else "artefact")


def test_a_missing_token_is_named_beside_the_real_one() -> None:
    comparison = judged(OTHER, tokenizer(TULU))
    assert f"has no token {OTHER}" in comparison.why
    assert comparison.measured_text == f"ends a turn with {END}"
    assert comparison.evidence_kind == f"{MODEL}@abc:chat_template.jinja:1"


def test_nothing_is_said_without_evidence() -> None:
    comparison = judged(OTHER)
    assert comparison.verdict is Verdict.UNTESTED
    assert "tokenizer" in comparison.needs


@pytest.mark.parametrize("published", [tokenizer(TULU), repo()])
def test_a_card_that_shows_two_ends_does_not_settle_which(published: Repo) -> None:
    second = replace(config("template_end_token", END), id="dpo.template_end_token#2")
    comparison = judged(OTHER, published, others=(second,))
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert END in comparison.why
    assert OTHER in comparison.why


def test_another_stages_end_token_is_another_claim() -> None:
    other = replace(config("template_end_token", END), id="sft.template_end_token", stage="sft")
    assert judged(OTHER, tokenizer(TULU), others=(other,)).verdict is Verdict.DIFFERS


def test_a_card_without_training_is_held_to_its_own_repository() -> None:
    claim = Claim("template_end_token", ClaimKind.CONFIG, "", OTHER, Span("card.md", 7, 7), OTHER)
    card = replace(spec(claim, stages=(stage(),)), stages=())
    (comparison,) = compare(card, evidence(tokenizer(TULU)), None, None, ())
    assert comparison.verdict is Verdict.DIFFERS
    (comparison,) = compare(card, Evidence(), None, None, ())
    assert comparison.verdict is Verdict.UNTESTED
