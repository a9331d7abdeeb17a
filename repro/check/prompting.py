"""R3, continued: how prompts are built from text, and whether a reader is told how to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from repro.check.evals import benchmark_scores
from repro.check.lineage import lineages
from repro.check.making import is_packed, tags, title
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.python_code import assignments, called_name, calls, is_constant, keyword, python_snippets, source_span
from repro.check.tokens import subject, template_of, token
from repro.check.wording import at, reads_english, says, search
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Spec
from repro.vocabulary import vocabulary

BEGINNINGS = ("<s>", "<|begin_of_text|>", "<bos>")
"""Tokens that a tokenizer of their family writes by itself."""
_TOLD = (
    "apply_chat_template", "chat template", "prompt template", "prompt format", "<|im_start|>", "<|user|>", "[inst]",
    "<start_of_turn>", "<|start_header_id|>", "### instruction", "### human", "user:", "human:", '"role"', "'role'",
    "chat format", "chatml", "alpaca format", "vicuna format", "conversational", "v1/chat", "instruction format",
)  # fmt: skip
_PREFIXED = re.compile(r"llama|mi[sx]tral|gemma|vicuna|zephyr", re.IGNORECASE)
_TALKS = re.compile(r"(?:^|[-_ .])(?:chat|instruct|assistant)(?=$|[-_ .\d])|\db-it(?=$|[-_])", re.IGNORECASE)
_LONGEST_NAME = 4
"""Words of a title that is a name, and no sentence."""
_TEMPLATE_SCORED = re.compile(
    r"--apply[_-]chat[_-]template\b|\bapply_chat_template[:=] ?true\b"
    r"|\b(?:evaluat|scor|benchmark|measur)\w*.{0,80}\bchat[- ]template\b"
    r"|\bchat[- ]template\b.{0,80}\b(?:evaluat|scor|benchmark)",
    re.IGNORECASE,
)
_MULTITURN = re.compile(
    r"\bfewshot[_ ]as[_ ]multi[_ ]?turn\b|\bmulti-?turn\b|\bas (?:separate )?turns\b", re.IGNORECASE
)
_SHOTS = re.compile(r"\b[1-9]\d?[- ]?shots?\b|\bfew-?shot\b|\bn[-_ ]shot\b", re.IGNORECASE)


def _strings(tree: ast.Module) -> dict[str, tuple[str, int]]:
    """Names bound to a text that begins with a beginning token, or to a chat template's text: (kind, line)."""
    bound = {}
    for node in assignments(tree):
        target = node.targets[0] if len(node.targets) == 1 else None
        if not isinstance(target, ast.Name):
            continue
        value = node.value
        if isinstance(value, ast.JoinedStr) and value.values:
            value = value.values[0] if isinstance(value.values[0], ast.expr) else value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            mark = next((b for b in BEGINNINGS if value.value.lstrip().startswith(b)), "")
            if mark:
                bound[target.id] = (mark, node.lineno)
        elif (
            isinstance(value, ast.Call)
            and called_name(value) == "apply_chat_template"
            and is_constant(keyword(value, "tokenize"), False)
        ):
            bound[target.id] = ("template", node.lineno)
    return bound


def _writes_its_own(spec: Spec) -> bool:
    """Whether the model is of a family whose tokenizers begin every text with the token."""
    names = [spec.model_id, title(spec.text), *(str(f.value) for f in spec.all("base_model"))]
    return any(_PREFIXED.search(name) for name in names)


@check("R308", "one-beginning-token", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, needs=("card", "subject"))
def one_beginning_token(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A prompt begins with one beginning token

    What: Looks in the usage code for text that already begins with the beginning token (written by hand, or by a chat
    template) and goes through the tokenizer without add_special_tokens=False.
    Why: The tokenizer puts the token in a second time: the prompt differs from every one of the training, and scores
    fall without an error.
    Fix: Pass add_special_tokens=False, or let apply_chat_template make the ids (tokenize=True).
    Sources: https://huggingface.co/docs/transformers/chat_templating;
    https://github.com/EleutherAI/lm-evaluation-harness/pull/2797; lm-evaluation-harness PR 1465
    """
    lower = vocabulary(spec.text).lower
    if "apply_chat_template" not in lower and not any(b in lower for b in BEGINNINGS):
        return [absent("No code shows a prompt with a beginning token.")]
    found, repo = [], subject(evidence)
    for snippet in python_snippets(spec.code):
        if snippet.tree is None:
            continue
        bound = _strings(snippet.tree)
        for call in (*calls(snippet.tree, "tokenizer"), *calls(snippet.tree, "encode")):
            handed = call.args[0] if call.args else keyword(call, "text")
            handed = handed.elts[0] if isinstance(handed, ast.List) and handed.elts else handed
            if not isinstance(handed, ast.Name) or handed.id not in bound:
                continue
            mark, line = bound[handed.id]
            spans = (source_span(snippet.block, line), source_span(snippet.block, call.lineno))
            if keyword(call, "add_special_tokens") is not None or any(k.arg is None for k in call.keywords):
                found.append(passed("The tokenizer is told whether to add special tokens.", *spans))
            elif mark != "template" and not _writes_its_own(spec):
                found.append(
                    unknown(f"The prompt begins with {mark}; whether the tokenizer puts one before is open.", *spans)
                )
            elif mark != "template":
                found.append(failed(f"The prompt begins with {mark}, and the tokenizer puts one before it.", *spans))
            elif repo is not None and template_of(repo):
                first = token(repo, "bos")
                writes = "bos_token" in template_of(repo) or bool(first and first in template_of(repo))
                words = "The chat template writes the beginning token, and the tokenizer may write another"
                say = unknown(f"{words}: its post-processor would tell.", *spans) if writes else None
                found.append(say or passed("The chat template writes no beginning token.", *spans))
            elif any(family.name.startswith("Llama 3") for family, _, _ in lineages(spec, evidence)):
                words = "The template of Llama 3 writes <|begin_of_text|>, and the tokenizer puts one before it"
                found.append(unknown(f"{words}, unless the model's template was changed.", *spans))
            else:
                found.append(unknown("Whether the template writes a beginning token needs the tokenizer.", *spans))
    return found[:4] or [absent("No such text goes through a tokenizer.")]


@check("R309", "shots-as-turns-stated", severity=Severity.INFO, persona=Persona.AUDITOR, asks="score")
def shots_as_turns_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Scores with a chat template say where the examples stand

    What: Where scores are given with examples in the prompt and with a chat template, asks whether the examples were
    one user turn or a turn each.
    Why: The two are different prompts; for instruction-tuned models they differ by points.
    Fix: State --apply_chat_template and --fewshot_as_multiturn beside the scores.
    Sources: https://github.com/EleutherAI/lm-evaluation-harness/issues/1841;
    https://github.com/EleutherAI/lm-evaluation-harness/issues/2344
    """
    claims = benchmark_scores(spec)
    if not claims or not says(spec, "shot", "shots", "fewshot"):
        return [absent("No benchmark score with examples in the prompt.")]
    if not search(spec, _SHOTS):
        return [absent("No benchmark score with examples in the prompt.")]
    template = search(spec, _TEMPLATE_SCORED, body_only=True)
    if not template:
        return [unknown("Whether a chat template was applied when scoring is not stated.", claims[0].span)]
    if hits := search(spec, _MULTITURN, body_only=True):
        return [passed("The examples' place is stated.", hits[0].span)]
    return [failed("Scored with examples and a chat template; not whether each example is a turn.", template[0].span)]


@check("R310", "prompt-format-told", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, needs=("card", "subject"))
def prompt_format_told(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A chat model's card shows how to talk to it

    What: Asks the card of a model whose name or tags say chat, instruct or it for its prompt format: a template, an
    example with roles, or code that applies the tokenizer's template.
    Why: In another format than the training's the model answers worse, and nobody sees why.
    Fix: Show one prompt as the tokenizer's template writes it, or code with apply_chat_template.
    Sources: https://huggingface.co/docs/transformers/chat_templating; https://github.com/EleutherAI/lm-evaluation-harness/issues/1262
    """
    named = (title(spec.text), spec.model_id.rpartition("/")[2])
    names = [n for n in named if len(n.split()) <= _LONGEST_NAME and _TALKS.search(n)]
    task = spec.get("pipeline_tag").value
    if not names or (task is not None and task != "text-generation") or is_packed(spec):
        return [absent("Neither name nor title says that the model is talked to.")]
    if tags(spec) & {"text-to-image", "diffusers", "image-classification", "reward-model"}:
        return [absent("The model does not write text.")]
    lower = vocabulary(spec.text).lower
    if told := next((t for t in _TOLD if t in lower), ""):
        return [passed(f'The card shows how to talk to the model ("{told}").')]
    repo = subject(evidence)
    if repo is not None and template_of(repo):
        return [passed("The published tokenizer has a chat template.")]
    if not reads_english(spec) or says(spec, "prompt", "prompts", "prompting", "template"):
        return [unknown("The card may tell the prompt format in words.")]
    return [failed(f"{names[0][:80]} is talked to; no prompt format is shown.", at(spec, 1))]
