"""The dialects that cards are written in, a row each: what marks it and what reads it; the first that matches is it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from repro.card import BlockKind, Card
from repro.read.configs import read_settings
from repro.read.document import Document
from repro.read.lists import read_lists
from repro.read.merges import read_merges
from repro.read.metrics import read_metric_tables
from repro.read.model_index import read_model_index
from repro.read.pipeline_diagram import read_pipelines
from repro.read.prose import read_prose, without_loose
from repro.read.scores import read_scores
from repro.read.sentence_fit import read_sentence_fit
from repro.read.setting_lines import read_setting_lines
from repro.read.stage_data import read_named_base, read_trainer_data
from repro.read.statement import Gathered
from repro.read.tables import read_parameter_tables
from repro.read.told_merges import read_told_merges
from repro.read.told_stages import read_told_stages
from repro.read.told_training import read_features, read_told_data
from repro.read.trainer import has_tag, is_trainer, is_trl, read_trl, read_versions

Extractor = Callable[[Document], Gathered]

COMMON: tuple[Extractor, ...] = (
    read_parameter_tables,
    read_pipelines,
    read_lists,
    read_setting_lines,
    read_settings,
    read_sentence_fit,
    read_features,
    read_merges,
    read_told_merges,
    read_prose,
    read_trainer_data,
    read_metric_tables,
    read_scores,
    read_model_index,
    read_versions,
)
"""What any card may hold, whoever wrote the rest of it."""


class Dialect(NamedTuple):
    """One way of writing cards."""

    name: str
    matches: Callable[[Card], bool]
    extractors: tuple[Extractor, ...] = COMMON
    trainer_logs: bool = False
    """Whether its loss tables are what transformers' Trainer logged: means since the last log."""

    def read(self, doc: Document) -> Gathered:
        gathered = Gathered()
        for extractor in self.extractors:
            gathered = gathered.with_all(extractor(doc))
        gathered = gathered.with_all(read_told_stages(doc, gathered))
        gathered = gathered.with_all(read_told_data(doc, gathered))
        return without_loose(gathered.with_all(read_named_base(doc, gathered)))


def _is_axolotl(card: Card) -> bool:
    if has_tag(card, "axolotl"):
        return True
    html, paragraph = BlockKind.HTML, BlockKind.PARAGRAPH
    for b in card.blocks:  # noqa: SIM110 - a generator costs more
        if (b.kind is paragraph or b.kind is html) and "See axolotl config" in b.text:
            return True
    return False


RECIPE_FIRST: tuple[Extractor, ...] = (read_settings, *(e for e in COMMON if e is not read_settings))
"""For generated cards whose configuration is the recipe and whose bullets repeat it."""


def _is_allenai(card: Card) -> bool:
    """Cards of Ai2's Tulu and OLMo: the title names the family and the text says whose it is."""
    title = next((b.text for b in card.blocks if b.kind is BlockKind.HEADING and b.text), "")[:120].lower()
    if "tulu" not in title and "tülu" not in title and "olmo" not in title:
        return False
    return "Allen Institute for AI" in card.text or "Ai2" in card.text or card.source.startswith("allenai/")


def _of_library(card: Card, name: str) -> bool:
    return card.front_matter.get("library_name") == name or has_tag(card, name)


def _is_keras(card: Card) -> bool:
    return _of_library(card, "keras") or has_tag(card, "generated_from_keras_callback")


DIALECTS: tuple[Dialect, ...] = (
    Dialect("axolotl", _is_axolotl, RECIPE_FIRST, trainer_logs=True),
    Dialect("llama-factory", lambda card: has_tag(card, "llama-factory"), trainer_logs=True),
    Dialect("alignment-handbook", lambda card: has_tag(card, "alignment-handbook"), trainer_logs=True),
    Dialect("keras", _is_keras),  # its callback heads its list as the Trainer does, and logs whole epochs
    Dialect("transformers-trainer", is_trainer, trainer_logs=True),
    Dialect("autotrain", lambda card: has_tag(card, "autotrain", "autonlp")),
    Dialect("trl", is_trl, (*COMMON, read_trl)),
    Dialect("mergekit", lambda card: has_tag(card, "mergekit", "merge")),
    Dialect("unsloth", lambda card: has_tag(card, "unsloth")),
    Dialect("allenai", _is_allenai),
    Dialect("spacy", lambda card: _of_library(card, "spacy")),
    Dialect("espnet", lambda card: _of_library(card, "espnet")),
    Dialect("flair", lambda card: _of_library(card, "flair")),
    Dialect("speechbrain", lambda card: _of_library(card, "speechbrain")),
    Dialect("timm", lambda card: _of_library(card, "timm")),
    Dialect("sentence-transformers", lambda card: _of_library(card, "sentence-transformers")),
    Dialect("hand-written", lambda card: True),
)


def dialect_of(card: Card) -> Dialect:
    """The card's dialect; hand-written where none is marked."""
    return next(dialect for dialect in DIALECTS if dialect.matches(card))
