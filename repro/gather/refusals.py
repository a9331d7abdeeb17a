"""Why a Hub did not answer: every failure of huggingface_hub as one sentence with what to do."""

from __future__ import annotations

import errno

from repro.errors import PrerequisiteError, ReproError
from repro.files import cannot_write
from repro.gather.session import wait_seconds

OFFLINE_HINT = "give --offline to audit without it"
TOKEN_HINT = "check the name; for a private or gated repository set HF_TOKEN; or give --offline to audit without it"


class Unreachable(PrerequisiteError):
    """The Hub as a whole cannot be reached, whichever repository is asked for."""


def refusal(error: BaseException, *, what: str, host: str, had_token: bool) -> ReproError:
    """The sentence for an exception that a request raised.

    `what` names what was asked for ("model org/name"), `host` the Hub without credentials. The exception's own text
    is not quoted: it may hold a URL with a signature.
    """
    import httpx2
    from huggingface_hub import errors

    for cause in _chain(error):
        if isinstance(cause, ReproError):
            return cause
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return Unreachable(
                f"{what} was not looked up: HF_HUB_OFFLINE is set", hint="unset it, or give --offline to audit without"
            )
        # GatedRepoError is a RepositoryNotFoundError: it has to be asked for first.
        if isinstance(cause, errors.GatedRepoError):
            return PrerequisiteError(
                f"{what} is gated on {host}",
                hint="accept its terms on its page and set HF_TOKEN to a token of that account; " + OFFLINE_HINT,
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return PrerequisiteError(
                f"{what} has no such revision on {host}", hint="name a branch, a tag or a commit that exists"
            )
        if isinstance(cause, errors.HfHubHTTPError):
            return _status(cause.response, what=what, host=host, had_token=had_token)
        if isinstance(cause, httpx2.ConnectTimeout):
            return Unreachable(f"{host} cannot be reached: no connection in time", hint=OFFLINE_HINT)
        if isinstance(cause, httpx2.TimeoutException):
            return Unreachable(f"{host} did not answer in time ({what})", hint="try again later, or " + OFFLINE_HINT)
        if isinstance(cause, httpx2.ConnectError):
            return Unreachable(f"{host} cannot be reached: {_connect_reason(cause)}", hint=OFFLINE_HINT)
        if isinstance(cause, httpx2.ProxyError):
            return Unreachable(f"the proxy to {host} refused", hint="check HTTPS_PROXY, or " + OFFLINE_HINT)
        if isinstance(cause, httpx2.TransportError):
            return PrerequisiteError(
                f"the connection to {host} broke off ({what})", hint="try again, or " + OFFLINE_HINT
            )
        if isinstance(cause, httpx2.TooManyRedirects):
            return PrerequisiteError(f"{host} redirects in a circle ({what})", hint="check --endpoint or HF_ENDPOINT")
        if isinstance(cause, errors.FileMetadataError):
            return PrerequisiteError(
                f"{host} does not answer like a Hub ({what})", hint="check --endpoint or HF_ENDPOINT"
            )
        if isinstance(cause, errors.HFValidationError):
            return PrerequisiteError(f"{what}: not a repository's name", hint="a name looks like org/name")
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            from pathlib import Path

            return cannot_write(Path(str(cause.filename or "the download folder")), cause)
    return PrerequisiteError(f"{what} could not be had from {host} ({type(error).__name__})", hint=OFFLINE_HINT)


def _status(response: object, *, what: str, host: str, had_token: bool) -> PrerequisiteError:
    status = int(getattr(response, "status_code", 0))
    headers = getattr(response, "headers", {})
    if status == 401:
        if had_token:
            return PrerequisiteError(f"{what} is not on {host}, or the token in use may not read it", hint=TOKEN_HINT)
        return PrerequisiteError(f"{what} is not on {host}, or is private, and no token is set", hint=TOKEN_HINT)
    if status == 403:
        return PrerequisiteError(f"{host} forbids access to {what}", hint=TOKEN_HINT)
    if status == 404:
        return PrerequisiteError(f"{what} is not on {host}", hint=TOKEN_HINT)
    if status == 429:
        wait = wait_seconds(headers)
        when = f"; it asks to wait {wait} s" if wait else ""
        return PrerequisiteError(
            f"{host} limits the rate of requests ({what}){when}", hint="wait and run it again, or " + OFFLINE_HINT
        )
    if status >= 500:
        return PrerequisiteError(
            f"{host} is out of order (HTTP {status}, {what})", hint="try again later, or " + OFFLINE_HINT
        )
    return PrerequisiteError(f"{host} refused {what} (HTTP {status})", hint=OFFLINE_HINT)


def _connect_reason(error: BaseException) -> str:
    text = " ".join(str(cause) for cause in _chain(error)).lower()
    if "refused" in text:
        return "connection refused"
    if "name" in text or "getaddrinfo" in text or "address" in text:
        return "its name cannot be resolved"
    if "certificate" in text or "ssl" in text:
        return "its certificate is not accepted"
    return "no network"


def _chain(error: BaseException) -> list[BaseException]:
    """The exception and what it came from, innermost last."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain
