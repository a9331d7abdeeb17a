"""Code that a card shows, each block with its role, and the model that usage code loads. Nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from repro.card import Block, BlockKind, Span
from repro.read.document import Document
from repro.read.pipeline_diagram import parse_pipeline
from repro.read.values import fold
from repro.spec import CodeBlock

_PYTHON = re.compile(r"(?m)^\s*(?:import\s+\w|from\s+[\w.]+\s+import\s)|\.from_pretrained\(|\bpipeline\(")
_LOADS = re.compile(r"\.from_pretrained\(|\bpipeline\(|\bLLM\(|\bload_model\(|SentenceTransformer\(|generate\(")
_SERVES = re.compile(
    r"\b(?:vllm\s+serve|vllm\.entrypoints|sglang|text-generation-(?:launcher|inference)|ollama\s+(?:run|pull)|llama-(?:cli|server)|"
    r"lms\s+|docker\s+run|trtllm|lmdeploy|mlx_lm|transformers\s+(?:chat|serve))"
)
_TEMPLATE = re.compile(
    r"<\|\w+\|>|\[/?INST\]|###\s*(?:Instruction|System|User|Human|Assistant|Response)|<<SYS>>|\bUSER:|<start_of_turn>|"
    r"\bHuman:|\{prompt\}|\{instruction\}"
)
_SHOWN_AS = re.compile(r"\b(?:template|prompt format|format)\b")
_CITATION = re.compile(r"^\s*@\w+\s*\{", re.MULTILINE)
_LOG = re.compile(r"\{'(?:train_)?loss':|^\s*Step:? \d+.*[Ll]oss", re.MULTILINE)
_CONFIG = re.compile(
    r"(?m)^\s*(?:--)?(?:learning_rate|lr|num_epochs|num_train_epochs|micro_batch_size|base_model|per_device_train_batch_size)\b|"
    r"--learning_rate|merge_method|accelerate launch"
)
_SERVERS = (
    "vllm", "sglang", "text-generation-", "ollama", "llama-", "lms", "docker", "trtllm", "lmdeploy", "mlx_lm",
    "transformers",
)  # fmt: skip
_SETTINGS = ("learning_rate", "lr", "epochs", "batch_size", "base_model", "merge_method", "accelerate")
_ROLES = ("|>", "INST]", "###", "<<SYS>>", "USER:", "<start_of_turn>", "Human:", "{prompt}", "{instruction}")
"""Parts of which one stands in whatever the pattern of that kind matches: looked for before it."""
_MODEL_IN_CODE = re.compile(
    r"(?:from_pretrained\(\s*|\bLLM\(\s*(?:model\s*=\s*)?|\bmodel(?:_id|_name|_path|_name_or_path)?\s*=\s*|"
    r"\bpipeline\([^()\n]{0,80}?model\s*=\s*|\b(?:vllm serve|--model(?:-path|-id)?[ =])\s*)[\"']?"
    r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?=[\"'\s),]|$)"
)

_BEFORE_A_MODEL = ("model", "from_pretrained", "LLM(", "vllm serve")
"""Without one of these a line loads none: looked for before the pattern."""


def code_blocks(doc: Document) -> tuple[CodeBlock, ...]:
    """Every code block with its role."""
    return tuple(
        CodeBlock(block.language, block.text, block.span, _role(doc, block))
        for block in doc.blocks
        if block.kind is BlockKind.CODE
    )


def _role(doc: Document, block: Block) -> str:
    role = doc.roles.get(id(block))
    if role is None:
        role = doc.roles[id(block)] = _found_role(doc, block)
    return role


def _has(text: str, parts: tuple[str, ...]) -> bool:
    for part in parts:  # noqa: SIM110 - a generator costs more than the search
        if part in text:
            return True
    return False


def _found_role(doc: Document, block: Block) -> str:
    text, language = block.text[:20_000], block.language
    where = fold(" ".join(doc.path(block)[:1]))
    if language in ("bibtex", "bibtext", "bib") or (text.lstrip()[:1] == "@" and _CITATION.match(text.lstrip())):
        return "citation"
    if language in ("python", "py", "python3") or (not language and _PYTHON.search(text)):
        return "usage" if ".from_pretrained(" in text or _LOADS.search(text) else ""
    if _has(text, _SERVERS) and _SERVES.search(text):
        return "serving"
    if parse_pipeline(doc, block):
        return "pipeline"
    if language in ("yaml", "yml", "toml", "ini") or (_has(text, _SETTINGS) and _CONFIG.search(text)):
        return "config"
    if "oss" in text and _LOG.search(text):
        return "log"
    if (_has(text, _ROLES) and _TEMPLATE.search(text)) or _SHOWN_AS.search(where):
        return "template" if language in ("", "text", "txt", "jinja", "jinja2", "plaintext", "html", "markdown") else ""
    return ""


def models_in_code(doc: Document) -> Iterator[tuple[str, Span]]:
    """The repositories that usage and serving code loads, with their lines."""
    for block in doc.blocks:
        if block.kind is not BlockKind.CODE or len(block.text) > 60_000:
            continue
        if _role(doc, block) not in ("usage", "serving"):
            continue
        first = doc.code_line(block)
        if "/" not in block.text or all(part not in block.text for part in _BEFORE_A_MODEL):
            continue
        for offset, line in enumerate(block.text.split("\n")):
            if "/" not in line or all(part not in line for part in _BEFORE_A_MODEL):
                continue
            for match in _MODEL_IN_CODE.finditer(line[:2000]):
                span = Span(block.span.source, first + offset, first + offset)
                yield match.group(1), doc.locate(span, match.group(1))
