"""SARIF: what editors and code-scanning services rely on, asserted piece by piece."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from repro.card import Span
from repro.finding import Finding
from repro.render.sarif import to_sarif
from repro.report import Report


def run_of(report: Report) -> dict[str, Any]:
    log = json.loads(to_sarif(report))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def sound(run: dict[str, Any]) -> None:
    """The parts of the 2.1.0 schema that this file touches."""
    driver = run["tool"]["driver"]
    assert driver["name"] == "repro"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
    for result in run["results"]:
        assert result["ruleId"] == ids[result["ruleIndex"]]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["kind"] == "fail"
        assert result["message"]["text"]
        assert result["partialFingerprints"]
        for place in [*result["locations"], *result["relatedLocations"]]:
            physical = place["physicalLocation"]
            uri = physical["artifactLocation"]["uri"]
            assert uri
            assert " " not in uri
            assert ":" not in uri.split("/")[0] or uri.startswith("file:")
            region = physical.get("region")
            if region:
                assert 1 <= region["startLine"] <= region["endLine"]
                assert region.get("endColumn", 2) > region.get("startColumn", 1) >= 1
        assert len({p["id"] for p in result["relatedLocations"]}) == len(result["relatedLocations"])


def test_findings_and_differing_claims_with_their_regions(full_report: Report) -> None:
    run = run_of(full_report)
    sound(run)
    assert [r["ruleId"] for r in run["results"]] == ["R301", "R410", "R603", "R405", "claim-differs"]
    assert [r["level"] for r in run["results"]] == ["error", "warning", "warning", "note", "error"]
    region = run["results"][-1]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 114, "endLine": 114, "snippet": {"text": "| 197 | 0.521 | -25% |"}}


def test_nothing_wrong_is_an_empty_list(check_report: Report) -> None:
    run = run_of(dataclasses.replace(check_report, findings=()))
    sound(run)
    assert run["results"] == []


def test_columns_end_one_past_and_other_files_are_named(check_report: Report) -> None:
    first = check_report.failures[0]
    spans = (Span(check_report.spec.source, 89, 89, 15, 27), Span("org/name@abc:README.md", 3, 4))
    finding: Finding = dataclasses.replace(first, spans=spans)
    report = dataclasses.replace(check_report, findings=(finding,), card_source="/data/my cards/x.md")
    run = run_of(dataclasses.replace(report, spec=dataclasses.replace(report.spec, source=spans[0].source)))
    sound(run)
    (result,) = run["results"]
    own = result["locations"][0]["physicalLocation"]
    assert own["artifactLocation"]["uri"] == "file:///data/my%20cards/x.md"
    assert (own["region"]["startColumn"], own["region"]["endColumn"]) == (15, 28)
    assert result["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "org/name%40abc%3AREADME.md"


def test_a_fingerprint_survives_lines_added_above(check_report: Report) -> None:
    down = dataclasses.replace(check_report.spec, text="\n" + check_report.spec.text)
    moved = tuple(
        dataclasses.replace(f, spans=tuple(Span(s.source, s.line + 1, s.end_line + 1) for s in f.spans))
        for f in check_report.findings
    )
    before = run_of(check_report)["results"]
    after = run_of(dataclasses.replace(check_report, spec=down, findings=moved))["results"]
    assert [r["partialFingerprints"] for r in before] == [r["partialFingerprints"] for r in after]


def test_what_is_about_the_whole_card_stands_on_its_first_line(check_report: Report) -> None:
    whole = dataclasses.replace(check_report.failures[0], spans=())
    (result,) = run_of(dataclasses.replace(check_report, findings=(whole,)))["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"]) == (1, 1)
