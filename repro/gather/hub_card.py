"""A model's card on a Hub, at the commit that a revision stands for."""

from __future__ import annotations

from pathlib import Path

from repro.errors import CardError, PrerequisiteError
from repro.files import MAX_CARD_BYTES
from repro.gather.wanted import is_repo_id
from repro.gather.wire import Wire


def read_repo(words: str) -> tuple[str, str] | None:
    """(repository, revision) when `words` are ORG/NAME or ORG/NAME@REV and no file's path; None otherwise."""
    repo_id, at, revision = words.partition("@")
    if words.startswith(("/", ".", "~")) or repo_id.count("/") != 1 or not is_repo_id(repo_id):
        return None
    if (at and not revision.strip()) or Path(repo_id).suffix.lower() in {".md", ".markdown", ".txt"}:
        return None
    return repo_id, revision.strip()


def hub_card(wire: Wire, repo_id: str, revision: str) -> tuple[bytes, str]:
    """The bytes of a model's README.md, and where they are from: repo@commit:README.md.

    Raises:
        PrerequisiteError: no network, no access, no such repository or revision; the message says which.
        CardError: the repository has no README.md.
    """
    info = wire.info(repo_id, "model", revision)
    commit = str(info["sha"])
    siblings = info.get("siblings")
    names = {s.get("rfilename") for s in siblings if isinstance(s, dict)} if isinstance(siblings, list) else set()
    source = f"{repo_id}@{commit[:12]}:README.md"
    if "README.md" not in names:
        raise CardError("this repository has no card (README.md)", where=f"{repo_id}@{commit[:12]}")
    return wire.file(repo_id, "model", commit, "README.md", MAX_CARD_BYTES), source


def open_wire(endpoint: str | None, *, offline: bool, words: str) -> Wire:
    """
    Raises:
        PrerequisiteError: the network is not to be touched, or the endpoint is not a web address.
    """
    if offline:
        raise PrerequisiteError(
            "no such file, and a repository on the Hub is not read with --offline",
            where=words,
            hint="run it again without --offline, or give a file",
        )
    return Wire(endpoint, None)
