"""R1, continued: what the published repository says of itself, part against part."""

from __future__ import annotations

from collections.abc import Iterable

from repro.arithmetic import BYTES_PER_PARAMETER, llama_parameters
from repro.check.lineage import size_in_name
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.tokens import subject
from repro.evidence import Evidence, Repo
from repro.finding import Observation, Severity, check
from repro.spec import Spec

LLAMA_SHAPED = frozenset({"llama", "mistral"})
"""Architectures of which `llama_parameters` counts every weight."""
_WIDTHS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "bf16": "bf16", "fp16": "fp16", "fp32": "fp32"}


def _integer(repo: Repo, key: str) -> int | None:
    value = repo.get(key).value
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def shape_parameters(repo: Repo) -> int | None:
    """Parameters that the repository's config.json implies, for architectures that are counted exactly."""
    kind = repo.get("model_type").value
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes = {name: _integer(repo, name) for name in names}
    if (kind is not None and kind not in LLAMA_SHAPED) or any(v is None for v in sizes.values()):
        return None
    numbers = {name: value for name, value in sizes.items() if value is not None}
    heads = _integer(repo, "num_key_value_heads") or numbers["num_attention_heads"]
    tied = repo.get("tie_word_embeddings").value is True
    return llama_parameters(
        **numbers, num_key_value_heads=heads, head_dim=_integer(repo, "head_dim"), tie_word_embeddings=tied
    )


def _missing(what: str) -> list[Observation]:
    return [unknown(f"The model's repository was not looked at, or lacks {what}.")]


@check("R104", "shape-against-size", severity=Severity.HIGH, needs=("card", "subject"))
def shape_against_size(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The published configuration has the size that the name claims

    What: Counts the parameters that config.json implies and compares them with the size in the model's name.
    Why: A configuration of another size means that other weights were published than the card describes.
    Fix: Publish the configuration of the described weights, or correct the name.
    Sources: Touvron et al. 2023 (Llama architecture); https://huggingface.co/docs/transformers/model_doc/llama
    """
    name = str(spec.get("model_id").value or spec.name)
    claimed = size_in_name(name)
    if claimed is None:
        return [absent("The model's name says no size.")]
    repo = subject(evidence)
    count = shape_parameters(repo) if repo else None
    if repo is None or count is None:
        return _missing("a configuration of a shape that can be counted")
    words = f"config.json implies {count / 1e9:.3g}B parameters; the name {name} says {claimed / 1e9:g}B"
    span = repo.get("hidden_size").span
    if abs(count / claimed - 1.0) > 0.25:
        return [failed(f"{words}.", span)]
    return [passed(f"{words}, which agrees.", span)]


@check("R105", "index-against-parameters", severity=Severity.MEDIUM, needs=("subject",), asks="repository")
def index_against_parameters(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The weight index counts bytes and parameters that can belong together

    What: Divides the index's total size by its parameter count; one parameter takes between half a byte and four.
    Why: Tools show the index's count as the model's size, and plan memory by it.
    Fix: Save the model again from gathered weights; a sharded state (ZeRO-3) counts one process's remainder only.
    Sources: huggingface/transformers src/transformers/modeling_utils.py save_pretrained;
    https://huggingface.co/docs/safetensors/metadata_parsing
    """
    repo = subject(evidence)
    if repo is None:
        return _missing("a weight index")
    size, count = _integer(repo, "index_total_size_bytes"), _integer(repo, "index_total_parameters")
    if size is None or count is None:
        return [unknown(f"{repo.source} has no index with both a size and a parameter count.")]
    each = size / count
    words = f"the index says {count:,} parameters in {size:,} bytes, {each:,.4g} bytes each"
    span = repo.get("index_total_parameters").span
    if 0.4 <= each <= 8.5:
        return [passed(f"{words[0].upper()}{words[1:]}.", span)]
    real = size / 2
    return [failed(f"{words[0].upper()}{words[1:]}; at two bytes each it would be {real / 1e9:.3g}B parameters.", span)]


@check(
    "R106",
    "stored-precision",
    severity=Severity.LOW,
    confidence=Severity.MEDIUM,
    needs=("card", "subject"),
    asks="repository",
)
def stored_precision(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Stated precision, configuration and stored bytes agree

    What: Compares the precision in the card with the dtype in config.json, and that with the bytes a parameter takes.
    Why: Weights stored in another width than stated double or halve the memory, and rounding changes the scores.
    Fix: State in which precision training computed and in which the weights are stored.
    Sources: https://huggingface.co/docs/transformers/main_classes/configuration; NeMo Automodel PR 3875
    """
    repo = subject(evidence)
    if repo is None:
        return _missing("config.json")
    fact = repo.get("torch_dtype") if repo.get("torch_dtype").known else repo.get("dtype")
    stored = _WIDTHS.get(str(fact.value).replace("torch.", ""))
    if stored is None:
        return [unknown(f"{repo.source} does not say in which precision the weights are stored.")]
    size, count = _integer(repo, "index_total_size_bytes"), shape_parameters(repo)
    if size and count:
        each = size / count
        if abs(each / BYTES_PER_PARAMETER[stored] - 1.0) > 0.1:
            words = f"config.json says {stored} ({BYTES_PER_PARAMETER[stored]:g} bytes a parameter)"
            return [failed(f"{words}; the weights take {each:.2f}.", fact.span)]
    stated = next((s.get("precision") for s in reversed(spec.stages) if s.get("precision").known), None)
    if stated is None:
        return [absent("The card states no precision.")]
    if str(stated.value) == stored:
        return [passed(f"Stated and stored precision are both {stored}.", stated.span, fact.span)]
    words = f"The card says {stated.printed or stated.value}, the weights are stored as {stored}"
    return [unknown(f"{words}: mixed precision may do that; the card would have to say so.", stated.span, fact.span)]
