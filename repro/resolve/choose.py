"""Which recipes may fill a stage's holes: by framework, date, version, data and base; every choice is announced."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from repro.resolve.recipes import Recipe, framework_of, period_of, recipes, version_of
from repro.resolve.values import fold, same
from repro.spec import Value


@dataclass(frozen=True, slots=True)
class Chosen:
    """The recipes for one stage, strongest first, and those of the framework's other periods."""

    method: str
    layers: tuple[Recipe, ...]
    others: tuple[tuple[Recipe, ...], ...]
    """The layers of every other period, newest first."""
    rivals: tuple[tuple[Recipe, ...], ...]
    """Those of `others` that another day of the stated date would have chosen."""
    when: str
    """How the date decided, for people."""
    caution: str = ""
    """What is uncertain about all of these defaults: another version of the framework than the recipe's."""

    def value(self, key: str) -> tuple[Value, str, Recipe] | None:
        """The default, why it is believed, and whose it is."""
        found = _first(self.layers, self.method, key)
        if found is None:
            return None
        value, recipe = found
        reason = recipe.methods[self.method].why.get(key, "")
        parts = [
            recipe.cite(self.method, key),
            reason,
            self._drift(key, value, recipe),
            self.caution if recipe.framework else "",
        ]
        return value, "; ".join(p for p in parts if p), recipe

    def doubtful(self, key: str) -> bool:
        """Whether another day of the stated date, or the stated version, might have had another default."""
        found = _first(self.layers, self.method, key)
        if found is None or not found[1].framework:
            return False
        rivals = (_first(layers, self.method, key) for layers in self.rivals)
        return bool(self.caution) or any(r is not None and not same(r[0], found[0]) for r in rivals)

    def _drift(self, key: str, value: Value, recipe: Recipe) -> str:
        if not recipe.framework:
            return ""
        for layers in self.others:
            other = _first(layers, self.method, key)
            if other is not None and other[1].framework and not same(other[0], value):
                at = f"at {other[1].commit}" if other[1].commit else f"by {other[1].title}"
                return f"{self.when}; {at} it is {other[0]}"
        return ""


def _first(layers: Sequence[Recipe], method: str, key: str) -> tuple[Value, Recipe] | None:
    return next(((v[key], r) for r in layers if key in (v := r.methods[method].values)), None)


def choose(
    method: str, *, framework: str, version: str, commit: str, date: str, base: str, datasets: Sequence[str]
) -> Chosen:
    """The layers for a stage: a named recipe where data and base are its own, the framework's code defaults of the
    period, then what the methods' definitions fix.

    A date that is only a year or a month stands for its first day: what was trained is older than its card.
    A card without a date is taken to be of today: the newest recorded commit.
    """
    name = framework_of(framework)
    period = period_of(date)
    stated = version_of(version)
    fitting = [
        r
        for r in recipes()
        if name and r.framework == name and method in r.methods and _fits(r, base, datasets, method)
        if not stated or stated >= r.version_from
    ]
    by_commit = [
        r
        for r in fitting
        if not r.timeless and r.commit and len(commit) >= 7
        if (r.commit.startswith(commit) or commit.startswith(r.commit))
    ]
    first, last = period or (_TODAY, _TODAY)
    if by_commit:
        first = last = max(by_commit[-1].start, _EPOCH)
    universal = tuple(r for r in recipes() if not r.framework and method in r.methods)

    def at(day: datetime.date) -> tuple[Recipe, ...]:
        return tuple(r for r in fitting if r.start <= day < r.end) + universal

    layers = at(first)
    changes = {max(r.start, _EPOCH) for r in fitting} | {r.end for r in fitting if r.end < datetime.date.max}
    others = [(day, at(day)) for day in sorted(changes, reverse=True) if at(day) != layers]
    return Chosen(
        method=method,
        layers=layers,
        others=tuple(o for _, o in others),
        rivals=tuple(o for day, o in others if first <= day <= last),
        when=_when(date if period else "", first, by_commit) if others else "",
        caution=_caution(name, stated, version, layers),
    )


_TODAY = datetime.date.max - datetime.timedelta(1)
_EPOCH = datetime.date(1990, 1, 1)


def _fits(recipe: Recipe, base: str, datasets: Sequence[str], method: str) -> bool:
    if not recipe.named:
        return True
    own = {fold(d) for d in recipe.methods[method].datasets} | {
        fold(d.rsplit("/", 1)[-1]) for d in recipe.methods[method].datasets
    }
    right_data = bool(datasets) and all(fold(d) in own for d in datasets)
    return right_data and any(fold(b) in fold(base) for b in recipe.bases)


def _when(date: str, first: datetime.date, by_commit: Sequence[Recipe]) -> str:
    if by_commit:
        return f"the card names commit {by_commit[0].commit}"
    if not date:
        return "the card bears no date, so the newest recorded commit is taken"
    exact = len(date.strip()) >= 10
    rule = "" if exact else f", taken as its first day, {first.isoformat()}, because training precedes the card"
    return f"the card's date is {date.strip()[:10]}{rule}"


def _caution(name: str, stated: tuple[int, ...], version: str, layers: Sequence[Recipe]) -> str:
    known = next((r.version for r in layers if r.version), "")
    if not known or version_of(known)[:2] == stated[:2]:
        return ""
    said = f"the card says {name} {version.strip()[:20]}" if stated else f"the card names no version of {name}"
    return f"{said}, whose default may differ from {known}'s"
