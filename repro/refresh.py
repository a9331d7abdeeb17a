"""The refreshed card from the latest report, and its proposal to the author."""

from __future__ import annotations

from repro import __version__, shelf
from repro.errors import PrerequisiteError
from repro.options import Options
from repro.pipeline import read
from repro.report import Report


def refreshed_card(path: str, options: Options) -> tuple[bytes, Report]:
    """The refreshed card from the latest report on this card.

    Raises:
        PrerequisiteError: there is no report on it yet.
    """
    from repro.render.card import refresh_card

    data, card, _ = read(path)
    for folder in shelf.report_folders(options.reports, card):
        report = shelf.load_report(folder)
        if report is not None:
            return refresh_card(data, report), report
    raise PrerequisiteError(
        "there is no report on this card as it stands", where=path, hint=f"make one: repro run {path}"
    )


def propose_card(data: bytes, report: Report, options: Options) -> str:
    """Open a pull request with the refreshed card; the address of the pull request.

    Raises:
        PrerequisiteError: offline, no token, no network, or the card does not name its repository.
    """
    if options.offline:
        raise PrerequisiteError("a pull request needs the network, and --offline was given", hint="drop --offline")
    from repro.gather.hub import Hub
    from repro.gather.propose import open_pull_request

    hub = Hub(endpoint=options.endpoint, cache_folder=options.cache_folder)
    title = "Add a Reproducibility section and the metadata that the card states"
    description = f"{report.answer[1]}\n\nMade by repro {__version__}; every line of the card stays as it was."
    return open_pull_request(hub, report.spec.model_id, data, title=title, description=description)
