"""Cases as files: a small card, and beside it what was found outside of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.evidence import Evidence, Repo, RepoFile
from repro.finding import Outcome
from repro.read.eval_results import with_eval_results
from repro.read.reader import read
from repro.spec import Fact, Origin, Spec

CASES = Path(__file__).parent / "cases"
PREFIXES = {
    "pass": Outcome.PASS,
    "fail": Outcome.FAIL,
    "unknown": Outcome.UNKNOWN,
    "absent": Outcome.NOT_APPLICABLE,
}


@dataclass(frozen=True)
class Case:
    code: str
    slug: str
    expected: Outcome
    path: Path

    @property
    def label(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    def spec(self) -> Spec:
        """What the card says, and the files of scores that `<case>.json` holds: {"eval_results": {name: content}}."""
        spec = read(self.path.read_bytes(), self.path.name)[1]
        place = self.path.with_suffix(".json")
        files = json.loads(place.read_text()).get("eval_results", {}) if place.exists() else {}
        texts = {name: text if isinstance(text, str) else json.dumps(text, indent=1) for name, text in files.items()}
        return with_eval_results(spec, [(f".eval_results/{name}", text.encode()) for name, text in texts.items()])

    def evidence(self) -> Evidence:
        """What `<case>.json` says: {"repos": [{repo_id, role, kind, facts, files}], "parents": [Markdown files]}."""
        place = self.path.with_suffix(".json")
        if not place.exists():
            return Evidence()
        content = json.loads(place.read_text())
        parents = [self.path.parent / name for name in content.get("parents", [])]
        return Evidence(
            repos=tuple(_repo(entry) for entry in content.get("repos", [])),
            parents=tuple(read(p.read_bytes(), p.name)[1] for p in parents),
        )


def _repo(entry: dict[str, Any]) -> Repo:
    files = []
    for path, content in entry.get("files", {}).items():
        size = content if isinstance(content, int) else None
        text = None if size is not None else content if isinstance(content, str) else json.dumps(content)
        files.append(RepoFile(path, size, text))
    facts = tuple(Fact(key, value, Origin.FOUND) for key, value in entry.get("facts", {}).items())
    name = entry["repo_id"]
    return Repo(
        repo_id=name,
        kind=entry.get("kind", "model"),
        role=entry.get("role", "subject"),
        revision="0123abc",
        source=f"hub example.test/{name}@0123abc",
        files=tuple(files),
        facts=facts,
    )


def all_cases() -> list[Case]:
    """Every case in the folder: `<code>-<slug>/<outcome>-<what>.md`."""
    found = []
    for path in sorted(CASES.glob("*/*.md")):
        prefix = path.stem.partition("-")[0]
        if prefix in PREFIXES:
            code, _, slug = path.parent.name.partition("-")
            found.append(Case(code, slug, PREFIXES[prefix], path))
    return found
