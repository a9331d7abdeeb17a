"""Whether a stage trains an adapter (LoRA) in place of the weights, and which: from facts, tags, files and words."""

from __future__ import annotations

import re
from dataclasses import replace

from repro.evidence import Evidence
from repro.plan import Adapter
from repro.resolve.fill import Filling
from repro.resolve.values import fold
from repro.spec import AnyFact, Fact, Origin, Spec, Stage

KEYS = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_bias", "use_rslora")
"""What an adapter is made of, in the order in which a person asks for it."""
QUANTIZATION = ("load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant")
UNSAID = "unsaid"
_LORA_KINDS = {"lora", "qlora", "rslora"}
_WHOLE = {"full", "none", "false", "no", "fullparameter", "fullfinetuning"}
"""What `adapter` says, folded, where there is none (LLaMA-Factory's finetuning_type: full)."""
_OTHER_KIND = re.compile(
    r"\b(?:dora|qdora|adalora|longlora|lo-?ha|lo-?kr|ia3|\(ia\)3|(?:prefix|prompt|p)[- ]tuning|vera|pissa)\b"
)
_QLORA = re.compile(r"\bq-?lora\b|\b4[- ]?bit q?-?lora\b", re.IGNORECASE)
_LORA_WORDS = re.compile(r"\b(?:q-?|rs)?lora\b|low-rank adapt")
_TOLD = re.compile(
    r"\blora[-_ ]?(?:r|rank|alpha|dropout|target[-_ ]modules)\b|\badapter\W{1,4}q?lora\b"
    r"|\b(?:trained|fine-?tuned|tuned|fine-?tuning|training|aligned)\b[^.]{0,60}\b(?:using|with|via|by)\b[^.]{0,30}\bq?-?lora\b"
    r"|\bq?lora (?:fine-?tun\w+|training)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:no|not|without|instead of|rather than|unlike|never|you can|if you|could|may|further|also)\b|\bvs\b|n't\b",
    re.I,
)


def told_adapter(stage: Stage, spec: Spec, evidence: Evidence) -> tuple[str, str]:
    """(what the stage trains, why it cannot be regenerated): "" all weights, "lora", "qlora", or `UNSAID` where the
    card tells of an adapter and of several stages; the second is empty where it can."""
    words = f"{stage.name} {stage.method}".lower()
    said = str(stage.get("adapter").value or "")
    kind = fold(said)
    types = {str(f.value).lower() for r in evidence.role("subject") for f in r.facts if f.key == "peft_type"}
    if _OTHER_KIND.search(words) or (kind and kind not in _LORA_KINDS | _WHOLE):
        found = _OTHER_KIND.search(words)
        return "", f"an adapter that is not LoRA ({(found.group() if found else said)[:40]})"
    if types - {"lora"}:
        return "", f"an adapter that is not LoRA ({min(types - {'lora'})[:40]}, by adapter_config.json)"
    if kind in _WHOLE:
        return "", ""
    four = stage.get("load_in_4bit").value is True
    own = kind in _LORA_KINDS or _LORA_WORDS.search(words) or any(f.key in KEYS and f.known for f in stage.facts)
    if own or (len(spec.stages) == 1 and _of_card(spec, evidence)):
        alone = len(spec.stages) == 1 and ("qlora" in tags(spec) or any(_QLORA.search(s) for s in _sentences(spec)))
        quantized = four or kind == "qlora" or _QLORA.search(words) or alone
        return "qlora" if quantized or stage.get("load_in_8bit").value is True else "lora", ""
    if re.search(r"\bpeft\b|adapter", words):
        return "", "an adapter, without saying of which kind"
    return (UNSAID if _of_card(spec, evidence) else ""), ""


def _of_card(spec: Spec, evidence: Evidence) -> bool:
    """Whether the card or its repository tells of an adapter, of whichever stage."""
    library = str(spec.get("library_name").value or "").lower()
    files = any(repo.file("adapter_config.json") is not None for repo in evidence.role("subject"))
    return library == "peft" or bool(tags(spec) & {"lora", "qlora", "peft"}) or files or bool(_sentences(spec))


def _sentences(spec: Spec) -> list[str]:
    """The lines that say that the training was of an adapter: LoRA's own settings, or "fine-tuned with QLoRA"."""
    if "lora" not in spec.text.lower():
        return []
    return [s for s in spec.text.split("\n") if len(s) < 5000 and _TOLD.search(s) and not _DENIED.search(s)]


def tags(spec: Spec) -> set[str]:
    value = spec.get("tags").value
    return {str(t).lower() for t in (value if isinstance(value, tuple) else (value or "",))}


def settle_adapter(filling: Filling, told: str) -> Adapter | None:
    """The adapter that the stage trains, or None for all weights; holes where nobody says which.

    A rank that nobody states is a hole. The rest is peft's default where nobody says it (recipes/peft.toml).
    """
    given = filling.given.get("adapter")
    kind = str(given) if given is not None else told
    if kind == UNSAID:
        filling.hole("adapter", "the card tells of an adapter (LoRA) and of several stages, not of which it is")
        return None
    if kind in {"", "none"}:
        unused = [key for key in KEYS if key in filling.given]
        if unused:
            filling.note(f"{' and '.join(unused)} given by --assume: not used, all weights train (adapter=lora).")
        return None
    filling.put(_kind(filling, kind))
    if filling.strong("lora_target_linear").value is True and not filling.strong("lora_target_modules").known:
        filling.put(replace(filling.strong("lora_target_linear"), key="lora_target_modules", value=("all-linear",)))
    for key in KEYS:
        if key not in filling.facts:
            filling.fill(key)
    quantization, double = _quantization(filling) if kind == "qlora" else ("", False)
    r, alpha, dropout = (filling.value(key) for key in KEYS[:3])
    names = filling.value("lora_target_modules")
    if not isinstance(r, int) or not isinstance(alpha, (int, float)) or not isinstance(dropout, (int, float)):
        return None  # a hole is noted
    return Adapter(
        r=r,
        alpha=float(alpha),
        dropout=float(dropout),
        target_modules=names if isinstance(names, tuple) and names != ("default",) else (),
        bias=str(filling.value("lora_bias")),
        use_rslora=filling.value("use_rslora") is True,
        quantization=quantization,
        double_quantization=double,
    )


def _kind(filling: Filling, kind: str) -> AnyFact:
    fact = filling.strong("adapter")
    if fact.known:
        return fact
    return Fact("adapter", kind, Origin.DERIVED, why="the card's words, its tags or its repository's files tell of it")


def _quantization(filling: Filling) -> tuple[str, bool]:
    """(how the frozen weights are held, whether the constants are quantized too)."""
    facts = {key: filling.strong(key) for key in QUANTIZATION}
    for fact in facts.values():
        if fact.known:
            filling.put(fact)
    if facts["load_in_8bit"].value is True:
        return "int8", False
    for key in ("bnb_4bit_quant_type", "bnb_4bit_use_double_quant"):
        if not facts[key].known and facts[key].origin is Origin.MISSING:
            filling.fill(key)
    return str(filling.value("bnb_4bit_quant_type")), filling.value("bnb_4bit_use_double_quant") is True
