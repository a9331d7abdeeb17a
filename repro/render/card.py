"""The refreshed card: the author's bytes, a section on what was found, the few cells and keys it may fill."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from repro.errors import ReproError
from repro.render.fills import Edit, cell_edits, left_open
from repro.render.front_matter import front_matter_edit
from repro.render.templates import fill
from repro.render.view import file_name, repeat_command, view
from repro.report import Report
from repro.task import Scale

BEGIN = "<!-- repro:begin reproducibility section, rewritten whole by `repro card`"
END = "<!-- repro:end"

_BEGIN_LINE = re.compile(rb"^" + re.escape(BEGIN.encode()) + rb"[^\r\n]*-->[ \t]*\r?$", re.MULTILINE)
_END_LINE = re.compile(rb"^" + re.escape(END.encode()) + rb"([^\r\n]*)-->[ \t]*(?:\r?\n|\r?\Z)", re.MULTILINE)
_FIELD = re.compile(rb"(\w+)=([A-Za-z0-9+/=:,]*)")
_FENCE = re.compile(rb"^ {0,3}(`{3,}|~{3,})([^\r\n]*)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A card taken apart: the author's bytes, and which report wrote the rest."""

    original: bytes
    card_sha256: str
    """Of the card that the section's report is about; empty when there is no section."""


def refresh_card(data: bytes, report: Report) -> bytes:
    """The card `data` with what `report` knows: a section at its end, cells that may be filled, missing front matter.

    Laws: `take_apart(refresh_card(data, report)).original == take_apart(data).original`, which is `data` itself when
    it has no section of ours; refreshing twice with one report is refreshing once. Newlines and a byte order mark
    stay as they are. A cell is filled only where the card leaves the claim open and a full-scale run measured it.

    Raises:
        ReproError: the report is about another card, or about another version of it.
    """
    before = take_apart(data)
    known = {hashlib.sha256(data).hexdigest(), hashlib.sha256(before.original).hexdigest(), before.card_sha256}
    if report.card_sha256 not in known:
        raise ReproError(
            "the report is about another version of this card",
            where=report.card_source,
            hint="audit the card as it stands, then refresh it",
        )
    return put_together(before.original, report)


def put_together(original: bytes, report: Report) -> bytes:
    """The author's bytes with everything inserted; each insertion is recorded in the section's last line."""
    edits = list(cell_edits(original, report))
    front = front_matter_edit(original, report)
    if front is not None:
        edits.append(front)
    body, record = _apply(original, sorted(edits, key=lambda e: e.start))
    newline = b"\r\n" if _uses_crlf(original) else b"\n"
    section = _section(report, tuple(e for e in edits if e.claim))
    end = body.rstrip(b" \t")[-1:]
    lead = b"" if end in (b"", b"\n", b"\r") else newline
    text = _closing(original) + BEGIN + f" card={report.card_sha256} -->\n" + section.strip("\n") + "\n"
    last = (
        f"{END} sha256={hashlib.sha256(original).hexdigest()} card={report.card_sha256} at={len(body)} "
        f"edits={record} -->\n"
    )
    return body + lead + newline + (text + last).replace("\n", newline.decode()).encode("utf-8")


def take_apart(data: bytes) -> Refreshed:
    """The author's bytes of a card that may have been refreshed before.

    Where the author has edited a refreshed card, only the section goes: filled cells and keys are theirs by then.
    """
    ends = list(_END_LINE.finditer(data))
    if not ends:
        return Refreshed(data, "")
    end = ends[-1]
    begins = list(_BEGIN_LINE.finditer(data, 0, end.start()))
    if not begins:
        return Refreshed(data, "")
    fields = {m[1].decode(): m[2].decode() for m in _FIELD.finditer(end[1])}
    card = fields.get("card", "")
    exact = _undo(data, end.end(), fields)
    if exact is not None:
        return Refreshed(exact, card)
    return Refreshed(data[: begins[-1].start()] + data[end.end() :], card)


def _undo(data: bytes, end: int, fields: dict[str, str]) -> bytes | None:
    """The bytes before the insertions that the section recorded, or None when they are not those any more."""
    try:
        at = int(fields["at"])
        if end != len(data) or at > len(data):
            return None
        body = data[:at]
        for item in reversed([i for i in fields.get("edits", "").split(",") if i]):
            start, length, before = item.split(":")
            body = body[: int(start)] + base64.b64decode(before, validate=True) + body[int(start) + int(length) :]
    except (KeyError, ValueError, binascii.Error):
        return None
    return body if hashlib.sha256(body).hexdigest() == fields.get("sha256") else None


def _apply(original: bytes, edits: list[Edit]) -> tuple[bytes, str]:
    """The bytes with the edits made, and their record: "start:length:base64 of what stood there", in new offsets."""
    parts, record, position, shift = [], [], 0, 0
    for edit in edits:
        parts += [original[position : edit.start], edit.new]
        old = original[edit.start : edit.end]
        record.append(f"{edit.start + shift}:{len(edit.new)}:{base64.b64encode(old).decode()}")
        shift += len(edit.new) - len(old)
        position = edit.end
    return b"".join([*parts, original[position:]]), ",".join(record)


def _section(report: Report, filled: tuple[Edit, ...]) -> str:
    proxy = report.plan is not None and report.plan.scale is Scale.PROXY
    names = {e.claim: e.new.decode("utf-8", "replace") for e in filled}
    claims = {c.id: c for c in report.spec.claims}
    return fill(
        "card_section.md.j2",
        {
            "view": view(report),
            "repeat": repeat_command(report, file_name(report.card_source)),
            "filled": tuple(f"{claims[c].text}: {text}" for c, text in names.items()),
            "left_open": tuple(c.text for c in left_open(report) if c.id not in names),
            "left_open_why": (
                "A measurement at proxy scale may not fill a figure of the full-scale model."
                if proxy
                else "Nothing was measured at the claim's own scale that could fill it."
            ),
        },
    )


def _closing(original: bytes) -> str:
    """What ends a code fence that the card leaves open, so that the section does not become a part of it."""
    fence = b""
    for match in _FENCE.finditer(original):
        marks, rest = match[1], match[2]
        if not fence:
            fence = b"" if marks[:1] == b"`" and b"`" in rest else marks
        elif marks[:1] == fence[:1] and len(marks) >= len(fence) and not rest.strip():
            fence = b""
    return fence.decode() + "\n" if fence else ""


def _uses_crlf(data: bytes) -> bool:
    first = data.find(b"\n")
    return first > 0 and data[first - 1 : first] == b"\r"
