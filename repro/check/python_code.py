"""What a card's code blocks say, read as syntax trees and never run."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from repro.card import Span
from repro.spec import CodeBlock

PYTHON = frozenset({"python", "py", "python3", "pycon", "ipython"})
SHELL = frozenset({"bash", "sh", "shell", "console", "zsh", "shell-session"})
LONGEST_BLOCK = 100_000
MOST_BLOCKS = 500
"""More Python than this in one card is no usage code."""
DEEPEST_BRACKETS = 60
"""Deeper nesting than this is no usage code, and could exhaust the parser's stack."""


_COMMAND = re.compile(
    r"(?:[ ]*(?:#[^\n]*)?\n)*[ ]*(?:\$ )?(?:CUDA_VISIBLE_DEVICES=\S+\s+)?(?:sudo |cd |export |git |pip3? "
    r"|conda |curl |wget |docker |deepspeed |torchrun |accelerate "
    r"|vllm |ollama |huggingface-cli |hf |bash |sh |[\w./-]+\.(?:py|sh) -|(?:python3?|uv) [-\w./]+)"
)
"""The beginning of a block of commands, after comments."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One Python block: its tree, or why there is none."""

    block: CodeBlock
    tree: ast.Module | None
    problem: str = ""
    line: int = 0
    """Line in the block, from 1, where parsing stopped."""
    hopeless: bool = False
    """Not to be judged: placeholders, sheer size, or a dialect that is not plain Python."""
    shell: bool = False
    """It begins with a shell command: only its label is wrong."""


_BLANK = re.compile(r"\n +(?:\n|$)")


def runnable_text(text: str) -> str:
    """The block as a notebook or an interactive session would run it: prompts, magics and outputs taken off."""
    text = text.replace("\t", "    ")
    lines = text.split("\n")
    if ">>> " in text and any(line.lstrip().startswith(">>> ") for line in lines):
        kept = []
        for line in lines:
            start = line.lstrip()
            kept.append(start[4:] if start.startswith((">>> ", "... ")) else "")
        return "\n".join(kept)
    if "!" not in text and "%" not in text and text[:1] not in " \n" and _BLANK.search(text) is None:
        return text.strip("\n")  # no magics, and nothing that an indentation could be taken off
    quiet = [
        re.match(r"[ ]*", line).group(0) + "pass" if line.lstrip().startswith(("!", "%")) else line  # type: ignore[union-attr]
        for line in lines
    ]
    return (
        textwrap.dedent("\n".join(quiet)).strip("\n")
        if not quiet or quiet[0] != ""
        else textwrap.dedent("\n".join(quiet))
    )


def _depth(text: str) -> int:
    if sum(map(text.count, "([{")) <= DEEPEST_BRACKETS:
        return 0
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def parse(block: CodeBlock) -> Snippet:
    """The block's syntax tree. Nothing of it is executed."""
    text = runnable_text(block.text)
    if len(text) > LONGEST_BLOCK or _depth(text) > DEEPEST_BRACKETS or "\x00" in text:
        return Snippet(block, None, "too large or too deeply nested to be usage code", hopeless=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Snippet(block, ast.parse(text))
    except SyntaxError as error:
        session = ">>> " in block.text  # continued lines are often shown without their "... "
        placeholder = (
            session
            or re.search(r"<[a-zA-Z][\w .:/-]{0,60}>|…|\.\.\.\s*$|^\s*\.\.\.|^\+ ", text, re.MULTILINE) is not None
        )
        shell = _COMMAND.match(text) is not None
        problem, line = error.msg or "invalid syntax", error.lineno or 1
        hopeless = placeholder or shell or _is_output(text.split("\n"), line)
        return Snippet(block, None, problem, line, hopeless=hopeless, shell=shell)
    except (ValueError, RecursionError, MemoryError):
        return Snippet(block, None, "cannot be parsed", hopeless=True)


_OUTPUT = re.compile(r"\s*(?:=>|->|>|[\[{('\"]|\(?tensor\(|\d+[ ,.]|[A-Z][\w ]*:\s*$|\.\.\.)")
_BESIDES = re.compile(r"\s*(?:#|$)")


def _is_output(lines: list[str], failed: int) -> bool:
    """Whether the line that does not parse begins what the code above it printed."""
    if not 0 < failed <= len(lines) or not _OUTPUT.match(lines[failed - 1]):
        return False
    above = [line for line in lines[: failed - 1] if not _BESIDES.match(line)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # a bracket that is open here makes the line code
            return bool(ast.parse("\n".join(above)).body) or not above
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def python_snippets(code: Iterable[CodeBlock]) -> list[Snippet]:
    """The blocks that call themselves Python."""
    return list(_snippets(tuple(code)))


_parsed: tuple[tuple[CodeBlock, ...], tuple[Snippet, ...]] = ((), ())
"""The last card's blocks: half a dozen checks ask, one after the other, and blocks are dear to hash."""


def _snippets(code: tuple[CodeBlock, ...]) -> tuple[Snippet, ...]:
    global _parsed
    last = _parsed
    if last[0] is not code:
        last = _parsed = (code, _all_parsed(code))
    return last[1]


def _all_parsed(code: tuple[CodeBlock, ...]) -> tuple[Snippet, ...]:
    blocks = [b for b in code if b.language.lower().strip("{}.") in PYTHON]
    return tuple(parse(b) for b in blocks[:MOST_BLOCKS])


@dataclass(frozen=True, slots=True)
class _Nodes:
    """What checks ask of a tree, gathered in one walk."""

    calls: dict[str, list[ast.Call]]
    assignments: list[ast.Assign]


@lru_cache(maxsize=MOST_BLOCKS)
def _nodes(tree: ast.AST) -> _Nodes:
    """Calls by name and assignments, nearest the root first."""
    found = _Nodes({}, [])
    nodes: list[ast.AST] = [tree]
    for node in nodes:  # grows while it is walked
        if isinstance(node, ast.Call):
            found.calls.setdefault(called_name(node), []).append(node)
        elif isinstance(node, ast.Assign):
            found.assignments.append(node)
        for value in node.__dict__.values():
            if isinstance(value, list):
                nodes.extend(item for item in value if isinstance(item, ast.AST))
            elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
                nodes.append(value)
    for named in found.calls.values():
        named.sort(key=lambda n: (n.lineno, n.col_offset))
    return found


_LEAVES = (ast.expr_context, ast.Constant, ast.Name, ast.operator)


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls of a function or a method of that name, in the order of the text."""
    yield from _nodes(tree).calls.get(name, ())


def assignments(tree: ast.AST) -> list[ast.Assign]:
    """Assignments, those nearest the root first."""
    return _nodes(tree).assignments


def called_name(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def owner_name(node: ast.Call) -> str:
    """The name on which a method is called, or by which a function is: `A` of `A.from_pretrained(...)`."""
    function = node.func
    while isinstance(function, ast.Attribute):
        function = function.value
    return function.id if isinstance(function, ast.Name) else ""


def imported_from(tree: ast.Module) -> dict[str, str]:
    """Names that the block imports at its top level, and their modules."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found.update({alias.asname or alias.name: node.module or "" for alias in node.names})
        elif isinstance(node, ast.Import):
            found.update({(alias.asname or alias.name).split(".")[0]: alias.name for alias in node.names})
    return found


def keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in node.keywords if k.arg == name), None)


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def source_span(block: CodeBlock, line: int) -> Span:
    """The card's line of a block's line (the fence stands above the first), or the whole block."""
    inside = block.text.count("\n") + 1
    # a fenced block's span has the two fences around its lines
    offset = 1 if block.span.end_line - block.span.line + 1 > inside - (1 if block.text.endswith("\n") else 0) else 0
    place = block.span.line + offset + line - 1
    return Span(block.span.source, place, place) if place <= block.span.end_line else block.span


def _strings(tree: ast.Module) -> dict[str, str]:
    """Names that the block binds to a text."""
    bound = {}
    for node in assignments(tree):
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    bound[target.id] = node.value.value
    return bound


_SHELL_MODEL = re.compile(r"(?:vllm serve|--model(?:[-_](?:name|id|path))?(?:_or_path)?)[ =]+[\"']?([\w.-]+/[\w.-]+)")


_LOADERS = ("from_pretrained", "pipeline", "LLM", "snapshot_download")


def named_models(code: Iterable[CodeBlock]) -> list[tuple[str, Span]]:
    """Repository names (or paths) that usage code loads as models or tokenizers, with their lines."""
    global _named
    blocks, last = tuple(code), _named
    if last[0] is not blocks:
        last = _named = (blocks, _named_models(blocks))
    return list(last[1])


_named: tuple[tuple[CodeBlock, ...], tuple[tuple[str, Span], ...]] = ((), ())
"""The last card's answer, as its parsed blocks."""


def _named_models(blocks: tuple[CodeBlock, ...]) -> tuple[tuple[str, Span], ...]:
    found: list[tuple[str, Span]] = []
    names: dict[str, str] = {}
    loads = any(function in block.text for block in blocks for function in _LOADERS)
    for snippet in _snippets(blocks) if loads else ():
        if snippet.tree is None:
            continue
        names |= _strings(snippet.tree)
        for function in _LOADERS:
            for call in calls(snippet.tree, function):
                node = keyword(call, "model") or keyword(call, "pretrained_model_name_or_path")
                if node is None and call.args:
                    node = call.args[0] if function != "pipeline" or len(call.args) < 2 else call.args[1]
                    if function == "pipeline" and len(call.args) < 2:
                        node = None
                if isinstance(node, ast.Name) and node.id in names:
                    value: object = names[node.id]
                else:
                    value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str):
                    found.append((value, source_span(snippet.block, call.lineno)))
    for block in blocks:
        if block.language.lower() in SHELL:
            for number, line in enumerate(block.text.split("\n"), start=1):
                if match := _SHELL_MODEL.search(line[:2000]):
                    found.append((match.group(1), source_span(block, number)))
    return tuple(found)
