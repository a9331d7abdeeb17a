"""A refreshed card, proposed to its author as a pull request on a Hub."""

from __future__ import annotations

from repro.errors import PrerequisiteError
from repro.gather.hub import Hub
from repro.gather.wanted import is_repo_id


def open_pull_request(hub: Hub, repo_id: str, card: bytes, *, title: str, description: str = "") -> str:
    """The address of a new pull request that replaces the repository's README.md with `card`.

    Nothing is changed on the main branch: the author decides.

    Raises:
        PrerequisiteError: no token, no access, no network, or no such repository.
    """
    if not is_repo_id(repo_id) or "/" not in repo_id:
        raise PrerequisiteError(
            "the card does not name its own repository", hint="give the model's repository as org/name"
        )
    if not hub.has_token:
        raise PrerequisiteError(
            f"a pull request to {repo_id} needs a token for {hub.host}",
            hint="set HF_TOKEN to a token that may write discussions",
        )
    return hub.commit_pull_request(repo_id, "README.md", card, title=title, description=description)
