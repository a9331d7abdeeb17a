"""A local folder as a Source: one repository, or many laid out as a Hub names them."""

from __future__ import annotations

import os
from pathlib import Path

from repro.errors import PrerequisiteError
from repro.evidence import Repo, Source
from repro.files import SCORES_FOLDER, inside, own_folders
from repro.gather.artefacts import describe
from repro.gather.model_files import MAX_HEADER_BYTES, safetensors_header
from repro.gather.wanted import MAX_TEXT_BYTES, is_plain_path, is_repo_id, safetensors_paths, texts_to_read

MARKS = ("config.json", "README.md", "adapter_config.json", "trainer_state.json")
MAX_FILES = 20_000
REVISION = "local"


class Folder(Source):
    """`path` is one repository (its files at the top), or ROOT/org/name and ROOT/datasets/org/name.

    A folder that is one repository answers for the subject, whatever its name, and for nothing else.
    """

    def __init__(self, path: str) -> None:
        """
        Raises:
            PrerequisiteError: there is no such folder.
        """
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            why = "is not a folder" if self.root.exists() else "does not exist"
            raise PrerequisiteError(f"{path} {why}", hint="name a folder with a model's files in it")
        self.root = self.root.resolve()
        self.name = f"folder {path}"
        self.single = any((self.root / mark).is_file() for mark in MARKS)

    def describe(self, repo_id: str, *, kind: str, role: str, revision: str = "") -> Repo:
        """What the folder's files say; `revision` is always "local".

        Raises:
            PrerequisiteError: the folder holds no such repository, or a revision other than "local" is asked for.
        """
        place = self._place(repo_id, kind, role, revision)
        sizes = _listing(place)
        wanted = texts_to_read(sizes, kind, role)
        texts, notes = {}, {}
        for path in wanted:
            try:
                with (place / path).open("rb") as file:
                    texts[path] = file.read(MAX_TEXT_BYTES).decode("utf-8", errors="replace")
            except OSError as error:
                notes[path] = f"cannot be read: {error.strerror or error}"
        headers = {}
        for path in safetensors_paths(sizes) if kind == "model" else ():
            try:
                headers[path] = _header(place / path)
            except OSError as error:
                notes[path] = f"cannot be read: {error.strerror or error}"
        return describe(
            repo_id=repo_id or place.name,
            kind=kind,
            role=role,
            revision=REVISION,
            source=f"folder {place}",
            sizes=sizes,
            texts=texts,
            headers=headers,
            notes=notes,
        )

    def download(self, repo_id: str, *, kind: str, revision: str = "", patterns: tuple[str, ...] = ()) -> str:
        """The repository's own folder; nothing is copied, whatever the patterns.

        An empty `repo_id` is the one repository of a folder that is one. A name is looked up in the layout alone:
        nobody says that a lone folder holds the model of that name.

        Raises:
            PrerequisiteError: the folder holds no such repository.
        """
        return str(self._place(repo_id, kind, "subject" if not repo_id else "", revision))

    def _place(self, repo_id: str, kind: str, role: str, revision: str) -> Path:
        what = f"{kind} {repo_id}" if repo_id else f"the {kind}"
        if revision not in {"", REVISION}:
            raise PrerequisiteError(
                f"{what}: {self.name} has no revisions ({revision} was asked for)", hint="name a Hub instead"
            )
        if is_repo_id(repo_id):
            place = inside(self.root, f"datasets/{repo_id}" if kind == "dataset" else repo_id)
            if place.is_dir():
                return place
        if self.single and role == "subject" and kind == "model":
            return self.root
        raise PrerequisiteError(
            f"{what} is not in {self.name}",
            hint="lay the folder out as ORG/NAME for models and datasets/ORG/NAME for data sets, or use a Hub",
        )


def _listing(place: Path) -> dict[str, int | None]:
    """Regular files by their relative path; hidden folders and links that lead elsewhere are passed over."""
    sizes: dict[str, int | None] = {}
    roots = own_folders(place)
    for folder, folders, files in os.walk(place):
        top = Path(folder) == place
        folders[:] = sorted(n for n in folders if not n.startswith(".") or (top and n == SCORES_FOLDER))
        for name in sorted(files):
            path = Path(folder, name)
            relative = path.relative_to(place).as_posix()
            try:
                real = path.resolve(strict=True)
                if not real.is_file() or not any(root in real.parents for root in roots):
                    continue
                size = real.stat().st_size
            except (OSError, RuntimeError):
                continue
            if is_plain_path(relative):
                sizes[relative] = size
            if len(sizes) >= MAX_FILES:
                return sizes
    return sizes


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(100_000)
        _, needed, why = safetensors_header(start)
        if not why and needed > len(start):
            start += file.read(min(needed, MAX_HEADER_BYTES + 8) - len(start))
    return start
