"""Where things are looked up, in the command line's words: nowhere, a Hub, a folder, a repository at a revision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.errors import PrerequisiteError, UsageError
from repro.evidence import Absence, Source
from repro.gather.folder import Folder
from repro.gather.hub import Hub
from repro.gather.wanted import is_repo_id


@dataclass(frozen=True, slots=True)
class Against:
    """The published model that a run is held against; empty fields stand for what the card names."""

    place: str
    """"hub" or a folder."""
    repo_id: str = ""
    revision: str = ""


def open_source(where: str, *, endpoint: str | None, cache_folder: str) -> Source | None:
    """The place to look things up: "none" (or nothing), "hub", or a folder.

    Raises:
        PrerequisiteError: the folder does not exist, or the endpoint is not a web address.
    """
    if where in {"", "none"}:
        return None
    return Hub(endpoint=endpoint, cache_folder=cache_folder) if where == "hub" else Folder(where)


def read_against(words: str) -> Against:
    """ "hub", an existing folder, or REPO[@REV]; what looks like a path is one, whether or not it exists.

    Raises:
        UsageError: it is none of the three.
    """
    if words == "hub":
        return Against("hub")
    if words.startswith(("/", ".", "~")) or Path(words).exists():
        return Against(words)
    repo_id, at, revision = words.partition("@")
    if not is_repo_id(repo_id) or "/" not in repo_id or (at and not revision.strip()):
        raise UsageError(
            f"--against {words!r} is neither hub, nor a folder that exists, nor REPO[@REV]",
            hint="a repository looks like org/name, or org/name@commit",
        )
    return Against("hub", repo_id, revision.strip())


def open_published(
    against: Against, *, endpoint: str | None, cache_folder: str, offline: bool
) -> tuple[Source | None, PrerequisiteError | None]:
    """The source of the published model; or, for a Hub, why it cannot be had.

    Raises:
        PrerequisiteError: the folder does not exist.
    """
    if against.place != "hub":
        return open_source(against.place, endpoint=None, cache_folder=cache_folder), None
    if offline:
        return None, PrerequisiteError(
            "the published model was not looked up: --offline was given",
            hint="run it again without --offline, or with --against FOLDER for a local copy",
        )
    try:
        return open_source("hub", endpoint=endpoint, cache_folder=cache_folder), None
    except PrerequisiteError as error:
        return None, error


def not_found(absences: tuple[Absence, ...], against: Against) -> PrerequisiteError:
    """The sentence for a published model that was looked for and not had."""
    why = absences[0].why if absences else "it was not found"
    hint = "check the network, HF_ENDPOINT and HF_TOKEN, or give --against FOLDER for a local copy"
    if against.repo_id and "made from" in why:
        hint = "give --against this model's own repository, or verify that model's own card"
    elif against.place != "hub":
        hint = "give the folder that holds the model's files, or one laid out as ORG/NAME"
    elif not against.repo_id and absences and absences[0].what == "the model's own repository":
        hint = "name it: --against ORG/NAME"
    return PrerequisiteError(f"the published model could not be looked up ({why})", hint=hint)
