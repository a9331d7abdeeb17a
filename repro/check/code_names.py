"""R6, continued: names that the usage code uses, and what loading runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from repro.card import Span
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import Snippet, calls, is_constant, keyword, python_snippets, source_span
from repro.check.tokens import subject
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Spec

REMOVED = {
    "AutoModelWithLMHead": "AutoModelForCausalLM, AutoModelForMaskedLM or AutoModelForSeq2SeqLM",
    "Conversation": "a list of messages",
    "ConversationalPipeline": 'pipeline("text-generation")',
    "LineByLineTextDataset": "datasets.load_dataset",
    "TextDataset": "datasets.load_dataset",
    "AdamW": "torch.optim.AdamW",
    "AutoModelForVision2Seq": "AutoModelForImageTextToText",
    "Text2TextGenerationPipeline": "AutoModelForSeq2SeqLM and generate",
    "SummarizationPipeline": "AutoModelForSeq2SeqLM and generate",
    "TranslationPipeline": "AutoModelForSeq2SeqLM and generate",
}
"""Names that transformers 5.23 no longer has (each looked up in that release), and what took their place."""
REMOVED_TASKS = {"conversational", "text2text-generation", "summarization", "translation", "question-answering"}
"""Tasks that `pipeline` of transformers 5.23 no longer has (transformers/pipelines/__init__.py, SUPPORTED_TASKS)."""
_WELL_KNOWN = {
    "torch": "import torch",
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "tf": "import tensorflow as tf",
    "torchaudio": "import torchaudio",
    "librosa": "import librosa",
    "Image": "from PIL import Image",
    "requests": "import requests",
    "pipeline": "from transformers import pipeline",
    "load_dataset": "from datasets import load_dataset",
    "PeftModel": "from peft import PeftModel",
    "SentenceTransformer": "from sentence_transformers import SentenceTransformer",
    "BitsAndBytesConfig": "from transformers import BitsAndBytesConfig",
    "TextStreamer": "from transformers import TextStreamer",
}
_WORD = re.compile(r"[A-Za-z_]\w*")
_IMPORT = re.compile(r"^[ >]*(?:from|import) .*$", re.MULTILINE)


def _is_known(name: str) -> bool:
    return name in _WELL_KNOWN or (name.startswith("Auto") and name[4:5].isupper())


def _parsed(spec: Spec) -> list[tuple[Snippet, ast.Module]]:
    return [(s, s.tree) for s in python_snippets(spec.code) if s.tree is not None]


def _bound(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).split(".")[0]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


@check("R635", "usage-imports", severity=Severity.MEDIUM, asks="code")
def usage_imports(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code imports what it uses

    What: Looks in all Python blocks together for well-known names (torch, np, pipeline, AutoTokenizer, ...) that are
    used and never imported or defined.
    Why: The code stops at the first such name: it was not run as it is shown.
    Fix: Add the import that is shown.
    Sources: https://docs.python.org/3/library/exceptions.html#NameError; Pimentel et al. 2019, A Large-Scale Study
    About Quality and Reproducibility of Jupyter Notebooks
    """
    parsed = _parsed(spec)
    if not parsed:
        return [absent("The card shows no Python that parses.")]
    if not any("import" in s.block.text for s, _ in parsed):
        return [unknown("The Python shown is a fragment without any import.", parsed[0][0].block.span)]
    text = "\n".join(s.block.text for s, _ in parsed)
    used = {word for word in _WORD.findall(text) if _is_known(word)}
    if used <= {word for line in _IMPORT.findall(text) for word in _WORD.findall(line)}:
        return [passed("The well-known names that the code uses are imported.")]
    bound = {name for _, tree in parsed for name in _bound(tree)}
    lost: dict[str, tuple[Snippet, int]] = {}
    for snippet, tree in parsed:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id not in bound and node.id not in lost and _is_known(node.id):
                lost[node.id] = (snippet, node.lineno)
    if "*" in bound:
        return [unknown("A star import may bind any name.")] if lost else [passed("Every well-known name is bound.")]
    # a block that failed to parse may have held the import
    broken = any(s.tree is None for s in python_snippets(spec.code))
    others = any("import " in b.text and b.language.lower() not in {"python", "py"} for b in spec.code)
    found = []
    for name, (snippet, line) in list(lost.items())[:5]:
        span = source_span(snippet.block, line)
        if broken or others:
            found.append(unknown(f"{name} is used; its import may stand in a block that is not Python.", span))
        else:
            wanted = _WELL_KNOWN.get(name, f"from transformers import {name}")
            found.append(failed(f"{name} is used and never imported.", span, fix=f"Add: {wanted}"))
    return found or [passed("The well-known names that the code uses are imported.")]


@check("R636", "removed-names", severity=Severity.LOW, asks="code")
def removed_names(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code uses names that the library still has

    What: Looks for imports from transformers, and for pipeline tasks, that release 5 no longer has.
    Why: The import fails on the current release, which `pip install transformers` gives.
    Fix: Use the name that took its place, or state the last version with which the code runs.
    Sources: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md;
    https://github.com/huggingface/transformers/releases
    """
    found, looked = [], 0
    for snippet, tree in _parsed(spec):
        if "transformers" not in snippet.block.text:
            continue
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "transformers":
                looked += 1
                gone = [a.name for a in node.names if _is_removed(a.name)]
                if gone:
                    span = source_span(snippet.block, node.lineno)
                    found.append(failed(_gone_words(gone), span, fix=_instead(gone)))
        for call in calls(tree, "pipeline"):
            task = keyword(call, "task") or (call.args[0] if call.args else None)
            if isinstance(task, ast.Constant) and isinstance(task.value, str):
                looked += 1
                if task.value.startswith("translation_") or task.value in REMOVED_TASKS:
                    span = source_span(snippet.block, call.lineno)
                    found.append(failed(f'pipeline has no task "{task.value}" since transformers 5.', span))
    if found:
        return found[:4]
    return [passed("Every name is one that transformers 5 has.")] if looked else [absent("No import of transformers.")]


def _is_removed(name: str) -> bool:
    # the TensorFlow and Flax classes went with release 5
    return name in REMOVED or name.startswith("Flax") or (name.startswith("TF") and name[2:3].isupper())


def _gone_words(names: list[str]) -> str:
    return f"transformers 5 has no {listing(names)}."


def _instead(names: list[str]) -> str:
    told = [REMOVED[n] for n in names if n in REMOVED]
    if told:
        return f"Use {listing(told)}, or state the last version with which the code runs."
    return "Use the PyTorch class, or state the last version with which the code runs (4.57)."


@check("R630", "remote-code-pinned", severity=Severity.LOW, persona=Persona.AUDITOR, needs=("card", "subject"))
def remote_code_pinned(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Code that is fetched and run is pinned to a revision

    What: Looks for trust_remote_code=True in calls that load a model without a revision.
    Why: The flag runs whatever Python the repository holds on the day of loading; results can change without a trace.
    Fix: Pass revision="<commit>" beside it, or drop the flag when the architecture is in the library.
    Sources: https://huggingface.co/docs/transformers/models#custom-models;
    https://huggingface.co/docs/hub/security
    """
    if "trust_remote_code" not in spec.text:
        return [absent("No code asks for trust_remote_code.")]
    found: list[Observation] = []
    loose: list[Span] = []
    repo = subject(evidence)
    custom = repo is not None and any(f.path.endswith(".py") for f in repo.files)
    for snippet, tree in _parsed(spec):
        for name in ("from_pretrained", "pipeline", "load_dataset", "LLM"):
            for call in calls(tree, name):
                if not is_constant(keyword(call, "trust_remote_code"), True):
                    continue
                span = source_span(snippet.block, call.lineno)
                if keyword(call, "revision") is not None or keyword(call, "code_revision") is not None:
                    found.append(passed("trust_remote_code with a revision.", span))
                elif repo is not None and repo.files and not custom:
                    found.append(failed(f"trust_remote_code is set; {repo.source} holds no Python.", span))
                else:
                    loose.append(span)
    if loose:
        found.insert(0, failed("trust_remote_code=True without a revision.", *loose[:5]))
    return found[:4] or [absent("No Python call asks for trust_remote_code.")]


@check("R631", "load-without-pickle", severity=Severity.LOW)
def load_without_pickle(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code does not unpickle a download

    What: Looks for torch.load without weights_only=True and for pickle.load in the usage code.
    Why: Unpickling runs what the file says (before PyTorch 2.6 torch.load did so by default; since then such code may
    fail instead).
    Fix: Publish safetensors and load with safetensors.torch.load_file, or pass weights_only=True.
    Sources: https://docs.pytorch.org/docs/stable/generated/torch.load.html; CVE-2025-32434;
    https://huggingface.co/docs/hub/security-pickle
    """
    if ".load(" not in spec.text:
        return [absent("No code loads a pickle.")]
    found, looked = [], 0
    for snippet, tree in _parsed(spec):
        for call in calls(tree, "load"):
            owner = (
                call.func.value.id
                if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
                else ""
            )
            if owner not in {"torch", "pickle", "joblib", "cloudpickle"}:
                continue
            looked += 1
            if owner != "torch" or not is_constant(keyword(call, "weights_only"), True):
                span = source_span(snippet.block, call.lineno)
                say = f"{owner}.load runs what the file says"
                found.append(failed(f"{say}{'; weights_only=True is not set' if owner == 'torch' else ''}.", span))
    if found:
        return found[:3]
    return [passed("torch.load is called with weights_only=True.")] if looked else [absent("No code loads a pickle.")]
