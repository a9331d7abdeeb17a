"""A Hub as a Source: what a repository says at a pinned commit, and local copies of its harmless files."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from repro.errors import PrerequisiteError, ReproError
from repro.evidence import Repo, Source
from repro.gather.artefacts import describe
from repro.gather.wanted import (
    MAX_TEXT_BYTES,
    is_plain_path,
    is_repo_id,
    matching,
    safetensors_paths,
    texts_to_read,
)
from repro.gather.wire import Wire
from repro.spec import AnyFact, Fact, Origin
from repro.task import Observer, Progress, ignore

MAX_HEADERS = 64
"""Weight files whose headers are fetched; a model in more shards is measured by its index."""


class Hub(Source):
    """The Hub at `endpoint` (None: HF_ENDPOINT, else the official one).

    `token` (None: HF_TOKEN) goes to that host alone, and into no message. Downloads lie in `cache_folder` as
    huggingface_hub lays them out. Once the host as a whole cannot be reached, later questions are answered at once.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        cache_folder: str,
        observer: Observer = ignore,
    ) -> None:
        """
        Raises:
            PrerequisiteError: the endpoint is not a web address, or the token cannot be one.
        """
        self._wire = Wire(endpoint, token)
        self.endpoint = self._wire.endpoint
        self.host = self._wire.host
        self.name = f"hub {self.host}"
        self.cache_folder = cache_folder
        self._observer = observer
        self._repos: dict[tuple[str, str, str, str], Repo] = {}

    def __repr__(self) -> str:
        return f"Hub({self.host!r})"

    def watched(self, observer: Observer) -> Hub:
        """The same Hub, telling `observer` of every file that it downloads."""
        other = copy(self)
        other._observer = observer
        return other

    def describe(self, repo_id: str, *, kind: str, role: str, revision: str = "") -> Repo:
        """What the repository says of itself at the commit that `revision` (default: its main branch) stands for.

        Raises:
            PrerequisiteError: no network, no access, no such repository or revision; the message says which.
        """
        key = (repo_id, kind, role, revision)
        if key not in self._repos:
            self._repos[key] = self._described(repo_id, kind=kind, role=role, revision=revision)
        return self._repos[key]

    def _described(self, repo_id: str, *, kind: str, role: str, revision: str) -> Repo:
        info = self._wire.info(repo_id, kind, revision)
        commit = str(info["sha"])
        sizes = _sizes(info)
        texts: dict[str, str] = {}
        notes: dict[str, str] = {}
        headers: dict[str, bytes] = {}

        def text(path: str) -> None:
            try:
                texts[path] = self._wire.file(repo_id, kind, commit, path, MAX_TEXT_BYTES).decode(
                    "utf-8", errors="replace"
                )
            except ReproError as error:
                notes[path] = error.message

        def header(path: str) -> None:
            try:
                headers[path] = self._wire.header(repo_id, kind, commit, path)
            except ReproError as error:
                notes[path] = error.message

        wanted = texts_to_read(sizes, kind, role)
        weights = safetensors_paths(sizes) if kind == "model" else ()
        _all_at_once([(text, p) for p in wanted] + [(header, p) for p in weights if len(weights) <= MAX_HEADERS])
        # In the order in which they are believed, whatever the order in which they came.
        texts = {path: texts[path] for path in wanted if path in texts}
        headers = {path: headers[path] for path in weights} if len(headers) == len(weights) else {}
        return describe(
            repo_id=repo_id,
            kind=kind,
            role=role,
            revision=commit,
            source=f"{self.name}/{'datasets/' if kind == 'dataset' else ''}{repo_id}@{commit[:12]}",
            sizes=sizes,
            texts=texts,
            headers=headers,
            notes={path: notes[path] for path in sorted(notes)},
            extra=_info_facts(info, repo_id, bool(headers)),
        )

    def download(self, repo_id: str, *, kind: str, revision: str = "", patterns: tuple[str, ...] = ()) -> str:
        """The snapshot folder with the wanted files: those of `patterns`, else what loading the repository needs.

        Never code, never pickles but pytorch_model*.bin (`torch.load(weights_only=True)` reads those), never
        training_args.bin, whatever the patterns say.

        Raises:
            PrerequisiteError: as `describe`; also when nothing matches or the commit is not the one asked for.
            ReproError: the disk is full or the folder cannot be written.
        """
        info = self._wire.info(repo_id, kind, revision)
        commit = str(info["sha"])
        sizes = _sizes(info)
        files = matching(sizes, kind, patterns)
        if not files:
            asked = f" that matches {', '.join(patterns)}" if patterns else ""
            raise PrerequisiteError(
                f"{kind} {repo_id} on {self.host} has no file{asked} that may be downloaded",
                hint="code and pickles are never downloaded; publish safetensors, parquet or JSON lines",
            )
        total = sum(sizes[f] or 0 for f in files)
        started, done, folder = time.monotonic(), 0, ""
        for path in files:
            before = done

            def arrived(count: int, before: int = before, path: str = path) -> None:
                seconds = time.monotonic() - started
                done_now = min(before + count, total) if total else before + count
                self._observer(Progress(f"download {repo_id}", done_now, total, seconds, note=path))

            arrived(0)
            place = self._wire.ask(f"{kind} {repo_id}", partial(self._copy, repo_id, kind, commit, path, arrived))
            folder = str(Path(place).parents[len(PurePosixPath(path).parts) - 1])
            if Path(folder).name != commit:
                raise PrerequisiteError(
                    f"{self.host} served {kind} {repo_id} at another commit than {commit[:12]}",
                    hint="check --endpoint or HF_ENDPOINT",
                )
            done = before + (sizes[path] or 0)
            arrived(done - before)
        return folder

    @property
    def has_token(self) -> bool:
        """Whether requests bear a token."""
        return bool(self._wire.token)

    def commit_pull_request(self, repo_id: str, path: str, data: bytes, *, title: str, description: str) -> str:
        """The address of a new pull request to a model that sets one file to `data`.

        Raises:
            PrerequisiteError: as `describe`.
        """
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError

        api = HfApi(endpoint=self.endpoint, token=self._wire.token)

        def propose() -> str:
            operations = [CommitOperationAdd(path, data)]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    commit = api.create_commit(
                        repo_id,
                        operations,
                        commit_message=title,
                        commit_description=description,
                        create_pr=True,
                    )
            except ValueError as error:
                if isinstance(error, HfHubHTTPError):
                    raise
                raise PrerequisiteError(
                    f"{self.host} refuses the card's front matter", hint="correct it: it is not valid YAML metadata"
                ) from error
            return str(commit.pr_url)

        return self._wire.ask(f"model {repo_id}", propose)

    def _copy(self, repo_id: str, kind: str, commit: str, path: str, tell: Callable[[int], None]) -> str:
        from huggingface_hub import hf_hub_download

        return str(
            hf_hub_download(
                repo_id,
                path,
                repo_type=kind,
                revision=commit,
                cache_dir=self.cache_folder,
                endpoint=self.endpoint,
                token=self._wire.token,
                etag_timeout=10,
                tqdm_class=_bar(tell),
            )
        )


def _sizes(info: dict[str, Any]) -> dict[str, int | None]:
    siblings = info.get("siblings")
    sizes: dict[str, int | None] = {}
    for sibling in siblings if isinstance(siblings, list) else ():
        path = sibling.get("rfilename") if isinstance(sibling, dict) else None
        if isinstance(path, str) and is_plain_path(path):
            size = sibling.get("size")
            sizes[path] = size if isinstance(size, int) and not isinstance(size, bool) else None
    return sizes


def _info_facts(info: dict[str, Any], repo_id: str, have_headers: bool) -> list[AnyFact]:
    """What only the Hub itself knows: gating, a new name, and its own count where the headers cannot be read."""
    facts: list[AnyFact] = []
    gated = info.get("gated")
    if isinstance(gated, (str, bool)) and gated:
        facts.append(Fact("gated", str(gated).lower(), Origin.FOUND, printed=str(gated), why="the Hub's listing"))
    renamed = info.get("id")
    if isinstance(renamed, str) and renamed != repo_id and is_repo_id(renamed):
        facts.append(Fact("renamed_to", renamed, Origin.FOUND, printed=renamed, why="the Hub's listing"))
    counted = info.get("safetensors")
    total = counted.get("total") if isinstance(counted, dict) else None
    if not have_headers and isinstance(total, int) and not isinstance(total, bool) and total > 0:
        facts.append(
            Fact("total_params", total, Origin.FOUND, printed=str(total), why="the Hub's count of safetensors")
        )
    return facts


def _all_at_once(tasks: Sequence[tuple[Callable[[str], None], str]]) -> None:
    """Run the tasks eight at a time; the first failure is raised."""
    if not tasks:
        return
    with ThreadPoolExecutor(max_workers=min(8, len(tasks))) as pool:
        for future in [pool.submit(task, path) for task, path in tasks]:
            future.result()


def _bar(tell: Callable[[int], None]) -> Any:
    """A tqdm that shows nothing and passes the count of bytes on."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]
            self.arrived = 0

        def update(self, n: float | None = 1) -> None:
            self.arrived += int(n or 0)
            tell(self.arrived)

        # With these two, xet downloads report through this bar alone and not through a second one.
        def update_transfer(self, n: float | None = 1) -> None:
            pass

        def set_transfer_postfix_str(self, *_: Any, **__: Any) -> None:
            pass

    return Bar
