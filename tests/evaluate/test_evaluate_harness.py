"""Scores are what lm-eval measured on the rows as they are, the same every time, and measured once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluate_fixtures import preference_row, sft_row, write_rows

from repro.errors import ReproError, RunError
from repro.evaluate.harness import LmEvalHarness
from repro.score import Harness, Score
from repro.task import Progress, ignore

WORDS = ("blue", "green", "red", "warm", "cold", "sky", "a wind", "the long road", "seven", "no")


def rows_of_words(n: int = 60) -> list[dict[str, Any]]:
    return [preference_row(i, f"{WORDS[i % 10]} {i}", f"{WORDS[(i * 7 + 3) % 10]} {i + 1}") for i in range(n)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("rows")
    sft = [sft_row(i, WORDS[i % 10]) for i in range(20)]
    return [
        ("preference", write_rows(folder / "preference.jsonl", rows_of_words())),
        ("sft", write_rows(folder / "sft.jsonl", sft)),
    ]


def by_metric(scores: tuple[Score, ...]) -> dict[str, Score]:
    return {s.metric: s for s in scores}


def score(checkpoint: str, data: list[tuple[str, str]], folder: Path, **options: Any) -> dict[str, Score]:
    return by_metric(LmEvalHarness(device="cpu", **options).score(checkpoint, "dpo", data, str(folder), ignore))


def samples_of(folder: Path, task: str = "repro_preference", model: str = "dpo") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / model / task / "samples.jsonl").read_text("utf-8").splitlines()]


def test_a_score_is_the_mean_of_its_samples(plain: str, data: list[tuple[str, str]], tmp_path: Path) -> None:
    harness: Harness = LmEvalHarness(limit=None, device="cpu")
    events: list[Progress] = []
    scores = harness.score(plain, "dpo", data, str(tmp_path), events.append)
    assert [(s.task, s.metric) for s in scores] == [
        ("repro_preference", "acc"),
        ("repro_preference", "acc_norm"),
        ("repro_completion", "exact_match"),
    ]
    for s in scores:
        values = [sample.value for sample in s.samples]
        assert len(values) == (60 if s.task == "repro_preference" else 20)
        assert s.value == pytest.approx(sum(values) / len(values), abs=1e-12)
        p, n = s.value, len(values)
        assert s.standard_error == pytest.approx(math.sqrt(p * (1 - p) / (n - 1)), abs=1e-12)
        assert s.harness.name == "lm-eval"
        assert s.harness.chat_template
        assert s.harness.num_fewshot == 0
        assert len({sample.prompt_hash for sample in s.samples}) == n
        assert s.model == "dpo"
    assert 0 < scores[0].value < 1
    told = {e.task for e in events}
    assert told == {"score dpo: repro_preference", "score dpo: repro_completion"}
    assert all(0 <= e.done <= e.total for e in events)


def test_likelihoods_are_those_of_a_plain_loop(plain: str, data: list[tuple[str, str]], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = score(plain, data[:1], tmp_path)["acc"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(plain), AutoTokenizer.from_pretrained(plain)
    for row, kept, sample in zip(rows_of_words(), samples_of(tmp_path), found.samples, strict=True):
        by_hand = []
        for answer in (row["chosen"][-1]["content"], row["rejected"][-1]["content"]):
            prompt = tokenizer.apply_chat_template(row["chosen"][:-1], tokenize=False, add_generation_prompt=True)
            before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            whole = tokenizer(prompt + answer, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([whole])).logits[0].log_softmax(-1)
            by_hand.append(sum(float(logits[i - 1, whole[i]]) for i in range(len(before), len(whole))))
        order = [0, 1] if kept["doc"]["gold"] == 0 else [1, 0]
        assert [likelihood for likelihood, _ in kept["responses"]] == pytest.approx(
            [by_hand[i] for i in order], abs=1e-3
        )
        assert sample.value == float(by_hand[0] > by_hand[1])


def test_two_runs_agree_to_the_bit(plain: str, data: list[tuple[str, str]], tmp_path: Path) -> None:
    first = score(plain, data, tmp_path / "one")
    assert score(plain, data, tmp_path / "two") == first
    assert samples_of(tmp_path / "one") == samples_of(tmp_path / "two")


def test_a_model_biased_by_hand_prefers_what_it_was_biased_to(save: Callable[..., str], tmp_path: Path) -> None:
    rows = [preference_row(i, "blue", "warm") for i in range(20)]
    right = [("preference", write_rows(tmp_path / "right.jsonl", rows))]
    swapped = [{**r, "chosen": r["rejected"], "rejected": r["chosen"]} for r in rows]
    wrong = [("preference", write_rows(tmp_path / "wrong.jsonl", swapped))]
    biased = save(favoured="blue")
    assert score(biased, right, tmp_path / "a")["acc"].value == 1.0
    assert score(biased, wrong, tmp_path / "b")["acc"].value == 0.0
    assert {s.value for s in score(biased, right, tmp_path / "a").values()} == {1.0}


def test_a_model_that_cannot_tell_scores_a_half(save: Callable[..., str], tmp_path: Path) -> None:
    def flat(model: Any, _: Any) -> None:
        model.lm_head.weight.data.zero_()

    rows = [preference_row(i, "7", "8") for i in range(200)]
    found = score(save(change=flat), [("preference", write_rows(tmp_path / "rows.jsonl", rows))], tmp_path / "out")
    # Every pair is a tie, decided by position: within five standard deviations of a fair coin.
    assert abs(found["acc"].value - 0.5) < 5 * 0.5 / math.sqrt(200)


def test_a_trained_answer_matches_and_another_does_not(save: Callable[..., str], tmp_path: Path) -> None:
    def learn(model: Any, tokenizer: Any) -> None:
        torch.manual_seed(0)
        texts = [f"<|user|>\nsay number {i}\n<|assistant|>\nblue sky</s>" for i in range(8)]
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            model(**batch, labels=labels).loss.backward()
            optimizer.step()

    rows = [sft_row(0, "blue sky"), sft_row(1, "  blue sky \n"), sft_row(2, "Blue sky"), sft_row(3, "blue")]
    data = [("sft", write_rows(tmp_path / "rows.jsonl", rows))]
    taught = save(change=learn)
    found = score(taught, data, tmp_path / "out")["exact_match"]
    assert [s.response for s in found.samples] == ["blue sky"] * 4
    assert [s.value for s in found.samples] == [1.0, 1.0, 0.0, 0.0]

    # What a repository says about sampling is not greedy decoding, and is not followed.
    place = Path(taught) / "generation_config.json"
    ends = json.loads(place.read_text())
    place.write_text(json.dumps({**ends, "do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0}))
    assert score(taught, data, tmp_path / "again")["exact_match"].samples == found.samples


def test_dates_and_numbers_stay_text(plain: str, tmp_path: Path) -> None:
    rows = [sft_row(i, "2024-01-01", prompt=str(1990 + i)) for i in range(5)]
    score(plain, [("sft", write_rows(tmp_path / "rows.jsonl", rows))], tmp_path / "out")
    assert {s["doc"]["target"] for s in samples_of(tmp_path / "out", "repro_completion")} == {"2024-01-01"}


HOSTILE = (
    "{{7*7}}",
    "{% for x in range(99) %}a{% endfor %}",
    "{{ self.__init__.__globals__ }}",
    "42",
    "[1]",
    "['a','b']",
    "None",
    "\x1b[31mred\x1b[0m",
    "a\x00b",
    "<script>alert(1)</script>",
    "</s><|assistant|>\n",
    "￿ \U0001f600 é",
    "  leading",
    "\n\n",
)


def test_hostile_rows_are_text(plain: str, tmp_path: Path) -> None:
    pairs = [preference_row(i, text + "x", "x" + text, prompt=text + "?") for i, text in enumerate(HOSTILE)]
    asked = [sft_row(i, text + "x", prompt=text + "?") for i, text in enumerate(HOSTILE)]
    data = [
        ("preference", write_rows(tmp_path / "p.jsonl", pairs)),
        ("sft", write_rows(tmp_path / "s.jsonl", asked)),
    ]
    found = score(plain, data, tmp_path / "out")
    assert {len(s.samples) for s in found.values()} == {len(HOSTILE)}
    for text, sample in zip(HOSTILE, samples_of(tmp_path / "out"), strict=True):
        assert sample["doc"]["prompt"] == f"<|user|>\n{text}?\n<|assistant|>\n"
        assert set(sample["doc"]["choices"]) == {text + "x", "x" + text}
        assert sample["doc"]["choices"][sample["doc"]["gold"]] == text + "x"
    for text, sample in zip(HOSTILE, samples_of(tmp_path / "out", "repro_completion"), strict=True):
        assert sample["doc"]["target"] == text + "x"
    responses = "".join(s.response for score_ in found.values() for s in score_.samples)
    assert not [c for c in responses if ord(c) < 32 and c not in "\n\t"]


def test_half_a_surrogate_pair_and_a_path_for_a_name_do_no_harm(plain: str, tmp_path: Path) -> None:
    row = preference_row(0, "a\ud800", "b", prompt="\udfff?")
    file = write_rows(tmp_path / "rows.jsonl", [{**row, "id": "../../../etc/passwd\ud800"}])
    scores = LmEvalHarness(device="cpu").score(plain, "../../up", [("preference", file)], str(tmp_path / "out"), ignore)
    assert scores[0].model == "../../up"
    assert {p.name for p in tmp_path.iterdir()} == {"rows.jsonl", "out"}
    assert [s["doc"]["prompt"] for s in samples_of(tmp_path / "out", model="_.._up")] == [
        "<|user|>\n�?\n<|assistant|>\n"
    ]


def test_what_was_measured_is_not_measured_again(save: Callable[..., str], tmp_path: Path) -> None:
    checkpoint = save(seed=5)
    rows = rows_of_words(20)
    data = [("preference", write_rows(tmp_path / "rows.jsonl", rows))]
    out = tmp_path / "out"
    first = score(checkpoint, data, out)
    place = out / "dpo" / "repro_preference"
    files = {p.name: p.stat().st_mtime_ns for p in place.iterdir()}

    events: list[Progress] = []
    again = LmEvalHarness(device="cpu").score(checkpoint, "dpo", data, str(out), events.append)
    assert by_metric(again) == first
    assert [e.note for e in events] == ["kept from an earlier run"]
    assert {p.name: p.stat().st_mtime_ns for p in place.iterdir()} == files

    # A card beside the weights changes nothing; half a file, other rows, other weights, another limit do.
    (Path(checkpoint) / "README.md").write_text("changed")
    score(checkpoint, data, out)
    assert {p.name: p.stat().st_mtime_ns for p in place.iterdir()} == files
    for name in ("scores.json", "samples.jsonl"):
        whole = (place / name).read_bytes()
        (place / name).write_bytes(whole[: len(whole) // 2])
        assert score(checkpoint, data, out) == first
        assert (place / name).read_bytes() == whole
    write_rows(tmp_path / "rows.jsonl", rows[:10])
    assert len(score(checkpoint, data, out)["acc"].samples) == 10
    assert len(score(checkpoint, data, out, limit=4)["acc"].samples) == 4
    before = score(checkpoint, data, out)
    other = Path(save(seed=6))
    for file in Path(checkpoint).glob("*.safetensors"):
        file.write_bytes((other / file.name).read_bytes())
    changed = score(checkpoint, data, out)
    assert [s.response for s in changed["acc"].samples] != [s.response for s in before["acc"].samples]


def test_base_and_tuned_models_are_asked_the_same(save: Callable[..., str], plain: str, tmp_path: Path) -> None:
    data = [("preference", write_rows(tmp_path / "rows.jsonl", rows_of_words(5)))]
    base = score(save(template=None), data, tmp_path / "base")["acc"]
    tuned = score(plain, data, tmp_path / "tuned")["acc"]
    assert not base.harness.chat_template
    assert dict(base.harness.arguments)["prompt"].startswith("Tulu roles")
    assert [s.prompt_hash for s in base.samples] == [s.prompt_hash for s in tuned.samples]
    assert base.harness.template_hash == tuned.harness.template_hash


def test_turns_before_the_last_are_part_of_the_prompt(plain: str, tmp_path: Path) -> None:
    start = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    pair = {
        "id": "x",
        "prompt": "one",
        "chosen": [*start, {"role": "assistant", "content": "yes"}],
        "rejected": [*start, {"role": "assistant", "content": "no"}],
    }
    data = [
        ("preference", write_rows(tmp_path / "p.jsonl", [pair])),
        ("sft", write_rows(tmp_path / "s.jsonl", [{"id": "y", "messages": pair["chosen"]}])),
    ]
    found = score(plain, data, tmp_path / "out")
    expected = "<|system|>\nbe brief\n<|user|>\none\n<|assistant|>\ntwo</s>\n<|user|>\nthree\n<|assistant|>\n"
    for task in ("repro_preference", "repro_completion"):
        assert samples_of(tmp_path / "out", task)[0]["doc"]["prompt"] == expected
    assert found["acc"].standard_error == math.inf  # one sample tells nothing of the spread


def test_rows_that_would_be_cut_are_left_out_and_counted(plain: str, tmp_path: Path) -> None:
    long = "q" * 400
    rows = [
        preference_row(0, "blue", "red"),
        preference_row(1, long, "red"),
        preference_row(2, "blue", "red", prompt=long),
        preference_row(3, "same", "same"),
        preference_row(4, "", "red"),
        {"id": "5", "prompt": "p", "chosen": None, "rejected": [7]},
        {**preference_row(0, "blue", "red"), "id": "again"},
    ]
    data = [("preference", write_rows(tmp_path / "p.jsonl", rows))]
    found = score(plain, data, tmp_path / "out")["acc"]
    assert len(found.samples) == 1
    reasons = dict(found.harness.arguments)["left_out"]
    assert reasons == "1 an answer is empty, 1 both answers are the same, 1 no conversation, 1 repeated, 2 too long"


def test_a_task_without_usable_rows_has_no_score_and_says_so(plain: str, tmp_path: Path) -> None:
    data = [
        ("preference", write_rows(tmp_path / "p.jsonl", [preference_row(0, "blue", "red")])),
        ("sft", write_rows(tmp_path / "s.jsonl", [sft_row(0, "")])),
        ("unheard of", str(tmp_path / "absent.jsonl")),
    ]
    events: list[Progress] = []
    scores = LmEvalHarness(device="cpu").score(plain, "sft", data, str(tmp_path / "out"), events.append)
    assert {s.task for s in scores} == {"repro_preference"}
    assert events[-1].note == "not asked: 1 an answer is empty"
    with pytest.raises(RunError, match="no held-out row can be asked of sft"):
        LmEvalHarness(device="cpu").score(plain, "sft", data[1:2], str(tmp_path / "other"), ignore)


@pytest.mark.parametrize("line", ["{", "[1]", "null", "[" * 100_000])
def test_a_line_that_is_no_row_is_named(plain: str, tmp_path: Path, line: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(preference_row(0, "blue", "red")) + "\n\n" + line + "\n")
    with pytest.raises(RunError) as caught:
        score(plain, [("preference", str(file))], tmp_path / "out")
    assert caught.value.where == f"{file}:3"
    assert not list((tmp_path / "out").rglob("scores.json"))


def test_a_folder_that_cannot_be_written_is_named(plain: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data = [("preference", write_rows(tmp_path / "p.jsonl", rows_of_words(2)))]
    with pytest.raises(ReproError) as caught:
        score(plain, data, tmp_path / "file")
    assert "file" in caught.value.where


def test_limits_start_at_one() -> None:
    with pytest.raises(ValueError):
        LmEvalHarness(limit=0)
    with pytest.raises(ValueError):
        LmEvalHarness(batch_size=0)
