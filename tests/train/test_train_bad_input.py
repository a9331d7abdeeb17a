"""Bad rows, tokenizers, weights and recipes, each through the engine: one sentence with where and what to do."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from plans import plan_of, stage_of

from repro.errors import PrerequisiteError, ReproError, RunError
from repro.plan import DatasetPlan, ProxyModel
from repro.run import Assets, Run
from repro.task import Progress, Scale
from repro.train import synthetic
from repro.train.engine import AccelerateEngine
from repro.train.model import make_proxy
from repro.train.record import load_run, read_steps
from repro.train.tokenizer import train_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = ProxyModel(300, 16, 32, 1, 2, 1, 0)
SFT = [{"messages": row["messages"]} for row in synthetic.sft_rows(6, 20)]
PAIRS = [{"chosen": row["chosen"], "rejected": row["rejected"]} for row in synthetic.preference_rows(6, 20)]
GOOD: Any = {"sft": SFT, "dpo": PAIRS}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer((m["content"] for row in synthetic.sft_rows(0, 100) for m in row["messages"]), 300)


@pytest.fixture(scope="module")
def sound(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    save(make_proxy(SHAPE, tokenizer, 3), tokenizer, folder)
    return folder


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@dataclass
class Bench:
    """A full-scale stage on rows and weights of one's own."""

    folder: Path
    base: Path
    told: list[Progress]

    def train(self, method: str = "sft", rows: list[dict[str, Any]] | None = None, **changes: Any) -> Run:
        data = self.folder / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in (GOOD[method] if rows is None else rows)))
        named = DatasetPlan("org/rows", "", "train", None, None, None)
        stage = stage_of(method, base="org/tiny", datasets=(named,), steps=None, **changes)
        given = plan_of(stage, scale=Scale.FULL, proxy=None)
        assets = Assets({"org/tiny": str(self.base)}, {"org/rows": (str(data),)}, {})
        return AccelerateEngine(checkpoint_seconds=0).run(given, assets, str(self.folder / "run"), self.told.append)


@pytest.fixture
def bench(sound: Path, tmp_path: Path) -> Bench:
    return Bench(tmp_path, Path(shutil.copytree(sound, tmp_path / "tiny")), [])


def test_the_bench_trains(bench: Bench) -> None:
    for method in ("sft", "dpo"):
        shutil.rmtree(bench.folder / "run", ignore_errors=True)
        assert len(bench.train(method).stages[0].steps) == 3
    assert not [event for event in bench.told if event.warning]


MESSAGE = {"role": "user", "content": None}


@pytest.mark.parametrize(
    ("method", "rows", "where", "what"),
    [
        ("sft", [{"question": "a", "answer": "b"}], 1, "no messages, .*: its columns are answer, question"),
        ("sft", PAIRS, 1, "its columns are chosen, rejected"),
        ("sft", [*SFT, {"messages": []}], 21, "the row's messages is empty"),
        ("sft", [*SFT[:3], {"messages": [MESSAGE]}], 4, "a message that is not a role and a text"),
        ("dpo", SFT, 1, "no chosen and rejected .*: its columns are messages"),
        ("dpo", [*PAIRS[:2], {"chosen": [], "rejected": []}], 3, "the row's chosen is empty"),
    ],
)
def test_rows(method: str, rows: list[dict[str, Any]], where: int, what: str, bench: Bench) -> None:
    with pytest.raises(RunError, match=what) as caught:
        bench.train(method, rows)
    assert caught.value.where == f"org/rows, row {where}"
    assert "data set" in caught.value.hint or "role and content" in caught.value.hint


def test_turns_without_a_word_are_trained_on_as_frameworks_do(bench: Bench) -> None:
    """There is still the end of the answer to learn."""
    silent = [{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]}] * 8
    (step,) = bench.train(rows=silent).stages[0].steps
    assert step.tokens == 8


def test_an_empty_file(bench: Bench) -> None:
    with pytest.raises(RunError, match="it is empty") as caught:
        bench.train(rows=[])
    assert caught.value.where.endswith("rows.jsonl")


def _config(folder: Path, name: str = "config.json", **changes: Any) -> None:
    kept = {**json.loads((folder / name).read_text()), **changes}
    (folder / name).write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))


def _no_eos(folder: Path) -> None:
    _config(folder, "tokenizer_config.json", eos_token=None)


def _no_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-500])


def _nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = math.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "changes", "what", "todo"),
    [
        (_no_eos, {}, "tokenizer has no end-of-text token", "set eos_token"),
        (_no_template, {"chat_template": "model"}, "no chat template", "--assume chat_template=tulu"),
        (_cut, {}, "cannot be loaded", "downloaded whole"),
        (_nan, {}, r"stage 'sft', step 1: the loss is nan", "starting weights sound"),
        (lambda f: (f / "config.json").unlink(), {}, "no readable config.json", ""),
        (lambda f: (f / "adapter_config.json").write_text("{}"), {}, "this is an adapter", "merge it"),
        (
            lambda f: _config(f, num_hidden_layers=2),
            {},
            r"missing: model\.layers\.1\..* 8 more",
            "together",
        ),
        (lambda f: _config(f, hidden_size=8), {}, "weights are of another shape", "together"),
        (lambda f: _config(f, model_type="nosuch"), {}, "does not recognize", "transformers' own"),
    ],
    ids=["eos", "template", "cut", "nan", "config", "adapter", "layers", "shape", "unknown"],
)
def test_weights_and_tokenizers(
    spoil: Callable[[Path], None], changes: dict[str, Any], what: str, todo: str, bench: Bench
) -> None:
    spoil(bench.base)
    with pytest.raises(ReproError, match=what) as caught:
        bench.train(**changes)
    assert todo in caught.value.hint
    assert load_run(bench.folder / "run") is None


def _others() -> dict[str, Callable[[Any], Any]]:
    import transformers as t

    small = {"vocab_size": 300, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    bert = t.BertConfig(**small, num_attention_heads=2)
    return {
        "encoder": lambda _: t.BertForMaskedLM(bert),
        "headless encoder": lambda _: t.BertModel(bert),
        "translator": lambda _: t.T5ForConditionalGeneration(
            t.T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        ),
        "classifier": lambda own: t.LlamaForSequenceClassification(own.config),
        "headless": lambda own: t.LlamaModel(own.config),
    }


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("encoder", r"\(BertForMaskedLM\) sees the tokens that it is to predict"),
        ("headless encoder", r"weights are missing: cls\..*config.json says BertModel"),
        ("translator", "cannot be loaded: Unrecognized configuration class"),
        ("classifier", r"missing: lm_head.weight .*says LlamaForSequenceClassification"),
        ("headless", r"missing: lm_head.weight .*says LlamaModel"),
    ],
)
def test_models_of_another_kind(kind: str, what: str, bench: Bench, tokenizer: Any) -> None:
    """transformers loads four of the five as causal language models, and they train."""
    shutil.rmtree(bench.base)
    save(_others()[kind](make_proxy(SHAPE, tokenizer, 3)), tokenizer, bench.base)
    with pytest.raises(PrerequisiteError, match=what) as caught:
        bench.train()
    assert "causal language model" in caught.value.hint or "whole language model" in caught.value.hint
    assert str(bench.base) in caught.value.where


@pytest.mark.parametrize("kind", ["GPTNeoX", "GPT2"])
def test_other_causal_models_are_not_taken_for_encoders(kind: str, bench: Bench, tokenizer: Any) -> None:
    """GPT-NeoX says of itself that it is no decoder, and is one."""
    import transformers as t

    shutil.rmtree(bench.base)
    if kind == "GPT2":
        model: Any = t.GPT2LMHeadModel(t.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64))
    else:
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = t.GPTNeoXForCausalLM(t.GPTNeoXConfig(vocab_size=300, **shape))
        assert model.config.is_decoder is False
    save(model, tokenizer, bench.base)
    assert len(bench.train().stages[0].steps) == 3


def test_more_layers_than_described(bench: Bench, tokenizer: Any) -> None:
    save(make_proxy(ProxyModel(300, 16, 32, 2, 2, 1, 0), tokenizer, 3), tokenizer, bench.base)
    _config(bench.base, num_hidden_layers=1)
    with pytest.raises(PrerequisiteError, match=r"more layers .* model\.layers\.1\..* and 8 other"):
        bench.train()


def test_a_vocabulary_of_another_model(bench: Bench, tokenizer: Any) -> None:
    save(make_proxy(ProxyModel(260, 16, 32, 1, 2, 1, 0), tokenizer, 3), tokenizer, bench.base)
    with pytest.raises(PrerequisiteError, match=r"gives token \d+ \('.+'\), the model has 260") as caught:
        bench.train()
    assert "do not belong together" in caught.value.hint


def test_rows_beyond_the_models_positions(bench: Bench, tokenizer: Any) -> None:
    """Learnt positions end; rotary ones go on, and it is said that they are trained beyond what they are made for."""
    import transformers as t

    _config(bench.base, max_position_embeddings=16)
    bench.train()
    (warning,) = [event.warning for event in bench.told if event.warning]
    assert "rows of up to 64 tokens, and the model is made for 16" in warning
    shutil.rmtree(bench.base)
    shutil.rmtree(bench.folder / "run")
    shape = {"vocab_size": 300, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    save(t.GPT2LMHeadModel(t.GPT2Config(**shape)), tokenizer, bench.base)
    with pytest.raises(RunError, match="the model is made for 16") as caught:
        bench.train()
    assert caught.value.hint == "--assume sft.max_seq_length=16"


def test_what_was_trained_before_a_loss_that_is_no_number_is_kept(bench: Bench) -> None:
    with pytest.raises(RunError, match=r"step 2: the loss is nan.*the steps before it are kept in") as caught:
        bench.train(learning_rate=1e30, lr_scheduler_type="constant", num_epochs=9.0)
    assert "--assume learning_rate" in caught.value.hint
    folder = bench.folder / "run" / "seed-42" / "sft"
    assert str(folder) in str(caught.value)
    assert [step.step for step in read_steps(folder / "steps.jsonl")] == [1]
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["step-00000001"]


@pytest.mark.parametrize(("method", "rate"), [("sft", 3.0), ("dpo", 1.0)])
def test_a_training_that_diverges_is_told_once_and_goes_on(method: str, rate: float, bench: Bench) -> None:
    run = bench.train(method, learning_rate=rate, lr_scheduler_type="constant", num_epochs=4.0)
    (warning,) = [event.warning for event in bench.told if event.warning]
    assert "training diverges" in warning
    assert "--assume learning_rate" in warning
    limit = 2 * math.log(300) if method == "sft" else 10 * math.log(2)
    first = next(step for step in run.stages[0].steps if step.loss > limit)
    assert f"step {first.step}: the loss is {first.loss:.4g}, more than" in warning
