"""How large the real model is: by its repository, by record, or by its name."""

from __future__ import annotations

import re

from repro.evidence import Evidence, Repo
from repro.memory import ModelShape
from repro.resolve.recipes import known_model
from repro.resolve.values import assumed
from repro.spec import AnyFact, Fact, Origin, missing

_WIDTHS = ((0.2e9, 768), (0.6e9, 1024), (2e9, 2048), (5e9, 3072), (10e9, 4096), (20e9, 5120), (50e9, 6144))
"""(parameters below, usual hidden size) of published decoder-only models; 8192 above."""


def parameters(names: tuple[str, ...], evidence: Evidence) -> AnyFact:
    """Parameters of the first of the models `names` of which anything is known; "total_params" is in units."""
    by_name = next((f for n in names if (f := _of_name(n)).known), missing("total_params"))
    for name in names:
        repo = _model(name, evidence)
        found = _of_repo(repo) if repo is not None else missing("total_params")
        if not isinstance(found.value, int):
            continue
        if isinstance(by_name.value, int) and not 1 / 3 <= found.value / by_name.value <= 3:
            continue  # an index that counts a shard or a pickle's tensors, not the model
        return found
    return (
        by_name if by_name.known else missing("total_params", "neither a repository nor a name gives the model's size")
    )


def width(names: tuple[str, ...], evidence: Evidence) -> AnyFact:
    """The hidden size of the first of the models `names` of which it is known, or what is usual for its size."""
    for name in names:
        repo = _model(name, evidence)
        found = repo.get("hidden_size") if repo is not None else missing("hidden_size")
        if isinstance(found.value, int) and found.value > 0:
            return found
    for name in names:
        known = known_model(name)
        if known:
            return Fact("hidden_size", known.hidden_size, Origin.ASSUMED, why=known.source)
    size = parameters(names, evidence)
    if isinstance(size.value, int):
        usual = next((w for limit, w in _WIDTHS if size.value < limit), 8192)
        return assumed("hidden_size", usual, f"usual for {size.value / 1e9:.3g} billion parameters")
    return assumed("hidden_size", 4096, "the model's width is not known: that of 7 to 8 billion parameters")


def _model(name: str, evidence: Evidence) -> Repo | None:
    return next((r for r in evidence.repos if r.repo_id == name and r.kind == "model"), None)


def shape(names: tuple[str, ...], evidence: Evidence) -> tuple[ModelShape | None, str]:
    """(shape of the first of the models `names` of which all is known, where it was read); a reason without one."""
    for name in names:
        repo = _model(name, evidence)
        found = _shape_of_repo(repo) if repo is not None else None
        if repo is not None and found is not None:
            return found, f"{repo.repo_id}@{repo.revision}:config.json"
    for name in names:
        known = known_model(name)
        if known:
            return known.shape, known.source
    return None, "neither a repository's config.json nor a model of record gives the shape"


def _shape_of_repo(repo: Repo) -> ModelShape | None:
    def whole(key: str) -> int:
        value = repo.get(key).value
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

    kind = repo.get("model_type").value
    heads, hidden = whole("num_attention_heads"), whole("hidden_size")
    found = ModelShape(
        model_type=kind if isinstance(kind, str) else "llama",
        vocab_size=whole("vocab_size"),
        hidden_size=hidden,
        intermediate_size=whole("intermediate_size"),
        num_hidden_layers=whole("num_hidden_layers"),
        num_attention_heads=heads,
        num_key_value_heads=whole("num_key_value_heads") or heads,
        head_dim=whole("head_dim") or (hidden // heads if heads else 0),
        tie_word_embeddings=repo.get("tie_word_embeddings").value is True,
    )
    needed = (found.vocab_size, hidden, found.intermediate_size, found.num_hidden_layers, heads, found.head_dim)
    return found if all(needed) else None


def _of_repo(repo: Repo) -> AnyFact:
    total = repo.get("total_params")
    if isinstance(total.value, int) and total.value > 0:
        return total
    found = _shape_of_repo(repo)
    if found is None or found.model_type not in {"llama", "mistral"}:
        return missing("total_params")
    count = found.parameters
    return Fact(
        "total_params", count, Origin.DERIVED, why=f"from the shape in {repo.repo_id}@{repo.revision}:config.json"
    )


def _of_name(name: str) -> AnyFact:
    known = known_model(name)
    if known:
        return assumed("total_params", known.parameters, known.source)
    tail = name.rsplit("/", 1)[-1]
    if re.search(r"\d+x\d+", tail):
        return missing("total_params", "a mixture of experts: its name does not give its size")
    match = re.search(r"(?<![A-Za-z0-9.])(\d{1,4}(?:\.\d{1,3})?)\s?([bBmM])(?![A-Za-z0-9])", tail)
    if not match or float(match[1]) == 0:
        return missing("total_params")
    count = round(float(match[1]) * (1e9 if match[2] in "bB" else 1e6))
    return assumed("total_params", count, f"the name says {match[0]}")
