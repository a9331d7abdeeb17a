"""Scores of this model in every shape that cards print them, and none of another model's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.read.reader import read
from repro.read.score_words import score_number
from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]
Rows = list[tuple[str, str, str]]


def rows(spec: Spec) -> Rows:
    """Task, metric and figure as printed of every score."""
    return [(c.task, c.metric, c.printed) for c in spec.claims if c.kind is ClaimKind.EVAL]


def conditions(spec: Spec, task: str) -> dict[str, object]:
    claim = next(c for c in spec.claims if c.kind is ClaimKind.EVAL and c.task == task)
    return {f.key: f.value for f in claim.conditions}


LM_EVAL = (
    "|  Tasks  |Version|     Filter     |n-shot|  Metric   |   |Value |   |Stderr|\n"
    "|---------|------:|----------------|-----:|-----------|---|-----:|---|-----:|\n"
    "|gsm8k    |      3|flexible-extract|     5|exact_match|↑  |0.4123|±  |0.0136|\n"
    "|         |       |strict-match    |     5|exact_match|↑  |0.4011|±  |0.0135|\n"
    "|sciq     |      1|none            |     0|acc        |↑  |0.9120|±  |0.0090|\n"
    "|         |       |none            |     0|acc_norm   |↑  |0.8870|±  |0.0100|\n"
)


@pytest.mark.parametrize("fence", ["", "```\n", "```text\n"])
def test_lm_evals_own_table_with_blank_continuation_cells(spec_of: Reader, fence: str) -> None:
    spec = spec_of(f"# Heron-7B\n\n## Evaluation\n\n{fence}{LM_EVAL}{fence and '```'}\n")
    assert rows(spec) == [
        ("gsm8k", "exact_match", "0.4123"),
        ("gsm8k", "exact_match", "0.4011"),
        ("sciq", "acc", "0.9120"),
        ("sciq", "acc_norm", "0.8870"),
    ]
    found = conditions(spec, "gsm8k")
    assert found == {"num_fewshot": 5, "task_version": "3", "filter": "flexible-extract", "stderr": "0.0136"}
    assert [c.span.line for c in spec.claims if c.task == "sciq"] == ([9, 10] if not fence else [10, 11])


def test_a_table_in_a_fence_that_is_an_example_of_code_is_not_read(spec_of: Reader) -> None:
    assert not rows(spec_of(f"# Heron-7B\n\n## Evaluation\n\n```python\n'''\n{LM_EVAL}'''\n```\n"))


def test_rules_between_the_rows_of_a_drawn_table(spec_of: Reader) -> None:
    drawn = (
        "| Bench | Heron-7B | Egret |\n|---|---|---|\n| BoolQ | 71.2 | 70.0 |\n|-----------|\n| PIQA | 80.1 | 79 |\n"
    )
    spec = spec_of(f"# Heron-7B\n\n## Results\n\n```\n{drawn}```\n")
    assert rows(spec) == [("BoolQ", "score", "71.2"), ("PIQA", "score", "80.1")]


def test_the_own_column_and_the_own_row(spec_of: Reader) -> None:
    columns = "| Benchmark | Egret-7B | **Heron-7B** |\n|---|---|---|\n| MMLU (5-shot) | 60.1 | **61.5** |\n"
    spec = spec_of(f"# Heron-7B\n\n## Results\n\n{columns}")
    assert rows(spec) == [("MMLU", "score", "61.5")]
    assert conditions(spec, "MMLU") == {"num_fewshot": 5}
    by_row = "| Model | Size | GSM8K | Pets (win rate %) |\n|---|---|---|---|\n| Egret | 7B | 1 | 2 |\n"
    spec = spec_of(f"# Heron-7B\n\n## Results\n\n{by_row}| Heron-7B (ours) | 7B | 40.25 | 71.3 |\n")
    assert rows(spec) == [("GSM8K", "score", "40.25"), ("Pets", "win rate %", "71.3")]


@pytest.mark.parametrize(
    "table",
    [
        "| Model | MMLU | GSM8K |\n|---|---|---|\n| Egret | 60.1 | 30 |\n| Stork | 61.2 | 31 |\n",
        "| Benchmark | Egret | Stork |\n|---|---|---|\n| MMLU | 60.1 | 30 |\n",
        "| Benchmark | Heron-7B | Heron-7B |\n|---|---|---|\n| MMLU | 60.1 | 30 |\n",
        "| Task | Model | Score |\n|---|---|---|\n| MMLU | Egret | 60.1 |\n| MMLU | Stork | 61 |\n",
    ],
)
def test_where_this_model_cannot_be_told_none_is_taken_and_it_is_said(spec_of: Reader, table: str) -> None:
    spec = spec_of(f"# Heron-7B\n\n## Evaluation\n\n{table}")
    assert rows(spec) == []
    assert [p.span.line for p in spec.problems if "cannot be told" in p.message] == [5]


def test_before_and_after_fine_tuning(spec_of: Reader) -> None:
    spec = spec_of(
        "# Heron\n\n## Results\n\n| Metric | Base | Fine-tuned | Change |\n|---|---|---|---|\n"
        "| Exact match | 0.31 | 0.58 | +0.27 |\n| F1 | 0.40 | 0.66 | +0.26 |\n"
    )
    assert rows(spec) == [("evaluation", "Exact match", "0.58"), ("evaluation", "F1", "0.66")]


def test_several_metrics_as_columns_and_no_counts(spec_of: Reader) -> None:
    spec = spec_of(
        "# Tagger\n\n## Evaluation\n\n| Label | Precision | Recall | F1 | Support |\n|---|---|---|---|---|\n"
        "| river | 0.91 | 0.88 | 0.90 | 104 |\n| lake | 0.71 | 0.62 | 0.66 | 33 |\n"
    )
    assert rows(spec)[:3] == [("river", "Precision", "0.91"), ("river", "Recall", "0.88"), ("river", "F1", "0.90")]
    assert len(rows(spec)) == 6


def test_one_row_of_benchmarks(spec_of: Reader) -> None:
    spec = spec_of(
        "# Heron\n\n## Performance\n\n| MMLU 0-shot | MMLU 5-shot | BBH CoT | Params |\n|:-:|:-:|:-:|:-:|\n"
        "| 44.1 | 46.0 | 39.5 | 7 |\n"
    )
    assert rows(spec) == [("MMLU", "score", "44.1"), ("MMLU", "score", "46.0"), ("BBH CoT", "score", "39.5")]


def test_two_scores_in_one_cell(spec_of: Reader) -> None:
    spec = spec_of(
        "# Heron-base\n\n## Results\n\n| Model | SQuAD 2.0 (F1/EM) | MNLI-m/mm (ACC) |\n|---|---|---|\n"
        "| Egret | 80.1/78 | 81.0 |\n| Heron-base | 88.4/85.2 | 86.1/86.3 |\n"
    )
    assert rows(spec) == [
        ("SQuAD 2.0", "F1", "88.4"), ("SQuAD 2.0", "EM", "85.2"), ("MNLI-m", "ACC", "86.1"), ("MNLI-mm", "ACC", "86.3"),
    ]  # fmt: skip


def test_a_header_in_the_second_row(spec_of: Reader) -> None:
    spec = spec_of("# Heron\n\n## Scores\n\n| | |\n|---|---|\n| Benchmark | Score |\n| ARC-C | 55.5 |\n| BBH | TBD |\n")
    assert rows(spec) == [("ARC-C", "score", "55.5"), ("BBH", "score", "TBD")]
    assert [c.unstated for c in spec.claims if c.kind is ClaimKind.EVAL] == [False, True]


def test_what_is_no_number_stays_as_printed(spec_of: Reader) -> None:
    spec = spec_of("# Heron\n\n## Evaluation\n\n| Metric | Value |\n|---|---|\n| Accuracy | 91–95% per class |\n")
    (claim,) = [c for c in spec.claims if c.kind is ClaimKind.EVAL]
    assert (claim.number, claim.value, claim.unstated) == (None, "91–95% per class", False)


@pytest.mark.parametrize(
    ("printed", "value", "error"),
    [
        ("65.2", 65.2, ""), ("**65.2**", 65.2, ""), ("65.2*", 65.2, ""), ("65.2†", 65.2, ""), ("65.2 🏆", 65.2, ""),
        ("↑65.2", 65.2, ""), ("65.2 ± 0.3", 65.2, "0.3"), ("65.2 (±0.3)", 65.2, "0.3"), ("95,29", 95.29, ""),
        ("34.6%", 34.6, ""), ("0.346", 0.346, ""), ("7.3/10", 7.3, ""), ("0,873", 0.873, ""), ("65.2¹", 65.2, ""),
        ("65.2 [64.0, 66.4]", 65.2, ""), ("65.2 (+1.2)", 65.2, ""),
        ("9,123", None, ""), ("65.2 -> 67.1", None, ""), ("60-70", None, ""), ("7B", None, ""), ("450 ms", None, ""),
        ("good", None, ""), ("", None, ""), ("1.2.3", None, ""),
    ],
)  # fmt: skip
def test_printed_scores(printed: str, value: float | None, error: str) -> None:
    read = score_number(printed)
    assert (read.number.value if read.number else None, read.error) == (value, error)


def test_lists_and_sentences(spec_of: Reader) -> None:
    spec = spec_of(
        "# Heron-7B\n\nIt achieves 84.3 on GSM8K and 61.0% on MMLU.\n\n## Evaluation\n\n- **BoolQ** (5-shot): 65.2%\n"
        "- PIQA: 80.1 ± 0.4\n- Accuracy: 0.71\n- Batch size: 16\n- Latency: 20 ms\n"
    )
    assert rows(spec) == [
        ("GSM8K", "score", "84.3"),
        ("MMLU", "score", "61.0%"),
        ("BoolQ", "score", "65.2%"),
        ("PIQA", "score", "80.1 ± 0.4"),
        ("evaluation", "Accuracy", "0.71"),
    ]
    assert conditions(spec, "BoolQ") == {"num_fewshot": 5}
    assert conditions(spec, "PIQA") == {"stderr": "0.4"}


@pytest.mark.parametrize(
    "text",
    [
        "GPT-9 achieves 84.3 on GSM8K.",
        "This model achieves higher than 84.3 on GSM8K.",
        "It improves over the base model, which scores 61.2 on MMLU.",
        "## Training data\n\n- MMLU: 30.5%\n- GSM8K: 10.0%\n",
        "## Results of the baseline\n\n- MMLU: 30.5\n",
        "## Evaluation\n\n- Base model\n  - MMLU: 30.5\n",
        "We evaluate on MMLU and GSM8K, in 5 runs on ARC.",
    ],
)
def test_sentences_and_lists_about_something_else(spec_of: Reader, text: str) -> None:
    assert rows(spec_of(f"# Heron-7B\n\n{text}\n")) == []


def test_trainer_bullets_of_two_sets_and_of_dictionaries(spec_of: Reader) -> None:
    spec = spec_of(
        "# tagger\n\nIt achieves the following results on the evaluation set:\n- Loss: 0.1\n- F1: 0.91\n"
        "- Rouge1: {'rouge1_precision': 59.5, 'rouge1_f1': 54.25}\n\n"
        "It achieves the following results on the test set:\n- Loss: 0.2\n- F1: 0.88\n"
    )
    assert rows(spec) == [
        ("evaluation set", "f1", "0.91"),
        ("evaluation set", "rouge1_precision", "59.5"),
        ("evaluation set", "rouge1_f1", "54.25"),
        ("test set", "f1", "0.88"),
    ]
    assert [c.split for c in spec.claims if c.kind is ClaimKind.EVAL] == ["validation"] * 3 + ["test"]


def test_a_file_called_by_its_repository(spec_of: Reader) -> None:
    text = "# Herons: better birds\n\nUse `lab/heron-base`.\n\n| Model | MMLU |\n|---|---|\n| Egret | 1.5 |\n"
    text += "| heron-base | 2.5 |\n"
    assert rows(read(text.encode(), "cards/lab-heron-base.md")[1]) == [("MMLU", "score", "2.5")]
    assert rows(read(text.encode(), "cards/my-heron-base.md")[1]) == []


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (
            "| testset | BLEU | chr-F |\n|---|---|---|\n| news.a.b | 28.1 | 0.480 |",
            [("news.a.b", "BLEU", "28.1"), ("news.a.b", "chr-F", "0.480")],
        ),
        ("| Precision | Recall | F1-score |\n|---|---|---|\n| 0.91 | 0.92 | 0.93 |", [
            ("evaluation", "Precision", "0.91"), ("evaluation", "Recall", "0.92"), ("evaluation", "F1-score", "0.93"),
        ]),
        ("| Release | Accuracy (%) |\n|---|---|\n| 19-10-21 | 78.5 (Avg: 75.3) |", [
            ("evaluation", "Accuracy (%)", "78.5 (Avg: 75.3)"),
        ]),
        ("| label | joy | fear |\n|---|---|---|\n| AUC | 0.91 | 0.92 |\n| F1 macro | 0.5 | 0.6 |", [
            ("joy", "AUC", "0.91"), ("fear", "AUC", "0.92"), ("joy", "F1 macro", "0.5"), ("fear", "F1 macro", "0.6"),
        ]),
        ("| Model | Perplexity |\n|---|---|\n| [the bird](https://huggingface.co/lab/Heron-7B) | 1.84 |\n| x | 2 |", [
            ("evaluation", "Perplexity", "1.84"),
        ]),
        ("| Training data | F1 |\n|---|---|\n| small | 0.5 |\n| large | 0.6 |", []),
        ("| Model size | Speed |\n|---|---|\n| 7B | 12.5 |", []),
        ("| Parameter | Value |\n|---|---|\n| top_p | 0.9 |", []),
        ("| Dataset | Rows |\n|---|---|\n| MMLU | 14042 |", []),
    ],
)  # fmt: skip
def test_shapes_of_tables(spec_of: Reader, table: str, wanted: Rows) -> None:
    assert rows(spec_of(f"# Heron-7B\n\n## About\n\n{table}\n")) == wanted


def test_lm_evals_table_pasted_without_its_rule(spec_of: Reader) -> None:
    lines = LM_EVAL.split("\n")
    spec = spec_of("# Heron\n\n```\n" + "\n".join([lines[0], *lines[2:]]) + "```\n")
    assert [task for task, _, _ in rows(spec)] == ["gsm8k", "gsm8k", "sciq", "sciq"]


def test_a_repositorys_folder_names_the_model() -> None:
    text = "## Results\n\n| Model | MMLU |\n|---|---|\n| Egret | 1.5 |\n| heron-base | 2.5 |\n"
    assert rows(read(text.encode(), "models/lab/heron-base/README.md")[1]) == [("MMLU", "score", "2.5")]
    assert rows(read(text.encode(), "README.md")[1]) == []


def test_rows_of_models_below_an_empty_head_are_not_tasks(spec_of: Reader) -> None:
    table = "|  | accuracy | f1 | epochs |\n|---|---|---|---|\n| bert-base | 0.81 | 0.8 | 3 |\n"
    spec = spec_of(f"# Heron-7B\n\n## Results\n\n{table}| Heron-7B | 0.91 | 0.9 | 3 |\n")
    assert rows(spec) == [("evaluation", "accuracy", "0.91"), ("evaluation", "f1", "0.9")]
    assert rows(spec_of(f"# Heron-7B\n\n## Results\n\n{table}| gpt-9 | 0.91 | 0.9 | 3 |\n")) == []


def test_a_row_is_told_by_its_address(spec_of: Reader) -> None:
    spec = spec_of(
        "---\nmodel-index:\n- name: heron-tiny\n---\n# Birds\n\n## Results\n\n"
        "| Model | ImageNet top-1 accuracy | URL |\n|---|---|---|\n"
        "| Tiny | 72.5 | https://huggingface.co/lab/heron-tiny |\n"
        "| Base | 80.5 | https://huggingface.co/lab/heron-base |\n"
    )
    assert rows(spec) == [("ImageNet", "top-1 accuracy", "72.5")]


def test_lists_of_a_trainer_under_several_headings(spec_of: Reader) -> None:
    listed = (
        "It achieves the following results on evaluation set (a tenth of it):\n- Loss: 0.1\n- F1: 0.91\n- Epoch: 3\n\n"
    )
    spec = spec_of(f"# tagger\n\n### Old\n\n{listed}### New\n\n{listed}")
    assert rows(spec) == [("Old, evaluation set", "f1", "0.91"), ("New, evaluation set", "f1", "0.91")]


def test_lines_of_a_paragraph(spec_of: Reader) -> None:
    spec = spec_of("# tagger\n\neval F1-Score: **95,29** (news)  \ntest F1-Score: **90,74** (news)\n")
    assert rows(spec) == [("news", "eval F1-Score", "95,29"), ("news", "test F1-Score", "90,74")]
    assert [c.value for c in spec.claims if c.kind is ClaimKind.EVAL] == [95.29, 90.74]
    assert rows(spec_of("# tagger\n\nWER: 12.5\nsays little\n")) == []


def test_a_trainers_file_of_results(spec_of: Reader) -> None:
    head = "# s\n\n## Results\n\n| key | value |\n|---|---|\n| eval_rouge1 | 54.5 |\n| predict_gen_len | 25.5 |\n"
    other = "\n| Metric | Value |\n|---|---|\n| eval_f1 | 0.5 |\n| eval_runtime | 163.8 |\n| train_samples | 14732 |\n"
    spec = spec_of(f"{head}{other}| eval_loss | 1.07 |\n| total_flos | 1.8e17 |\n")
    assert rows(spec) == [
        ("evaluation", "eval_rouge1", "54.5"),
        ("evaluation", "predict_gen_len", "25.5"),
        ("evaluation", "eval_f1", "0.5"),
    ]


def test_a_table_that_markdown_does_not_see(spec_of: Reader) -> None:
    spec = spec_of(
        "# heron-7b\n\n## Results\n\n|Dataset  \t|Scale |Bicubic |heron-7b  \t|\n|---\t|---\t|---\t|---\t|\n"
        "|Lakes |2x |33.64/0.92 |**38.22/0.96** |\n| |3x |30.1/0.9 |**35.31/0.94** |\n"
    )
    assert rows(spec) == [("Lakes", "score", "38.22/0.96"), ("Lakes", "score", "35.31/0.94")]
    assert [c.number for c in spec.claims if c.kind is ClaimKind.EVAL] == [None, None]


def test_a_column_of_metrics_headed_by_their_family(spec_of: Reader) -> None:
    spec = spec_of("# s\n\n## Results\n\n| ROUGE | Score |\n|---|---|\n| rouge1 | 54.5 |\n| rouge2 | 30.5 |\n")
    assert rows(spec) == [("evaluation", "rouge1", "54.5"), ("evaluation", "rouge2", "30.5")]


def test_metrics_after_a_sentence_about_data(spec_of: Reader) -> None:
    spec = spec_of("# s\n\nFine-tuned on the lakes dataset.\n\n- WER: 12.5\n- CER: 3.25\n")
    assert rows(spec) == [("evaluation", "WER", "12.5"), ("evaluation", "CER", "3.25")]
