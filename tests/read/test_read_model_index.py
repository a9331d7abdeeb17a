"""The shapes in which front matter holds scores, each with its line and as printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]
HEAD = (
    "---\nmodel-index:\n- name: heron\n  results:\n  - task:\n      type: text-generation\n"
    "    dataset:\n      name: PIQA\n"
)


def read_front(spec_of: Reader, front: str) -> list[tuple[str, str, str, object, int]]:
    spec = spec_of(f"{front}---\n# heron\n")
    return [(c.task, c.metric, c.printed, c.value, c.span.line) for c in spec.claims if c.kind is ClaimKind.EVAL]


@pytest.mark.parametrize(
    ("metrics", "wanted"),
    [
        ("    metrics:\n    - type: acc\n      value: 0.640\n", [("PIQA", "acc", "0.640", 0.64, 11)]),
        ("    metrics:\n    - name: acc\n      value: 64.0%  # of all\n", [("PIQA", "acc", "64.0%", 64.0, 11)]),
        ("    metrics:\n    - name: acc\n      value: '71,5'\n", [("PIQA", "acc", "71,5", 71.5, 11)]),
        ("    metrics:\n    - name: acc\n      value: NaN\n", [("PIQA", "acc", "NaN", None, 11)]),
        ("    metrics:\n    - name: acc\n      value: None\n", [("PIQA", "acc", "None", None, 11)]),
        ("    metrics:\n    - name: acc\n      value:\n", []),
        ("    metric:\n      name: acc\n      value: 0.5\n", [("PIQA", "acc", "0.5", 0.5, 11)]),
        ("    metrics:\n      name: acc\n      value: 0.5\n", [("PIQA", "acc", "0.5", 0.5, 11)]),
        (
            "    metrics:\n      acc: 0.5\n      f1: 0.25\n",
            [("PIQA", "acc", "0.5", 0.5, 10), ("PIQA", "f1", "0.25", 0.25, 11)],
        ),
        (
            "    metrics:\n    - acc: 0.5\n    - f1: 0.25\n",
            [("PIQA", "acc", "0.5", 0.5, 10), ("PIQA", "f1", "0.25", 0.25, 11)],
        ),
        (
            "    metrics:\n    - type: rouge\n      value:\n        rouge1: 41.20\n        rouge2: 20.10\n",
            [("PIQA", "rouge1", "41.20", 41.2, 12), ("PIQA", "rouge2", "20.10", 20.1, 13)],
        ),
        ("    metrics:\n    - type: wer\n      value: { wer_here }\n", [("PIQA", "wer", "{ wer_here }", None, 11)]),
        ("    metrics:\n    - type: acc\n    - f1\n    - 3\n", []),
        ("    metrics: 0.5\n", []),
        (
            "    metrics:\n    - type: lab/pets\n      name: win rate\n      value: 9\n",
            [("PIQA", "win rate", "9", 9.0, 12)],
        ),
    ],
)
def test_shapes_of_metrics(spec_of: Reader, metrics: str, wanted: list[tuple[str, str, str, object, int]]) -> None:
    assert read_front(spec_of, HEAD + metrics) == wanted


@pytest.mark.parametrize(
    "front",
    [
        (
            "---\nmodel_index:\n  name: heron\n  results:\n"
            "    dataset: PIQA\n    metrics:\n    - type: acc\n      value: 0.5\n"
        ),
        (
            "---\nmodel-index:\n  heron:\n    results:\n"
            "    - dataset: PIQA\n      metrics:\n      - type: acc\n        value: 0.5\n"
        ),
        (
            "---\nmodel-index:\n- results:\n"
            "  - - dataset:\n        type: PIQA\n      metrics:\n      - {type: acc, value: 0.5}\n"
        ),
        (
            "---\nmodel-index:\n- results:\n  - tasks:\n      name: PIQA\n"
            "      metrics:\n      - {type: acc, value: 0.5}\n"
        ),
    ],
)
def test_shapes_of_the_index(spec_of: Reader, front: str) -> None:
    assert [found[:4] for found in read_front(spec_of, front)] == [("PIQA", "acc", "0.5", 0.5)]


def test_several_results_keep_their_lines(spec_of: Reader) -> None:
    front = HEAD + "    metrics:\n    - type: acc\n      value: 0.5\n  - dataset:\n      type: boolq\n    metrics:\n"
    front += "    - type: acc\n      value:\n    - type: f1\n      value: 0.50\ntags:\n- value: 9\n"
    assert read_front(spec_of, front) == [("PIQA", "acc", "0.5", 0.5, 11), ("boolq", "f1", "0.50", 0.5, 18)]
