"""Questions to a Hub over HTTP: bounded, checked against the commit, and refused in sentences."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from repro.errors import PrerequisiteError, ReproError
from repro.gather.model_files import MAX_HEADER_BYTES, safetensors_header
from repro.gather.refusals import Unreachable, refusal
from repro.gather.session import asking
from repro.gather.wanted import is_repo_id

T = TypeVar("T")

MAX_LISTING_BYTES = 64 * 1024 * 1024
DEADLINE_SECONDS = 20.0
"""For one small file, from the first byte to the last."""
PATIENCE_SECONDS = 5
"""The longest Retry-After that is waited for, once."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Wire:
    """A Hub's endpoint (None: HF_ENDPOINT, else the official one) and the token (None: HF_TOKEN) that goes there.

    The token goes to that host alone, and into no message. Once the host as a whole cannot be reached, later
    questions are refused at once.
    """

    def __init__(self, endpoint: str | None, token: str | None) -> None:
        """
        Raises:
            PrerequisiteError: the endpoint is not a web address, or the token cannot be one.
        """
        chosen = endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        self.endpoint = chosen.strip().rstrip("/")
        try:
            parts = urlsplit(self.endpoint)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in {"http", "https"} or not host:
            raise PrerequisiteError("the Hub's endpoint is not a web address", hint="give --endpoint https://HOST")
        self.host = host + (f":{port}" if port else "")
        secret = (token or os.environ.get("HF_TOKEN") or "").strip()
        # An odd character would end up, with the token around it, in the HTTP library's own error.
        if not re.fullmatch(r"[\x21-\x7e]*", secret):
            raise PrerequisiteError("the token holds a character that no token has", hint="set HF_TOKEN again")
        self.token: str | bool = secret or False
        self._reached = False
        self._dead: Unreachable | None = None
        self._infos: dict[tuple[str, str, str], dict[str, Any]] = {}

    def info(self, repo_id: str, kind: str, revision: str) -> dict[str, Any]:
        """The Hub's answer about a repository: "sha" and "siblings" are there and of the right type."""
        what = f"{kind} {repo_id}" + (f"@{revision}" if revision else "")
        if not is_repo_id(repo_id):
            raise PrerequisiteError(
                f"{repo_id[:100]!r} is not a repository's name" if repo_id else f"no {kind} repository is named",
                hint="a name looks like org/name",
            )
        key = (repo_id, kind, revision)
        if key in self._infos:
            return self._infos[key]
        path = f"{self.endpoint}/api/{kind}s/{repo_id}"
        path += f"/revision/{quote(revision, safe='')}" if revision else ""
        data = self.ask(what, lambda: self._get(path + "?blobs=true", MAX_LISTING_BYTES))
        try:
            info = json.loads(data)
        except (ValueError, RecursionError):
            info = None
        if not isinstance(info, dict) or not _COMMIT.fullmatch(str(info.get("sha"))):
            raise PrerequisiteError(
                f"{self.host} does not answer like a Hub ({what})", hint="check --endpoint or HF_ENDPOINT"
            )
        if _COMMIT.fullmatch(revision) and info["sha"] != revision:
            raise PrerequisiteError(f"{self.host} answered for another commit than {what}", hint="check the endpoint")
        self._infos[key] = info
        return info

    def file(self, repo_id: str, kind: str, commit: str, path: str, limit: int, span: str = "") -> bytes:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(repo_id, path, repo_type=kind, revision=commit, endpoint=self.endpoint)
        what = f"{kind} {repo_id}"
        return self.ask(what, lambda: self._get(url, limit, span=span, commit=commit))

    def header(self, repo_id: str, kind: str, commit: str, path: str) -> bytes:
        """The first bytes of a safetensors file, up to the end of its header, in one or two range requests."""
        start = self.file(repo_id, kind, commit, path, 200_000, "bytes=0-99999")
        _, needed, why = safetensors_header(start)
        if why or needed <= len(start):
            return start
        return self.file(repo_id, kind, commit, path, MAX_HEADER_BYTES + 8, f"bytes=0-{needed - 1}")

    def _get(self, url: str, limit: int, *, span: str = "", commit: str = "") -> bytes:
        """The body of one GET, cut off at the limit for a range and refused beyond it otherwise."""
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        headers = build_hf_headers(token=self.token, library_name="repro")
        if span:
            headers["Range"] = span
        for attempt in (1, 2):
            with get_session().stream("GET", url, headers=headers) as response:
                if attempt == 1 and response.status_code in {429, 500, 502, 503, 504}:
                    wait = str(response.headers.get("Retry-After", "1"))
                    if wait.isdigit() and int(wait) <= PATIENCE_SECONDS:
                        time.sleep(int(wait))
                        continue
                hf_raise_for_status(response)
                if commit:
                    stated = [r.headers.get("X-Repo-Commit", "") for r in (*response.history, response)]
                    if any(value and value != commit for value in stated):
                        raise PrerequisiteError(
                            f"{self.host} served another commit than {commit[:12]}", hint="check the endpoint"
                        )
                return _body(response.iter_bytes(65536), limit, cut=bool(span), host=self.host)
        raise AssertionError("unreachable")

    def ask(self, what: str, question: Callable[[], T]) -> T:
        """The answer, or its refusal as a sentence."""
        if self._dead is not None:
            raise self._dead
        try:
            with asking(self.endpoint):
                answer = question()
        except ReproError:
            raise
        except Exception as error:
            sentence = refusal(error, what=what, host=self.host, had_token=bool(self.token))
            if isinstance(sentence, Unreachable) and not self._reached:
                self._dead = sentence
            raise sentence from error
        self._reached = True
        return answer


def _body(chunks: Iterable[bytes], limit: int, *, cut: bool, host: str) -> bytes:
    started, body = time.monotonic(), bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            if cut:
                return bytes(body[:limit])
            raise PrerequisiteError(f"{host} sent more than {limit} bytes for a small file")
        if time.monotonic() - started > DEADLINE_SECONDS:
            raise PrerequisiteError(f"{host} is too slow: a small file took over {DEADLINE_SECONDS:.0f} s")
    return bytes(body)
