"""What `repro check --fix` and `--diff` say: the fixes made, those that were not and why, and the difference."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from repro import screen

if TYPE_CHECKING:
    from repro.checked import CheckedCard, Refused
    from repro.checking import Checking
    from repro.finding import Finding
    from repro.inputs import Walked
    from repro.mend import Mended


def tell(checking: Checking, item: CheckedCard | Refused | Walked) -> Mended | None:
    """On stderr, what became of a card's fixes; nothing where it had none."""
    from repro.checked import CheckedCard
    from repro.fixing import Fixes
    from repro.render.words import plural

    mended = checking.mended.pop(item.report.card_source, None) if isinstance(item, CheckedCard) else None
    if mended is None or not isinstance(item, CheckedCard):
        return None
    name = item.report.card_source
    if mended.fixed:
        made = "made" if checking.fixes is Fixes.MADE else "possible"
        which = ", ".join(_place(f) for f in mended.fixed)
        screen.say(f"{name}: {plural(len(mended.fixed), 'fix', 'fixes')} {made}: {which}")
    for finding, why in mended.refused:
        screen.say(f"{name}: {_place(finding)} is not fixed: {why}")
    return mended


def offer(checking: Checking) -> None:
    """On stderr, how many of the findings shown would be mended, where nobody asked for it."""
    from repro.fixing import Fixes

    count = sum(bool(f.edits) for card in checking.cards for f in card.findings)
    if count and checking.fixes is Fixes.NONE:
        screen.say(f"{count} of these can be mended without judgement: --diff shows how, --fix does it.")


def show_diffs(
    checking: Checking,
    words: list[str],
    others: Callable[[CheckedCard | Refused | Walked], None],
    output: Path | None,
) -> None:
    """On stdout, the difference that the fixes of each card would make: byte for byte, so that `git apply -p0` takes
    it; on a terminal what could drive it is written as an escape."""
    from repro.checked import CheckedCard
    from repro.diff import shown_diff, unified_diff
    from repro.render.words import plural

    parts: list[bytes] = []
    left = 0
    for item in checking.run(words):
        others(item)
        mended = tell(checking, item)
        left += len(item.findings) if isinstance(item, CheckedCard) else 0
        if isinstance(item, CheckedCard) and mended is not None:
            parts.append(unified_diff(mended.before, mended.data, item.report.card_source))
    diff = b"".join(parts)
    if left and not diff:
        screen.say(
            f"No fix without judgement for {plural(left, 'finding')}: repro check without --diff shows what is wrong."
        )
    if output is None and sys.stdout.isatty():
        sys.stdout.write(shown_diff(diff))
    else:
        screen.emit_bytes(diff, output)


def _place(finding: Finding) -> str:
    return f"{finding.code} on line {finding.spans[0].line}" if finding.spans else finding.code
