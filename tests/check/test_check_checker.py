"""Finding, choosing and running checks."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from repro.check import checker
from repro.check.checker import all_checks, find_check, near, run_checks
from repro.check.explain import explain
from repro.errors import UsageError
from repro.evidence import Evidence
from repro.finding import FAMILY_DIGIT, Check, Family, Outcome
from repro.spec import Spec

EMPTY = Spec(
    source="empty.md", name="empty", card_sha256="0" * 64, dialect="", facts=(), stages=(), claims=(), code=(), text=""
)


def test_codes_are_sorted_unique_and_cover_every_family() -> None:
    checks = all_checks()
    codes = [c.code for c in checks]
    assert codes == sorted(set(codes))
    assert len({c.slug for c in checks}) == len(checks) >= 60
    assert {c.family for c in checks} == set(Family)
    assert all(FAMILY_DIGIT[c.code[1]] is c.family for c in checks)


def test_a_check_is_found_by_code_in_any_case_and_by_slug() -> None:
    check = find_check("r401")
    assert check is not None
    assert find_check(check.slug) is check
    assert find_check("R999") is None
    assert "effective-batch" in near("efective-batch")
    assert "R401" in near("R4011")


def test_selection_by_prefix_family_and_slug() -> None:
    def codes(**how: list[str]) -> set[str]:
        return {f.code for f in run_checks(EMPTY, Evidence(), strict=True, **how)}

    assert codes(select=["R401"]) == {"R401"}
    assert codes(select=["effective-batch"]) == {"R401"}
    assert codes(select=["R4"]) == codes(select=["training"]) == {c.code for c in all_checks() if c.code[1] == "4"}
    assert "R401" not in codes(select=["R4"], ignore=["R401"])
    assert codes(ignore=["R4"]) == {c.code for c in all_checks() if c.code[1] != "4"}
    assert codes() == {c.code for c in all_checks()}


@pytest.mark.parametrize("selector", ["R999", "nothing-like-it", "", "  "])
def test_a_selector_that_names_nothing_is_a_usage_error(selector: str) -> None:
    with pytest.raises(UsageError):
        run_checks(EMPTY, Evidence(), select=[selector])
    with pytest.raises(UsageError):
        run_checks(EMPTY, Evidence(), ignore=[selector])


def test_an_empty_card_raises_no_exception_and_no_failure_but_the_missing() -> None:
    findings = run_checks(EMPTY, Evidence(), strict=True)
    assert {f.outcome for f in findings} <= {Outcome.UNKNOWN, Outcome.NOT_APPLICABLE}


def test_a_check_that_breaks_is_unknown_and_raises_when_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(spec: Spec, evidence: Evidence) -> list[object]:
        raise ZeroDivisionError("by design")

    check = dataclasses.replace(all_checks()[0], function=broken)
    monkeypatch.setattr(checker, "all_checks", lambda: (check,))
    monkeypatch.setattr(checker, "_rounds", checker._rounds.__wrapped__)
    (finding,) = run_checks(EMPTY, Evidence())
    assert finding.outcome is Outcome.UNKNOWN
    assert "ZeroDivisionError" in finding.message
    assert "by design" not in finding.message
    with pytest.raises(ZeroDivisionError):
        run_checks(EMPTY, Evidence(), strict=True)


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_the_page_says_everything_the_docstring_says(check: Check) -> None:
    page = explain(check)
    assert page.startswith(f"# {check.code}: {check.title}\n")
    for text in (check.slug, check.what, check.why, check.fix):
        assert text in page
    assert page.count("\n- ") == len(check.sources) >= 1
    assert not check.title.endswith(".")
    assert set(check.needs) <= {"card", "parent", "subject", "base", "dataset"}


def test_checking_loads_nothing_heavy() -> None:
    script = (
        "import sys; from repro.check.checker import all_checks; all_checks(); "
        "print(sorted({'torch', 'numpy', 'transformers', 'yaml', 'huggingface_hub'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
