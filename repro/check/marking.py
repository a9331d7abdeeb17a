"""R6, continued: fences that close, links that lead somewhere, and what no card should show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from repro.card import Span
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.tokens import subject
from repro.check.wording import at, lines_of, search
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Spec
from repro.vocabulary import vocabulary

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})[ \t]*([^\n]*)$", re.MULTILINE)
_NOWHERE = re.compile(
    r"\]\((?:None|#?|https?://huggingface\.co/None|https?://|TODO|TBD|link|url|your[-_ ]\w+)\)"
    r"|href=[\"'](?:None|#?|TODO)[\"']",
    re.IGNORECASE,
)
_EMPTY = (
    "](none", "]()", "](#)", "](todo", "](tbd", "](link)", "](url)", "](your", "/none)", "](http://)", "](https://)",
    'href="none', 'href=""', "href=''", 'href="#"', 'href="todo',
)  # fmt: skip
"""What a link to nowhere has in it, in lower case."""
_RELATIVE = re.compile(r"\]\((?!https?:|mailto:|#|/|data:)\.?/?([\w][\w./ %-]{0,200}\.[A-Za-z0-9]{1,8})\)")
_SECRET = re.compile(r"\b(?:hf_[A-Za-z0-9]{34}|sk-(?:proj-)?[A-Za-z0-9_-]{40,}|ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16})\b")
_MADE_UP = re.compile(r"(.)\1{5}|xxx|your|example|1234567|abcdef", re.IGNORECASE)


def _fences(text: str) -> Iterator[re.Match[str]]:
    """The lines that open or close a block, found by their marks where these are of one kind: most lines have none."""
    if "~~~" in text:
        yield from _FENCE.finditer(text)
        return
    place = text.find("```")
    while place >= 0:
        if match := _FENCE.match(text, text.rfind("\n", 0, place) + 1):
            yield match
        end = text.find("\n", place)
        place = text.find("```", end) if end >= 0 else -1


def open_fence(spec: Spec) -> tuple[int, int]:
    """(line, lines after it) of a code fence that nothing closes; (0, 0) when all close."""
    opened, mark = -1, ""
    for match in _fences(spec.text):
        if opened < 0 and not ("`" in match[2] and match[1][0] == "`"):
            opened, mark = match.start(), match[1]
        elif opened >= 0 and match[1].startswith(mark) and not match[2].strip():
            opened = -1
    if opened < 0:
        return 0, 0
    line = spec.text.count("\n", 0, opened) + 1
    return line, spec.text.rstrip().count("\n") + 1 - line


@check("R632", "code-fence-closed", severity=Severity.MEDIUM)
def code_fence_closed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Every code fence is closed

    What: Looks for a ``` that no later ``` closes.
    Why: All that follows is shown as code: headings, tables and links of the rest of the card are lost.
    Fix: Close the block with ``` on a line of its own.
    Sources: https://spec.commonmark.org/0.31.2/#fenced-code-blocks
    """
    if "```" not in spec.text and "~~~" not in spec.text:
        return [absent("The card has no code fence.")]
    line, after = open_fence(spec)
    if not line:
        return [passed("Every code fence is closed.")]
    if after < 1 or not any("`" in text or text.startswith("#") for _, text in _after(spec, line)):
        return [unknown("The last code fence is not closed; only code seems to follow.", at(spec, line))]
    return [failed(f"Nothing closes this code fence: the {plural(after, 'line')} below it are code.", at(spec, line))]


def _after(spec: Spec, line: int) -> list[tuple[int, str]]:
    return [(number, text) for number, text in lines_of(spec) if number > line]


@check("R633", "links-filled-in", severity=Severity.LOW)
def links_filled_in(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """No link leads to None or to nothing

    What: Looks for links whose address is empty, "None", "#" or a placeholder.
    Why: What stands there in most cards is the data set, the paper or the base model: the one thing a reader needs.
    Fix: Fill in the address, or take the link out.
    Sources: https://github.com/huggingface/transformers/blob/main/src/transformers/modelcard.py (generated cards with
    "None"); https://huggingface.co/docs/hub/model-card-annotated
    """
    if "](" not in spec.text and "href=" not in spec.text:
        return [absent("The card has no links.")]
    lower = vocabulary(spec.text).lower
    hits = search(spec, _NOWHERE, body_only=True) if any(part in lower for part in _EMPTY) else []
    hits = [h for h in hits if "fine-tuned version of [None]" not in h.line]  # which R108 tells
    if not hits:
        return [passed("Every link has an address.")]
    shown = listing([_whole_link(h.line, h.match.start(), h.match.end()) for h in hits], 3)
    return [failed(f"{plural(len(hits), 'link')} without an address: {shown}.", *(h.span for h in hits[:5]))]


def _whole_link(line: str, start: int, end: int) -> str:
    opened = line.rfind("[", max(0, start - 60), start)
    return line[opened if opened >= 0 else start : end]


@check("R634", "linked-files-exist", severity=Severity.LOW, needs=("card", "subject"))
def linked_files_exist(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Files that the card links to are in the repository

    What: Looks up relative links and pictures in the repository's list of files.
    Why: A card copied from another repository keeps links to files that stayed behind: plots, results, licences.
    Fix: Upload the file, or link to where it is.
    Sources: https://huggingface.co/docs/hub/model-cards
    """
    if "](" not in spec.text:
        return [absent("The card has no links.")]
    hits = search(spec, _RELATIVE, body_only=True)
    if not hits:
        return [absent("The card links to no file of its own repository.")]
    repo = subject(evidence)
    if repo is None or not repo.files:
        return [unknown(f"Whether {hits[0].match.group(1)} exists needs the repository's list of files.", hits[0].span)]
    there = {f.path for f in repo.files}
    gone = [h for h in hits if h.match.group(1).replace("%20", " ") not in there]
    if gone:
        names = listing([h.match.group(1) for h in gone])
        return [failed(f"{repo.source} has no {names}.", *(h.span for h in gone[:5]))]
    return [passed(f"{plural(len(hits), 'linked file')} found in {repo.source}.", hits[0].span)]


@check("R637", "no-secret-shown", severity=Severity.HIGH)
def no_secret_shown(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The card shows no access token

    What: Looks for text of the form of an access token (Hugging Face, OpenAI, GitHub, AWS). The token is not repeated.
    Why: Whoever reads the card can use it until it is revoked; the history of the repository keeps it.
    Fix: Revoke the token at once, and read it from an environment variable in the code.
    Sources: https://huggingface.co/docs/hub/security-tokens; https://huggingface.co/docs/hub/security-secrets
    """
    if not any(mark in spec.text for mark in ("hf_", "sk-", "ghp_", "AKIA")):
        return [absent("The card has no text that begins like an access token.")]
    hits = [h for h in search_exactly(spec) if not _MADE_UP.search(h[1])]
    if not hits:
        return [passed("No text of the form of an access token.")]
    return [failed(f"A token that begins {token[:4]} is shown.", span) for span, token in hits[:3]]


def search_exactly(spec: Spec) -> list[tuple[Span, str]]:
    """Lines with a token and the token, front matter and code included."""
    found = []
    for number, line in lines_of(spec):
        if match := _SECRET.search(line):
            found.append((at(spec, number), match.group(0)))
    return found
