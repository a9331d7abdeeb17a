"""`.eval_results/*.yaml`: entries as claims with the file's own lines, what is no entry as a problem, never a crash."""

from __future__ import annotations

import pytest
import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.evidence import Evidence, Repo, RepoFile
from repro.files import MAX_SCORE_BYTES
from repro.read.eval_results import (
    MAX_CLAIMS,
    MAX_ENTRIES,
    read_eval_results,
    with_earlier,
    with_eval_results,
    with_published,
)
from repro.read.reader import read
from repro.spec import Claim, ClaimKind

FILE = b"""# scores of the release
- dataset:
    id: cais/hle
    task_id: default
    revision: 5503434ddd753f426f4b38109466949a1217c2bb
  value: 20.90
  verifyToken: eyJhbGciOiJIUzI1NiJ9
  date: 2026-01-15
  source:
    url: https://huggingface.co/datasets/cais/hle
    name: HLE
    org: cais
  notes: no-tools, 5-shot
- {dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}, value: 41.2%}
"""
CARD = b"# tern\n\n| Benchmark | Score |\n|---|---|\n| HLE | 20.9 |\n"


def said(claim: Claim) -> dict[str, object]:
    return {f.key: f.value for f in claim.conditions}


def test_an_entry_is_a_score_with_what_it_was_measured_under() -> None:
    claims, problems = read_eval_results(FILE, "m/.eval_results/hle.yaml")
    assert problems == ()
    hle, gpqa = claims
    assert (hle.kind, hle.task, hle.printed, hle.value) == (ClaimKind.EVAL, "hle", "20.90", 20.9)
    assert hle.number is not None
    assert hle.number.last_digit == pytest.approx(0.01)
    assert str(hle.span) == "m/.eval_results/hle.yaml:6"
    assert said(hle) == {
        "dataset_id": "cais/hle",
        "dataset_revision": "5503434ddd753f426f4b38109466949a1217c2bb",
        "date": "2026-01-15",
        "num_fewshot": 5,
        "notes": "no-tools, 5-shot",
        "source_url": "https://huggingface.co/datasets/cais/hle",
        "source_name": "HLE",
        "source_org": "cais",
        "signed": True,
    }
    assert "eyJ" not in repr(hle)
    assert (gpqa.task, gpqa.printed, gpqa.span.line) == ("gpqa_diamond", "41.2%", 14)
    assert said(gpqa)["dataset_config"] == "gpqa_diamond"
    assert next(str(f.span) for f in hle.conditions if f.key == "source_org").endswith(":12")


def test_what_the_hubs_own_library_writes_is_read_back() -> None:
    entries = [
        EvalResultEntry("cais/hle", "default", 20.9, date="2026-01-15T10:30:00Z", notes="no-tools"),
        EvalResultEntry("openai/gsm8k", "gsm8k", 0.447, source_url="https://example.test/log", source_name="Log"),
    ]
    text = yaml.dump(eval_result_entries_to_yaml(entries)).encode()
    claims, problems = read_eval_results(text, "x.yaml")
    assert not problems
    assert [(c.task, c.value) for c in claims] == [("hle", 20.9), ("gsm8k", 0.447)]
    assert said(claims[0])["date"] == "2026-01-15T10:30:00Z"
    assert said(claims[1])["source_name"] == "Log"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("value: 3\n", "is a mapping, not a list of entries"),
        ("20.9\n", "is a single value, not a list of entries"),
        ("- 3\n", "entry 1 of the file of scores is no mapping"),
        ("- value: 3\n", "has no dataset"),
        ("- dataset: {id: a/b}\n  value: 3\n", "has no task_id"),
        ("- dataset: {task_id: b}\n  value: 3\n", "has no id"),
        ("- dataset: {id: a/b, task_id: c}\n", "has no value"),
        ("- dataset: {id: a/b, task_id: c}\n  value: [3]\n", "has no number"),
        ("- dataset: {id: a/b, task_id: c}\n  value: true\n", "has no number"),
        ("- dataset: {id: a/b, task_id: c}\n  value:\n", "has no number"),
        ("- &a [*a, *a]\n", "uses a YAML alias"),
        ("- " + "[" * 80 + "]" * 80 + "\n", "nested deeper"),
        ("- a: [\n", "the file of scores is not YAML"),
        ("- 1\n---\n- 2\n", "another document"),
        ("- !!python/object:os.system {dataset: {id: a/b, task_id: c}, value: 3}\n", "is not followed"),
        ("- dataset: {id: a/b, task_id: c}\n  value: 3\n  value: 4\n", "a second time"),
    ],
)
def test_what_is_no_entry_is_a_problem_with_its_line(text: str, why: str) -> None:
    _, problems = read_eval_results(text.encode(), "x.yaml")
    assert any(why in p.message for p in problems), problems
    lines = text.count("\n") + 1
    assert all(p.span.source == "x.yaml" and 1 <= p.span.line <= p.span.end_line <= lines for p in problems)


def test_the_first_of_two_values_is_kept_as_it_is_printed() -> None:
    (claim,), _ = read_eval_results(b"- dataset: {id: a/b, task_id: c}\n  value: 3.0\n  value: 4\n", "x.yaml")
    assert (claim.printed, claim.span.line) == ("3.0", 2)


def test_files_are_bounded() -> None:
    entry = "- {dataset: {id: a/b, task_id: c}, value: 3}\n"
    claims, problems = read_eval_results((entry * (MAX_ENTRIES + 7)).encode(), "x.yaml")
    assert (len(claims), len(problems)) == (MAX_ENTRIES, 1)
    assert read_eval_results(b"#" * (MAX_SCORE_BYTES + 1), "x.yaml")[1][0].message.endswith("was not read")
    spec = read(CARD, "README.md")[1]
    many = with_eval_results(spec, [(f"{n}.yaml", (entry * MAX_ENTRIES).encode()) for n in range(6)])
    assert len(many.claims) == len(spec.claims) + MAX_CLAIMS
    assert len({c.id for c in many.claims}) == len(many.claims)
    assert sum("the rest was not read" in p.message for p in many.problems) == 2


def test_claims_stand_after_the_cards_own_and_name_their_file() -> None:
    spec = read(CARD, "m/README.md")[1]
    more = with_eval_results(spec, [("m/.eval_results/hle.yaml", FILE), ("m/.eval_results/no.yaml", "cannot be read")])
    assert more.claims[: len(spec.claims)] == spec.claims
    assert [(c.id, c.span.source) for c in more.claims[len(spec.claims) :]] == [
        ("eval_results.hle", "m/.eval_results/hle.yaml"),
        ("eval_results.gpqa_diamond", "m/.eval_results/hle.yaml"),
    ]
    assert [str(p.span) for p in more.problems] == ["m/.eval_results/no.yaml"]
    assert with_eval_results(spec, []) is spec


@pytest.mark.parametrize(
    ("repo_id", "role", "local", "count"),
    [
        ("quarry/tern", "subject", (), 2),
        ("quarry/other", "subject", (), 0),
        ("quarry/tern", "base", (), 0),
        ("quarry/tern", "subject", (("m/.eval_results/hle.yaml", FILE),), 2),
        ("quarry/tern", "subject", (("m/.eval_results/hle.yaml", FILE.replace(b"20.90", b"20.91")),), 4),
    ],
)
def test_the_cards_own_repository_alone_adds_scores(
    repo_id: str, role: str, local: tuple[tuple[str, bytes], ...], count: int
) -> None:
    front = b"---\nmodel_name: quarry/tern\n---\n\n"
    usage = b"\n```python\nAutoModel.from_pretrained('quarry/tern')\n```\n"
    spec = read(front + CARD + usage, "m/README.md")[1]
    assert spec.model_id == "quarry/tern"
    files = (RepoFile(".eval_results/hle.yaml", len(FILE), FILE.decode()), RepoFile("a.yaml", 3, "- 1"))
    evidence = Evidence((Repo(repo_id, "model", role, "0" * 40, "a hub", files),))
    found = with_published(with_eval_results(spec, local), evidence).claims[len(spec.claims) :]
    assert len(found) == count
    if count and not local:
        assert str(found[0].span) == "quarry/tern@000000000000:.eval_results/hle.yaml:6"


SPELLED = (
    "dataset|id|task_id|value|source|url|notes|date|revision|verifyToken|20.9|34.6%|1e999|-|'|\"|[|]|{|}|: |, |&a |*a|"
    "!t |\n|\n- |\n  |\n    |null|~|.nan|é|\u200b|\x00|\t|#|---\n|? |<<: |a/b|default|5-shot"
)


def test_a_later_look_keeps_what_stood_beside_the_card_and_asks_a_repository_anew() -> None:
    spec = read(CARD, "m/README.md")[1]
    local, distant = "m/.eval_results/hle.yaml", "quarry/tern@000000000000:.eval_results/hle.yaml"
    changed = FILE.replace(b"20.90", b"22.0")
    before = with_eval_results(spec, [(local, FILE), (distant, changed)])
    alone = with_earlier(spec, before)
    assert [(c.printed, c.span.source) for c in alone.claims[len(spec.claims) :]] == [
        ("20.90", local),
        ("41.2%", local),
    ]
    again = with_earlier(with_eval_results(spec, [(distant, changed)]), before)
    assert [(c.id, c.printed) for c in again.claims[len(spec.claims) :]] == [
        ("eval_results.hle", "22.0"),
        ("eval_results.gpqa_diamond", "41.2%"),
        ("eval_results.hle#2", "20.90"),
    ]
    assert with_earlier(spec, spec) is spec


WORDS = st.sampled_from(SPELLED.split("|"))


@given(st.lists(WORDS, max_size=60).map("".join), st.binary(max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_bytes_come_out_as_claims_and_problems(text: str, tail: bytes) -> None:
    data = text.encode() + tail
    claims, problems = read_eval_results(data, "x.yaml")
    lines = max(1, data.count(b"\n") + data.count(b"\r") + 1)
    for item in (*claims, *problems):
        assert 1 <= item.span.line <= item.span.end_line <= lines
    assert all(c.printed and c.task and c.id.startswith("eval_results.") for c in claims)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000),
    st.text(max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_dumped_is_one_claim(task: str, value: float, notes: str) -> None:
    entry = EvalResultEntry("lab/set", task, value, notes=notes)
    claims, _ = read_eval_results(yaml.dump(eval_result_entries_to_yaml([entry])).encode(), "x.yaml")
    if task.strip():
        (claim,) = claims
        assert claim.number is None or claim.value == pytest.approx(value)
