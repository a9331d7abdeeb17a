"""How the model of a card was made: trained, merged, quantised, or not by its author at all."""

from __future__ import annotations

import re

from repro.completeness import Making
from repro.spec import Spec, Stage
from repro.vocabulary import vocabulary

_PACKED = re.compile(r"(?:^|[-_./ ])(?:gguf|ggml|gptq|awq|exl[23]|bnb[-_]4bit|mlx|4bit|8bit|int[48]|fp8)(?=$|[-_. ])")
_PACKED_TAGS = frozenset({"gguf", "ggml", "gptq", "awq", "exl2", "exl3", "mlx", "imatrix", "autoround", "hqq"})
_AGENT_TAGS = frozenset(
    {"reinforcement-learning", "deep-reinforcement-learning", "stable-baselines3", "ml-agents", "sample-factory"}
)
_TUNED = re.compile(
    r"fine-?\s?tuned? (?:version|from|on|using|with|for|by|checkpoint|in)\b|(?:is|was|been|further) fine-?\s?tuned\b"
    r"|we fine-?\s?tune|further (?:pre)?-?trained|instruction[- ]tuned"
)
_SCRATCH = re.compile(r"\bpre-?trained (?:model |models |encoder |decoder )?(?:on|with|using|for|from scratch)\b")
_TRAINED = re.compile(r"\b(?:models?|it|was|were|been|is) trained (?:from scratch|on|with|for|using)\b")
_CONVERTED = re.compile(
    r"\b(?:converted|conversion|exported|ported|re-?upload(?:ed)?|mirror(?:ed)?|copy) (?:\w+ )?(?:from|of|to)\b"
)
_TUNINGS = frozenset({"tuned", "finetuned", "tune", "finetune", "further"})
_CONVERSIONS = frozenset(
    {"converted", "conversion", "exported", "ported", "reupload", "reuploaded", "upload", "mirror", "mirrored", "copy"}
)
_LANGUAGE_TASKS = frozenset({"text-generation", "text2text-generation", "conversational"})
_LANGUAGE_TAGS = frozenset(
    {"trl", "sft", "dpo", "axolotl", "llama-factory", "unsloth", "text-generation", "causal-lm", "alignment-handbook"}
)
_GENERATES = ("automodelforcausallm", "apply_chat_template", "vllm", 'pipeline("text-generation')
_CHATS = ("chat", "instruct", "assistant", "dialogue", "conversation")
_FROM_NOTHING = frozenset({"pretraining", "training"})


def lowered(text: str) -> str:
    """The text in lower case, as it is kept for the card that is being checked."""
    return vocabulary(text).lower


def title(text: str) -> str:
    """The text of the first heading of level 1, or empty."""
    place = 0 if text.startswith("# ") else text.find("\n# ") + 1
    return text[place + 2 : place + 300].split("\n", 1)[0].strip() if text[place : place + 2] == "# " else ""


def tags(spec: Spec) -> frozenset[str]:
    """The front matter's tags, library and pipeline, in lower case; kept for the card that was looked at last."""
    global _tagged
    last = _tagged
    if last[0] is not spec:
        last = _tagged = (spec, _tags(spec))
    return last[1]


_tagged: tuple[Spec | None, frozenset[str]] = (None, frozenset())


def _tags(spec: Spec) -> frozenset[str]:
    words: list[str] = []
    for key in ("tags", "library_name", "pipeline_tag"):
        value = spec.get(key).value
        words += map(str, value) if isinstance(value, tuple) else [str(value)] if value is not None else []
    return frozenset(w.strip().lower() for w in words)


def making_of(spec: Spec) -> Making:
    """How the model was made, by what the card names: its stages first, then its tags, its title and its words."""
    global _kept
    last = _kept
    if last[0] is not spec:
        last = _kept = (spec, _making_of(spec))
    return last[1]


_kept: tuple[Spec | None, Making] = (None, Making.NONE)
"""The last card's answer: several checks ask, one after the other, and a Spec is dear to hash."""


def _making_of(spec: Spec) -> Making:
    named, text = tags(spec), lowered(spec.text)
    if any(s.get("learning_rate").known for s in spec.stages):
        return _training(spec, text)
    if spec.dialect == "mergekit" or named & {"mergekit", "merge"} or "merge_method" in text:
        return Making.MERGE
    if is_packed(spec) and "finetuned from model" not in text:
        return Making.QUANTISATION
    if named & _AGENT_TAGS and not named & {"trl", "text-generation"}:
        return Making.AGENT
    if spec.stages:
        return _training(spec, text)
    if "generated_from_trainer" in named or _tuned(spec, text):
        return Making.TUNING
    if not vocabulary(spec.text).words.isdisjoint(_CONVERSIONS) and _CONVERTED.search(text):
        return Making.NONE
    if spec.get("base_model").known:
        return Making.TUNING
    words = vocabulary(spec.text)
    from_nothing = any(not words.lacks(p) and p.search(text) for p in (_SCRATCH, _TRAINED))
    return Making.SCRATCH if from_nothing else Making.NONE


def _training(spec: Spec, text: str) -> Making:
    started = spec.get("base_model").known or any(s.base.known for s in spec.stages)
    if started or any(s.name.rstrip("-0123456789") not in _FROM_NOTHING for s in spec.stages):
        return Making.TUNING
    if all(s.name.startswith("pretraining") for s in spec.stages):
        return Making.SCRATCH
    from_nothing = "trained" in text and _SCRATCH.search(text) and not _tuned(spec, text) and not is_adapter(spec)
    return Making.SCRATCH if from_nothing else Making.TUNING


def _tuned(spec: Spec, text: str) -> bool:
    words = vocabulary(spec.text)
    return not words.words.isdisjoint(_TUNINGS) and not words.lacks(_TUNED) and _TUNED.search(text) is not None


def is_packed(spec: Spec) -> bool:
    """Whether the card is of a quantised copy of another model, by its tags, its title or its front matter."""
    if tags(spec) & _PACKED_TAGS or "base_model_relation: quantized" in spec.text:
        return True
    names = (title(spec.text), str(spec.get("model_id").value or ""))
    return any(_PACKED.search(name.lower()) for name in names if name)


def is_adapter(spec: Spec) -> bool:
    """Whether an adapter was trained, by the tags or the words of the card."""
    return bool(tags(spec) & {"peft", "lora", "qlora"}) or "lora" in lowered(spec.text)


def is_language_model(spec: Spec) -> bool:
    """Whether the model writes text: only then do templates, token limits and loss reductions say anything."""
    task = spec.get("pipeline_tag").value
    if task is not None:
        return str(task) in _LANGUAGE_TASKS
    text = lowered(spec.text)
    return bool(tags(spec) & _LANGUAGE_TAGS) or any(word in text for word in _GENERATES)


def is_chat_model(spec: Spec) -> bool:
    """Whether the model writes text and is talked to, by a word of the card."""
    return is_language_model(spec) and any(word in lowered(spec.text) for word in _CHATS)


def is_of_preference(stage: Stage) -> bool:
    """Whether the stage trains on pairs, as far as its name and its method say."""
    text = f"{stage.name} {stage.method}".lower()
    return "dpo" in text or "preference" in text
