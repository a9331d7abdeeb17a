"""Which stages this version can regenerate, and why it cannot the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from repro.errors import HoleError
from repro.evidence import Evidence
from repro.plan import PREFERENCE_LOSSES
from repro.resolve.adapter import tags, told_adapter
from repro.resolve.values import derived
from repro.spec import AnyFact, Spec, Stage, missing

_OTHER = (
    (r"^merge\b", "a merge of models"),
    (r"\bppo\b|proximal policy", "PPO"),
    (r"\bgrpo\b|group relative", "GRPO"),
    (r"\brloo\b|\breinforce\b", "REINFORCE"),
    (r"\brlvr\b|verifiable reward", "RLVR"),
    (r"\brlhf\b|reinforcement learning", "reinforcement learning"),
    (r"\breward (model|bench)|\bprm\b|^reward\b", "a reward model's loss"),
    (r"\borpo\b", "ORPO"),
    (r"\bkto\b", "KTO"),
    (r"\bcpo\b", "CPO"),
    (r"\bapo\b", "APO"),
    (r"\bbco\b", "BCO"),
    (r"\bwpo\b", "WPO"),
    (r"\bslic\b", "SLiC"),
    (r"\b(online|iterative|on-policy|step|robust|self-play|multimodal)[- ]dpo\b|\bspin\b|\bdpop\b", "a variant of DPO"),
    (r"\bmerg(e|ed|ing)\b|\bslerp\b|\bdare\b|\bties\b|model soup", "a merge of models"),
    (r"distill", "distillation"),
    (r"quanti[sz]|\bgptq\b|\bawq\b|\bgguf\b", "quantization"),
    (r"pre-?train|\bcpt\b|mid-?train|masked", "pretraining"),
)
"""Methods that training here does not have, by the words that cards use for them."""
_OTHER_LOSSES = {
    *("orpo", "kto", "kto_pair", "cpo", "wpo", "hinge", "robust", "exo_pair", "nca_pair", "sppo_hard", "dft"),
    *("discopop", "rso", "slic", "rpo", "alphapo", "dpop"),
}
_BY_WORD = (
    ("simpo", re.compile(r"\bsimpo\b|\bsimple preference optimi[sz]ation\b")),
    ("ipo", re.compile(r"\bipo\b|\bidentity preference optimi[sz]ation\b")),
    ("dpo_norm", re.compile(r"^(?=.*\b(?:c?dpo|preference)\b).*\blength[- ]normali[sz]ed\b|\bdpo_norm\b")),
)
"""Losses on preference pairs by the words that methods are called by; "length-normalized DPO" is dpo_norm (Lambert et
al. 2024, arXiv:2411.15124, 5.1)."""
_BY_NAME = {"simpo", "ipo"}
"""Losses that a model's name or tags may give."""
_CAUSAL = {"text-generation", "text2text-generation", "conversational", "question-answering", ""}


_UNTOLD = missing("loss_type")
TRAINABLE = (
    f"supervised fine-tuning, and preference optimization ({', '.join(PREFERENCE_LOSSES)}), of all weights or with LoRA"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A stage and what it is: `method` is "sft", "dpo" or empty, and then `why_not` names what it is instead."""

    stage: Stage
    method: str
    why_not: str = ""
    loss: AnyFact = _UNTOLD
    """The loss that the method's own words, the card's tags or the model's name give, where no parameter does."""
    adapter: str = ""
    """What `adapter.told_adapter` says that it trains."""


def judge(stage: Stage, spec: Spec, evidence: Evidence) -> Judged:
    """What a stage is, from its name, its method's words, its loss and what the model is for."""
    words = f"{stage.name} {stage.method}".lower()
    loss = str(stage.get("loss_type").value or "").lower().replace("-", "_")
    if "one of two trainings" in words:
        return Judged(stage, "", "parameters that may be of either training that the card tells of")
    for pattern, name in _OTHER:
        if re.search(pattern, words):
            return Judged(stage, "", name)
    if tags(spec) & _OTHER_LOSSES:
        return Judged(stage, "", f"the loss {min(tags(spec) & _OTHER_LOSSES)}, by the card's tags")
    by_name = _name_words(stage, spec) & _OTHER_LOSSES
    if not loss and by_name:
        return Judged(stage, "", f"the loss {min(by_name)}, by the model's name")
    if loss in _OTHER_LOSSES or loss.startswith(("apo_", "bco_", "aot")):
        return Judged(stage, "", f"the loss {loss}")
    adapter, why_not = told_adapter(stage, spec, evidence)
    if why_not:
        return Judged(stage, "", why_not)
    base = str(stage.base.value or spec.get("base_model").value or "")
    if re.search(r"bnb|[48]-?bit|gptq|awq|gguf|exl2", base.lower()):
        return Judged(stage, "", f"quantized weights ({base[:80]})")
    if "unsloth" in tags(spec) and not adapter and not stage.get("adapter").known:
        return Judged(stage, "", "Unsloth, and does not say whether all weights or an adapter")
    named = next((name for name, pattern in _BY_WORD if pattern.search(words)), "")
    if named in _BY_NAME and loss and loss != named:
        return Judged(stage, "", f"what it calls {named.upper()!r} with the loss {loss[:40]!r}, which is another")
    if named or re.search(r"\bdpo\b|direct preference", words):
        return Judged(stage, "dpo", loss=_loss_told(named, stage, spec), adapter=adapter)
    told = (tags(spec) | _name_words(stage, spec)) & _BY_NAME
    if told and (stage is spec.stages[-1] or not re.search(r"\bsft\b|supervised", words)):
        called = (stage.method or stage.name)[:60]
        return Judged(stage, "", f"what it calls {called!r}, of a model whose name or tags say {min(told)}")
    purpose = str(spec.get("pipeline_tag").value or "")
    if purpose not in _CAUSAL:
        return Judged(stage, "", f"the loss of a {purpose} model")
    if re.search(r"\bsft\b|supervised|instruct", words):
        return Judged(stage, "sft", adapter=adapter)
    chat = {"trl", "open-instruct", "axolotl", "alignment-handbook", "llama-factory"}
    framework = str(stage.get("framework").value or spec.get("framework").value or "").lower()
    if re.search(r"fine-?[ _]?tun", words) and (purpose == "text-generation" or framework in chat):
        return Judged(stage, "sft", adapter=adapter)
    called = (stage.method or stage.name)[:60]
    return Judged(stage, "", f"what it calls {called!r}, without saying that it is supervised fine-tuning or DPO")


def _loss_told(named: str, stage: Stage, spec: Spec) -> AnyFact:
    """The loss by the method's own words, else by the card's tags or the model's name; MISSING where none tells."""
    if named:
        return derived("loss_type", named, f"the method is called {(stage.method or stage.name)[:60]!r}")
    for words, whose in ((tags(spec), "the card's tags say"), (_name_words(stage, spec), "the model's name says")):
        told = words & _BY_NAME
        if len(told) == 1:
            return derived("loss_type", min(told), f"{whose} {min(told)}")
    return missing("loss_type")


def _name_words(stage: Stage, spec: Spec) -> set[str]:
    own = f"{stage.produces.value or ''} {spec.get('model_id').value or ''}".lower()
    return set(re.split(r"[^a-z0-9]+", own))


def trainable(spec: Spec, evidence: Evidence, asked: Sequence[str] = ()) -> tuple[tuple[Judged, ...], tuple[str, ...]]:
    """The stages that can be regenerated, in order, and notes on those left out.

    A stage that cannot be regenerated is left out only when it comes before one that can and that names the model
    it starts from, or where others were `asked` for by name.

    Raises:
        HoleError: no stage is described, or one that cannot be regenerated stands in the way or was asked for.
    """
    if not spec.stages:
        raise HoleError(
            "no training stage could be read from the card",
            where=spec.source,
            hint="`repro check` audits what it does say; a run needs at least a method and a data set",
        )
    judged = [judge(stage, spec, evidence) for stage in spec.stages]
    notes = []
    for index, one in enumerate(judged):
        if one.method:
            continue
        sentence = f"stage {one.stage.name!r} trains with {one.why_not}, which this version cannot regenerate"
        if asked and one.stage.name not in asked:
            continue
        after = judged[index + 1 :]
        following = next((j for j in after if j.method), None)
        if asked or following is None or not following.stage.base.known:
            raise HoleError(
                sentence,
                where=str(one.stage.span or spec.source),
                hint=f"what can be regenerated is {TRAINABLE}; `repro check` audits the card without a run",
            )
        notes.append(f"{sentence}: the run starts from {following.stage.base.value}, which the card names.")
    return tuple(j for j in judged if j.method), tuple(notes)


def names(judged: Sequence[Judged]) -> list[tuple[str, str]]:
    """(stage's name, method) of each."""
    return [(j.stage.name, j.method) for j in judged]
