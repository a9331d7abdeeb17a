"""Spec -> Evidence: the subject's repository, the chain of models it was made from with their cards, the data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from repro.errors import ReproError
from repro.evidence import Absence, Evidence, Repo, Source
from repro.gather.wanted import is_repo_id
from repro.spec import AnyFact, Origin, Spec

MAX_LEVELS = 4
"""How far bases of bases are followed."""
MAX_REPOS = 12
"""Models, and data sets, that are looked up for one card: a merge may name dozens."""
SHOWN = 12
"""Digits of a commit in a place's name, as in the places of artefacts."""
OFFLINE = "not looked up: offline"


def gather(
    spec: Spec, source: Source | None, read: Callable[[bytes, str], Spec], *, subject: str = "", revision: str = ""
) -> Evidence:
    """Everything found outside the card. What cannot be had is an Absence with its reason, never an error.

    `subject` names the repository that is held against the card, at `revision`, where it is not the card's own: the
    card's own is then not looked at.

    `read` turns a parent's card (its bytes, and repo@revision:README.md) into a Spec; a card that it refuses with a
    ReproError is an Absence. With no source every repository that the card names is an Absence.
    """
    return _Search(source, read).run(spec, subject, revision)


class _Search:
    def __init__(self, source: Source | None, read: Callable[[bytes, str], Spec]) -> None:
        self.source = source
        self.read = read
        self.repos: list[Repo] = []
        self.parents: list[Spec] = []
        self.absences: list[Absence] = []
        self.seen: set[tuple[str, str]] = set()

    def run(self, spec: Spec, named: str, revision: str) -> Evidence:
        own = _subject(spec)
        subject = named or own
        if named.lower() in {base.lower() for base in _bases(spec)}:
            # Held against its own parent a card would be called false line by line.
            why = "the card names it as a model that this one was made from, not as this one"
            self.absences.append(Absence(f"model {named}", why))
            self.seen.add(("model", own.lower()))
            self.follow(spec)
            return self.found(spec)
        if own:
            self.seen.add(("model", own.lower()))
        if subject:
            self.seen.discard(("model", subject.lower()))
        # Only a folder can be one model's own; asked so, nothing is loaded where there is no source.
        if subject or getattr(self.source, "single", False):
            self.look(subject, "model", "subject", revision)
        else:
            self.absences.append(Absence("the model's own repository", "the card does not name it"))
        self.follow(spec)
        return self.found(spec)

    def found(self, spec: Spec) -> Evidence:
        for model in (spec, *self.parents):
            for repo_id, revision in _datasets(model):
                self.look(repo_id, "dataset", "dataset", revision)
        return Evidence(tuple(self.repos), tuple(self.parents), tuple(self.absences))

    def follow(self, spec: Spec) -> None:
        """The bases, level by level; a repository that was seen is not looked up again, so a circle ends."""
        frontier = list(_bases(spec))
        for _ in range(MAX_LEVELS):
            parents = [p for p in (self.parent(repo_id) for repo_id in frontier) if p is not None]
            self.parents += parents
            frontier = [base for parent in parents for base in _bases(parent)]
        for repo_id in dict.fromkeys(b for b in frontier if ("model", b.lower()) not in self.seen):
            self.absences.append(Absence(f"model {repo_id}", f"not followed further than {MAX_LEVELS} levels"))

    def parent(self, repo_id: str) -> Spec | None:
        repo = self.look(repo_id, "model", "base")
        if repo is None:
            return None
        name = f"{repo.repo_id}@{repo.revision[:SHOWN]}:README.md"
        card = repo.file("README.md")
        if card is None or card.text is None:
            why = "the repository has no README.md" if card is None else "its README.md could not be fetched"
            self.absences.append(Absence(f"card of {repo_id}", why))
            return None
        try:
            return self.read(card.text.encode("utf-8"), name)
        except ReproError as error:
            self.absences.append(Absence(f"card of {repo_id}", error.message))
            return None

    def look(self, repo_id: str, kind: str, role: str, revision: str = "") -> Repo | None:
        """The repository, kept; or an absence that says why not. One look for each."""
        key = (kind, repo_id.lower())
        if key in self.seen:
            return None
        self.seen.add(key)
        what = f"{'data set' if kind == 'dataset' else kind} {repo_id}".strip()
        if repo_id and not is_repo_id(repo_id):
            self.absences.append(Absence(what[:200], "the card gives a name, not a repository"))
            return None
        if self.source is None:
            self.absences.append(Absence(what, OFFLINE))
            return None
        if sum(k == kind for k, _ in self.seen) > MAX_REPOS:
            self.absences.append(Absence(what, f"not looked up: more than {MAX_REPOS} are named"))
            return None
        try:
            repo = self.source.describe(repo_id, kind=kind, role=role, revision=revision)
        except ReproError as error:
            self.absences.append(Absence(what, error.message))
            return None
        self.repos.append(repo)
        for fact in repo.facts:
            if fact.origin is Origin.MISSING:
                self.absences.append(Absence(f"{repo.repo_id}: {fact.key}", fact.why))
        return repo


def _subject(spec: Spec) -> str:
    value = spec.get("model_id").value
    return value if isinstance(value, str) else ""


def _bases(spec: Spec) -> Iterator[str]:
    """Models that the card names as starting points, or as stages on the way; not itself."""
    facts = [*spec.all("base_model")]
    for stage in reversed(spec.stages):
        facts += [stage.base, stage.produces]
    own = _subject(spec).lower()
    for name in dict.fromkeys(_names(facts)):
        if name.lower() != own and is_repo_id(name) and "/" in name:
            yield name


def _datasets(spec: Spec) -> Iterator[tuple[str, str]]:
    """(name, revision) of every data set that the card names, the ones of stages first: those bear revisions."""
    seen: set[str] = set()
    for stage in spec.stages:
        for ref in stage.datasets:
            if ref.repo_id and ref.repo_id.lower() not in seen:
                seen.add(ref.repo_id.lower())
                yield ref.repo_id, ref.revision
    for name in _names(spec.all("datasets")):
        if name.lower() not in seen:
            seen.add(name.lower())
            yield name, ""


def _names(facts: Iterable[AnyFact]) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact.value, str) and fact.value:
            yield fact.value
        elif isinstance(fact.value, tuple):
            yield from (v for v in fact.value if v)
