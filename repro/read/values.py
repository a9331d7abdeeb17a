"""Printed text to numbers and plain values: what the digits say, in which unit, and what is left open."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache

from repro.number import Number

_OPEN_WORDS = (
    "|tbd|tba|todo|n/a|na|nan|n.a.|-|--|---|–|—|?|??|???|...|…|pending|coming soon|to be determined|to be announced|"
    "to be added|to be filled|unknown|none|null|more information needed|[more information needed]|not available|"
    "not specified|not stated|not reported|not yet available|unspecified|xx|x.xx|no log|wip|in progress|"
    "[needs more information]|needs more information"
)
_OPEN = frozenset(_OPEN_WORDS.split("|"))
_PLACEHOLDER = re.compile(r"^(?:<[^<>|]{1,60}>|\{+[^{}]{1,60}\}+)$")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT_RUN = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_MINUS = str.maketrans({"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "﹣": "-", "－": "-"})
_APPROXIMATE = re.compile(r"^(?:~|≈|∼|about|approx(?:imately|\.)?|around|roughly|circa|ca\.?|nearly|almost)\s*", re.I)
_UNITS = (
    r"%|percent|GiB|GB|MiB|MB|TiB|TB|KB|GPU[- ]hours?|hours?|hrs?|h|minutes?|mins?|seconds?|secs?|days?|tokens?|"
    r"steps?|optimizer steps|training steps|iterations?|epochs?|examples?|samples?|rows?|pairs?|prompts?|"
    r"preference pairs|sequences?|GPUs?|devices?|parameters?|params"
)
_NUMBER = re.compile(
    r"(?P<sign>[-+])?\s*"
    r"(?P<digits>\d[\d.,'_\u00a0\u2009\u202f ]*|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d+)|\s*(?:x|×|\*|·|⋅)\s*10\s*(?:\^|\*\*)\s*[({]?\s*(?P<power>[-+]?\d+)\s*[)}]?)?"
    r"(?:\s?(?P<suffix>[kKMBT])(?![A-Za-z]))?"
    r"\s*(?P<unit>" + _UNITS + r")?(?![\w%/])"
    r"\s*(?P<remark>\([^()]{0,200}\))?$"
)  # fmt: skip
_SIMPLE = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
"""What most figures are, and what the rest of the rules need not look at."""
_DIGIT = re.compile(r"[0-9]")
_POWER_OF_TEN = re.compile(r"^(?P<sign>[-+])?10\s*(?:\^|\*\*)\s*[({]?\s*(?P<power>[-+]?\d+)\s*[)}]?$")
_SUFFIX_POWERS = {"k": 3, "K": 3, "M": 6, "B": 9, "T": 12}
_TRUE = frozenset({"true", "yes", "on", "enabled", "✓", "✔", "✅", "used"})
_FALSE = frozenset({"false", "no", "off", "disabled", "✗", "✘", "❌", "not used"})


def left_open(printed: str) -> bool:
    """Whether the author announces a value and does not give it: "TBD", "N/A", "-", "?"."""
    bare = printed.strip().strip("*_`").strip()
    return bare.lower() in _OPEN or _PLACEHOLDER.match(bare) is not None


def boolean(printed: str) -> bool | None:
    word = printed.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def kept(printed: str) -> bool | int | float | str | None:
    """The value of a setting that no term is for: a flag, a number, else the text; None where it is left open."""
    if left_open(printed):
        return None
    flag = boolean(printed)
    if flag is not None:
        return flag
    read = number(printed)
    return plain_value(read) if read and not read.unit else printed


@lru_cache(maxsize=4096)
def number(printed: str) -> Number | None:
    """The number that the whole of `printed` is, or None.

    Reads 5e-7, 5.0E-07, 1 x 10^-7, 1×10⁻⁷, 10^-5, 1,856, 1'856, 95,29 (a decimal comma where thousands cannot be
    meant), -8.6%, ~20 GB, 94K, 32 (2 x 16). Refuses what could be read in two ways, ranges, bounds and formulas.
    """
    if not printed or len(printed) > 300:
        return None
    if _SIMPLE.fullmatch(printed):
        return Number(printed, float(printed), float(f"1e-{len(printed.partition('.')[2])}"))
    if printed.isascii() and not _DIGIT.search(printed):
        return None
    text = _SUPERSCRIPT_RUN.sub(_raised, printed.strip())
    text = unicodedata.normalize("NFKC", text).translate(_MINUS).strip().strip("*`").strip()
    approximate = False
    while match := _APPROXIMATE.match(text):
        approximate = True
        text = text[match.end() :]
        if not text:
            return None
    if power := _POWER_OF_TEN.match(text):
        return _made(printed, power["sign"] or "", "1", "", int(power["power"]), "", approximate)
    match = _NUMBER.match(text)
    if match is None:
        return None
    digits = match["digits"].strip()
    plain = _plain_digits(digits)
    if plain is None:
        return None
    exponent = match["exponent"] or match["power"]
    if exponent and len(exponent) > 5:
        return None
    whole, _, decimals = plain.partition(".")
    power_of_ten = int(exponent or 0) + _SUFFIX_POWERS.get(match["suffix"] or "", 0)
    unit = "%" if match["unit"] == "percent" else match["unit"] or ""
    return _made(printed, match["sign"] or "", whole, decimals, power_of_ten, unit, approximate)


def _raised(match: re.Match[str]) -> str:
    return "^" + match.group().translate(_SUPERSCRIPTS)


def _made(
    printed: str, sign: str, whole: str, decimals: str, power: int, unit: str, approximate: bool
) -> Number | None:
    if len(whole) + len(decimals) > 40 or abs(power) > 200:
        return None
    value = float(f"{sign}{whole or '0'}.{decimals or '0'}e{power}")
    last_digit = float(f"1e{power - len(decimals)}")
    if not math.isfinite(value) or not last_digit:
        return None
    return Number(printed.strip(), value, last_digit, unit, approximate)


def _plain_digits(digits: str) -> str | None:
    """Digits with at most one decimal point, or None where the separators could be read in two ways."""
    text = re.sub(r"[\u00a0\u2009\u202f]", " ", digits)
    if text.endswith((".", ",")) and text[:-1].isdecimal():
        # "0." is how some trainers print a float; a trailing comma is punctuation.
        return text[:-1] if text.endswith(".") else None
    for separator in ("'", "_", " "):
        if separator in text:
            head, *groups = text.split(separator)
            groups[-1], point, decimals = groups[-1].partition(".")
            if not (0 < len(head) <= 3 and all(len(g) == 3 and g.isdecimal() for g in groups)):
                return None
            text = head + "".join(groups) + point + decimals
    commas, points = text.count(","), text.count(".")
    if not text.replace(",", "").replace(".", "").isdecimal() or not text.isascii():
        return None
    if not commas and points <= 1:
        return text
    grouped = re.compile(r"\d{1,3}(?:([,.])\d{3})(?:\1\d{3})*$")
    if commas and points:
        last = max(text.rfind(","), text.rfind("."))
        head, tail = text[:last], text[last + 1 :]
        return f"{re.sub(r'[.,]', '', head)}.{tail}" if grouped.match(head) and text[last] not in head else None
    if commas + points > 1:
        return re.sub(r"[.,]", "", text) if grouped.match(text) else None
    head, tail = text.split(",")
    if not head or not tail:
        return None
    if len(tail) != 3 or head.strip("0") == "" or len(head) > 3:
        return f"{head}.{tail}"  # no thousands group looks so
    return head + tail


_POINT_GROUP = re.compile(r"[^\d.]*[1-9]\d{0,2}\.\d{3}(?![\d.,eE])")


def maybe_thousands(printed: str) -> bool:
    """Whether a count is printed with a point where many languages group thousands: "12.000" rows are hardly 12."""
    return _POINT_GROUP.match(printed) is not None


def as_int(read: Number) -> int | None:
    """The integer that a number is, or None; None too where its point may group thousands."""
    if maybe_thousands(read.printed):
        return None
    return int(read.value) if abs(read.value) < 2**53 and read.value == int(read.value) else None


def plain_value(read: Number) -> int | float:
    """An int where it was printed as one, else a float."""
    whole = as_int(read)
    written = re.search(r"[.,eE^]", read.printed) is None or read.last_digit == 1
    return whole if whole is not None and written and read.last_digit >= 1 else read.value


def share(read: Number) -> float | None:
    """A share from 0 to 1: "10%" is 0.1, 0.1 is 0.1; None for anything else."""
    if read.unit == "%":
        value = float(f"{read.value / 100:.12g}")
    elif read.unit == "":
        value = read.value
    else:
        return None
    return value if 0 <= value <= 1 else None


def fold(text: str) -> str:
    """Letters and digits only, lower case, single spaces: how labels and names are compared."""
    return _folded_label(text) if len(text) < _LABEL else _folded(text)


_LABEL = 200
"""Characters of a label at most: the same ones are asked for again and again, and kept."""
_NO_LETTERS = {c: " " for c in range(128) if not chr(c).isalnum()}


def _folded(text: str) -> str:
    if text.isascii():
        return " ".join(text.lower().translate(_NO_LETTERS).split())
    text = unicodedata.normalize("NFKC", text).lower().replace("β", "beta").replace("ε", "epsilon")
    return " ".join(re.findall(r"[^\W_]+", text))


_folded_label = lru_cache(maxsize=4096)(_folded)
