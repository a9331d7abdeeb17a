"""Patterns for parameters that sentences state, each with the marks without which it cannot match."""

from __future__ import annotations

import re

_NUMERAL = r"(~?\d[\d.,]*(?:e[-+−]?\d+)?(?:\s?[x×·⋅*]\s?10\s?\^?\s?[-−⁻]?[\d⁰-⁹]+)?|\d+e[-−]\d+)"
_IS = r"\s*(?:of|=|:|is|was|set to|at)?(?:\s*set to)?\s*"
_STRICT: dict[str, str] = {
    "num_epochs": r"\b(?:for|across)\s+(?:a total of\s+)?(~?\d+(?:\.\d+)?|one|two|three|four|five)\s+"
    r"(?:full |complete |training )?epochs?\b"
    r"|\btrain(?:ed|ing)?\s+(\d+(?:\.\d+)?)\s+epochs?\b|\bequal to\s+(\d+(?:\.\d+)?)\s+epochs?\b"
    r"|\b(\d+(?:\.\d+)?|one|two|three|four|five)\s+epochs?\s+(?:taking|of\s+(?:full\s+)?fine-?\s?tun\w+)\b",
    "learning_rate": rf"\b(?:learning rate|lr)\s*(?:\([^)]*\)\s*)?{_IS}{_NUMERAL}"
    r"|(?<![\w.])(\d[\d.]*e-\d+|0\.0\d+)\s+(?:peak\s+)?learning rate",
    "effective_batch_size": rf"\b(?:effective|global|total)\s+(?:train(?:ing)?\s+)?batch size{_IS}"
    r"(\d[\d,]*)(?![\d,]*\s*(?:K|M|tokens|\.\d|[x×]))",
    "warmup_ratio": rf"\bwarm-?up ratio{_IS}(\d*\.?\d+\s?%?)",
    "max_seq_length": rf"\b(?:max(?:imum)?\.?\s+)?(?:sequence|seq)\s+length"
    rf"(?:\s+was\s+limited\s+to\s+|{_IS})(\d[\d,]*)(?![\d,]*\s*[kK]|[\d,]*\.\d)",
    "beta": r"\b(?:beta|β)\s*(?:of|=|:|is|was|set to)\s*(\d*\.?\d+)",
    "weight_decay": rf"\bweight decay{_IS}{_NUMERAL}",
    "seed": rf"\b(?:random\s+)?seed{_IS}(\d{{1,9}})(?!\d|\.\d)",
}
_LOOSE: dict[str, str] = {
    "batch_size": r"(?<![\w.,-])(\d{1,5}) batch[- ]size\b|"
    rf"(?<!effective )(?<!global )(?<!total )\bbatch[- ]size{_IS}(\d[\d,]*)(?![\d,]*\s*(?:K|M|tokens|\.\d|[x×]))"
    r"|\bbatch(?:es)? of (\d[\d,]*) (?:sequences|examples|samples|sentences)\b",
    "gradient_accumulation_steps": r"\bgradient accumulation(?: steps?)?\s*(?:of|=|:|is|was|set to|over)\s*(\d[\d,]*)"
    r"|\bgradient accumulation (\d{1,4})\b(?![.,]\d)"
    r"|\b(\d[\d,]*)\s+gradient accumulation steps",
    "effective_batch_tokens": r"(\d[\d,.]*\s?[KM]?)\s+tokens per batch\b",
    "adam_betas": r"\bbetas\s*(?:=|of)?\s*[\[(]\s*(0?\.\d+\s*,\s*0?\.\d+)\s*[\])]",
    "warmup": r"(\d+(?:\.\d+)?\s?%|\d[\d,]*\s+steps)\s+(?:of\s+)?(?:the\s+steps\s+)?(?:for\s+)?(?:linear\s+)?warm-?up"
    r"|\bwarm-?up\s+(?:of|over|for)\s+(?:the first\s+)?(\d+(?:\.\d+)?\s?%|\d[\d,]*\s?[kK]?\s+steps)"
    r"|\bwarm[- ]?up\s+of\s+(\d[\d,]*)(?![\d,]*\s*(?:%|steps|epochs?|k\b)|\.\d)",
    "warmup_steps": r"\b(\d[\d,]*)\s+(?:linear\s+)?warm-?up\s+steps",
    "lr_scheduler_type": r"\b(cosine|linear|constant|polynomial|inverse square root)\s+(?:learning[- ]rate\s+|lr\s+)?"
    r"(?:decay|schedul\w+|annealing)",
    "total_steps": r"\b(?:pre-?|fine-?)?(?:train|tun)(?:ed|ing)?\b[^.;]{0,80}?\b(?:for|during)\s+(?:a total of\s+)?"
    r"(\d[\d,.]*\s?[kKM]?)\s+"
    r"(?:training\s+|optimi[sz]er\s+|gradient\s+)?(?:steps|updates)\b"
    r"|(?<!full model was )\btrained\b[^.;]{0,80}?\bfor\s+((?:one|two|three|four|five) million)\s+steps\b"
    r"|\btrained\s+(\d[\d,.]*\s?[kKM]?)\s+steps|\bfor\s+(\d[\d,]*)\s+steps in total\b"
    r"|\b((?:\d{1,2}|one|two|three|four|five) million)\s+training steps\b",
    "adam_beta1": r"(?:β|\bbeta)[_ ]?\{?1\}?\s*=\s*(0?\.\d+)",
    "adam_beta2": r"(?:β|\bbeta)[_ ]?\{?2\}?\s*=\s*(0?\.\d+)",
    "adam_epsilon": r"(?:ε|\bepsilon|\badam-eps)\s*(?:=|of)\s*(\d[\d.]*e-\d+)",
    "optimizer": r"\b(?:with|is|using|by|the|an?|and)\s+(?:the\s+)?((?:(?:8-?bit|paged)\s+)?"
    r"(?:AdamW|Adam|Adafactor|LION|SGD|LAMB|Sophia)(?:[-_ ]?8-?bit)?)\b(?![-\w])",
    "precision": r"\b(bf16|bfloat16|fp16|float16)\b(?:\s+mixed)?[- ]?(?:precision)?|\bmixed[- ]precision\s*\((\w+)\)",
    "lora_r": r"\b(?:rank|lora[_ ]r|r)\s*(?:of|=|:|is|was|set to)\s*(\d{1,4})\b",
    "lora_alpha": r"\b(?:lora[_ ])?(?:alpha|α)\s*(?:of|=|:|is|was|set to)\s*(\d{1,4})\b",
    "lora_dropout": r"\bdropout\s*(?:of|=|:|is|was|set to)\s*(\d*\.\d+)",
    "max_seq_length": r"\bsequences? of length (\d[\d,]*)\b(?![.,]\d)"
    r"|\bcontext\s+(?:length|size|window)\s*(?:of|=|:|is|was|set to)\s*(\d[\d,]*)"
    r"(?![\d,]*\s*[kK]|[\d,]*\.\d)",
}
"""Read from a sentence only where nothing else on the card states the key: such words are often meant loosely."""
LOOSE_KEYS = frozenset(_LOOSE) | {"warmup_ratio", "effective_batch_size", "per_device_batch_size"}
_BY_LANGUAGE: dict[str, str] = {
    "num_epochs": r"训练(?:了)?\s*(\d+(?:\.\d+)?)\s*个?\s*(?:epochs?|轮|个周期)|(\d+)\s*エポック"
    r"|(\d+)\s*(?:에폭|에포크)"
    r"|(?:pendant|sur|durante|por)\s+(\d+)\s+(?:époques|epochs|épocas|epocas)|trong\s+(\d+)\s+epochs?",
    "learning_rate": rf"(?:学习率|學習率|学習率|학습률)\s*(?:为|為|是|设为|は|を|은|는|:|：|=)?\s*{_NUMERAL}"
    rf"|(?:taux d['’]apprentissage|tasa de aprendizaje|tốc độ học)\s*(?:de|of|là|:|=)?\s*{_NUMERAL}",
    "batch_size": r"(?:批次大小|批量大小|批大小|バッチサイズ|배치 크기)\s*(?:为|為|是|は|を|는|:|：|=)?\s*(\d[\d,]*)"
    r"|(?:taille de lot|tamaño de lote)\s*(?:de|:|=)?\s*(\d[\d,]*)",
}
_MARKS: dict[str, tuple[str, ...]] = {
    "num_epochs": ("epoch",), "learning_rate": ("learning rate", "lr"), "effective_batch_size": ("batch size",),
    "warmup_ratio": ("warm",), "max_seq_length": ("length", "context"), "beta": ("beta", "β"),
    "total_steps": ("steps", "updates"), "adam_beta1": ("β", "beta"), "adam_beta2": ("β", "beta"),
    "adam_epsilon": ("ε", "epsilon", "adam-eps"),
    "weight_decay": ("weight decay",), "seed": ("seed",), "batch_size": ("batch",),
    "gradient_accumulation_steps": ("accumulation",), "warmup": ("warm",), "warmup_steps": ("warm",),
    "effective_batch_tokens": ("tokens per batch",), "adam_betas": ("betas",),
    "lr_scheduler_type": ("decay", "schedul", "anneal"),
    "optimizer": ("adam", "adafactor", "lion", "sgd", "lamb", "sophia"), "precision": ("16", "mixed"),
    "lora_r": ("r",), "lora_alpha": ("alpha", "α"), "lora_dropout": ("dropout",),
}  # fmt: skip
_FOREIGN_MARKS: dict[str, tuple[str, ...]] = {
    "num_epochs": ("训练", "エポック", "에폭", "에포크", "époque", "epoch", "épocas", "epocas"),
    "learning_rate": ("学习率", "學習率", "学習率", "학습률", "apprentissage", "aprendizaje", "tốc độ học"),
    "batch_size": ("批", "バッチ", "배치", "taille de lot", "tamaño de lote"),
}
Term = tuple[str, tuple[str, ...], re.Pattern[str]]
TERMS: tuple[Term, ...] = tuple(
    (key, _MARKS[key], re.compile(pattern, re.IGNORECASE)) for key, pattern in (*_STRICT.items(), *_LOOSE.items())
)
"""Key, marks in lower case of which one must stand in the sentence, pattern."""
FOREIGN_TERMS: tuple[Term, ...] = tuple(
    (key, _FOREIGN_MARKS[key], re.compile(pattern, re.IGNORECASE)) for key, pattern in _BY_LANGUAGE.items()
)
"""The same for sentences in other languages; marks as they stand."""
