"""What people said of findings on real cards: a table of verdicts, and what the checks find that it does not hold yet.

Run as a script it prints the grave findings without a verdict, and a random part of the others:
`python tests/check/adjudication.py [HOW_MANY_OTHERS]`.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repro.check.checker import run_checks
from repro.evidence import Evidence
from repro.finding import Finding, Outcome
from repro.read.reader import read

TABLE = Path(__file__).with_name("adjudication.tsv")
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "cards"
SEED = 77


@dataclass(frozen=True)
class Verdict:
    """One finding on one card, and whether a fair author would accept it ("fair") or dispute it ("disputed")."""

    card: str
    code: str
    line: int
    severity: str
    verdict: str
    why: str

    @property
    def key(self) -> tuple[str, str, int]:
        return self.card, self.code, self.line


def verdicts() -> list[Verdict]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Verdict(**{**row, "line": int(row["line"])}) for row in csv.DictReader(file, delimiter="\t")]


def failures() -> Iterator[tuple[tuple[str, str, int], Finding, Path]]:
    """Every failure over the corpus, by card, code and first line."""
    for path in sorted(CORPUS.glob("*/*.md")):
        name = f"{path.parent.name}/{path.name}"
        spec = read(path.read_bytes(), name)[1]
        for finding in run_checks(spec, Evidence(), strict=True):
            if finding.outcome is Outcome.FAIL:
                yield (name, finding.code, finding.spans[0].line if finding.spans else 0), finding, path


def main(others: int) -> None:
    known = {v.key for v in verdicts()}
    found = [(key, finding, path) for key, finding, path in failures()]
    counts = {"all": len(found), "high": sum(f.severity.value == "high" for _, f, _ in found)}
    fresh = [item for item in found if item[0] not in known]
    grave = [item for item in fresh if item[1].severity.value == "high"]
    rest = [item for item in fresh if item[1].severity.value != "high"]
    drawn = random.Random(SEED).sample(rest, min(others, len(rest)))
    sys.stdout.write(f"{counts}; without a verdict: {len(grave)} high, {len(rest)} others, {len(drawn)} drawn\n")
    for (card, code, line), finding, path in [*grave, *drawn]:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        quoted = lines[line - 1].strip()[:160] if 0 < line <= len(lines) else ""
        about = f"{finding.severity.value}\t{finding.persona.value}\t{finding.message}\n    | {quoted}"
        sys.stdout.write(f"{card}\t{code}\t{line}\t{about}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
