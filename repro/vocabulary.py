"""The words of a text, and those without which a pattern cannot match in it: a cheap no before any search."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

_SEPARATORS = bytes(c if chr(c).isalnum() else 32 for c in range(128)) + b" " * 128
PREFIX = 4
"""Letters of a word's beginning by which a stem ("resum" of "resumed") is looked up."""
_SHORTEST = 3
_MOST_CLAUSES = 3
_COMMON_WORDS = "a an and at by for from in is it model none of on or the this to use used version with"
_COMMON = frozenset(_COMMON_WORDS.split())
_MOST_PATTERNS = 4000


class Clause(NamedTuple):
    """What a text must have for a pattern to match: one of the words (or beginnings of words), or of the parts."""

    words: frozenset[str]
    parts: tuple[str, ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """Pieces of text in lower case, one of which stands in every line that the pattern matches."""
        return (*self.words, *(part.strip() for part in self.parts))


Needs = tuple[Clause, ...]
"""All of these, the rarest first."""


class Vocabulary:
    """The words of one text in lower case, each with its beginning. Words are runs of ASCII letters and digits."""

    __slots__ = ("_joined", "lower", "words")

    def __init__(self, text: str) -> None:
        self.lower = lower = text.lower()
        if not lower.isascii():
            # The two letters that case-blind patterns take for an ASCII one, and lower() does not.
            self.lower = lower = lower.replace("ſ", "s").replace("ı", "i")
        words = set(lower.encode("ascii", "replace").translate(_SEPARATORS).decode("ascii").split())
        self._joined = f" {' '.join(words)} "
        words.update([word[:PREFIX] for word in words if len(word) > PREFIX])
        self.words = words

    def lacks(self, pattern: re.Pattern[str]) -> bool:
        """Whether the pattern surely matches nowhere in the text, nor in any piece of it that is cut between words."""
        words, joined = self.words, self._joined
        for needed, parts in needs_of(pattern):
            if needed.isdisjoint(words):
                for part in parts:
                    if part in joined:
                        break
                else:
                    return True
        return False

    def marks(self, pattern: re.Pattern[str]) -> list[str] | None:
        """Pieces of text of which every part of `lower` (cut between words) that the pattern matches holds one.

        None where it needs none in particular. Empty, where `lacks` says so.
        """
        needs = needs_of(pattern)
        if not needs:
            return None
        needed, parts = needs[0]
        found = [*(needed & self.words)]
        for part in parts:
            if part in self._joined:
                found.append(part.strip())
        return found


@lru_cache(maxsize=4)
def vocabulary(text: str) -> Vocabulary:
    """The vocabulary of a text; the last few are kept, for everybody who asks about one card asks about its text."""
    return Vocabulary(text)


@lru_cache(maxsize=4)
def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text: split once, whoever asks."""
    return tuple(text.split("\n"))


_known: dict[int, tuple[re.Pattern[str], Needs]] = {}
_uses: dict[int, int] = {}
_PATIENCE = 8
"""Uses of a pattern, some of them by one card, before its needs are worked out."""


def needs_of(pattern: re.Pattern[str]) -> Needs:
    """What a text must have for the pattern to match; nothing where nothing in particular, or not yet worked out.

    Working it out costs more than a few searches: it is done for patterns that more than one card asks for.
    """
    key = id(pattern)
    known = _known.get(key)
    if known is not None and known[0] is pattern:
        return known[1]
    uses = _uses[key] = _uses.get(key, 0) + 1
    if uses < _PATIENCE:
        return ()
    if len(_known) >= _MOST_PATTERNS:
        _known.clear()
    needs = derived(pattern)
    _known[key] = (pattern, needs)
    return needs


class Index:
    """Many patterns of which few match in any one text: those that its words do not rule out, by one look at them."""

    __slots__ = ("_any", "_by_word", "_patterns", "_uses")

    def __init__(self, patterns: Iterable[re.Pattern[str]]) -> None:
        self._patterns = tuple(patterns)
        self._by_word: dict[str, list[int]] = {}
        self._any: list[int] = []
        """Patterns that no word must stand for."""
        self._uses = 0

    def living(self, words: Vocabulary) -> list[int]:
        """The places of the patterns that `words` does not rule out, ascending."""
        self._uses += 1
        if self._uses <= _PATIENCE:
            return [i for i, pattern in enumerate(self._patterns) if not words.lacks(pattern)]
        if self._uses == _PATIENCE + 1:
            self._fill()
        found = set(self._any)
        for word in self._by_word.keys() & words.words:
            found.update(self._by_word[word])
        return sorted([i for i in found if not words.lacks(self._patterns[i])])

    def _fill(self) -> None:
        for i, pattern in enumerate(self._patterns):
            clause = next((clause for clause in needs_of(pattern) if not clause.parts), None)
            if clause is None:
                self._any.append(i)
                continue
            for word in clause.words:
                self._by_word.setdefault(word, []).append(i)


def derived(pattern: re.Pattern[str]) -> Needs:
    """The needs that follow from how a pattern is written: its rarest literals, or one of each of its branches."""
    try:
        parser: Any = importlib.import_module("re._parser")
        offers = _offers(list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)))
    except (ImportError, AttributeError, RecursionError, re.error):
        return ()  # another Python's parser: searches are slower then, and find the same
    clauses = []
    for found in sorted(offers, key=_worth, reverse=True)[:_MOST_CLAUSES]:
        words = frozenset(token for kind, token in found if kind != "part")
        clauses.append(Clause(words, tuple(sorted(token for kind, token in found if kind == "part"))))
    return tuple(clauses)


_Tokens = frozenset[tuple[str, str]]


def _offers(items: list[Any], begins: bool = False, ends: bool = False) -> list[_Tokens]:
    """All that a sequence needs, each as alternatives of which one suffices.

    `begins` and `ends` say that something that is part of no word stands before and after the sequence.
    """
    offers: list[_Tokens] = []
    flat = _flat(items)
    run, edge = "", begins
    for place, (operation, value) in enumerate(flat):
        name = str(operation)
        if name == "LITERAL":
            run += chr(value).lower() if value < 128 else " "
            continue
        after = _is_edge(name, value)
        offers.extend(_pieces(run, edge, after))
        before = not run[-1].isalnum() if run else edge
        if name == "BRANCH":
            closes = _is_edge(str(flat[place + 1][0]), flat[place + 1][1]) if place + 1 < len(flat) else ends
            branches = [max(_offers(list(b), before, closes), key=_worth, default=None) for b in value[1]]
            offers.extend([frozenset().union(*(b for b in branches if b))] if all(branches) else [])
        elif name.endswith("_REPEAT") and value[0] >= 1:
            offers.extend(_offers(list(value[2])))
        run, edge = "", after or (before and _is_skipped(name, value))
    offers.extend(_pieces(run, edge, ends))
    return offers


def _is_skipped(name: str, value: Any) -> bool:
    """Whether an element may be left out, and is no part of a word where it stands."""
    return name.endswith("_REPEAT") and value[0] == 0 and _is_edge(name, (1, *value[1:]))


def _pieces(run: str, begins: bool, ends: bool) -> Iterator[_Tokens]:
    """What a run of literal characters needs: each of its words, whole, by its beginning, or as part of one."""
    pieces = re.split(r"[^a-z0-9]", run)
    for place, piece in enumerate(pieces):
        starts = begins or place > 0
        if piece and starts and (ends or place < len(pieces) - 1):
            yield frozenset({("word", piece)})
        elif starts and len(piece) >= PREFIX:
            yield frozenset({("stem", piece[:PREFIX])})
        elif starts and len(piece) > 1:
            yield frozenset({("part", f" {piece}")})
        elif len(piece) >= _SHORTEST:
            yield frozenset({("part", piece)})


def _flat(items: list[Any]) -> list[Any]:
    """The sequence with its groups opened: what a group needs, the sequence needs."""
    flat: list[Any] = []
    for operation, value in items:
        if str(operation) == "SUBPATTERN":
            flat.extend(_flat(list(value[3])))
        elif str(operation) == "ATOMIC_GROUP":
            flat.extend(_flat(list(value)))
        else:
            flat.append((operation, value))
    return flat


def _is_edge(name: str, value: Any) -> bool:
    """Whether words end at an element: it is a boundary, or consumes nothing but what is no letter or digit."""
    if name == "AT":
        return str(value) != "AT_NON_BOUNDARY"
    if name == "LITERAL":
        return not (value < 128 and chr(value).isalnum())
    if name.endswith("_REPEAT"):
        inner = list(value[2])
        return value[0] >= 1 and len(inner) == 1 and _is_edge(str(inner[0][0]), inner[0][1])
    return name == "IN" and all(
        _is_edge("LITERAL", item) if str(kind) == "LITERAL" else str(item) in ("CATEGORY_SPACE", "CATEGORY_NOT_WORD")
        for kind, item in value
    )


def _worth(tokens: _Tokens) -> tuple[int, int, int]:
    """Rare words before stems before parts before common words, then fewer alternatives, then longer words."""
    kinds = {kind for kind, _ in tokens}
    rank = 1 if "part" in kinds else 2 if "stem" in kinds else 3
    if any(token in _COMMON for _, token in tokens):
        rank = 0
    return rank, -len(tokens), min(len(token) for _, token in tokens)
