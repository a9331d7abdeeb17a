"""False alarms are defects: what the checks find on real cards, held against what people said of it."""

from __future__ import annotations

import pytest
from adjudication import CORPUS, failures, verdicts

MAX_DISPUTED = 1 / 20


def test_the_table_is_one_of_verdicts() -> None:
    rows = verdicts()
    assert len({row.key for row in rows}) == len(rows)
    assert {row.verdict for row in rows} <= {"fair", "disputed"}
    assert all(row.why for row in rows if row.verdict == "disputed")


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of real cards beside the checkout")
def test_a_fair_author_disputes_at_most_one_finding_in_twenty() -> None:
    found = {key: finding for key, finding, _ in failures()}
    judged = [row for row in verdicts() if row.key in found]
    disputed = [row.key for row in judged if row.verdict == "disputed"]
    assert len(judged) >= 100
    assert len(disputed) <= MAX_DISPUTED * len(judged), disputed
    unread = [key for key, finding in found.items() if finding.severity.value == "high"]
    unread = [key for key in unread if key not in {row.key for row in judged}]
    assert not unread, f"grave findings that nobody has read: {unread}"
