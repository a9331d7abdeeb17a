"""R6: whether the usage code can do what it shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from repro.card import Span
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import (
    Snippet,
    assignments,
    called_name,
    calls,
    imported_from,
    is_constant,
    keyword,
    named_models,
    owner_name,
    python_snippets,
    source_span,
)
from repro.check.tokens import subject, template_of
from repro.check.wording import text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Spec

_PLACEHOLDER = re.compile(
    r"^(?:<.{1,80}>|\[.{1,80}\]|\{.{1,80}\}|(?:path|path_to|path-to)[/_-].*"
    r"|your[-_ ].*|.*your[-_](?:user|name|model|repo|org|hf).*"
    r"|(?:username|org|user)/.*|model[-_]?(?:name|id|path))$",
    re.IGNORECASE,
)
_SUPERSEDED = {
    "torch_dtype": "`dtype`",
    "load_in_8bit": "`quantization_config=BitsAndBytesConfig(...)`",
    "load_in_4bit": "`quantization_config=BitsAndBytesConfig(...)`",
    "use_auth_token": "`token`",
}
"""Arguments and what took their place."""
_IGNORES_PROMPT_FLAG = re.compile(r"\[/?INST\]")


def _parsed(spec: Spec) -> list[Snippet]:
    return [s for s in python_snippets(spec.code) if s.tree is not None]


def _applied(snippet: Snippet) -> list[ast.Call]:
    return list(calls(snippet.tree, "apply_chat_template")) if snippet.tree else []


@check("R601", "code-parses", severity=Severity.MEDIUM, asks="code")
def code_parses(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Python blocks are Python

    What: Parses every block that calls itself Python (prompts and notebook magics taken off); nothing is executed.
    Why: Code that does not parse cannot have been run as it is shown.
    Fix: Paste the code from a file that ran.
    Sources: https://docs.python.org/3/library/ast.html; Pimentel et al. 2019, A Large-Scale Study About Quality and
    Reproducibility of Jupyter Notebooks
    """
    snippets = python_snippets(spec.code)
    if not snippets:
        return [absent("The card shows no Python.")]
    found = []
    for snippet in snippets:
        if snippet.tree is not None:
            continue
        span = source_span(snippet.block, snippet.line or 1)
        if snippet.hopeless:
            kind = "of shell commands" if snippet.shell else "with placeholders or of unusual size"
            found.append(unknown(f"A block {kind} does not parse ({snippet.problem.rstrip('.')}).", span))
        else:
            found.append(failed(f"The block does not parse: {snippet.problem.rstrip('.?')}.", span))
    return found or [
        passed(f"{len(snippets)} Python block{'s parse' if len(snippets) > 1 else ' parses'}.", snippets[0].block.span)
    ]


@check(
    "R602",
    "generation-prompt",
    severity=Severity.MEDIUM,
    confidence=Severity.MEDIUM,
    needs=("card", "subject"),
    asks="code",
)
def generation_prompt(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A prompt for generation ends where the assistant begins

    What: Looks for apply_chat_template without add_generation_prompt=True in a block that generates.
    Why: Without it the prompt ends with the user's turn: the model may continue the question, or must produce the
    assistant's mark by itself, which it was not trained to do.
    Fix: Pass add_generation_prompt=True.
    Sources: https://huggingface.co/docs/transformers/chat_templating#add_generation_prompt
    """
    found = []
    repo = subject(evidence)
    template = template_of(repo) if repo else ""
    for snippet in _parsed(spec):
        if snippet.tree is None or not any(True for _ in calls(snippet.tree, "generate")):
            continue
        for call in _applied(snippet):
            flag, span = keyword(call, "add_generation_prompt"), source_span(snippet.block, call.lineno)
            if is_constant(flag, True) or keyword(call, "continue_final_message") is not None:
                found.append(passed("The prompt is made with add_generation_prompt.", span))
            elif (flag is not None and not is_constant(flag, False)) or any(k.arg is None for k in call.keywords):
                found.append(unknown("Whether add_generation_prompt is set is decided elsewhere.", span))
            elif template and "add_generation_prompt" not in template:
                found.append(passed("The model's template has no use for add_generation_prompt.", span))
            elif "add_generation_prompt=True" in spec.text.replace(" ", ""):
                found.append(
                    unknown("The call lacks add_generation_prompt=True, which the card speaks of elsewhere.", span)
                )
            elif not template and _IGNORES_PROMPT_FLAG.search(spec.text):
                found.append(
                    unknown("[INST] templates have no use for add_generation_prompt; the tokenizer would tell.", span)
                )
            else:
                found.append(
                    failed(
                        "apply_chat_template without add_generation_prompt=True, then generate.",
                        span,
                        claims=_usage_claims(spec, snippet),
                    )
                )
    return found or [absent("No code applies a chat template and generates.")]


def _usage_claims(spec: Spec, snippet: Snippet) -> tuple[str, ...]:
    block = snippet.block.span
    return tuple(c.id for c in spec.claims if c.id.startswith("usage.") and block.line <= c.span.line <= block.end_line)


def _template_results(tree: ast.Module) -> dict[str, ast.Call]:
    """Names bound to what apply_chat_template of a tokenizer returns when it neither leaves text nor is told a form."""
    bound = {}
    for node in assignments(tree):
        if len(node.targets) == 1 and (call := _bare_template_call(node.value)):
            target = node.targets[0]
            if isinstance(target, ast.Name):
                bound[target.id] = call
    return bound


def _bare_template_call(node: ast.expr) -> ast.Call | None:
    """The call under `.to(...)` or `.cuda()`, when it returns a tensor in version 4 and a mapping in version 5."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"to", "cuda"}:
        node = node.func.value
    if not isinstance(node, ast.Call) or called_name(node) != "apply_chat_template":
        return None
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    if "tok" not in name.lower() or any(k.arg is None for k in node.keywords):
        return None
    told = keyword(node, "return_dict") is not None or is_constant(keyword(node, "tokenize"), False)
    return None if told or keyword(node, "return_tensors") is None else node


@check("R603", "template-result-as-tensor", severity=Severity.HIGH, asks="code")
def template_result_as_tensor(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The chat template's result is passed on as what it is

    What: Looks for the result of tokenizer.apply_chat_template(..., return_tensors=...) handed to generate() as if
    it were a tensor.
    Why: Since transformers 5 the call returns a mapping (return_dict is true by default); generate(mapping) raises
    an error.
    Fix: Write `inputs = tokenizer.apply_chat_template(..., return_dict=True)` and `model.generate(**inputs)`, which
    runs on versions 4 and 5.
    Sources: transformers 5: src/transformers/tokenization_utils_base.py apply_chat_template;
    https://huggingface.co/docs/transformers/chat_templating
    """
    found, seen = [], 0
    for snippet in _parsed(spec):
        if snippet.tree is None:
            continue
        bound = _template_results(snippet.tree)
        seen += len(_applied(snippet))
        for call in calls(snippet.tree, "generate"):
            handed = [*call.args[:1], *(v for k in ("inputs", "input_ids") if (v := keyword(call, k)) is not None)]
            for node in handed:
                made = bound.get(node.id) if isinstance(node, ast.Name) else _bare_template_call(node)
                if made is not None:
                    spans = (source_span(snippet.block, made.lineno), source_span(snippet.block, call.lineno))
                    found.append(
                        failed(
                            "The result of apply_chat_template goes to generate as a tensor; since transformers 5 it "
                            "is a mapping.",
                            *spans,
                            claims=_usage_claims(spec, snippet),
                        )
                    )
    if found:
        return found
    if seen:
        return [
            passed("What apply_chat_template returns is used in a way that versions 4 and 5 share, or not by generate.")
        ]
    return [absent("No code applies a chat template.")]


@check("R604", "superseded-arguments", severity=Severity.INFO, asks="code")
def superseded_arguments(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code uses current argument names

    What: Looks for `torch_dtype`, `load_in_8bit`, `load_in_4bit` and `use_auth_token` in calls of from_pretrained
    and pipeline, unless the code imports the class from another library than transformers.
    Why: The first still works with a warning; the others raise an error on current releases.
    Fix: Use `dtype`, `quantization_config=BitsAndBytesConfig(...)` and `token`.
    Sources: transformers 5: src/transformers/modeling_utils.py from_pretrained;
    https://huggingface.co/docs/transformers/main_classes/quantization
    """
    found, looked = [], 0
    sources: dict[str, str] = {}
    for snippet in _parsed(spec):
        if snippet.tree is None:
            continue
        sources |= imported_from(snippet.tree)
        for function in ("from_pretrained", "pipeline"):
            for call in calls(snippet.tree, function):
                # the classes of other libraries have arguments of their own
                if sources.get(owner_name(call), "transformers").split(".")[0] != "transformers":
                    continue
                looked += 1
                old = [k for k in _SUPERSEDED if keyword(call, k) is not None]
                if old:
                    found.append(
                        failed(
                            f"{function}(...) is called with {listing(old)}.",
                            *dict.fromkeys(_argument_span(spec, snippet, k) for k in call.keywords if k.arg in old),
                            fix=f"Use {listing(list(dict.fromkeys(_SUPERSEDED[k] for k in old)))}.",
                        )
                    )
    if found:
        return found
    return [passed("No superseded argument is used.")] if looked else [absent("No code loads a model.")]


def _argument_span(spec: Spec, snippet: Snippet, argument: ast.keyword) -> Span:
    """Where the argument's name stands in the card; its line, where the name stands there more than once."""
    span = source_span(snippet.block, argument.lineno)
    lines, name = text_lines(spec), str(argument.arg)
    line = lines[span.line - 1] if span.line == span.end_line <= len(lines) else ""
    if line.count(name) != 1:
        return span
    column = line.index(name) + 1
    return Span(span.source, span.line, span.line, column, column + len(name) - 1)


@check("R608", "usage-without-placeholders", severity=Severity.LOW, confidence=Severity.MEDIUM, asks="code")
def usage_without_placeholders(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The usage code names a real model

    What: Looks for a model name in the usage code that is a placeholder ("your-username/your-model").
    Why: Code that has to be completed by guesswork was not run as it is shown.
    Fix: Write the published repository's full name.
    Sources: https://huggingface.co/docs/hub/model-card-annotated#how-to-get-started-with-the-model
    """
    loaded = named_models(spec.code)
    if not loaded:
        return [absent("No usage code loads a model by name.")]
    empty = [(n, s) for n, s in loaded if _PLACEHOLDER.match(n.strip()[:200])]
    if empty:
        return [failed(f"The usage code loads {listing([n for n, _ in empty])}.", *(s for _, s in empty[:3]))]
    return [passed(f"The usage code names {loaded[0][0]}.", loaded[0][1])]
