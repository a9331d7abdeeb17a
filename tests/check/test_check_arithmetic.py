"""Cards written from simulated runs and scores: no arithmetic check ever calls them wrong, and slips are found."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.check.checker import run_checks
from repro.evidence import Evidence
from repro.finding import Finding, Outcome
from repro.read.reader import read

ARITHMETIC = (
    "R111", "R112", "R203", "R204", "R208", "R209", "R210", "R211", "R401", "R402", "R407", "R412", "R416", "R419",
    "R420", "R421", "R422", "R423", "R424", "R425", "R426", "R427", "R503", "R510", "R511", "R512", "R513", "R514",
    "R605", "R610", "R611",
)  # fmt: skip


def failures(card: str) -> list[Finding]:
    spec = read(card.encode(), "card.md")[1]
    found = run_checks(spec, Evidence(), select=ARITHMETIC, strict=True)
    return [f for f in found if f.outcome is Outcome.FAIL]


@cache
def front() -> str:
    return "---\ntags:\n- generated_from_trainer\nbase_model: finch/lark-1b\n---\n\n# lark-words\n\n"


@st.composite
def trainer_cards(draw: st.DrawFn) -> str:
    """A Trainer's card of a run: the hyperparameters, a few of them left out, and a table of losses."""
    each, devices = draw(st.sampled_from([1, 2, 4, 8, 16])), draw(st.sampled_from([1, 2, 4, 8]))
    accumulation, epochs = draw(st.sampled_from([1, 2, 4, 16])), draw(st.integers(1, 6))
    rows = draw(st.integers(each * devices * accumulation * 3, 400_000))
    micro = math.ceil(rows / (each * devices))
    per_epoch = max(micro // accumulation, 1)
    total = per_epoch * epochs
    warmup = draw(st.integers(1, total))
    lines = [
        f"learning_rate: {draw(st.sampled_from(['2e-05', '5e-06', '0.0003']))}",
        f"train_batch_size: {each}",
        f"num_devices: {devices}",
        f"gradient_accumulation_steps: {accumulation}",
        f"total_train_batch_size: {each * devices * accumulation}",
        f"lr_scheduler_warmup_steps: {warmup}",
        f"num_epochs: {epochs}",
    ]
    kept = [line for line in lines if draw(st.integers(0, 9)) < 8]
    every = draw(st.integers(1, max(total // 3, 1)))
    places = [*range(every, total + 1, max(every, total // 12, 1)), total]
    table = "".join(
        f"| {2.0 / (1 + i):.4f} | {place * accumulation / micro:.2f} | {place} | {1.9 / (1 + i):.4f} |\n"
        for i, place in enumerate(dict.fromkeys(places))
    )
    head = "### Training hyperparameters\n\nThe following hyperparameters were used during training:\n"
    results = "| Training Loss | Epoch | Step | Validation Loss |\n|:---:|:---:|:---:|:---:|\n"
    listed = "\n".join(f"- {line}" for line in kept)
    return f"{front()}{head}{listed}\n\n### Training results\n\n{results}{table}"


@given(trainer_cards())
@settings(max_examples=120, deadline=None)
def test_a_trainers_card_of_a_real_run_has_no_arithmetic_failure(card: str) -> None:
    assert not failures(card), [f.message for f in failures(card)]


@st.composite
def score_cards(draw: st.DrawFn) -> str:
    """A card whose shares, gains, averages, totals and perplexity were computed and then rounded or cut off."""
    decimals = draw(st.integers(1, 3))

    def shown(value: float) -> str:
        cut = draw(st.booleans())
        return f"{math.floor(value * 10**decimals) / 10**decimals if cut else value:.{decimals}f}"

    scores = [[draw(st.floats(5, 95)) for _ in range(2)] for _ in range(4)]
    rows = [
        f"| t{i} | {shown(a)} | {shown(b)} | {'+' if b >= a else ''}{b - a:.{decimals}f} |"
        for i, (a, b) in enumerate(scores)
    ]
    whole = draw(st.integers(20, 20_000))
    part = draw(st.integers(0, whole))
    loss = draw(st.floats(0.1, 6))
    p, r = draw(st.floats(0.05, 0.99)), draw(st.floats(0.05, 0.99))
    parts = [draw(st.integers(1, 10**7)) for _ in range(4)]
    sources = "\n".join(f"| s{i} | {n:,} |" for i, n in enumerate(parts))
    return (
        f"{front()}## Results\n\n| Task | Before | After | Gain |\n|---|---|---|---|\n" + "\n".join(rows)
        + f"\n\nIt answers {part} of {whole} ({100 * part / whole:.{decimals}f}%).\n\n"
        + f"- Loss: {loss:.4f}\n- Perplexity: {math.exp(loss):.{decimals}f}\n\n"
        + f"- Precision: {p:.4f}\n- Recall: {r:.4f}\n- F1: {2 * p * r / (p + r):.4f}\n\n"
        + f"## Data\n\n| Source | Rows |\n|---|---|\n{sources}\n| Total | {sum(parts):,} |\n"
    )  # fmt: skip


@given(score_cards())
@settings(max_examples=120, deadline=None)
def test_rounded_and_cut_off_figures_are_no_failure(card: str) -> None:
    assert not failures(card), [f.message for f in failures(card)]


@pytest.mark.parametrize(
    ("text", "code", "edit"),
    [
        ("It answers 932 of 1,000 (92.3%).", "R511", ("92.3", "93.2")),
        ("Accuracy rose from 58.0 to 61.2 (+4.2 points).", "R510", ("4.2", "3.2")),
        ("A batch of 4 x 8 x 2 = 32 rows.", "R427", None),
        ("It reaches a validation loss of 2.061 and a perplexity of 7.045.", "R416", None),
        ("trainable params: 4,194,304 || all params: 6,742,609,920 || trainable%: 0.12", "R422", ("0.12", "0.06")),
    ],
)
def test_a_slip_is_found_and_mended_where_that_takes_no_judgement(
    text: str, code: str, edit: tuple[str, str] | None
) -> None:
    (finding,) = failures(f"{front()}{text}\n")
    assert finding.code == code
    assert [(e.old, e.new) for e in finding.edits] == ([edit] if edit else [])
    for change in finding.edits:
        assert text[change.column - 1 : change.end_column] == change.old
        assert not failures(f"{front()}{text[: change.column - 1]}{change.new}{text[change.end_column :]}\n")
