"""A model's card on a Hub, at the commit that a revision stands for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from repro.errors import CardError, PrerequisiteError, ReproError
from repro.files import MAX_CARD_BYTES, MAX_SCORE_BYTES, Scores
from repro.gather.wanted import is_plain_path, is_repo_id, score_paths
from repro.gather.wire import Wire


def read_repo(words: str) -> tuple[str, str] | None:
    """(repository, revision) when `words` are ORG/NAME or ORG/NAME@REV and no file's path; None otherwise."""
    repo_id, at, revision = words.partition("@")
    if words.startswith(("/", ".", "~")) or repo_id.count("/") != 1 or not is_repo_id(repo_id):
        return None
    if (at and not revision.strip()) or Path(repo_id).suffix.lower() in {".md", ".markdown", ".txt"}:
        return None
    return repo_id, revision.strip()


def hub_card(wire: Wire, repo_id: str, revision: str) -> tuple[bytes, str, Scores]:
    """The bytes of a model's README.md, where they are from (repo@commit:README.md), and its files of scores.

    Raises:
        PrerequisiteError: no network, no access, no such repository or revision; the message says which.
        CardError: the repository has no README.md.
    """
    info = wire.info(repo_id, "model", revision)
    commit = str(info["sha"])
    siblings = info.get("siblings")
    listed = [s.get("rfilename") for s in siblings if isinstance(s, dict)] if isinstance(siblings, list) else []
    sizes: dict[str, int | None] = {name: None for name in listed if isinstance(name, str) and is_plain_path(name)}
    place = f"{repo_id}@{commit[:12]}"
    if "README.md" not in sizes:
        raise CardError("this repository has no card (README.md)", where=place)

    def scores(path: str) -> tuple[str, bytes | str]:
        try:
            return f"{place}:{path}", wire.file(repo_id, "model", commit, path, MAX_SCORE_BYTES)
        except ReproError as error:
            return f"{place}:{path}", error.message

    card = wire.file(repo_id, "model", commit, "README.md", MAX_CARD_BYTES)
    paths = score_paths(sizes)
    if not paths:
        return card, f"{place}:README.md", ()
    with ThreadPoolExecutor(max_workers=min(8, len(paths))) as pool:
        return card, f"{place}:README.md", tuple(pool.map(scores, paths))


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
