"""Counts of what is wanted, read and right, and how they are shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("hyperparameters", "stages", "losses", "scores")


@dataclass
class Tally:
    """Counts of one kind: what is wanted and read, what of it is right, and what is wrong."""

    wanted: int = 0
    found: int = 0
    printed: int = 0
    parsed: int = 0
    misses: list[str] = field(default_factory=list)
    inventions: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.wanted, self.found = self.wanted + other.wanted, self.found + other.found
        self.printed, self.parsed = self.printed + other.printed, self.parsed + other.parsed
        self.misses += other.misses
        self.inventions += other.inventions
        return self

    def hit(self, parsed: bool, what: str) -> None:
        self.wanted, self.found, self.printed = self.wanted + 1, self.found + 1, self.printed + 1
        self.parsed += parsed
        if not parsed:
            self.misses.append(f"misread: {what}")

    def miss(self, what: str) -> None:
        self.wanted += 1
        self.misses.append(what)

    def invent(self, what: str) -> None:
        self.found += 1
        self.inventions.append(what)

    def shares(self) -> tuple[float, float, float, float]:
        """Precision and recall as printed, then as parsed."""
        found, wanted = self.found or 1, self.wanted or 1
        nothing_p, nothing_r = not self.found, not self.wanted
        return (
            1.0 if nothing_p else self.printed / found, 1.0 if nothing_r else self.printed / wanted,
            1.0 if nothing_p else self.parsed / found, 1.0 if nothing_r else self.parsed / wanted,
        )  # fmt: skip


Score = dict[str, Tally]


def total(by_card: dict[str, Score]) -> Score:
    tallies = {kind: Tally() for kind in KINDS}
    for one in by_card.values():
        for kind in KINDS:
            tallies[kind] += one[kind]
    return tallies


def report(by_card: dict[str, Score]) -> str:
    """A table by card and in total, then every miss and every invention, a line each."""
    lines: list[str] = []
    head = "  ".join(f"{kind:>27}" for kind in KINDS)
    lines.append(f"{'printed P R, parsed P R':<34}{head}")
    for name, tallies in [*by_card.items(), ("TOTAL", total(by_card))]:
        cells = ["/".join(f"{share:.3f}" for share in tallies[kind].shares()) for kind in KINDS]
        lines.append(f"{name[:33]:<34}" + "  ".join(f"{cell:>27}" for cell in cells))
    lines.append(f"wanted, read: { {kind: (t.wanted, t.found) for kind, t in total(by_card).items()} }")
    for name, tallies in by_card.items():
        for kind in KINDS:
            for what, said in (("MISS", tallies[kind].misses), ("INVENTED", tallies[kind].inventions)):
                for line, times in Counter(said).items():
                    lines.append(f"{what:<9}{name[:40]} {kind}: {line}" + (f" (x{times})" if times > 1 else ""))
    return "\n".join(lines) + "\n"
