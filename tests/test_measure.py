"""Scores carry where their questions are from, for no verdict to rest on questions of another set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from repro import measure
from repro.plan import Plan
from repro.run import Environment, Run
from repro.score import HarnessInfo, Sample, Score
from repro.task import Scale

HARNESS = HarnessInfo("lm-eval", "0.4.13", "1.0", "f" * 64, 0, True, (("limit", "none"),))
SCORE = Score("published", "repro_preference", "acc", 1.0, 0.0, (Sample(0, "0", 1.0),), HARNESS)
RUN = Run(
    id="r",
    plan=Plan("card", Scale.FULL, (42,), (), ""),
    environment=Environment("3.11", "linux", "x", "avx2", 1, ("cpu",), ()),
    stages=(),
    base_checkpoint="base",
    heldout=(("preference", "rows.jsonl"),),
    heldout_from=(("preference", "the test split", 5), ("sft", "something else", 9)),
)


def test_a_score_says_where_its_questions_are_from(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n{"a": 2}\n', "utf-8")
    told = dict(measure.asked_of(SCORE, RUN, tmp_path).arguments)
    assert told == {"limit": "none", "rows_from": "the test split", "rows_kept": "2 of 5"}
    assert measure.asked_of(dataclasses.replace(SCORE, task="another"), RUN, tmp_path) == HARNESS
    assert measure.asked_of(SCORE, dataclasses.replace(RUN, heldout_from=()), tmp_path) == HARNESS
