"""Settings in code: a trainer's YAML file, a training command, keyword arguments, a pasted log."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Span
from repro.read.adapters import target_modules
from repro.read.document import REPO_ID, Document, stage_in
from repro.read.html_text import without_html
from repro.read.names import TELLING, TRAINING, term
from repro.read.parameters import interpret
from repro.read.statement import Gathered, Statement
from repro.read.values import fold, kept, left_open, number
from repro.read.yaml_lines import Entry, entries

_SETTING = re.compile(
    r"^\s{0,8}(?:--)?(?P<label>[A-Za-z][\w .()/,&-]{0,90}?)\s*(?:[:=]\s*|\s+(?=[\d.+-]+\S*$))(?P<value>\S.*?)\s*$"
)
_FIGURE = re.compile(r"[\d.+-]")
_FLAG = re.compile(r"--(?P<label>[A-Za-z][\w-]*)[ =](?P<value>[^\s\\-][^\s\\]*)")
_SWITCH = re.compile(r"--(bf16|fp16|tf32|gradient_checkpointing|packing|load_in_4bit|load_in_8bit)(?=\s*(?:--|\\|$))")
_FLAGS = re.compile(r"\.py\b[^#]{0,3000}?\s--(?:learning_rate|num_train_epochs)\b")
_TUNED = re.compile(r"(?i)\bfine-?tuned\b")
_TRAININGS = frozenset(
    ("training", "model training", "training procedure", "training command", "training script", "training parameters")
)
"""Headings under which a command is the one that trained the model."""
_CONSTANT = re.compile(r"(?P<label>[A-Z][A-Z0-9_]{1,40}) = (?P<value>[\d.]+(?:e-?\d+)?)\s*(?:#.*)?$")
_USED = re.compile(
    r"(?i)\bwas used (?:to|for) (?:pre-?|fine-?)?(?:train|tun)\w*|\bsettings? (?:was|were) used (?:in|for|during) train"
)
_READERS = re.compile(r"(?i)\bpath[_/-]?to\b|^(?:your|my)[_/-]|^<|^\$|/your[_/-]|^(?:\./)?(?:output|checkpoint)")
"""A model that a command is to start from and that its reader must name: the command trained no model yet."""
_REPOSITORY = re.compile(r"[\w-]+(?:/[\w.-]+)?")
_CALLS = re.compile(
    r"\b(?:Seq2Seq)?(?:TrainingArguments|(?:SFT|DPO|ORPO|KTO|CPO|GRPO|PPO|Reward)(?:Config|Trainer)|LoraConfig|"
    r"get_peft_model|UnslothTrainingArguments)\s*\("
)
_ARGUMENT = re.compile(
    r"(?<![\w.])(?P<label>[a-z_][a-z_0-9]{0,40})\s*=\s*"
    r"(?P<value>\[[^\[\]]{0,400}\]|\"[^\"\n]*\"|'[^'\n]*'|[^,()\s]+)"
)
_MEMBER = re.compile(
    r"\"(?P<label>[A-Za-z_]\w{0,60})\"\s*:\s*(?P<value>\[[^\[\]{}]{0,2000}\]|\"[^\"\n]{0,300}\"|[^\s,{}\[\]]{1,40})"
)
_CONFIG = re.compile(r"(?m)^(?:base_model|model_name_or_path|sequence_len|micro_batch_size|lora_r|adapter)\s*:")
_NO_YAML = frozenset(("python", "py", "python3", "bibtex", "diff"))
_OTHER_WORDS = (
    "pad_to_sequence_len flash_attention deepspeed attn_implementation use_bnb save_strategy save_total_limit "
    "evals_per_epoch saves_per_epoch early_stopping_patience doc_stride fan_in_fan_out modules_to_save "
    "bnb_4bit_quant_type bnb_4bit_use_double_quant bnb_4bit_compute_dtype bnb_8bit_compute_dtype llm_int8_threshold "
    "llm_int8_enable_fp32_cpu_offload llm_int8_has_fp16_weight use_nested_quant "
    "max_source_length max_target_length max_prompt_length torch_compile ddp_find_unused_parameters"
)
_OTHERS = frozenset(_OTHER_WORDS.split())
_OF_A_FILE = frozenset(("save_strategy", "save_total_limit"))
"""Settings that a recipe states; on a command line they are of the one run."""
"""Settings of a recipe that no term is for and that change what is trained or how fast."""
_PLAIN = re.compile(r"[A-Za-z]\w{1,40}")
_DATA = frozenset(("dataset", "dataset_name", "train_dataset", "dataset_mixer"))
Pair = tuple[int, str, str]


def read_settings(doc: Document) -> Gathered:
    """Statements of code and HTML blocks that hold settings."""
    found: list[Statement] = []
    for index, block in enumerate(doc.blocks):
        if block.kind is BlockKind.CODE and len(block.text) < 60_000:
            if block.language in _NO_YAML or "(" in block.text:
                found.extend(_arguments(doc, index, block))
            if block.language in _NO_YAML and _FLAGS.search(block.text):
                found.extend(_settings(doc, index, block))
            if block.language in _NO_YAML and "yperparameter" in doc.introduction(index):
                found.extend(_constants(doc, index, block))
            if block.text.lstrip()[:1] == "{" and '":' in block.text:
                found.extend(_members(doc, index, block))
            elif block.language not in _NO_YAML and "merge_method" not in block.text:
                found.extend(_settings(doc, index, block))
        elif block.kind is BlockKind.PARAGRAPH and "Arguments(" in block.text:
            found.extend(_arguments(doc, index, block))
        elif block.kind is BlockKind.HTML and len(block.text) < 60_000 and "<pre" in block.text.lower():
            found.extend(_settings(doc, index, block))
    return Gathered(statements=tuple(found))


def _constants(doc: Document, index: int, block: Block) -> list[Statement]:
    """The numbers that a program sets in capitals, in code that the text calls hyperparameters."""
    first = doc.code_line(block)
    read = ((first + at, _CONSTANT.match(line)) for at, line in enumerate(block.text.split("\n")))
    return _statements(doc, index, [(line, match["label"], match["value"]) for line, match in read if match])


def _settings(doc: Document, index: int, block: Block) -> list[Statement]:
    first = doc.code_line(block)
    if block.kind is BlockKind.CODE and _CONFIG.search(block.text):
        read = list(entries(block.text))
        pairs = [(first + e.line, e.path[0], e.value) for e in read if len(e.path) == 1 and e.value]
        found = _statements(doc, index, pairs)
        return [*found, *_recipe(doc, index, read, first)] if found else []
    pairs = []
    for offset, content in enumerate(block.text.split("\n")):
        bare = without_html(content) if block.kind is BlockKind.HTML else content
        flags = _FLAG.findall(bare) if "--" in bare else []
        if "--" in bare:
            pairs.extend((first + offset, label, f"--{label}") for label in _SWITCH.findall(bare))
            if "--adafactor" in bare:
                pairs.append((first + offset, "optimizer", "adafactor"))
        if flags:
            pairs.extend(
                (first + offset, label, value.strip("\"'")) for label, value in flags if label not in _OF_A_FILE
            )
        elif not (":" in bare or "=" in bare or _FIGURE.search(bare)):
            continue  # no setting
        elif not bare.lstrip().startswith(("#", "//", "{", "-")) and (match := _SETTING.match(bare)):
            value = re.sub(r"\s+#.*$", "", match["value"]).strip("\"',")
            pairs.append((first + offset, match["label"].strip("\"'"), value))
    if any(label == "model_name_or_path" and _of_readers(doc, value) for _, label, value in pairs):
        return []
    made = _statements(doc, index, pairs)
    return [*made, *_flagged(doc, index, pairs)] if made else []


def _of_readers(doc: Document, start: str) -> bool:
    """Whether a command that starts from this model trains another: one of those who use this one."""
    return _READERS.search(start) is not None or (REPO_ID.fullmatch(start) is not None and doc.is_own_name(start))


def _flagged(doc: Document, index: int, pairs: list[Pair]) -> Iterator[Statement]:
    """The model that a command starts from, where the card says first of all that its own was fine-tuned.

    Cards on other models show commands too: how to tune them further.
    """
    block = doc.blocks[index]
    if _USED.search(doc.introduction(index)):
        for line, label, value in pairs:
            if label == "dataset_name" and _REPOSITORY.fullmatch(value):
                why = "" if "/" in value else "a name, not a repository"
                yield Statement(
                    "dataset", value, Span(block.span.source, line, line), value, None, why, "", label, "code"
                )
    names = (fold(doc.title), fold(doc.card.name))
    opening = next((b.text[:500] for b in doc.blocks if b.level == 0), "")
    heading = next(iter(doc.path(block)), "")
    if not (fold(heading) in _TRAININGS or _TUNED.search(doc.title) or _TUNED.search(opening)):
        return
    for line, label, value in pairs:
        if label != "model_name_or_path" or not _REPOSITORY.fullmatch(value):
            continue
        tail = fold(value.rpartition("/")[2])
        if not any(name == tail or name.endswith(f" {tail}") for name in names):
            why = "" if "/" in value else "a name, not a repository"
            span = Span(block.span.source, line, line)
            yield Statement("base_model", value, span, value, None, why, "", label, "code")


def _statements(doc: Document, index: int, pairs: list[Pair]) -> list[Statement]:
    """What pairs of label and value state, where enough of them are terms of training only."""
    terms = [(line, label, value, term(label)) for line, label, value in pairs]
    telling = sum(bool(t and t[0] in TELLING) for *_, t in terms)
    if telling < (2 if doc.about_training(index) else 3):
        return []
    methods = " ".join(value for _, label, value in pairs if label in ("rl", "stage"))
    hint = doc.stage_hint(index) or stage_in(methods)
    source = doc.blocks[index].span.source
    found: list[Statement] = []
    whole = _is_whole(doc, index, len(pairs))
    for line, label, value, known in terms:
        span = Span(source, line, line)
        if (label in _OTHERS or (whole and known is None and _PLAIN.fullmatch(label))) and value:
            said, why = kept(value), "not a term this reader knows"
            if said is not None and value[0] not in "${" and known is None:
                figure = number(value)
                found.append(Statement(label, value, span, said, figure, why, hint, label, "code", None, False, index))
        if (
            known is None
            or known[0] not in TRAINING
            or not value
            or value[0] in "${"
            or (left_open(value) and label != "bias")
        ):
            continue
        if "eval" in label.lower() and "eval" not in known[0]:
            continue
        read = interpret(known[0], "true" if value == f"--{label}" else value, label)
        found.extend(
            Statement(
                p.key, value if p.printed == "true" else p.printed, span, p.value, p.number, p.why, known[1] or hint,
                label, "code", group=index,
            )
            for p in read
        )  # fmt: skip
    return found


def _is_whole(doc: Document, index: int, pairs: int) -> bool:
    """Whether a block under the heading "Hyperparameters" holds nothing but settings, a line each."""
    block = doc.blocks[index]
    if block.language or "yperparameter" not in " ".join(doc.path(block)[:1]):
        return False
    return pairs == sum(1 for line in block.text.split("\n") if line.strip())


def _recipe(doc: Document, index: int, read: list[Entry], first: int) -> Iterator[Statement]:
    """What a recipe says beside plain settings: the model it starts from, its data sets, the layers of an adapter."""
    source = doc.blocks[index].span.source
    modules = [e for e in read if e.path in (("lora_target_modules", "-"), ("lora_target", "-"))]
    if modules:
        printed = ", ".join(e.value for e in modules)
        span = Span(source, first + modules[0].line, first + modules[-1].line)
        yield Statement(
            "lora_target_modules", printed, span, target_modules(printed).value, label="lora_target_modules",
            medium="code", group=index,
        )  # fmt: skip
    seen: set[str] = set()
    for entry in read:
        span = Span(source, first + entry.line, first + entry.line)
        if entry.path in (("base_model",), ("model_name_or_path",)) and entry.value and "base" not in seen:
            seen.add("base")
            why = "" if REPO_ID.fullmatch(entry.value) else "a name, not a repository"
            yield Statement("base_model", entry.value, span, entry.value, None, why, "", entry.path[0], "code")
        names: list[str] = []
        if entry.path in (("datasets", "path"), ("datasets", "-")):
            names = [entry.value]
        elif len(entry.path) == 1 and entry.path[0] in _DATA:
            names = [name.strip(" \"'[]") for name in entry.value.split(",")]
        elif len(entry.path) == 2 and entry.path[0] == "dataset_mixer":
            names = [entry.path[1]]
        for name in names:
            if name and name not in seen and not left_open(name) and len(name) < 200:
                seen.add(name)
                why = "" if REPO_ID.fullmatch(name) else "a name, not a repository"
                yield Statement("dataset", name, span, name, None, why, "", "dataset", "code", group=index)


def _arguments(doc: Document, index: int, block: Block) -> list[Statement]:
    """Keyword arguments of the calls that configure a training."""
    first = doc.code_line(block)
    pairs: list[Pair] = []
    for call in _CALLS.finditer(block.text):
        inside = _until_closed(block.text, call.end())
        for match in _ARGUMENT.finditer(inside):
            line = first + block.text.count("\n", 0, call.end() + match.start())
            pairs.append((line, match["label"], match["value"].strip("\"'")))
    return _statements(doc, index, pairs)


def _members(doc: Document, index: int, block: Block) -> Iterator[Statement]:
    """The members of a JSON object that configures a training or an adapter."""
    first = doc.code_line(block)
    pairs: list[Pair] = []
    for match in _MEMBER.finditer(block.text):
        line = first + block.text.count("\n", 0, match.start())
        pairs.append((line, match["label"], " ".join(match["value"].split()).strip('"')))
    made = _statements(doc, index, pairs)
    yield from made
    for line, label, value in pairs if made else ():
        if label == "base_model_name_or_path" and value and not left_open(value):
            why = "" if REPO_ID.fullmatch(value) else "a name, not a repository"
            span = Span(doc.blocks[index].span.source, line, line)
            yield Statement("base_model", value, span, value, None, why, "", label, "code")


def _until_closed(text: str, start: int) -> str:
    depth = 1
    for place in range(start, min(len(text), start + 6000)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return text[start:place]
    return text[start : start + 6000]
