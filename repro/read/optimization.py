"""Optimizers and schedules as cards print them, in their standard names."""

from __future__ import annotations

import re

from repro.read.statement import Parameter
from repro.read.values import fold, number


def scheduler(printed: str) -> str:
    """A schedule's standard name ("Linear" -> "linear"); what is not one of them stays as printed, in lower case."""
    folded = fold(re.sub(r"(?i)schedulertype\.", "", printed))
    plain = re.sub(r"\b(?:schedule|scheduler|decay|annealing|learning rate|lr|to 0|to zero|with|and|a)\b", " ", folded)
    plain = " ".join(plain.split())
    names = {
        "linear": "linear", "linear warmup linear": "linear", "warmup linear": "linear",
        "cosine": "cosine", "warmup cosine": "cosine", "cosine warmup": "cosine",
        "linear warmup cosine": "cosine", "cosine linear warmup": "cosine", "constant": "constant",
        "constant warmup": "constant_with_warmup", "polynomial": "polynomial", "inverse sqrt": "inverse_sqrt",
        "cosine restarts": "cosine_with_restarts", "none": "constant",
        "warmuplinear": "linear", "warmupcosine": "cosine", "warmupconstant": "constant_with_warmup",
        "constantlr": "constant", "linearwarmup": "linear",
    }  # fmt: skip
    return names.get(plain, folded.replace(" ", "_"))


_END = re.compile(r"(?i)\b(?:to|down to|min(?:imum)?(?: lr)?(?: of)?|min_lr\s*=)\s*(\d*\.?\d+(?:e[-+]?\d+)?)\)?$")
_WARM = re.compile(
    r"(?i)(?P<before>\d[\d.,]*\s?%?)(?:[-_ ](?:steps?|iterations?))?\s*(?:of\s+)?(?:steps?\s+)?(?:linear\s+)?"
    r"warm-?up(?:[-_ ]steps?)?"
    r"|(?:linear\s+)?warm-?up(?:[-_ ](?:steps?|ratio|of|for|over))*\s*[(:=]*\s*(?P<after>\d[\d.,]*\s?%?)"
    r"(?:\s*steps?)?\)?"
)


def schedule(printed: str) -> tuple[Parameter, ...]:
    """A schedule's standard name, with the warmup and the last rate that stand beside it ("cosine to 3e-6")."""
    rest, found = printed, []
    if (end := _END.search(rest)) and (read := number(end.group(1))) and read.value < 1:
        rest = rest[: end.start()].rstrip(" ,(")
        if read.value:
            found.append(Parameter("min_learning_rate", end.group(1), read.value, read))
    if (warm := _WARM.search(rest)) and (
        read := number(text := (warm["before"] or warm["after"]).strip().rstrip(".,"))
    ):
        percent, steps = read.unit == "%", "step" in warm.group(0).lower() or "iteration" in warm.group(0).lower()
        if percent or 0 < read.value < 1:
            value = float(f"{read.value / 100:.12g}") if percent else read.value
            found.append(Parameter("warmup_ratio", text, value, read))
        elif steps and read.value == int(read.value):
            found.append(Parameter("warmup_steps", text, int(read.value), read))
        before, after = rest[: warm.start()], rest[warm.end() :]
        # "linear with 100 warmup steps" is linear; only a constant schedule's name tells of its warmup.
        rest = f"{before} warmup {after}" if "constant" in before.lower() else f"{before} {after}"
    return (Parameter("lr_scheduler_type", printed, scheduler(rest)), *found)


def optimizer(printed: str) -> tuple[Parameter, ...]:
    """An optimizer's standard name, with the betas, epsilon and weight decay that stand beside it."""
    lowered = printed.lower()
    folded = fold(re.sub(r"(?i)optimizernames\.", "", printed))
    why = ""
    match = re.search(
        r"\b((?:paged )?adamw?(?: \w*bit| torch| hf| apex| bnb| anyprecision| fused| 8bit| 32bit)*)\b", folded
    )
    name = match.group(1) if match else folded.split(" with ")[0].split(" optimizer")[0].strip()
    if match:
        if re.search(r"\b8 ?bit\b|8bit", folded):
            name = "adamw_8bit" if "adamw" in name else "adam_8bit"
        elif "adamw" in name:
            name = "adamw"
        elif re.match(r"adam with betas=\(", lowered):
            # transformers/modelcard.py before 4.46 prints "Adam with betas" for every optimizer but Adafactor.
            name, why = "adamw", "generated cards of this form print Adam for the Trainer's default, AdamW"
        else:
            name = "adam"
    found = [Parameter("optimizer", printed, name.replace(" ", "_"), None, why)]
    found.extend(betas(printed) if re.search(r"(?i)beta|β|\(\s*0?\.\d+\s*,\s*0?\.\d+\s*\)", printed) else ())
    if epsilon := re.search(r"(?i)(?:epsilon|\beps|ε)\s*(?:=|:|of)?\s*([\d.]+(?:e[-+]?\d+)?)", printed):
        found.extend(_named("adam_epsilon", epsilon.group(1)))
    if decay := re.search(r"(?i)weight[_ ]decay\s*(?:=|:|of)?\s*([\d.]+(?:e[-+]?\d+)?)", printed):
        found.extend(_named("weight_decay", decay.group(1)))
    return tuple(found)


def betas(printed: str) -> tuple[Parameter, ...]:
    """Adam's two betas, where a text prints both."""
    pair = re.search(r"[(\[]?\s*(0?\.\d+)\s*[,/;]\s*(0?\.\d+)\s*[)\]]?", printed)
    if pair is None:
        pair = re.search(r"(?i)(?:beta|β)_?1\s*[=:]\s*(0?\.\d+).{0,12}(?:beta|β)_?2\s*[=:]\s*(0?\.\d+)", printed)
    if pair is None:
        return ()
    return _named("adam_beta1", pair.group(1)) + _named("adam_beta2", pair.group(2))


def _named(key: str, printed: str) -> tuple[Parameter, ...]:
    read = number(printed.rstrip("."))
    return (Parameter(key, printed.rstrip("."), read.value, read),) if read else ()
