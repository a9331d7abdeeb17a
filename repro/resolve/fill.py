"""The order in which a hole is filled: assumed by the user, stated, found, then (elsewhere) derived, then a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from repro.evidence import Evidence, Repo
from repro.resolve.assume import LOSSES, applies
from repro.resolve.choose import Chosen
from repro.resolve.values import KINDS, read_value, same, show
from repro.spec import AnyFact, Fact, Origin, Spec, Stage, Value, missing

OPEN_MARKS = {
    "",
    "-",
    "--",
    "—",
    "–",
    "?",
    "tbd",
    "tba",
    "todo",
    "n/a",
    "na",
    "none",
    "null",
    "unknown",
    "not specified",
}
"""What authors write where they leave a value open."""
CARD_WIDE = {"framework", "framework_version", "framework_commit", "chat_template", "date"}
"""What a card says once and means for every stage."""
OUTCOMES = {"max_steps"}
"""What a trainer's state file holds whether or not anybody asked for it."""
_FROM_ARTEFACTS = set(KINDS) - {"chat_template", "base_model", "dataset", "framework", "date"}


@dataclass(frozen=True, slots=True)
class Hole:
    """A value that nobody gives: for the sentence that says so."""

    stage: str
    key: str
    why: str
    where: str


@dataclass(slots=True)
class Filling:
    """One stage while its holes are being filled. `facts` has one fact a key; what cannot be had is in `holes`."""

    spec: Spec
    stage: Stage
    method: str
    parent: tuple[Spec, Stage] | None
    """The card of the model that this stage produced, and its stage, where that card was found."""
    repo: Repo | None
    """The published repository that this stage produced."""
    given: Mapping[str, Value]
    """--assume's values for this stage."""
    chosen: Chosen | None = None
    facts: dict[str, AnyFact] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def value(self, key: str) -> Value | None:
        fact = self.facts.get(key)
        return fact.value if fact else None

    def put(self, fact: AnyFact) -> AnyFact:
        self.facts[fact.key] = fact
        return fact

    def hole(self, key: str, why: str, where: str = "") -> None:
        self.holes.append(Hole(self.stage.name, key, why, where or str(self.stage.span or self.spec.source)))

    def note(self, text: str) -> None:
        sentence = f"{self.stage.name}: {text}"
        if sentence not in self.notes:
            self.notes.append(sentence)

    def strong(self, key: str) -> AnyFact:
        """What the user, the card or an artefact says, strongest first; MISSING when none does.

        A value that is stated and cannot be read is a hole, never replaced by a weaker one in silence.
        """
        stated = self._settled(key, self._stated(key), "the card")
        if key in self.given:
            value = self.given[key]
            clash = stated.known and not same(stated.value, value)
            if clash:
                said = stated.printed or show(stated.value)
                self.note(f"{key} {show(value)} given by --assume stands over the card's {said}{_at(stated)}.")
            return Fact(
                key, value, Origin.ASSUMED, why="given by --assume" + ("; the card says otherwise" if clash else "")
            )
        found = self._found(key)
        if stated.known:
            if found.known and not same(stated.value, found.value):
                self.note(
                    f"{key} is {stated.printed or show(stated.value)}{_at(stated)} and {show(found.value)}"
                    f"{_at(found)}: the card's is taken."
                )
            return stated
        unreadable = stated if stated.origin is not Origin.MISSING else found
        if not unreadable.known and unreadable.origin is not Origin.MISSING:
            self.hole(key, unreadable.why, str(unreadable.span or ""))
            return unreadable
        return found

    def recipe(self, key: str) -> AnyFact:
        """The recipe's default, ASSUMED with commit and file; MISSING when no recipe has one."""
        default = self.chosen.value(key) if self.chosen else None
        if default is None or not applies(key, default[0], self.method):
            return missing(key)
        return Fact(key, read_value(key, default[0]), Origin.ASSUMED, why=default[1])

    def fill(self, key: str, fallback: AnyFact | None = None) -> AnyFact:
        """Settle one parameter: strong, else `fallback` (what was derived), else the recipe's; a hole otherwise."""
        fact = self.strong(key)
        if not fact.known and fact.origin is Origin.MISSING:
            fact = fallback if fallback is not None and fallback.known else self.recipe(key)
            if not fact.known:
                self.hole(key, "neither the card nor an artefact says, and no recipe gives it")
        return self.put(fact)

    def _stated(self, key: str) -> tuple[AnyFact, ...]:
        return _said(self.spec, self.stage, key)

    def _found(self, key: str) -> AnyFact:
        if self.parent is not None:
            spec, stage = self.parent
            settled = self._settled(key, _said(spec, stage, key), "the parent's card")
            if settled.origin is not Origin.MISSING:
                return replace(
                    settled,
                    origin=Origin.FOUND,
                    why=settled.why
                    or "the card of the model it made says so" + ("" if settled.span else f" ({spec.source})"),
                )
        if self.repo is not None and key in _FROM_ARTEFACTS:
            settled = self._settled(key, _of(self.repo, key), "")
            if settled.known:
                return replace(
                    settled, why=settled.why or f"an artefact of {self.repo.repo_id}@{self.repo.revision} says so"
                )
            if settled.origin is not Origin.MISSING:
                self.note(settled.why + ".")
        return missing(key)

    def _settled(self, key: str, facts: Iterable[AnyFact], whose: str) -> AnyFact:
        """One fact of several: the one in the training table over the one in prose; a conflict is noted."""
        readable: list[AnyFact] = []
        unreadable: AnyFact | None = None
        for fact in facts:
            if fact.origin is Origin.MISSING or (not fact.known and fact.printed.strip().lower() in OPEN_MARKS):
                continue
            try:
                if fact.value is None:
                    raise ValueError(fact.why or "it could not be read")
                value = read_value(key, fact.value)
                if key == "loss_type" and value not in LOSSES[self.method]:
                    raise ValueError(
                        f"{value} is not a loss of {self.method}, which has {', '.join(LOSSES[self.method])}"
                    )
                readable.append(replace(fact, value=value))
            except ValueError as error:
                said = (fact.printed or str(fact.value))[:60]
                why = f"{whose or 'an artefact'} gives {key} as {said!r}, which cannot be used: {error}"
                unreadable = unreadable or replace(fact, value=None, why=why)
        if not readable:
            return unreadable if unreadable is not None else missing(key)
        if len(readable) == 1:
            return readable[0]
        own = self.spec if whose == "the card" else None
        best = min(readable, key=lambda f: (_rank(f, own), f.number is not None and f.number.approximate))
        others = [f for f in readable if not _agree(f, best)]
        if others:
            also = ", ".join(f"{f.printed or show(f.value)}{_at(f)}" for f in others)
            self.note(
                f"{whose or 'the repository'} gives {key} as {best.printed or show(best.value)}{_at(best)} and as "
                f"{also}: a table of parameters stands over a list and a list over prose, then the first is taken."
            )
            return replace(best, why=(best.why + "; " if best.why else "") + f"elsewhere {also}")
        return best


def _said(spec: Spec, stage: Stage, key: str) -> tuple[AnyFact, ...]:
    """What a card says of a parameter; warm-up steps below 1 are a ratio, as transformers 5 writes it."""
    if key == "warmup_steps":
        return tuple(f for f in stage.all(key) if not _is_share(f))
    if key == "warmup_ratio":
        return stage.all(key) + tuple(replace(f, key=key) for f in stage.all("warmup_steps") if _is_share(f))
    return stage.all(key) or (spec.all(key) if key in CARD_WIDE else ())


def _is_share(fact: AnyFact) -> bool:
    return isinstance(fact.value, float) and 0 < fact.value < 1


def _of(repo: Repo, key: str) -> tuple[AnyFact, ...]:
    return tuple(f for f in repo.facts if f.key == key)


def _agree(left: AnyFact, right: AnyFact) -> bool:
    if same(left.value, right.value):
        return True
    for one, other in ((left, right), (right, left)):
        number = one.number
        if number is not None and number.approximate and isinstance(other.value, (int, float)):
            return number.unit == "" and number.interval.contains(float(other.value))
    return False


def _rank(fact: AnyFact, spec: Spec | None) -> int:
    """0 in a table, 1 in a list or a line "key: value", 2 in prose or where the text is not at hand."""
    if spec is None or fact.span is None or fact.span.source != spec.source or not fact.span.line:
        return 2
    lines = spec.text.split("\n")
    line = lines[fact.span.line - 1].strip() if fact.span.line <= len(lines) else ""
    if line.startswith("|") or line.count("|") >= 2:
        return 0
    key, colon, value = line.partition(":")
    return 1 if line.startswith(("-", "*", "+")) or (colon and value and len(key) < 40) else 2


def _at(fact: AnyFact) -> str:
    return f" ({fact.span})" if fact.span is not None else ""


def parent_of(product: str, evidence: Evidence, method: str, name: str) -> tuple[Spec, Stage] | None:
    """The card of the model `product`, where it was found, and the stage of it that made the model."""
    if not product:
        return None
    for spec in evidence.parents:
        own = {str(f.value) for f in spec.all("model_id")} | {spec.source.split("@", 1)[0]}
        if product not in own or not spec.stages:
            continue
        made = [s for s in spec.stages if s.produces.value == product] or [s for s in spec.stages if s.name == name]
        words = {"sft": ("sft", "supervised", "fine"), "dpo": ("dpo", "preference", "simpo", "(ipo)")}[method]
        made = made or (
            [spec.stages[-1]]
            if any(w in f"{spec.stages[-1].name} {spec.stages[-1].method}".lower() for w in words)
            else []
        )
        if made:
            return spec, made[-1]
    return None
