"""A Hub on loopback that speaks the real one's HTTP protocol to the real huggingface_hub."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_loopbackLoopbackLoopbackLoopback"
"""The one token that this Hub knows."""

_RESOLVE = re.compile(r"/(?P<sets>datasets/)?(?P<repo>[^/]+(?:/[^/]+)?)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
_API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+(?:/[^/]+)?)"
    r"(?:/(?P<verb>revision|tree|paths-info|preupload|commit|refs)(?:/(?P<rest>.*))?)?"
)


@dataclass(frozen=True)
class Request:
    """One request as it came: no header of it holds the token."""

    method: str
    host: str
    """Host header: 127.0.0.1:PORT is the Hub, localhost:PORT its storage."""
    path: str
    query: str
    headers: Mapping[str, str]
    authorized: bool
    """Whether it bore an Authorization header, valid or not."""


@dataclass
class Repository:
    kind: str
    repo_id: str
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Commit hash -> path -> content."""
    refs: dict[str, str] = field(default_factory=dict)
    """Branch, tag or pull request -> commit hash."""

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        digest = hashlib.sha1(f"{self.kind} {self.repo_id} {self.refs.get(ref, '')}".encode())
        for path in sorted(files):
            digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
        sha = digest.hexdigest()
        self.commits[sha] = files
        self.refs[ref] = sha
        return sha

    def sha(self, revision: str) -> str | None:
        return self.refs.get(revision) or (revision if revision in self.commits else None)


class LoopbackHub:
    """A context manager. Repositories come from `add_model`, `add_dataset`, uploads, or `root` laid out as
    ORG/NAME and datasets/ORG/NAME.

    Modes, all settable while it runs: `private` and `gated` (sets of repository ids), `status` (repository id ->
    HTTP status for every request about it), `retry_after`, `delay_seconds`, `storage_elsewhere` (weights are served
    after a redirect to another origin, as the Hub does), `wrong_commit` (the X-Repo-Commit header lies).
    """

    def __init__(self, root: Path | None = None, *, token: str = TOKEN) -> None:
        self.token = token
        self.requests: list[Request] = []
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.private: set[str] = set()
        self.gated: set[str] = set()
        self.status: dict[str, int] = {}
        self.retry_after: int | None = None
        self.delay_seconds = 0.0
        self.storage_elsewhere = False
        self.wrong_commit = False
        self.lock = threading.RLock()
        if root is not None:
            for kind, top in (("model", root), ("dataset", root / "datasets")):
                for folder in sorted(p for p in top.glob("*/*") if p.is_dir() and top.exists()):
                    if kind == "dataset" or folder.parent.name != "datasets":
                        self._add(kind, f"{folder.parent.name}/{folder.name}", folder)

    def __enter__(self) -> LoopbackHub:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        # Large uploads want xet, which speaks to servers of its own; huggingface_hub reads this switch at every call.
        from huggingface_hub import constants

        self.xet, constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_XET, True
        return self

    def __exit__(self, *_: object) -> None:
        from huggingface_hub import close_session, constants

        constants.HF_HUB_DISABLE_XET = self.xet
        close_session()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add_model(self, repo_id: str, folder: Path) -> str:
        """Publish a folder's files as one commit; the commit hash."""
        return self._add("model", repo_id, folder)

    def add_dataset(self, repo_id: str, folder: Path) -> str:
        """Publish a folder's files as one commit; the commit hash."""
        return self._add("dataset", repo_id, folder)

    def files(self, repo_id: str, kind: str = "model", revision: str = "main") -> dict[str, bytes]:
        """What is published: path -> content."""
        repository = self.repositories[kind, repo_id]
        return dict(repository.commits[repository.refs.get(revision, revision)])

    def asked(self, part: str) -> list[Request]:
        """The requests whose path has `part` in it."""
        return [r for r in self.requests if part in r.path]

    def _add(self, kind: str, repo_id: str, folder: Path) -> str:
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        with self.lock:
            repository = self.repositories.setdefault((kind, repo_id), Repository(kind, repo_id))
            return repository.commit(files)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that gives up is not this server's error.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.route, self.query = unquote(parts.path), parse_qs(parts.query)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = b"".join(self._chunks()) if self.headers.get("Transfer-Encoding") else self.rfile.read(length)
        shown = {k.lower(): v for k, v in self.headers.items() if k.lower() != "authorization"}
        bearer = self.headers.get("Authorization", "")
        self.user = bearer == f"Bearer {self.hub.token}"
        host = self.headers.get("Host", "")
        with self.hub.lock:
            self.hub.requests.append(Request(self.command, host, self.route, parts.query, shown, bool(bearer)))
        if self.hub.delay_seconds:
            time.sleep(self.hub.delay_seconds)
        try:
            self._answer(host, parts.path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, host: str, raw: str) -> None:
        if self.route.startswith("/__storage/"):
            _, _, kind, sha, path = self.route.split("/", 4)
            name, _, path = path.partition("//")
            return self._file(self.hub.repositories[kind, name], sha, path)
        if self.route == "/api/whoami-v2":
            return self._json({"type": "user", "name": "loopback", "orgs": []}) if self.user else self._refuse(401)
        if self.route == "/api/validate-yaml":
            return self._validate(json.loads(self.body)["content"])
        if self.route == "/api/repos/create":
            return self._create()
        # The path as sent: a slash inside a revision (refs/pr/1) comes as %2F.
        if match := _RESOLVE.fullmatch(raw):
            kind = "dataset" if match["sets"] else "model"
            return self._resolve(kind, unquote(match["repo"]), unquote(match["rev"]), unquote(match["path"]))
        if match := _API.fullmatch(raw):
            return self._api(match["kind"][:-1], unquote(match["repo"]), match["verb"] or "", match["rest"] or "")
        return self._refuse(404)

    def _repository(self, kind: str, repo_id: str, *, content: bool) -> Repository | None:
        """The repository when this caller may have it; else the refusal has been sent."""
        if repo_id in self.hub.status:
            self._refuse(self.hub.status[repo_id])
            return None
        repository = self.hub.repositories.get((kind, repo_id))
        if repository is None or (repo_id in self.hub.private and not self.user):
            # The Hub does not tell a stranger whether a repository exists.
            self._refuse(
                404 if self.user else 401, "RepoNotFound" if self.user else "", "Invalid username or password."
            )
            return None
        if content and repo_id in self.hub.gated and not self.user:
            self._refuse(401, "GatedRepo", f"Access to model {repo_id} is restricted.")
            return None
        return repository

    def _resolve(self, kind: str, repo_id: str, revision: str, path: str) -> None:
        repository = self._repository(kind, repo_id, content=True)
        if repository is None:
            return
        sha = repository.sha(revision)
        if sha is None:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if path not in repository.commits[sha]:
            return self._refuse(404, "EntryNotFound", "Entry not found", sha)
        if self.hub.storage_elsewhere and path.endswith((".safetensors", ".bin", ".parquet")):
            data = repository.commits[sha][path]
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.hub.port}/__storage/{kind}/{sha}/{repo_id}//{path}")
            self.send_header("X-Repo-Commit", sha)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return self._file(repository, sha, path)

    def _file(self, repository: Repository, sha: str, path: str) -> None:
        data = repository.commits[sha][path]
        stated = "0" * 40 if self.hub.wrong_commit else sha
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": stated, "Accept-Ranges": "bytes"}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None:
            return self._send(200, data, "application/octet-stream", headers)
        first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
        if first >= len(data):
            return self._send(416, b"", "text/plain", {**headers, "Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return self._send(206, data[first : last + 1], "application/octet-stream", headers)

    def _api(self, kind: str, repo_id: str, verb: str, rest: str) -> None:
        repository = self._repository(kind, repo_id, content=verb in {"commit", "preupload"})
        if repository is None:
            return None
        revision, _, folder = rest.partition("/")
        revision = unquote(revision) or "main"
        if verb == "refs":
            branches = [{"name": r, "ref": f"refs/heads/{r}", "targetCommit": c} for r, c in repository.refs.items()]
            return self._json({"branches": branches, "tags": [], "converts": []})
        sha = repository.sha(revision)
        if sha is None and verb not in {"commit", "preupload"}:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = repository.commits.get(sha or "", {})
        if verb == "tree":
            return self._json(_tree(files, unquote(folder), "true" in str(self.query.get("recursive")).lower()))
        if verb == "paths-info":
            asked = parse_qs(self.body.decode()).get("paths", [])
            return self._json([_entry(p, files[p]) for p in asked if p in files])
        if verb == "preupload":
            asked = json.loads(self.body)["files"]
            return self._json({"files": [_mode(f, files) for f in asked]}) if self.user else self._refuse(403)
        if verb == "commit":
            return self._commit(repository, revision)
        return self._json(self._info(repository, sha or "", files))

    def _info(self, repository: Repository, sha: str, files: dict[str, bytes]) -> dict[str, Any]:
        blobs = bool(self.query.get("blobs"))
        siblings = [
            {"rfilename": path, **({"size": len(data), "blobId": _oid(data)} if blobs else {})}
            for path, data in sorted(files.items())
        ]
        return {
            "_id": hashlib.md5(repository.repo_id.encode()).hexdigest()[:24],
            "id": repository.repo_id,
            "sha": sha,
            "private": repository.repo_id in self.hub.private,
            "gated": "manual" if repository.repo_id in self.hub.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": siblings,
        }

    def _validate(self, content: str) -> None:
        parts = content.split("---\n", 2)
        try:
            metadata = yaml.safe_load(parts[1]) if content.startswith("---\n") and len(parts) == 3 else {}
        except yaml.YAMLError as error:
            return self._json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        errors = [] if isinstance(metadata, dict) else [{"message": "the metadata is not a mapping"}]
        return self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _create(self) -> None:
        if not self.user:
            return self._refuse(401)
        wanted = json.loads(self.body)
        repo_id = f"{wanted.get('organization') or 'loopback'}/{wanted['name']}"
        kind = wanted.get("type") or "model"
        url = f"{self.hub.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
        with self.hub.lock:
            if (kind, repo_id) in self.hub.repositories:
                return self._json({"url": url, "error": "You already created this repo"}, 409)
            repository = self.hub.repositories[kind, repo_id] = Repository(kind, repo_id)
            repository.commit({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
            if wanted.get("private") or wanted.get("visibility") == "private":
                self.hub.private.add(repo_id)
        return self._json({"url": url, "id": repo_id})

    def _commit(self, repository: Repository, revision: str) -> None:
        """NDJSON: a header line, then one line an operation. With create_pr the commit goes to refs/pr/N."""
        if not self.user:
            return self._refuse(403)
        operations = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        with self.hub.lock:
            files = dict(repository.commits.get(repository.sha(revision) or "", {}))
            for operation in operations:
                value = operation["value"]
                if operation["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif operation["key"] == "deletedFile":
                    files.pop(value["path"], None)
                elif operation["key"] == "deletedFolder":
                    files = {p: d for p, d in files.items() if not p.startswith(value["path"].rstrip("/") + "/")}
                elif operation["key"] != "header":
                    return self._refuse(400, "", f"cannot {operation['key']}")
            pull, ref = "", revision
            if self.query.get("create_pr"):
                number = 1 + sum(name.startswith("refs/pr/") for name in repository.refs)
                ref = f"refs/pr/{number}"
                pull = f"{self.hub.endpoint}/{repository.repo_id}/discussions/{number}"
            sha = repository.commit(files, ref)
        url = f"{self.hub.endpoint}/{repository.repo_id}/commit/{sha}"
        return self._json({"success": True, "commitOid": sha, "commitUrl": url, "pullRequestUrl": pull or None})

    def _refuse(self, status: int, code: str = "", message: str = "", sha: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": sha}
        if status in {429, 503} and self.hub.retry_after is not None:
            headers["Retry-After"] = str(self.hub.retry_after)
        data = json.dumps({"error": message or "refused"}).encode()
        self._send(status, data, "application/json", {k: v for k, v in headers.items() if v})

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), "application/json", {})

    def _send(self, status: int, data: bytes, media: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _oid(data: bytes) -> str:
    """A blob's name as git gives it."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}


def _mode(asked: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    path = asked["path"]
    oid = _oid(files[path]) if path in files else None
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": oid}


def _tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    inside = {p: d for p, d in files.items() if p.startswith(prefix)}
    folders = {str(parent) for p in inside for parent in PurePosixPath(p).parents if str(parent) != "."}
    entries = [_entry(p, d) for p, d in inside.items()]
    entries += [{"type": "directory", "path": f, "size": 0, "oid": _oid(f.encode())} for f in folders if f != folder]
    shown = [e for e in entries if recursive or "/" not in e["path"].removeprefix(prefix)]
    return sorted((e for e in shown if e["path"].startswith(prefix)), key=lambda e: str(e["path"]))
