"""The HTTP manners of every request to a Hub: bounded time, no chatter, and a token that never leaves its host."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 3.0
"""For each address of the host: a host has a handful."""
ANSWER_SECONDS = 10.0
MAX_WAIT_SECONDS = 20
"""huggingface_hub sleeps as long as a rate limit asks, in silence; beyond this it is told to the user instead."""

_HOME: ContextVar[tuple[str, str, int] | None] = ContextVar("_HOME", default=None)
"""Origin to which an authorization header may go while a Hub is being asked; None outside of `asking`."""

_LOCK = threading.Lock()
_installed = False
_askers = 0
_level = logging.NOTSET


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


@contextmanager
def asking(endpoint: str) -> Iterator[None]:
    """While it lasts, this thread's requests keep a token at `endpoint` and huggingface_hub logs no warnings.

    huggingface_hub sends the token on to the official Hub when a mirror redirects there; here it stays with the host
    that the user named.
    """
    _install()
    token = _HOME.set(origin(endpoint))
    _quiet(+1)
    try:
        yield
    finally:
        _quiet(-1)
        _HOME.reset(token)


def _quiet(change: int) -> None:
    """Threads ask at the same time: the first in lowers huggingface_hub's voice, the last out restores it."""
    global _askers, _level
    logger = logging.getLogger("huggingface_hub")
    with _LOCK:
        if _askers == 0:
            _level = logger.level
            logger.setLevel(logging.CRITICAL)
        _askers += change
        if _askers == 0:
            logger.setLevel(_level)


def _install() -> None:
    """Have huggingface_hub build its one client with time limits: its own waits for ever."""
    global _installed
    with _LOCK:
        if not _installed:
            from huggingface_hub import set_client_factory

            set_client_factory(_client)
            _installed = True


def _client() -> httpx2.Client:
    import httpx2
    from huggingface_hub.utils._http import hf_request_event_hook

    return httpx2.Client(
        event_hooks={"request": [hf_request_event_hook, _keep_token_home], "response": [_refuse_long_waits]},
        follow_redirects=True,
        timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
    )


def _keep_token_home(request: httpx2.Request) -> None:
    home = _HOME.get()
    if home is not None and "authorization" in request.headers and origin(str(request.url)) != home:
        del request.headers["authorization"]


def _refuse_long_waits(response: httpx2.Response) -> None:
    if response.status_code == 429 and _HOME.get() is not None and wait_seconds(response.headers) > MAX_WAIT_SECONDS:
        from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

        hf_raise_for_status(response)


def wait_seconds(headers: Mapping[str, str]) -> int:
    """How long a refused request asks to wait: Retry-After, else the reset of the RateLimit header; 0 when unsaid."""
    stated = headers.get("Retry-After", "").strip()
    if stated.isdigit():
        return int(stated)
    reset = re.search(r";\s*t\s*=\s*(\d{1,9})", headers.get("RateLimit", ""))
    return int(reset[1]) if reset else 0
