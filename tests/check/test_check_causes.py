"""Every known reason for which people fail to reproduce a model has checks that ask for it."""

from __future__ import annotations

import pytest

from repro.check.checker import find_check

CAUSES = {
    "loss reduction": "R404 R441",
    "effective batch against steps": "R401 R402 R203 R208",
    "chat template, few-shot, injected date": "R301 R303 R304 R305 R309 R310",
    "BOS, EOS, padding": "R302 R306 R307 R308",
    "harness identity": "R502 R508 R509 R531 R533 R534",
    "decoding": "R532",
    "DPO semantics": "R403 R413 R417 R440",
    "data: revision, rows, order, leakage": "R201 R202 R204 R205 R206 R230 R231 R448 R505",
    "learning-rate schedule": "R407 R443 R444",
    "precision and determinism": "R408 R445",
    "environment and default drift": "R406 R446 R447",
    "card arithmetic and identity": "R101 R102 R103 R412 R442 R503 R504 R506 R535 R537",
    "last step of an epoch, single-step readings": "R409 R410",
    "repository against itself": "R104 R105 R106 R634",
    "usage code": "R107 R601 R602 R603 R604 R608 R630 R631 R635 R636",
    "memory and hardware": "R605 R609",
    "licence": "R701 R702 R703 R704 R705 R706 R707 R708 R709 R710",
    "recipes that are no training": "R122 R123 R124",
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_has_checks(cause: str) -> None:
    found = [find_check(code) for code in CAUSES[cause].split()]
    assert found
    assert all(check is not None and check.sources for check in found)
