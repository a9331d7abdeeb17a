"""A repository's listing and small texts -> a Repo: facts with their file and line, and published losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repro.card import Span
from repro.evidence import LoggedLoss, Repo, RepoFile
from repro.gather.dataset_files import rows_facts
from repro.gather.front_matter import front_matter
from repro.gather.logs import read_json
from repro.gather.model_files import (
    config_facts,
    config_parameters,
    generation_facts,
    header_parameters,
    index_facts,
    key_line,
    safetensors_header,
    token_facts,
)
from repro.gather.training_record import training_record
from repro.spec import AnyFact, Fact, Origin, Value

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def describe(
    *,
    repo_id: str,
    kind: str,
    role: str,
    revision: str,
    source: str,
    sizes: Mapping[str, int | None],
    texts: Mapping[str, str],
    headers: Mapping[str, bytes] | None = None,
    notes: Mapping[str, str] | None = None,
    extra: Iterable[AnyFact] = (),
) -> Repo:
    """Everything the files say. What cannot be read is a MISSING fact under the file's name, with the reason.

    `headers` are the first bytes of safetensors files; `notes` are reasons, by file, why a text was not fetched.
    """
    at = f"{repo_id}@{revision[:12]}"

    def place(file: str, key: str) -> Span:
        line = key_line(texts.get(file, ""), key)
        return Span(f"{at}:{file}", line, line)

    facts: list[AnyFact] = list(extra)
    losses: tuple[LoggedLoss, ...] = ()
    parsed: dict[str, dict[str, Any]] = {}
    for file, text in texts.items():
        if file.endswith(".json"):
            data, why = read_json(text)
            if isinstance(data, dict):
                parsed[file] = data
            else:
                facts.append(_unread(file, why or "not a mapping", place(file, "")))
    if kind == "dataset":
        facts += rows_facts(texts.get("README.md", ""), place)
    else:
        facts += _model_facts(parsed, texts, headers or {}, place)
        losses, more = training_record(repo_id, parsed, texts, place)
        facts += more
    # The subject's card cannot be a witness for itself.
    if role != "subject":
        facts += _readme_facts(texts.get("README.md", ""), place)
    facts += [_unread(file, why, place(file, "")) for file, why in (notes or {}).items()]
    files = tuple(RepoFile(path, size, texts.get(path)) for path, size in sorted(sizes.items()))
    return Repo(repo_id, kind, role, revision, source, files, _distinct(facts), losses)


def _distinct(facts: Iterable[AnyFact]) -> tuple[AnyFact, ...]:
    """Without the facts that repeat an earlier one; those that contradict it stay."""
    kept: dict[object, AnyFact] = {}
    for fact in facts:
        kept.setdefault((fact.key, type(fact.value), fact.value, fact.why if fact.value is None else ""), fact)
    return tuple(kept.values())


def _model_facts(
    parsed: Mapping[str, dict[str, Any]], texts: Mapping[str, str], headers: Mapping[str, bytes], place: Any
) -> Iterator[AnyFact]:
    config = parsed.get("config.json", {})
    shape = list(config_facts(config, place))
    yield from shape
    yield from generation_facts(parsed.get("generation_config.json", {}), place)
    # transformers lets the template file stand over tokenizer_config.json, and that over special_tokens_map.json.
    if texts.get("chat_template.jinja", "").strip():
        template = texts["chat_template.jinja"]
        span = Span(place("chat_template.jinja", "").source, 1, max(1, len(template.splitlines())))
        yield Fact("chat_template", template, Origin.FOUND, span=span, why="chat_template.jinja")
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        yield from token_facts(parsed.get(file, {}), place, file)
    yield from _adapter_facts(parsed.get("adapter_config.json", {}), place)
    yield from _parameters(parsed, config, shape, headers, place)


def _parameters(
    parsed: Mapping[str, dict[str, Any]],
    config: Mapping[str, Any],
    shape: list[AnyFact],
    headers: Mapping[str, bytes],
    place: Any,
) -> Iterator[AnyFact]:
    """total_params once, by the best evidence there is; the config's own count stands beside it."""
    known = False
    if headers:
        read = {file: safetensors_header(start) for file, start in headers.items()}
        bad = next((f"{file}: {why}" for file, (header, _, why) in read.items() if why or not header), "")
        counted, why = ((), bad) if bad else header_parameters({f: h for f, (h, _, _) in read.items()}, place)
        yield from counted
        known = bool(counted)
        if not counted:
            yield _unread("safetensors headers", why, place(next(iter(headers)), ""))
    dtype = next((str(f.value) for f in shape if f.key == "torch_dtype"), "")
    quantized = any(f.key == "quantization" for f in shape)
    for file in INDEXES:
        for fact in index_facts(parsed.get(file, {}), place, file, "" if quantized else dtype):
            if fact.key != "total_params":
                yield fact
            elif not known:
                known = True
                yield fact
    computed = config_parameters(config, place)
    if computed is not None:
        yield computed
        if not known:
            yield Fact("total_params", computed.value, Origin.DERIVED, span=computed.span, why=computed.why)


def _adapter_facts(data: Mapping[str, Any], place: Any) -> Iterator[AnyFact]:
    names = {"base_model_name_or_path": "adapter_base_model", "peft_type": "peft_type", "r": "lora_r"}
    names |= {"lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "target_modules": "lora_target_modules"}
    names |= {"bias": "lora_bias", "use_rslora": "use_rslora"}
    for key, name in names.items():
        value = data.get(key)
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            value = tuple(value)
        if isinstance(value, (str, int, float, tuple)) and isinstance(value, bool) == (key == "use_rslora"):
            why = "adapter_config.json says so"
            span = place("adapter_config.json", key)
            printed = ", ".join(value) if isinstance(value, tuple) else str(value)
            yield Fact(name, value, Origin.FOUND, printed=printed, span=span, why=why)


def _readme_facts(readme: str, place: Any) -> Iterator[AnyFact]:
    if not readme:
        return
    matter, why = front_matter(readme)
    if why:
        yield _unread("README.md", why, place("README.md", ""))
    for key in ("license", "license_name", "base_model"):
        value: Value | None = _words(matter.get(key))
        if value is not None:
            printed = value if isinstance(value, str) else ", ".join(str(v) for v in value)  # type: ignore[union-attr]
            span = place("README.md", key)
            yield Fact(key, value, Origin.FOUND, printed=printed, span=span, why="front matter of README.md")


def _words(value: Any) -> str | tuple[str, ...] | None:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return value[0] if len(value) == 1 else tuple(value)
    return None


def _unread(file: str, why: str, span: Span) -> AnyFact:
    return Fact(file, None, Origin.MISSING, span=span, why=why)
