"""Cards that are broken, odd or hostile: always a spec, always soon, and what a person would still read is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.card import Card
from repro.check.checker import run_checks
from repro.errors import CardError
from repro.evidence import Evidence
from repro.files import MAX_CARD_BYTES, read_card_bytes
from repro.read.reader import read
from repro.spec import ClaimKind, Spec

Reader = Callable[[str], Spec]
SECONDS = 60
"""Far above what is needed: only what grows with the square of its size takes as long."""
TABLE = "| Parameter | Value |\n|---|---|\n| Learning rate | 2e-5 |\n| Epochs | 3 |\n"


def audited(data: bytes) -> tuple[Card, Spec]:
    card, spec = read(data, "card.md")
    run_checks(spec, Evidence(), strict=True)
    lines = card.text.count("\n") + 1
    assert all(1 <= c.span.line <= c.span.end_line <= lines for c in spec.claims)
    return card, spec


def rate(spec: Spec) -> object:
    return spec.stages[-1].get("learning_rate").value if spec.stages else None


BIG = {
    "a line of 10 MB": b"# SFT\n\n" + b"x " * 5_000_000,
    "a word of 10 MB": b"x" * 10_000_000,
    "dashes": b"-" * 3_000_000,
    "pipes": b"|" * 300_000 + b"\n" + b"|-" * 150_000,
    "quotes 100,000 deep": b">" * 100_000 + b" x",
    "brackets 100,000 deep": b"[" * 100_000 + b"x" + b"]" * 100_000,
    "lists 100,000 deep": b"- " * 100_000 + b"x",
    "links in links": b"[a](" * 100_000,
    "emphasis": b"*a" * 100_000,
    "backticks of every length": b"".join(b"`" * i + b"a" for i in range(600)),
    "headings never closed": b"<h1>" * 100_000,
    "headings half closed": b"<div><h1 " + b"<h1 a" * 50_000,
    "comments never closed": b"<div>\n" + b"<!-- x " * 50_000,
    "tags": b"<" * 100_000,
    "tables in tables": b"<table><tr><td>" * 20_000,
    "fences": b"```\n" * 20_000,
    "headings": b"# a\n" * 20_000,
    "items": b"- learning_rate: 2e-5\n" * 20_000,
    "scores": b"- MMLU: 65.2\n" * 10_000,
    "paragraphs": b"Trained for 3 epochs at 2e-5 on 3 GPUs.\n\n" * 5_000,
    "sentences": b"it achieves 1 on a " * 100_000,
    "tables of models": b"| Model | MMLU |\n|---|---|\n| a | 1.5 |\n| b | 2.5 |\n\n" * 3_000,
    "rows with pipes": b"x | y\n" * 20_000 + b"---|---x\n",
    "a log of 50,000 lines": b"<pre>\nStep\tTraining Loss\n" + b"100\t0.5\n" * 50_000 + b"</pre>",
    "bad bytes": b"\xff" * 300_000,
    "NULs": b"\x00" * 300_000,
    "carriage returns": b"\r" * 300_000,
    "spaces": b" " * 1_000_000,
    "bracketed YAML": b"---\na: " + b"[" * 100_000 + b"\n---\nx",
    "many keys": b"---\n" + b"".join(b"k%d: v\n" % i for i in range(20_000)) + b"---\nx",
    "many scores in front": b"---\nmodel-index:\n- results:\n  - metrics:\n"
    + b"    - type: acc\n      value: 0.5\n" * 10_000
    + b"---\nx",
}


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("data", BIG.values(), ids=BIG.keys())
def test_what_is_long_or_deep_takes_time_in_proportion(data: bytes) -> None:
    audited(data)


@pytest.mark.timeout(SECONDS)
def test_a_table_of_100_000_rows() -> None:
    rows = b"".join(b"| %d | 0.5 |\n" % step for step in range(1, 100_001))
    card, spec = audited(b"# SFT\n\n## Training\n\n| Step | Loss |\n|---|---|\n" + rows + b"\nTrained for 3 epochs.\n")
    losses = [c for c in spec.claims if c.kind is ClaimKind.LOSS]
    assert losses[0].step == 1
    assert len(losses) >= 5000
    assert [p.span.line for p in card.problems if "rows" in p.message]
    assert spec.stages[0].get("num_epochs").value == 3  # what stands below it is read


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: pytest.TempPathFactory) -> None:
    place = tmp_path / "README.md"  # type: ignore[operator]
    with place.open("wb") as file:
        file.truncate(3 * 2**30)  # a hole: it takes no room
    with pytest.raises(CardError, match=r"3072\.0 MiB is too large for a model card \(limit 10 MiB\)"):
        read_card_bytes(str(place))
    with place.open("wb") as file:
        file.write(b"x" * MAX_CARD_BYTES)
    assert len(read_card_bytes(str(place))) == MAX_CARD_BYTES


@pytest.mark.timeout(SECONDS)
def test_aliases_that_explode() -> None:
    bomb = "---\na: &a [1,1,1,1,1,1,1,1]\n"
    bomb += "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(20))
    card, spec = audited(f"{bomb}license: mit\n---\n# SFT\n\n{TABLE}".encode())
    assert card.front_matter == {}
    assert "alias" in card.problems[0].message
    assert rate(spec) == 2e-5


@pytest.mark.parametrize(
    ("front", "values", "line"),
    [
        ("license: mit\nbase_model:\n\t- a/b\nname: c\n", {"license": "mit", "name": "c"}, 4),
        ("license: mit\ntitle: Heron: a bird\nbase_model: a/b\n",
         {"license": "mit", "title": "Heron: a bird", "base_model": "a/b"}, 3),
        ("license: mit\ntags:\n- dpo\n- sft\nwidget: [a\nbase_model: a/b\n",
         {"license": "mit", "tags": ["dpo", "sft"], "base_model": "a/b"}, 0),
        ("license: mit\n\ttags: x\nbase_model: a/b\n", {"base_model": "a/b"}, 3),
        ("license: mit\nnote: \"open\nbase_model: a/b\n", {"license": "mit"}, 0),
        ("license: mit\nx: *gone\nbase_model: a/b\n", {}, 0),
        ("license: @mit\nbase_model: a/b\n", {"base_model": "a/b"}, 2),
        ("\"\n", {}, 0),
    ],
)  # fmt: skip
def test_broken_front_matter_is_read_where_it_is_plain(front: str, values: dict[str, object], line: int) -> None:
    card, _ = audited(f"---\n{front}---\n# Heron\n".encode())
    assert card.front_matter == values
    assert card.problems
    assert not line or card.problems[0].span.line == line
    for key, where in card.front_matter_lines.items():
        assert card.line(where).startswith(key)


ODD = {
    "no front matter": f"# SFT\n\n{TABLE}",
    "late front matter": f"Hello.\n\n---\nlicense: mit\n---\n# SFT\n\n{TABLE}",
    "blank lines before": f"\n\n---\nlicense: mit\n---\n# SFT\n\n{TABLE}",
    "never closed front matter": f"---\nlicense: mit\n\n# SFT\n\n{TABLE}",
    "a list": f"---\n- a\n- b\n---\n# SFT\n\n{TABLE}",
    "a scalar": f"---\nhello\n---\n# SFT\n\n{TABLE}",
    "empty": f"---\n---\n# SFT\n\n{TABLE}",
    "a rule": f"---\n\n# SFT\n\n{TABLE}",
    "a fence never closed": f"# SFT\n\n{TABLE}\n```python\nx = 1\n",
    "a fence within a line": f"# SFT\n\nUse ```x``` and ``` so.\n\n{TABLE}",
    "an indented fence": f"# SFT\n\n    ```\n\n{TABLE}",
    "no outer pipes": "# SFT\n\nParameter | Value\n--- | ---\nLearning rate | 2e-5\nEpochs | 3\n",
    "ragged rows": "# SFT\n\n| Parameter | Value |\n|---|---|\n| Learning rate | 2e-5 | x | y |\n| Epochs |\n",
    "a table at the end": f"# SFT\n\n{TABLE}".rstrip(),
    "tabs": f"# SFT\n\n{TABLE}".replace(" | ", "\t|\t"),
    "a comment never closed": f"# SFT\n\n{TABLE}\n<!-- hidden\n",
    "in a quotation": "# SFT\n\n" + "".join(f"> {line}\n" for line in TABLE.splitlines()),
    "zero width": f"# SFT\u200d\n\n{TABLE}",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("form", ["utf-8", "bom", "crlf", "cr", "utf-16-le", "utf-16-be", "bad byte", "nul"])
def test_odd_cards_are_read_in_every_encoding(text: str, form: str) -> None:
    data = {
        "utf-8": text.encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "utf-16-le": b"\xff\xfe" + text.encode("utf-16-le"),
        "utf-16-be": b"\xfe\xff" + text.encode("utf-16-be"),
        "bad byte": text.encode() + b"\n\nCaf\xe9 \xff\xfe.\n",
        "nul": text.encode() + b"\n\nx\x00y\n",
    }[form]
    card, spec = audited(data)
    assert rate(spec) == 2e-5
    for block in card.blocks:
        for row in (block.table.header, *block.table.rows) if block.table else ():
            for cell in row:
                there = card.data[cell.start : cell.end].decode("utf-8", "replace")
                assert there == cell.raw or (form.startswith("utf-16") and cell.start == cell.end == 0)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_text_and_said_to_be_odd(tmp_path: pytest.TempPathFactory, encoding: str) -> None:
    place = tmp_path / "README.md"  # type: ignore[operator]
    place.write_bytes("\ufeff".encode(encoding) + f"---\nlicense: mit\n---\n# SFT\n\n{TABLE}".encode(encoding))
    card, spec = audited(read_card_bytes(str(place)))
    assert card.front_matter == {"license": "mit"}
    assert "UTF-16" in card.problems[0].message
    assert all(c.cell_start is None for c in spec.claims)


@pytest.mark.parametrize(
    "text",
    [
        "# 苍鹭-7B\n\n## 训练\n\n| 参数 | 值 |\n|---|---|\n| learning_rate | 2e-5 |\n| num_train_epochs | 3 |\n",
        "# アオサギ\n\n### Training hyperparameters\n\n次の通りです。\n- learning_rate: 2e-5\n- num_epochs: 3\n",
        "# 왜가리\n\n### Training hyperparameters\n\n다음과 같습니다:\n- learning_rate: 2e-5\n- num_epochs: 3\n",
        "# Diệc\n\n## Huấn luyện (SFT)\n\n| Tham số | Giá trị |\n|---|---|\n| Learning rate | 2e-5 |\n| Epochs | 3 |\n",
        "# นกกระสา\n\n### Training hyperparameters\n\n- learning_rate: 2e-5\n- train_batch_size: 8\n- num_epochs: 3\n",
        "# Héron\n\n## Réglages (SFT)\n\n| Paramètre | Valeur |\n|---|---|\n| Learning rate | 2e-5 |\n| Epochs | 3 |\n",
        "# Garza\n\n### Training hyperparameters\n\nLos siguientes:\n- learning_rate: 2e-5\n- num_epochs: 3\n",
    ],
)
def test_cards_in_other_languages(text: str) -> None:
    _, spec = audited(text.encode())
    assert rate(spec) == 2e-5
    assert spec.stages[-1].get("num_epochs").value == 3


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    audited(data)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_front_matter(text: str) -> None:
    audited(f"---\n{text}\n---\n# A\n".encode("utf-8", "replace"))
