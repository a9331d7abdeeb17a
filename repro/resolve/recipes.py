"""Recipes: what a framework did at a named commit where nobody said otherwise, one TOML file a framework and period."""

from __future__ import annotations

import calendar
import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from repro.memory import ModelShape
from repro.resolve.values import fold
from repro.spec import Value

FRAMEWORKS = {
    "open-instruct": ("openinstruct", "allenaiopeninstruct", "allenaisopeninstruct"),
    "trl": ("trl", "huggingfacetrl", "trltransformerreinforcementlearning"),
    "transformers": ("transformers", "huggingfacetransformers", "transformerstrainer", "hftrainer", "trainer"),
}
"""Frameworks that have a recipe, with their folded spellings."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a recipe gives one method."""

    source: str
    sources: Mapping[str, str]
    """Of a value that stands elsewhere: a file of the framework, or `repository@commit:file` of another."""
    datasets: tuple[str, ...]
    """Data sets of which this is the recipe; empty for code defaults."""
    values: Mapping[str, Value]
    why: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One file of recipes/."""

    title: str
    framework: str
    commit: str
    version: str
    start: datetime.date
    end: datetime.date
    """First day on which it no longer holds."""
    version_from: tuple[int, ...]
    bases: tuple[str, ...]
    sources: tuple[str, ...]
    methods: Mapping[str, Defaults]

    @property
    def named(self) -> bool:
        """Whether it is a recipe for certain models and data, rather than a framework's code defaults."""
        return bool(self.bases)

    @property
    def timeless(self) -> bool:
        """Whether it holds for every period of its framework, so that its commit chooses none."""
        return self.start == datetime.date.min and self.end == datetime.date.max

    def cite(self, method: str, key: str = "") -> str:
        """ "Tulu 3 8B SFT recipe, open-instruct@e6c3044:docs/tulu3.md": where `key`'s value was read."""
        title = f"{self.title} {method.upper()} recipe" if self.named else self.title
        source = self.methods[method].sources.get(key, self.methods[method].source)
        if self.framework and "@" not in source:
            source = f"{self.framework}@{self.commit}:{source}" if self.commit else f"{self.framework}, {source}"
        return f"{title}, {source}" if source else title


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A published data set with its row count as its own metadata gives it, and what else is said of it."""

    repo_id: str
    aliases: tuple[str, ...]
    rows: int
    rows_source: str
    other_rows: int
    other_rows_source: str


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A published model whose size is a matter of record."""

    name: str
    parameters: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    source: str

    @property
    def shape(self) -> ModelShape:
        """All of them are Llamas."""
        return ModelShape(
            model_type="llama",
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            num_key_value_heads=self.num_key_value_heads,
            head_dim=self.head_dim,
            tie_word_embeddings=self.tie_word_embeddings,
        )


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Every model of record."""
    return _known()[1]


@cache
def recipes() -> tuple[Recipe, ...]:
    """Every recipe: named ones first, then code defaults, newest first and undated last; the methods' definitions
    after them."""
    found = []
    for file in files("repro.resolve").joinpath("recipes").iterdir():
        if file.name.endswith(".toml") and file.name != "known.toml":
            found.append(_recipe(tomllib.loads(file.read_text(encoding="utf-8"))))
    return tuple(sorted(found, key=lambda r: (not r.framework, not r.named, r.timeless, -r.start.toordinal(), r.title)))


def _recipe(data: dict[str, object]) -> Recipe:
    def text(key: str) -> str:
        return str(data.get(key, ""))

    def strings(value: object) -> tuple[str, ...]:
        return tuple(str(v) for v in value) if isinstance(value, list) else ()

    shared = data.get("all")
    shared = shared if isinstance(shared, dict) else {}
    methods = {}
    for method in ("sft", "dpo"):
        table = data.get(method)
        if isinstance(table, dict):
            both = {part: {**shared.get(part, {}), **table.get(part, {})} for part in ("values", "why", "sources")}
            for key in shared.get("values", {}):
                both["sources"].setdefault(key, shared["source"])
            for key in table.get("values", {}):
                if key not in table.get("sources", {}):
                    both["sources"].pop(key, None)
            methods[method] = Defaults(
                table["source"], both["sources"], strings(table.get("datasets")), both["values"], both["why"]
            )
    return Recipe(
        title=text("title"),
        framework=text("framework"),
        commit=text("commit"),
        version=text("version"),
        start=_month(text("from"), datetime.date.min),
        end=_month(text("until"), datetime.date.max),
        version_from=version_of(text("version_from")),
        bases=strings(data.get("bases")),
        sources=strings(data.get("sources")),
        methods=methods,
    )


def _month(text: str, default: datetime.date) -> datetime.date:
    return datetime.date(int(text[:4]), int(text[5:7]), 1) if text else default


@cache
def _known() -> tuple[tuple[KnownDataset, ...], tuple[KnownModel, ...]]:
    data = tomllib.loads(files("repro.resolve").joinpath("recipes", "known.toml").read_text(encoding="utf-8"))
    sets = tuple(KnownDataset(**{**d, "aliases": tuple(d["aliases"])}) for d in data["dataset"])
    return sets, tuple(KnownModel(**m) for m in data["model"])


def known_dataset(name: str) -> KnownDataset | None:
    """The data set that goes by that name or id."""
    wanted = fold(name)
    return next((d for d in _known()[0] if wanted in {fold(d.repo_id), *(fold(a) for a in d.aliases)}), None)


def known_model(repo_id: str) -> KnownModel | None:
    """The model of record of which the repository's name says that it is one, a fine-tune included."""
    tail = repo_id.rsplit("/", 1)[-1].lower()
    return next(
        (m for m in _known()[1] if re.search(rf"(?<![a-z0-9]){re.escape(m.name.lower())}(?![a-z0-9])", tail)), None
    )


def framework_of(text: str) -> str:
    """The framework's standard name, or an empty string when there is no recipe for it."""
    wanted = fold(text)
    return next((name for name, spellings in FRAMEWORKS.items() if wanted in spellings), "")


def version_of(text: str) -> tuple[int, ...]:
    """(4, 46, 1) of "4.46.1.dev0"; empty when it does not begin with a number."""
    match = re.match(r"v?(\d{1,6}(?:\.\d{1,6})*)", text.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def period_of(date: str) -> tuple[datetime.date, datetime.date] | None:
    """First and last day that a printed date leaves open: "2026" is the whole year. None when it is no date."""
    match = re.match(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", date.strip())
    if not match:
        return None
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    try:
        start = datetime.date(year, month or 1, day or 1)
        last = calendar.monthrange(year, month or 12)[1]
        return start, datetime.date(year, month or 12, day or last)
    except ValueError:
        return None
