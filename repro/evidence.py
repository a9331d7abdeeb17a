"""Facts found outside the card: repositories, the parents' cards, published logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from repro.spec import AnyFact, Spec, missing


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a repository, as its listing says."""

    path: str
    size_bytes: int | None = None
    text: str | None = None
    """The content, for the small text files that were fetched."""


@dataclass(frozen=True, slots=True)
class LoggedLoss:
    """One training loss that a published repository carries."""

    step: int
    loss: float
    epoch: float | None = None
    learning_rate: float | None = None
    window: int = 1
    """Optimizer steps averaged into it (the trainer's logging_steps)."""
    last_digit: float = 0.0
    """What one step of the last printed digit is worth, where a log rounds: 0.63 has 0.01; 0 when printed in full."""


@dataclass(frozen=True, slots=True)
class Repo:
    """What one repository (on a Hub or in a folder) says of itself, at one revision."""

    repo_id: str
    kind: str
    """"model" or "dataset"."""
    role: str
    """"subject" (what the card describes), "base" (what it was trained from), "dataset"."""
    revision: str
    """Commit hash, or "local" for a folder."""
    source: str
    """Where it was read, for people: "hub huggingface.co/org/name@abc123" or "folder /data/name"."""
    files: tuple[RepoFile, ...] = ()
    facts: tuple[AnyFact, ...] = ()
    """FOUND facts: vocab_size, hidden_size, torch_dtype, chat_template, eos_token, total_params,
    index_total_size_bytes, index_total_parameters, num_rows, ..., and KEYS where an artefact states a recipe."""
    losses: tuple[LoggedLoss, ...] = ()

    def get(self, key: str) -> AnyFact:
        return next((f for f in self.facts if f.key == key and f.known), missing(key))

    def file(self, path: str) -> RepoFile | None:
        return next((f for f in self.files if f.path == path), None)


@dataclass(frozen=True, slots=True)
class Absence:
    """Something that was looked for and not had, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything found outside the card. Empty is a fine value: checks then say they cannot tell."""

    repos: tuple[Repo, ...] = ()
    parents: tuple[Spec, ...] = ()
    """Specs of the parents' cards, nearest first; their `source` names repository and revision."""
    absences: tuple[Absence, ...] = ()

    def repo(self, repo_id: str) -> Repo | None:
        return next((r for r in self.repos if r.repo_id == repo_id), None)

    def role(self, role: str) -> tuple[Repo, ...]:
        return tuple(r for r in self.repos if r.role == role)


class Source(Protocol):
    """A place where repositories can be looked up: a Hub, or a folder laid out like one."""

    name: str

    def describe(self, repo_id: str, *, kind: str, role: str, revision: str = "") -> Repo:
        """What the repository says of itself.

        Raises:
            PrerequisiteError: no network, no access, or no such repository; the message says which.
        """
        ...

    def download(self, repo_id: str, *, kind: str, revision: str = "", patterns: tuple[str, ...] = ()) -> str:
        """A local folder with the files of the repository that match (all, when no pattern is given)."""
        ...
