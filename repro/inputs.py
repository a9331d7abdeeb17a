"""From the words of a command to the cards they mean: files, folders, standard input, repositories on a Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from repro.checked import Refused
from repro.errors import CardError, ReproError
from repro.files import Scores

STDIN = "-"
HEAD_BYTES = 256 * 1024
"""So much of a file in a folder is read to see whether it is a card."""

_VENDORED = frozenset(("node_modules", "site-packages", "venv", "env", "vendor", "third_party", "build", "dist"))
_CARD_KEY = re.compile(
    rb"^(?:base_model|datasets|library_name|license|license_name|pipeline_tag|model-index|model_name|tags|language)"
    rb"[ \t]*:",
    re.MULTILINE,
)
_CARD_WORDS = re.compile(rb"model card|fine-?tun|from_pretrained|hyper-?parameters?|base model", re.IGNORECASE)


class Input(NamedTuple):
    """One card to check."""

    name: str
    """As its places are printed: the path as given, or repo@commit:README.md."""
    folder: Path | None
    """Where its configuration file is looked for; None for what is in no folder."""
    data: bytes | None = None
    """Its bytes, where they are no file's."""
    scores: Scores = ()
    """The files of scores of its repository, where that is on a Hub."""


class Walked(NamedTuple):
    """What was found in a folder."""

    name: str
    num_cards: int
    """Each once, whatever names lead to it."""
    num_others: int
    """Markdown files that do not look like a model's card."""


def find_inputs(
    words: list[str],
    *,
    stdin: Callable[[], bytes],
    stdin_filename: str,
    repository: Callable[[str], tuple[bytes, str, Scores] | None],
) -> Iterator[Input | Refused | Walked]:
    """The cards that `words` mean, each once, in their order; what cannot be had is told and does not stop the rest.

    `repository` gives (bytes, source, scores) for words that name one, None for others; it may raise ReproError.
    """
    seen: set[object] = set()
    for word in words:
        if word == STDIN:
            name = stdin_filename or "<stdin>"
            if word not in seen:
                seen.add(word)
                yield Input(name, Path(name).parent if stdin_filename else Path(), stdin())
            continue
        place = Path(word)
        try:
            if not word:
                raise CardError("no file is named", where="''", hint="give the path of a model card (a README.md)")
            folder, there, link = place.is_dir(), place.exists(), place.is_symlink()
        except CardError as error:
            yield Refused(word, error)
            continue
        except OSError as error:  # a name too long, a folder that may not be entered
            yield Refused(word, CardError(f"cannot be read: {error.strerror or error}", where=word))
            continue
        if folder:
            yield from _in_folder(word, seen)
        elif link and not there:
            yield Refused(word, CardError("this link leads nowhere", where=word))
        elif there or (found := _from(repository, word)) is None:
            if _new(place, seen):
                yield Input(word, place.parent)
        elif isinstance(found, Refused):
            yield found
        elif found[1] not in seen:
            seen.add(found[1])
            yield Input(found[1], None, found[0], found[2])


def _from(
    repository: Callable[[str], tuple[bytes, str, Scores] | None], word: str
) -> tuple[bytes, str, Scores] | Refused | None:
    try:
        return repository(word)
    except ReproError as error:
        return Refused(word, error)


def _new(place: Path, seen: set[object]) -> bool:
    """Whether this file was not met yet, under this name or another."""
    try:
        status = place.stat()
        key: object = (status.st_dev, status.st_ino)
    except (OSError, ValueError):
        key = str(place)
    if key in seen:
        return False
    seen.add(key)
    return True


def _in_folder(word: str, seen: set[object]) -> Iterator[Input | Refused | Walked]:
    found: list[Input | Refused] = []
    cards = others = 0
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(word, onerror=unreadable.append):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f.lower() not in _VENDORED)
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(".md"):
                continue
            place = Path(folder, name)
            if place.is_symlink() and not os.path.exists(place):
                found.append(Refused(str(place), CardError("this link leads nowhere", where=str(place))))
            elif not looks_like_a_card(place):
                others += 1
            elif _new(place, seen):
                cards += 1
                found.append(Input(str(place), place.parent))
    for error in unreadable:
        where = str(error.filename or word)
        found.append(Refused(where, CardError(f"this folder cannot be read: {error.strerror or error}", where=where)))
    yield Walked(word, cards, others)
    if not found:
        hint = "name a model's card, or a folder with README.md files of models"
        some = f" ({others} other Markdown files in it do not look like one)" if others else ""
        yield Refused(word, CardError(f"this is a folder without a model's card{some}", where=word, hint=hint))
    yield from found


def looks_like_a_card(place: Path) -> bool:
    """Whether a Markdown file in a folder is a model's card: its front matter has a key of the Hub's, or it speaks of
    a model's making. One that cannot be read is taken for one, so that somebody hears of it."""
    try:
        with place.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return True
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"---"):
        front, fence, _ = start[3:].partition(b"\n---")
        if fence and _CARD_KEY.search(front):
            return True
    return _CARD_WORDS.search(head) is not None


def path_from_root(name: str) -> str:
    """A file's path from the root of the repository that it is in, with forward slashes; the path as given, where it
    is in none. Code-scanning services look files up by it."""
    place = Path(os.path.abspath(name))
    for folder in place.parents:
        if os.path.exists(folder / ".git"):
            return place.relative_to(folder).as_posix()
    return Path(name).as_posix()
