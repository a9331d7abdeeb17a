"""R6, continued: memory, hardware and the files that serving needs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.arithmetic import BYTES_PER_PARAMETER, weights_gb
from repro.check.lineage import parameters, stage_fact
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import SHELL, source_span
from repro.check.tokens import subject
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Claim, ClaimKind, Spec

GPU_GB: dict[str, tuple[int, ...]] = {
    "H200": (141,),
    "H100": (80, 94),
    "A100": (40, 80),
    "A6000": (48,),
    "L40S": (48,),
    "L40": (48,),
    "L4": (24,),
    "A40": (48,),
    "A10G": (24,),
    "A10": (24,),
    "V100": (16, 32),
    "T4": (16,),
    "P100": (16,),
    "RTX 5090": (32,),
    "RTX 4090": (24,),
    "RTX 4080": (16,),
    "RTX 4070": (12,),
    "RTX 4060": (8, 16),
    "RTX 3090": (24,),
    "RTX 3080": (10, 12),
    "RTX 3070": (8,),
    "RTX 3060": (12, 8),
}
"""Memory of one device by NVIDIA's data sheets, GB; several where it was sold with several."""
_GPU = re.compile(
    r"(?<![A-Za-z0-9])(?:(RTX) ?)?(H200|H100|A100|A6000|L40S|L40|L4|A40|A10G|A10|V100|T4|P100|[345]0[6-9]0)"
    r"(?![0-9])(?: ?-? ?(\d{2,3}) ?GB)?"
)
_MAX_LENGTH = re.compile(r"--max[-_]model[-_]len[ =]+(\d{2,7})")
_NAMES = {"bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16", "fp32": "fp32", "float32": "fp32"}
_NAMES |= {
    "int8": "int8",
    "8-bit": "int8",
    "8bit": "int8",
    "int4": "int4",
    "4-bit": "int4",
    "4bit": "int4",
    "nf4": "nf4",
    "fp8": "fp8",
}


def _memory(spec: Spec) -> list[tuple[Claim, str]]:
    """Memory claims with their precision."""
    found = []
    for claim in spec.claims:
        if claim.kind is not ClaimKind.INFERENCE or claim.number is None:
            continue
        if not claim.number.unit.lower().startswith(("gb", "gib")):
            continue
        words = [str(f.value) for f in claim.conditions if f.key == "precision" and f.known] + [
            claim.id.rpartition(".")[2]
        ]
        name = next((_NAMES[w] for text in words for w in re.split(r"[/, ]+", text.lower()) if w in _NAMES), None)
        if name:
            found.append((claim, name))
    return found


@check("R605", "memory-holds-weights", severity=Severity.MEDIUM, asks="memory")
def memory_holds_weights(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Stated memory holds the weights

    What: Multiplies the parameters by the bytes of each precision and compares the product with the stated memory.
    Why: Weights alone are a lower bound; cache and activations come on top.
    Fix: State measured peak memory, with batch size and context length.
    Sources: https://huggingface.co/docs/transformers/llm_optims;
    https://huggingface.co/docs/accelerate/usage_guides/model_size_estimator
    """
    memory = _memory(spec)
    if not memory:
        return [absent("No memory is stated for a precision.")]
    size = parameters(spec, evidence)
    if size is None:
        return [unknown("How many parameters the model has is not known here.", memory[0][0].span)]
    count, why = size
    found = []
    for claim, precision in memory:
        low, high = weights_gb(count.lo, precision), weights_gb(count.hi, precision)
        assert claim.number is not None
        scale = 1.073741824 if claim.number.unit.lower().startswith("gib") else 1.0
        stated = claim.number.interval * scale
        amount = f"{high:.1f} GB" if high - low < 0.1 else f"{low:.1f} to {high:.1f} GB"
        words = f"{precision}: the weights take {amount} ({why}), stated {claim.printed}"
        if stated.hi * 1.0737 < low:  # a stated GB may be meant as GiB
            found.append(failed(f"{words}.", claim.span, claims=(claim.id,)))
        elif claim.number.value * scale < high:
            found.append(
                unknown(
                    f"{words}: hardly room, and the card does not say what was measured.",
                    claim.span,
                    claims=(claim.id,),
                )
            )
        else:
            found.append(passed(f"{words}: room for them.", claim.span, claims=(claim.id,)))
    return found


@check(
    "R606",
    "served-length",
    severity=Severity.LOW,
    confidence=Severity.MEDIUM,
    needs=("card", "parent", "subject"),
    asks="code",
)
def served_length(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The served context is one the model can hold

    What: Compares --max_model_len in serving commands with the training length and with the configuration's maximum.
    Why: Past the configured positions the server refuses to start; past the training length quality is untested.
    Fix: Serve at most max_position_embeddings, and state the length the model was trained at.
    Sources: https://docs.vllm.ai/en/latest/configuration/engine_args.html
    """
    found = []
    repo = subject(evidence)
    limit = repo.get("max_position_embeddings").value if repo else None
    lengths = [stage_fact(s, "max_seq_length", evidence) for s in spec.stages]
    trained = [f for f in lengths if isinstance(f.value, int)]
    for block in spec.code:
        if block.language.lower() not in SHELL:
            continue
        for number, line in enumerate(block.text.split("\n"), start=1):
            match = _MAX_LENGTH.search(line[:2000])
            if not match:
                continue
            served, span = int(match.group(1)), source_span(block, number)
            best = max(trained, key=lambda f: f.value if isinstance(f.value, int) else 0, default=None)
            longest = best.value if best is not None and isinstance(best.value, int) else None
            if isinstance(limit, int) and served > limit:
                found.append(failed(f"Served at {served:,} tokens; the configuration has {limit:,} positions.", span))
            elif longest is None:
                found.append(unknown(f"Served at {served:,} tokens; the training length is not stated.", span))
            elif served > longest:
                found.append(
                    unknown(
                        f"Served at {served:,} tokens, trained at {longest:,}: longer prompts are untested.",
                        span,
                        best.span if best else None,
                    )
                )
            else:
                found.append(
                    passed(f"Served at {served:,} tokens, trained at {longest:,}.", span, best.span if best else None)
                )
    return found or [absent("No serving command sets a length.")]


@check("R607", "weights-without-pickle", severity=Severity.MEDIUM, needs=("subject",), asks="repository")
def weights_without_pickle(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Weights are published as safetensors

    What: Looks at the repository's files: weights only as pickles (.bin, .pt, .ckpt), or as safetensors.
    Why: Loading a pickle runs what it says; current loaders refuse or warn, and counts cannot be read without a
    download.
    Fix: Save with `model.save_pretrained(...)` of a current release, which writes safetensors.
    Sources: https://huggingface.co/docs/hub/security-pickle; CVE-2025-32434
    """
    repo = subject(evidence)
    if repo is None or not repo.files:
        return [unknown("The repository's file list was not looked at.")]
    names = [f.path for f in repo.files]
    pickles = [
        n for n in names if re.search(r"(?:pytorch_model|adapter_model|consolidated).{0,40}\.(?:bin|pt|pth|ckpt)$", n)
    ]
    if any(n.endswith(".safetensors") for n in names):
        return [passed(f"{repo.source} has safetensors.")]
    if any(n.endswith(".gguf") for n in names) and not pickles:
        return [passed(f"{repo.source} has GGUF files.")]
    if pickles:
        return [failed(f"{repo.source} holds the weights only as pickles: {listing(pickles, 2)}.")]
    return [absent(f"{repo.source} lists no weights.")]


@check("R609", "named-gpus-suffice", severity=Severity.MEDIUM, asks="memory")
def named_gpus_suffice(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Named GPUs have the memory that is asked for

    What: Compares the memory of each GPU named beside a precision with the weights and with the stated requirement.
    Why: A reader buys or rents by this table.
    Fix: Name only GPUs on which the model was loaded at that precision.
    Sources: NVIDIA data sheets (A100, A10, T4, GeForce RTX 30 and 40 series)
    """
    memory = _memory(spec)
    size = parameters(spec, evidence) if memory else None
    found = []
    for claim, precision in memory:
        listed = [v for f in claim.conditions if f.key == "gpus" and isinstance(f.value, tuple) for v in f.value]
        listed += [str(f.value) for f in claim.conditions if f.key == "gpus" and isinstance(f.value, str)]
        if not listed:
            continue
        assert claim.number is not None
        small: list[str] = []
        tight: list[str] = []
        fine: list[str] = []
        least = weights_gb(size[0].lo, precision) if size else 0.0
        for name, rooms in devices(listed):
            if max(rooms) * 1.0737 < least:
                small.append(f"{name} ({max(rooms)} GB)")
            elif min(rooms) <= claim.number.value:
                tight.append(f"{name} ({min(rooms)} GB)")
            else:
                fine.append(f"{name} ({min(rooms)} GB)")
        words = f"{precision}, {claim.printed} asked for"
        if small:
            found.append(
                failed(
                    f"{words}: {listing(small)} cannot hold {least:.1f} GB of weights.", claim.span, claims=(claim.id,)
                )
            )
        elif tight:
            found.append(
                unknown(
                    f"{words}: {listing(tight)} has no more than that; a measured peak would tell.",
                    claim.span,
                    claims=(claim.id,),
                )
            )
        elif fine and size:
            found.append(passed(f"{words}: {listing(fine)}.", claim.span, claims=(claim.id,)))
        elif fine:
            found.append(unknown(f"{words}: {listing(fine)}; the parameters are not known here.", claim.span))
    return found or [absent("No GPU is named beside a memory requirement.")]


def devices(texts: list[str]) -> list[tuple[str, tuple[int, ...]]]:
    """GPUs in texts such as "RTX 4090/3090", with the memory that is named, or all that they were sold with."""
    found = []
    for text in texts:
        for match in _GPU.finditer(text[:1000]):
            name = f"RTX {match.group(2)}" if match.group(2).isdecimal() else match.group(2)
            if name in GPU_GB:
                found.append((name, (int(match.group(3)),) if match.group(3) else GPU_GB[name]))
    return found


assert set(_NAMES.values()) <= set(BYTES_PER_PARAMETER)
