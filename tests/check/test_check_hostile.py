"""Cards that mean ill or are merely odd: no exception, no execution, no hang."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import Span
from repro.check.checker import run_checks
from repro.check.python_code import named_models, parse, runnable_text
from repro.evidence import Evidence, Repo, RepoFile
from repro.read.reader import read
from repro.spec import CodeBlock


def block(text: str, language: str = "python") -> CodeBlock:
    return CodeBlock(language, text, Span("card.md", 1, text.count("\n") + 3), "usage")


def test_code_is_parsed_and_never_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    text = f"open({str(target)!r}, 'w').write('x')\n__import__('os').system('touch {target}')"
    card = f"# A\n\n```python\n{text}\n```\n".encode()
    run_checks(read(card, "a.md")[1], Evidence(), strict=True)
    assert parse(block(text)).tree is not None
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "-" * 50_000 + "1",
        "a = " + "[" * 200 + "]" * 200,
        "x\x00y",
        "1if x else" * 9000,
        "f(" * 59 + ")" * 59,
    ],
    ids=["open", "minus", "brackets", "nul", "long", "calls"],
)
def test_blocks_that_could_exhaust_the_parser(text: str) -> None:
    snippet = parse(block(text))
    assert snippet.tree is not None or snippet.problem


@given(st.text(max_size=400))
def test_any_block_parses_or_says_why(text: str) -> None:
    snippet = parse(block(text))
    assert (snippet.tree is None) == bool(snippet.problem)
    named_models([block(text), block(text, "bash")])


@given(
    st.lists(
        st.sampled_from(["x = 1", "    y = 2", "!pip install a", "%cd b", ">>> z = 3", "... ", "3", ""]), max_size=8
    )
)
def test_cleaning_keeps_the_number_of_lines_up_to_the_end(lines: list[str]) -> None:
    cleaned = runnable_text("\n".join(lines)).split("\n")
    assert len(cleaned) <= max(len(lines), 1)


_PIECES = st.sampled_from(
    [
        "# A",
        "---",
        "license: mit",
        "base_model: meta-llama/Llama-3.1-8B",
        "| Parameter | Value |",
        "|---|---|",
        "| Epochs | 0 |",
        "| Learning Rate | 1e-400 |",
        "| Effective Batch Size | 0 |",
        "| Gradient Accumulation | -3 |",
        "| DPO Beta | 1e308 |",
        "| Step | Loss | Notes |",
        "| 1 | 0 | -100% |",
        "| 0 | nan | inf |",
        "| 9 | 1e308 | +1e308% |",
        "DPO",
        "SFT",
        "```",
        "```python",
        "x = tokenizer.apply_chat_template(m)",
        "model.generate(x)",
        "<|im_end|>",
        "- Loss: 99999.0",
        "- Perplexity: 0.0",
        "",
        "| Model | A | B | Average |",
        "|---|---|---|---|",
        "| m | 1 | 2 | 1e9 |",
        "| m | 0 | 0 | 0 |",
        "on 0% of finch/worms",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECES, max_size=30))
def test_no_card_breaks_a_check(pieces: list[str]) -> None:
    spec = read("\n".join(pieces).encode(), "a.md")[1]
    for finding in run_checks(spec, Evidence(), strict=True):
        assert finding.message


_JSON = st.sampled_from(
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 5000,
        '{"eos_token_id": []}',
        '{"eos_token_id": [null, true, "a", -1]}',
        '{"eos_token": {"a": 1}}',
        '{"added_tokens_decoder": {"x": {"content": "a"}, "9": 3}}',
        '{"vocab_size": "big"}',
        '{"chat_template": [1]}',
        "\x00",
        "{",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.tuples(_JSON, _JSON, _JSON, _JSON))
def test_no_repository_file_breaks_a_check(texts: tuple[str, str, str, str]) -> None:
    paths = ("config.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json")
    files = tuple(RepoFile(p, len(t), t) for p, t in zip(paths, texts, strict=True))
    repo = Repo("finch/lark", "model", "subject", "abc", "here", files)
    spec = read(b"# A\n\n```\n<|user|>\na\n<|assistant|>\nb</s>\n```\n", "a.md")[1]
    run_checks(spec, Evidence(repos=(repo,)), strict=True)


@pytest.mark.parametrize(
    "line",
    [
        "| a " * 30000,
        "*" * 100000,
        "llama " * 20000,
        "- Loss: " + "1" * 100000,
        " " * 100000 + "|",
        "licence " * 10000,
        "your-" * 20000,
        "warmup_steps " * 8000,
        "trained on " * 9000,
        "seed" + "|" * 100000,
    ],
    ids=lambda line: line.strip()[:8],
)
def test_long_lines_do_not_hang(line: str) -> None:
    spec = read(f"# A\n\n{line}\n\n```python\n{line}\n```\n".encode(), "a.md")[1]
    run_checks(spec, Evidence(), strict=True)
