"""Files' texts -> facts: what is found, what is derived, and what is not believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_repositories import CONFIG, PARAMETERS, safetensors

from repro.evidence import Repo, RepoFile
from repro.gather.artefacts import describe
from repro.gather.dataset_files import split_files
from repro.gather.front_matter import front_matter
from repro.gather.logs import console_losses
from repro.gather.model_files import key_line, safetensors_header
from repro.gather.wanted import trainer_state_path
from repro.spec import Origin

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
"""The machine may be busy: how long an example takes says nothing."""


def repo(texts: dict[str, object], kind: str = "model", headers: dict[str, bytes] | None = None) -> Repo:
    written = {k: v if isinstance(v, str) else json.dumps(v, indent=1) for k, v in texts.items()}
    sizes: dict[str, int | None] = {k: len(v) for k, v in written.items()}
    return describe(
        repo_id="lab/x",
        kind=kind,
        role="subject" if kind == "model" else kind,
        revision="0" * 40,
        source="test",
        sizes=sizes,
        texts=written,
        headers=headers,
    )


def test_an_eight_billion_parameter_index_that_contradicts_itself() -> None:
    config = CONFIG | {
        "vocab_size": 128264,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    }
    index = {"metadata": {"total_parameters": 266240, "total_size": 16060653568}, "weight_map": {}}
    found = repo({"config.json": config, "pytorch_model.bin.index.json": index})
    assert found.get("index_total_parameters").value == 266240
    assert found.get("index_total_size_bytes").value == 16060653568
    total = found.get("total_params")
    assert (total.value, total.origin) == (8030326784, Origin.DERIVED)
    assert "16060653568 bytes / 2 bytes" in total.why
    assert found.get("config_parameters").value == 8030326784


@pytest.mark.parametrize(
    "change", [{"dtype": "float32"}, {"dtype": None}, {"quantization_config": {"quant_method": "gptq"}}]
)
def test_bytes_are_parameters_only_at_a_known_width(change: dict[str, object]) -> None:
    index = {"metadata": {"total_size": 1001}}
    found = repo({"config.json": {**CONFIG, **change, "model_type": "other"}, "model.safetensors.index.json": index})
    assert found.get("index_total_size_bytes").value == 1001
    assert not found.get("total_params").known


def test_the_shape_of_a_llama_is_counted_and_of_nothing_else() -> None:
    total = repo({"config.json": CONFIG}).get("total_params")
    assert (total.value, total.origin) == (PARAMETERS, Origin.DERIVED)
    for change in ({"model_type": "qwen2"}, {"attention_bias": True}, {"intermediate_size": None}, {"head_dim": "8"}):
        assert not repo({"config.json": CONFIG | change}).get("total_params").known
    tied = repo({"config.json": CONFIG | {"tie_word_embeddings": True}}).get("total_params").value
    assert tied == PARAMETERS - 264 * 32


def test_safetensors_are_counted_over_their_files() -> None:
    headers = {
        "model-00001-of-00002.safetensors": safetensors({"a": ("BF16", [10, 10])}),
        "model-00002-of-00002.safetensors": safetensors({"b": ("F32", [7])}),
    }
    found = repo({"config.json": CONFIG}, headers=headers)
    assert (found.get("total_params").value, found.get("total_params").origin) == (107, Origin.FOUND)
    assert found.get("safetensors_dtypes").value == ("BF16", "F32")


@pytest.mark.parametrize(
    "header",
    [
        safetensors({"a": ("U8", [10])}),
        b"\xff" * 64,
        b"\x05\0\0\0\0\0\0\0[1,2]",
        b"short",
        safetensors({"a": ("BF16", [10])})[:20],
        b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"BF16","shape":[99],"data_offsets":[0,4]}}'.ljust(64),
        b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"BF16","shape":"xx","data_offsets":[0]}}'.ljust(64),
    ],
)
def test_headers_that_do_not_add_up_are_not_counted(header: bytes) -> None:
    found = repo({"config.json": CONFIG}, headers={"model.safetensors": header})
    assert found.get("total_params").origin is Origin.DERIVED
    assert any(f.key == "safetensors headers" and f.origin is Origin.MISSING and f.why for f in found.facts)


def test_one_tensor_in_two_files_is_not_counted_twice() -> None:
    data = safetensors({"a": ("BF16", [10])})
    found = repo({}, headers={"model-00001-of-00002.safetensors": data, "model-00002-of-00002.safetensors": data})
    assert not found.get("total_params").known


def test_two_templates_both_stay_and_the_file_comes_first() -> None:
    tokenizer = {"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]}
    found = repo({"tokenizer_config.json": tokenizer, "chat_template.jinja": "from the file\n"})
    assert [f.value for f in found.facts if f.key == "chat_template"] == ["from the file\n", "d"]


def test_a_nested_text_config_is_read() -> None:
    found = repo(
        {"config.json": {"model_type": "vision", "text_config": {"vocab_size": 9, "torch_dtype": "torch.float16"}}}
    )
    assert found.get("vocab_size").value == 9
    assert found.get("torch_dtype").value == "float16"
    assert found.get("torch_dtype").printed == "torch.float16"


@pytest.mark.parametrize("text", ["{", "", "[]", "[" * 100_000, "null", '{"a": NaN}x'])
def test_a_broken_file_is_a_missing_fact_with_a_reason(text: str) -> None:
    found = repo({"config.json": text, "tokenizer_config.json": {"eos_token": "</s>"}})
    notes = [f for f in found.facts if f.key == "config.json"]
    assert [(f.origin, bool(f.why)) for f in notes] == [(Origin.MISSING, True)]
    assert found.get("eos_token").value == "</s>"


def test_values_of_the_wrong_type_are_not_facts() -> None:
    odd = {
        "vocab_size": "264",
        "hidden_size": True,
        "num_hidden_layers": -1,
        "max_position_embeddings": 1.5,
        "dtype": 7,
    }
    found = repo({"config.json": odd})
    assert not any(found.get(key).known for key in (*odd, "torch_dtype"))


def test_a_trainers_state_states_its_recipe_but_not_a_missing_epoch_count() -> None:
    state = {"max_steps": 844, "num_train_epochs": 9223372036854775807, "logging_steps": 0.1, "log_history": []}
    found = repo({"checkpoint-844/trainer_state.json": state})
    assert found.get("max_steps").value == 844
    assert not found.get("num_epochs").known
    assert not found.get("logging_steps").known


@pytest.mark.parametrize(
    ("state", "epochs"),
    [
        ({"num_train_epochs": 2, "epoch": 2.0, "global_step": 8, "max_steps": 8}, 2),
        ({"num_train_epochs": 2, "epoch": 1.99, "global_step": 8, "max_steps": 8}, 2),
        ({"num_train_epochs": 1, "epoch": 0.1, "global_step": 8, "max_steps": 8}, None),
        ({"num_train_epochs": 2, "epoch": 2.0, "global_step": 8, "max_steps": 16}, None),
        ({"num_train_epochs": 2, "global_step": 8, "max_steps": 8}, None),
    ],
)
def test_epochs_are_what_was_asked_for_only_when_they_were_run(state: dict[str, object], epochs: int | None) -> None:
    """With max_steps given, the Trainer writes ceil(epochs) into num_train_epochs."""
    assert repo({"trainer_state.json": state}).get("num_epochs").value == epochs


def test_the_subjects_card_is_no_witness_for_itself() -> None:
    card = {"README.md": "---\nlicense: mit\nbase_model: a/b\n---\n"}
    assert not repo(card).get("base_model").known
    assert repo(card, kind="dataset").get("license").value == "mit"


CURVE = "step\tloss\n1\t1.2\n2\t1.1\n"
STATE = {"logging_steps": 1, "log_history": [{"step": 1, "loss": 0.7}]}


@pytest.mark.parametrize(
    ("files", "losses", "note"),
    [
        ({"trainer_state.json": STATE, "curve.tsv": CURVE}, [0.7], "is the trainer's own"),
        ({"curve.tsv": CURVE}, [1.2, 1.1], ""),
        ({"curve.tsv": CURVE, "more.tsv": CURVE}, [], "several logs"),
        ({"sft-curve.tsv": CURVE}, [], "speaks of sft"),
        ({"sft/trainer_state.json": STATE}, [], "speaks of sft"),
        ({"run/trainer_state.json": STATE}, [0.7], ""),
    ],
)
def test_whose_losses_they_are_is_not_guessed(files: dict[str, object], losses: list[float], note: str) -> None:
    found = repo(files)
    assert [r.loss for r in found.losses] == losses
    assert found.get("losses_file").known == bool(losses)
    assert [note in f.why for f in found.facts if f.origin is Origin.MISSING].count(True) == (len(files) - bool(losses))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((), ""),
        (("a/b/trainer_state.json",), ""),
        (("checkpoint-9/trainer_state.json", "checkpoint-100/trainer_state.json"), "checkpoint-100/trainer_state.json"),
        (("checkpoint-9/trainer_state.json", "trainer_state.json", "x/trainer_state.json"), "trainer_state.json"),
        (("x/checkpoint-9/trainer_state.json", "x/trainer_state.json"), "x/trainer_state.json"),
        (("x/checkpoint-9/trainer_state.json", "y/trainer_state.json"), ""),
    ],
)
def test_which_trainer_state_is_read(names: tuple[str, ...], chosen: str) -> None:
    assert trainer_state_path(names) == chosen


def test_rows_of_the_default_configuration() -> None:
    readme = (
        "---\nlicense: odc-by\ndataset_info:\n- config_name: small\n  splits:\n  - name: train\n    num_examples: 5\n"
        "- config_name: default\n  splits:\n  - name: train\n    num_examples: 271409\n---\nAbout 272,898 rows.\n"
    )
    found = repo({"README.md": readme}, kind="dataset")
    rows = found.get("num_rows")
    assert (rows.value, rows.origin) == (271409, Origin.FOUND)
    assert rows.span is not None
    assert rows.span.line == 3
    assert found.get("license").value == "odc-by"
    several = readme.replace("default", "large")
    assert not repo({"README.md": several}, kind="dataset").get("num_rows").known


@pytest.mark.parametrize(
    ("matter", "says"),
    [
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system [ls]", "tags"),
        ("a: !!str 5", "tags"),
        ("a: " + "[" * 200 + "]" * 200, "nested"),
        ("- " * 100_000 + "a", "nested"),
        ("a: [" * 50_000, "nested"),
        ("a: b: c", "not YAML"),
        ("- 1\n- 2", "not a mapping"),
        ("a: \x00", "not YAML"),
        ("a: 99999-99-99", ""),
        ("a: " + "1:" * 200_000 + "1", "a number of"),
        ("a: " + "9" * 200_000, "a number of"),
    ],
)
def test_front_matter_that_could_hurt_is_refused(matter: str, says: str) -> None:
    _, why = front_matter(f"---\n{matter}\n---\n")
    assert says in why


@UNHURRIED
@given(st.text())
def test_any_front_matter_is_read_or_refused(text: str) -> None:
    data, why = front_matter(f"---\n{text}\n---\n")
    assert isinstance(data, dict)
    assert not (data and why)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["vocab_size", "hidden_size", "dtype", "text_config", "eos_token", "chat_template", "metadata", "log_history",
     "architectures", "eos_token_id", "quantization_config", "logging_steps", "train_loss", "model_max_length", "r"]
)  # fmt: skip


@UNHURRIED
@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_any_json_in_any_file_makes_a_repo(data: dict[str, Any]) -> None:
    names = ["config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"]
    names += ["pytorch_model.bin.index.json", "trainer_state.json", "adapter_config.json", "all_results.json"]
    found = repo(dict.fromkeys(names, data))
    for fact in found.facts:
        assert (fact.value is None) == (fact.origin is Origin.MISSING)


@UNHURRIED
@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_a_reason(data: bytes) -> None:
    header, needed, why = safetensors_header(data)
    assert header == {} or needed <= len(data)
    assert not (header and why)


def test_time_grows_no_faster_than_the_text() -> None:
    """Each of these took minutes when lines were counted from the top, or digits walked twice."""
    lines = '"vocab_size":\n' * 200_000
    assert key_line("x\n" + lines + lines, "vocab_size") == 2
    assert console_losses("Step: 1, LR: " + "1" * 2_000_000 + "x") == ((), ())
    shape = (
        b'{"a":{"dtype":"F32","shape":[' + b",".join([b"999999999999999999"] * 100_000) + b'],"data_offsets":[0,4]}}'
    )
    assert (
        not repo({}, headers={"model.safetensors": len(shape).to_bytes(8, "little") + shape}).get("total_params").known
    )
    readme = "---\nconfigs:\n- data_files: '" + "*a" * 140 + "*b'\n---\n"
    files = (RepoFile("README.md", 1, readme), RepoFile("a" * 900 + ".jsonl", 1))
    assert split_files(Repo("a/b", "dataset", "dataset", "local", "x", files), "train") == ()
