"""The import law: nouns look left, verbs never look at each other, heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "repro"
VERBS = ("read", "gather", "check", "resolve", "train", "evaluate", "compare", "render")

# A module may import those to its left, in its own group or an earlier one.
NOUNS = (
    ("errors",),
    ("number", "vocabulary", "frozen"),
    ("arithmetic",),
    ("memory",),
    ("relations",),
    ("files",),
    ("card",),
    ("spec", "semantics"),
    ("task",),
    ("need",),
    ("price",),
    ("evidence", "plan", "run", "score", "sensitivity"),
    ("finding", "comparison", "completeness"),
    ("report",),
    ("checked",),
)
EDGES = (
    "shelf", "options", "runs", "quote", "measure", "pipeline", "whatif", "refresh",
    "edits", "diff", "mend", "config", "inputs", "fixing", "checking",
    "row", "row_tables", "rows", "crew", "sweep_card", "sweep_tables", "sweep_summary", "sweep_markdown", "sweep",
    "launch_config", "launch", "slurm", "launching",
    "panel", "rendering", "api", "api_runs", "__init__", "progress", "warm", "screen", "fix_view", "check_screen",
    "arguments", "check_command", "sweep_command", "launch_command", "cli", "start", "__main__",
)  # fmt: skip
"""Above the verbs, each importing only those to its left."""

ABOVE_VERBS = (
    "rendering",
    "api",
    "api_runs",
    "runs",
    "quote",
    "measure",
    "pipeline",
    "whatif",
    "refresh",
    "checking",
    "edits",
    "sweep_card",
    "sweep_markdown",
    "sweep",
    "fix_view",
    "check_screen",
    "sweep_command",
    "cli",
    "screen",
    "progress",
)
"""The edges that call verbs."""

HEAVY = {
    "torch": ("train", "evaluate"),
    "transformers": ("train", "evaluate"),
    "tokenizers": ("train", "evaluate"),
    "accelerate": ("train",),
    "peft": ("train",),
    "bitsandbytes": ("train",),
    "datasets": ("train", "evaluate"),
    "lm_eval": ("evaluate",),
    "safetensors": ("train", "evaluate"),
    "matplotlib": ("render",),
    "scipy": ("compare",),
    "numpy": ("train", "evaluate", "compare", "render"),
    "pyarrow": ("row_tables", "sweep_tables"),
    "huggingface_hub": ("gather",),
}
NETWORK = {"requests", "httpx", "httpx2", "urllib", "http", "socket", "aiohttp", "urllib3", "ftplib", "smtplib"}
PRINTERS = ("screen", "cli", "progress")


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_data" not in p.parts)


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imports(path: Path, *, top_level_only: bool = False) -> list[tuple[str, int]]:
    """(module, line) of every import; those under `if TYPE_CHECKING` count as imports too."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: list[tuple[str, int]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            base = node.module or ""
            found.append((base, node.lineno))
            if base == "repro":
                found += [
                    (f"repro.{alias.name}", node.lineno) for alias in node.names if not alias.name.startswith("__")
                ]
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_go_down(path: Path) -> None:
    own = room(path)
    rank = {name: i for i, group in enumerate(NOUNS) for name in group}
    wrong = []
    for name, line in imports(path):
        if not name.startswith("repro."):
            continue
        other = name.split(".")[1]
        if other in VERBS:
            allowed = own == other or own in ABOVE_VERBS
        elif other in rank:
            allowed = own not in rank or rank[other] < rank[own] or (rank[other] == rank[own] and other != own)
        elif other in EDGES:
            allowed = own in EDGES and EDGES.index(other) <= EDGES.index(own)
        else:
            allowed = False
        if not allowed:
            wrong.append(f"{path.name}:{line} imports {name}")
    assert not wrong, wrong


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_package_never_imports_its_own_init(path: Path) -> None:
    own = room(path)
    assert not [f"line {line}" for name, line in imports(path) if own in VERBS and name == f"repro.{own}"]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_heavy_libraries_stay_in_their_rooms(path: Path) -> None:
    own = room(path)
    for name, line in imports(path):
        rooms = HEAVY.get(name.split(".")[0])
        assert rooms is None or own in rooms, f"{path}:{line} imports {name}"
        if name.split(".")[0] == "matplotlib":
            assert path.name == "plots.py", f"{path}:{line}"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_only_gather_knows_a_network(path: Path) -> None:
    if room(path) == "gather":
        return
    wrong = [(name, line) for name, line in imports(path) if name.split(".")[0] in NETWORK and name != "urllib.parse"]
    assert not wrong


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_the_library_never_prints_and_never_exits(path: Path) -> None:
    if room(path) in PRINTERS or path.name == "__main__.py":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit", "input", "breakpoint", "eval", "exec"}, (
                f"{path}:{node.lineno}"
            )
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr not in {"exit"}, f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_every_file_says_itself_in_its_docstring_and_stays_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert len(text.splitlines()) <= 320, f"{path} has {len(text.splitlines())} lines"
    assert path.stem not in {"utils", "common", "helpers", "base", "manager"}


@pytest.mark.parametrize("command", [["--help"], ["check", "cards/dpo-mahals.md"], ["read", "cards/dpo-mahals.md"]])
def test_light_commands_load_nothing_heavy(command: list[str]) -> None:
    heavy = [name for name in HEAVY if name not in {"huggingface_hub"}]
    code = (
        f"import sys; from repro.start import main; main({command!r}); "
        f"sys.stderr.write('LOADED ' + ' '.join(n for n in {heavy!r} if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, timeout=120)
    assert done.stderr.rsplit("LOADED", 1)[-1].strip() == "", done.stderr[-2000:]
    assert "LOADED" in done.stderr


def test_eight_verbs_are_there() -> None:
    assert {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()} == set(VERBS)
