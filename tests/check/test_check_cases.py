"""Every check answers its cases: a new case is a new file."""

from __future__ import annotations

import pytest
from check_cases import Case, all_cases

from repro.check.checker import all_checks, find_check, run_checks
from repro.finding import Check, Outcome

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
