"""A coverage-guided fuzzer over the reader and all checks: python tests/fuzz/fuzz_read.py -max_total_time=60 FOLDER.

It needs the extra `fuzz` (atheris, Linux only) and takes libFuzzer's options. FOLDER is the corpus: seeds are written
there when it is empty, and what is found is kept there. An input that raises, or takes over ten seconds, ends the run
and lies as crash-* or timeout-* in the folder that the command runs in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

with atheris.instrument_imports(include=["repro"]):
    from repro.check.checker import all_checks, run_checks
    from repro.evidence import Evidence
    from repro.read.reader import read

    all_checks()  # imports the checks, so that they are covered too


def one_card(data: bytes) -> None:
    """One input: its first byte picks the card's name, the rest is the card."""
    source = "README.md" if not data or data[0] % 2 else "lab/heron-7b@main:README.md"
    card, spec = read(data[1:], source)
    for block in card.blocks:
        for row in (block.table.header, *block.table.rows) if block.table is not None else ():
            for cell in row:
                there = card.data[cell.start : cell.end].decode("utf-8", "replace")
                assert there == cell.raw or "\ufffd" in there, (there, cell)
    lines = card.text.count("\n") + 1
    assert all(1 <= claim.span.line <= claim.span.end_line <= lines for claim in spec.claims)
    run_checks(spec, Evidence(), strict=True)


def main() -> None:
    from seed_cards import write

    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    for folder in folders[:1]:
        if not folder.is_dir() or not any(folder.iterdir()):
            write(folder)
    options = [] if any(a.startswith("-timeout") for a in sys.argv) else ["-timeout=10"]
    atheris.Setup([*sys.argv, *options], one_card)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
