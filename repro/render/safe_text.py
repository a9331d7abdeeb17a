"""Text that strangers wrote, made harmless for a terminal, for Markdown and for a fenced block."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
"""ECMA-48 escape sequences, 7-bit and 8-bit forms. A payload ends where another begins: linear on any text."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, except tab and newline
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # bidi, zero width
    "\U000e0000-\U000e007f]"  # tag characters
)
"""Zero-width (non-)joiners stay: emoji and several scripts need them."""

_SURROGATES = re.compile("[\ud800-\udfff]")

_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that mean something in GitHub Markdown; an underscore inside a word does not."""

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}

_BLOCK_START = re.compile(r"(?:#{1,6}|[+-]|\d{1,9}[.)])(?=\s|$)|(?:-[\s-]*|=+)$")
"""What would open a heading, a list, a rule or an underlined heading at the start of a line."""


def clean(text: str) -> str:
    """`text` without anything that could drive a terminal or reorder what a reader sees.

    Escape sequences (with their payload), control characters other than newline and tab, bidirectional overrides,
    zero-width marks and tag characters are dropped; line and paragraph separators become newlines, lone surrogates
    U+FFFD. `clean(clean(x)) == clean(x)`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _ESCAPES.sub("", text)
    text = _INVISIBLE.sub("", text)
    return _SURROGATES.sub("\ufffd", text)


def is_unseen(character: str) -> bool:
    """Whether a character, other than a tab, is one that `clean` would not leave as it is."""
    if " " <= character <= "~":
        return False
    return (
        character == "\n"
        or _INVISIBLE.match(character) is not None
        or character in "\u2028\u2029"
        or ("\ud800" <= character <= "\udfff")
    )


def one_line(text: str) -> str:
    """`clean`, with every run of white space folded to one space."""
    return " ".join(clean(text).split())


def short(text: str, limit: int = 160) -> str:
    """`one_line`, cut to `limit` characters with an ellipsis."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


class Markdown(str):
    """Markdown that this program made itself: passes through `markdown_text` unchanged."""

    __slots__ = ()


def markdown_text(value: object) -> Markdown:
    """One line of Markdown that shows `value` as plain characters, in a table cell too: no markup, no HTML, no math."""
    if isinstance(value, Markdown):
        return value
    line = one_line(str(value))
    escaped = _MARKDOWN.sub(lambda m: _ENTITIES.get(m[0], "\\" + m[0]), line)
    start = _BLOCK_START.match(escaped)
    if start:
        last = start.end() - 1 if escaped[0].isdigit() else 0
        escaped = f"{escaped[:last]}\\{escaped[last:]}"
    return Markdown(escaped)


def markdown_code(value: object) -> Markdown:
    """`value` as a code span that works in a table cell too: one with a pipe, which cannot, is escaped text."""
    line = one_line(str(value))
    if not line:
        return Markdown("")
    if "|" in line:
        return markdown_text(line)
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def markdown_fence(value: object, language: str = "") -> Markdown:
    """`value` as a fenced code block, verbatim but for `clean` and HTML comments, which are opened up.

    A fence cannot hold an HTML comment's opening here: the refreshed card finds its own section by one.
    """
    text = clean(str(value)).strip("\n").replace("<!--", "<! --")
    fence = "`" * max(3, _longest_run(text) + 1)
    return Markdown(f"{fence}{language}\n{text}\n{fence}")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
