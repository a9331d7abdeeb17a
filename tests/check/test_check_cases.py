"""Every check answers its cases: a new case is a new file."""

from __future__ import annotations

import pytest
from check_cases import Case, all_cases

from repro.check.checker import all_checks, find_check, run_checks
from repro.edits import apply_edits
from repro.finding import Check, Outcome
from repro.read.reader import read

RANK = {Outcome.NOT_APPLICABLE: 0, Outcome.PASS: 1, Outcome.UNKNOWN: 2, Outcome.FAIL: 3}


def test_case_comes_out_as_its_name_says(case: Case) -> None:
    spec = case.spec()
    findings = run_checks(spec, case.evidence(), select=[case.code], strict=True)
    assert findings
    worst = max((f.outcome for f in findings), key=lambda o: RANK[o])
    assert worst is case.expected, [f"{f.outcome.value}: {f.message}" for f in findings]
    lines = spec.text.count("\n") + 1
    assert all(s.line <= s.end_line <= lines for f in findings for s in f.spans if s.source == spec.source)


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_check_has_cases_for_its_outcomes(check: Check) -> None:
    cases = [c for c in all_cases() if c.code == check.code]
    assert {c.slug for c in cases} == {check.slug}
    outcomes = {c.expected for c in cases}
    assert {Outcome.PASS, Outcome.FAIL} <= outcomes
    assert outcomes & {Outcome.UNKNOWN, Outcome.NOT_APPLICABLE}


def test_every_case_belongs_to_a_check() -> None:
    for case in all_cases():
        found = find_check(case.code)
        assert found is not None, case.label
        assert found.slug == case.slug, case.label


def test_mechanical_edits_mend_what_they_are_for() -> None:
    made = 0
    for case in all_cases():
        if case.expected is not Outcome.FAIL:
            continue
        found = [f for f in run_checks(case.spec(), case.evidence(), select=[case.code]) if f.edits]
        if not found:
            continue
        applied = apply_edits(case.path.read_bytes(), [f.edits for f in found])
        assert applied.made == len(found), (case.label, applied.refused)
        after = run_checks(read(applied.data, case.path.name)[1], case.evidence(), select=[case.code])
        assert not [f for f in after if f.outcome is Outcome.FAIL and f.edits], case.label
        made += applied.made
    assert made >= 6


def test_a_token_that_is_shown_is_not_repeated() -> None:
    for case in (c for c in all_cases() if c.code == "R637"):
        for finding in run_checks(case.spec(), case.evidence(), select=["R637"]):
            assert "qWmRtYpLkJ" not in f"{finding.message} {finding.fix}"
