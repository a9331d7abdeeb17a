"""Checkpoints are loaded safely or refused, and asked with an exact seam between question and answer."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluate_fixtures import preference_row, sft_row, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from repro.errors import PrerequisiteError, RunError
from repro.evaluate.harness import LmEvalHarness
from repro.evaluate.model import LocalModel
from repro.evaluate.quiet import quiet
from repro.task import ignore


def score(checkpoint: Path | str, tmp_path: Path, kind: str = "preference") -> tuple[Any, ...]:
    row = preference_row(0, "blue", "red") if kind == "preference" else sft_row(0, "blue")
    data = [(kind, write_rows(tmp_path / "rows.jsonl", [row]))]
    return LmEvalHarness(device="cpu").score(str(checkpoint), "sft", data, str(tmp_path / "out"), ignore)


@pytest.fixture
def copy(plain: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "model"))


@pytest.fixture(scope="module")
def loaded(plain: str) -> LocalModel:
    with quiet() as silence:
        return LocalModel(Path(plain), batch_size=2, device="cpu", dtype="float32", silence=silence)


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_seam_loses_no_token(loaded: LocalModel, prompt: str, answer: str) -> None:
    context, continuation = loaded._encode_pair(prompt, answer)
    tokenizer = loaded.tokenizer
    assert context + continuation == tokenizer(prompt + answer, add_special_tokens=False)["input_ids"]
    # A byte-level token is never longer than the text it stands for, so nothing of the answer is in the context.
    assert len(tokenizer.decode(context).encode()) <= len(prompt.encode()) + 3 * prompt.count("�") + 3
    assert tokenizer.decode(continuation).endswith(answer[1:])


def test_the_newline_before_the_answer_is_not_scored(loaded: LocalModel) -> None:
    context, continuation = loaded._encode_pair("<|assistant|>\n", "blue")
    assert loaded.tokenizer.decode(context) == "<|assistant|>\n"
    assert loaded.tokenizer.decode(continuation) == "blue"


LLAMA_3 = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How Llama 3's tokenizer cuts: punctuation takes the newlines after it along, so that ">\\n" is one word."""


def test_a_newline_that_merges_with_the_prompt_costs_no_token(save: Callable[..., str]) -> None:
    with quiet() as silence:
        model = LocalModel(Path(save(pattern=LLAMA_3)), batch_size=2, device="cpu", dtype="float32", silence=silence)
    prompt, answer = "<|user|>\nsky\n<|assistant|>\n", "blue"
    context, continuation = model._encode_pair(prompt, answer)
    assert model.tokenizer.decode(context) == prompt
    assert model.tokenizer.decode(continuation) == answer
    assert model.tokenizer.convert_ids_to_tokens(context)[-1].endswith(">Ċ"), "the newline did merge"


def test_a_token_across_the_seam_belongs_to_the_answer(loaded: LocalModel) -> None:
    # "blue" is one token of this vocabulary; with half of it in the prompt, the whole token is what must be likely.
    context, continuation = loaded._encode_pair("sky\nbl", "ue")
    assert loaded.tokenizer.decode(context) == "sky\n"
    assert loaded.tokenizer.decode(continuation) == "blue"


def test_weights_in_a_pickle_are_read_as_weights_only(copy: Path, tmp_path: Path) -> None:
    before = score(copy, tmp_path)
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    shutil.rmtree(tmp_path / "out")
    after = score(copy, tmp_path)
    assert [s.samples for s in after] == [s.samples for s in before]


class Bomb:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def test_a_pickle_that_runs_code_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").unlink()
    for weights in (lambda: torch.save({"a": Bomb(tmp_path / "ran")}, copy / "pytorch_model.bin"), None):
        if weights is not None:
            weights()
        else:
            (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
        with pytest.raises(PrerequisiteError, match="cannot be loaded"):
            score(copy, tmp_path)
        assert not (tmp_path / "ran").exists()


def test_code_from_the_repository_is_never_run(copy: Path, tmp_path: Path) -> None:
    (copy / "modeling.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass Model: ...\n")
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": dict.fromkeys(("AutoConfig", "AutoModelForCausalLM"), "modeling.Model")}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(PrerequisiteError, match="cannot be loaded"):
        score(copy, tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", ["org/kernel", "paged|org/kernel@main:run", {"text_config": "org/kernel"}])
def test_a_kernel_that_the_configuration_names_is_never_fetched(copy: Path, tmp_path: Path, value: object) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "nested": [{"attn_implementation": value}]}))
    with pytest.raises(PrerequisiteError, match="never run here"):
        score(copy, tmp_path)
    (copy / "config.json").write_text(json.dumps({**config, "attn_implementation": "eager"}))
    assert score(copy, tmp_path)


def test_a_missing_weight_is_not_made_up(copy: Path, tmp_path: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PrerequisiteError, match=r"1 weights are missing .*up_proj"):
        score(copy, tmp_path)


def test_a_weight_too_many_is_told(copy: Path, tmp_path: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "v_head.weight": torch.zeros(2)}, copy / "model.safetensors", metadata={"format": "pt"})
    assert dict(score(copy, tmp_path)[0].harness.arguments)["unused_weights"] == "1"


@pytest.mark.parametrize("kind", ["preference", "sft"])
def test_a_diverged_model_has_no_score(save: Callable[..., str], tmp_path: Path, kind: str) -> None:
    def diverge(model: Any, _: Any) -> None:
        model.lm_head.weight.data[5, 5] = float("nan")

    with pytest.raises(RunError, match="NaN"):
        score(save(change=diverge), tmp_path, kind)


def test_a_tokenizer_of_another_model_is_refused(save: Callable[..., str], plain: str, tmp_path: Path) -> None:
    def shrink(model: Any, _: Any) -> None:
        model.resize_token_embeddings(64)

    with pytest.raises(PrerequisiteError, match="the model has 64"):
        score(save(change=shrink), tmp_path)


def test_a_template_that_refuses_or_runs_on_is_a_reason(save: Callable[..., str], tmp_path: Path) -> None:
    refusing = save(template="{{ raise_exception('no') }}")
    escaping = save(template="{{ messages.__class__.__mro__[1].__subclasses__() }}")
    for checkpoint in (refusing, escaping):
        with pytest.raises(RunError, match="1 the chat template refuses it"):
            score(checkpoint, tmp_path)


def test_a_template_does_not_know_what_day_it_is(save: Callable[..., str], tmp_path: Path) -> None:
    dated = "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    score(save(template=dated + "Today: {{ date_string }}. {{ messages[0]['content'] }}"), tmp_path)
    sample = json.loads((tmp_path / "out" / "sft" / "repro_preference" / "samples.jsonl").read_text("utf-8"))
    assert sample["doc"]["prompt"] == "Today: 26 Jul 2024. what colour is number 0"


def test_without_the_libraries_it_says_what_to_install(copy: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [preference_row(0, "blue", "red")])
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from repro.errors import PrerequisiteError\n"
        "from repro.evaluate.harness import LmEvalHarness\n"
        "from repro.task import ignore\n"
        "try: LmEvalHarness().score(sys.argv[1], 'm', [('preference', sys.argv[2])], sys.argv[3], ignore)\n"
        "except PrerequisiteError as error: sys.exit(f'{error} | {error.hint}')"
    )
    arguments = [str(copy), rows, str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert "scoring needs lm-eval, torch and transformers" in done.stderr
    assert "pip install 'card-repro[run]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", None, "no config.json"),
        ("config.json", "{", "cannot be read"),
        ("config.json", "[]", "not a mapping"),
        ("model.safetensors", None, "no weights"),
        ("model.safetensors", "short", "cannot be loaded"),
        ("tokenizer.json", "{}", "tokenizer cannot be loaded"),
        ("adapter_config.json", "{}", "adapter"),
    ],
)
def test_what_is_no_model_is_named(copy: Path, tmp_path: Path, file: str, content: str | None, message: str) -> None:
    (copy / file).unlink(missing_ok=True)
    if content is not None:
        (copy / file).write_text(content)
    with pytest.raises(PrerequisiteError, match=message) as caught:
        score(copy, tmp_path)
    assert caught.value.where
    assert caught.value.hint or "mapping" in message or "cannot be read" in message


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="no such folder"):
        score(tmp_path / "absent", tmp_path)
