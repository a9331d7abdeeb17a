"""Settings and losses of training that cards state in less common places: each is read once, and nothing is made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.spec import Claim, ClaimKind, Spec

Reader = Callable[[str], Spec]

RECIPE = """# Heron-3B-notes

```yaml
base_model: example-org/heron-3b
sequence_len: 2048
micro_batch_size: 2
num_epochs: 2
learning_rate: 2e-4
attn_implementation: eager
save_total_limit: 3
early_stopping_patience:
pad_to_sequence_len: true
bnb_4bit_quant_type: nf4
```
"""

QUANTISED = """# Heron-3B-adapter

## Training procedure

The following `bitsandbytes` quantization config was used during training:
- quant_method: bitsandbytes
- load_in_4bit: True
- llm_int8_threshold: 6.5
- llm_int8_skip_modules: None
"""

FIT = """---
library_name: sentence-transformers
---

# heron-sentences

## Training
The model was trained with the parameters:

**DataLoader**:

`torch.utils.data.dataloader.DataLoader` of length 77 with parameters:
```
{'batch_size': 24, 'sampler': 'torch.utils.data.sampler.RandomSampler'}
```

**Loss**:

`sentence_transformers.losses.ContrastiveLoss.ContrastiveLoss`

Parameters of the fit()-Method:
```
{
    "epochs": 3,
    "max_grad_norm": 1,
    "optimizer_class": "<class 'torch.optim.adamw.AdamW'>",
    "scheduler": "WarmupLinear",
    "warmup_steps": 70,
    "weight_decay": 0.01
}
```
"""

KERAS = """---
tags:
- generated_from_keras_callback
---

# heron-relevance

It achieves the following results on the evaluation set:
- Train Loss: 0.4120
- Train Accuracy: 0.8100
- Validation Loss: 0.4530
- Validation Accuracy: 0.7900
- Epoch: 1

### Training results

| Train Loss | Train Accuracy | Validation Loss | Validation Accuracy | Epoch |
|:----------:|:--------------:|:---------------:|:-------------------:|:-----:|
| 0.5210     | 0.7400         | 0.4800          | 0.7600              | 0     |
| 0.4120     | 0.8100         | 0.4530          | 0.7900              | 1     |
"""


def _figures(spec: Spec) -> set[tuple[str, str, float | None, float | int | None]]:
    claims: list[Claim] = [c for c in spec.claims if c.kind in (ClaimKind.LOSS, ClaimKind.EVAL)]
    return {(c.split, c.printed, c.epoch, c.step) for c in claims}


def test_a_recipe_s_other_settings_are_kept_with_plain_values(spec_of: Reader) -> None:
    (stage,) = spec_of(RECIPE).stages
    assert stage.get("attn_implementation").value == "eager"
    assert stage.get("save_total_limit").value == 3
    assert stage.get("pad_to_sequence_len").value is True
    assert stage.get("bnb_4bit_quant_type").value == "nf4"
    assert not stage.get("early_stopping_patience").known


def test_an_adapter_s_quantisation_is_read_though_it_lists_nothing_else(spec_of: Reader) -> None:
    (stage,) = spec_of(QUANTISED).stages
    assert stage.get("quant_method").value == "bitsandbytes"
    assert stage.get("llm_int8_threshold").value == 6.5
    assert not stage.get("llm_int8_skip_modules").known
    assert stage.get("load_in_4bit").value is True


def test_the_fit_method_s_blocks(spec_of: Reader) -> None:
    spec = spec_of(FIT)
    (stage,) = spec.stages
    assert spec.dialect == "sentence-transformers"
    assert stage.get("effective_batch_size").value == 24
    assert stage.get("num_epochs").value == 3
    assert stage.get("optimizer").value == "adamw"
    assert stage.get("loss_function").value == "ContrastiveLoss"
    assert stage.get("lr_scheduler_type").value == "linear"


def test_two_loaders_leave_the_batch_open(spec_of: Reader) -> None:
    second = "`torch.utils.data.dataloader.DataLoader` with parameters:\n```\n{'batch_size': 8}\n```\n\n**Loss**"
    (stage,) = spec_of(FIT.replace("**Loss**", second)).stages
    assert not stage.get("effective_batch_size").known
    assert stage.get("optimizer").value == "adamw"


def test_keras_figures_have_their_split_and_epoch(spec_of: Reader) -> None:
    spec = spec_of(KERAS + "\nThe following hyperparameters were used during training:\n- optimizer: Adam\n")
    assert spec.dialect == "keras"
    assert not [f for c in spec.claims for f in c.conditions if f.key == "window"]  # no means since a last log
    figures = _figures(spec)
    assert ("train", "0.4120", 1.0, None) in figures
    assert ("validation", "0.4530", 1.0, None) in figures
    assert ("train", "0.7400", 0.0, None) in figures
    assert ("validation", "0.7600", 0.0, None) in figures
    assert not any(split == "validation" and printed == "0.7400" for split, printed, *_ in figures)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "| Step | Train Loss | Precision |\n|---|---|---|\n| 10 | 0 .2510 | 0.70 |",
            {"0 .2510": 0.251, "0.70": 0.7},
        ),
        ("| Step | Training Loss | Validation Loss |\n|---|---|---|\n| 10 | 0.25 | nan |", {"0.25": 0.25, "nan": None}),
        (
            "| Step | Training Loss | Scores |\n|---|---|---|\n| 10 | 0.25 | {'rouge1': 31.5, 'gen_len': 50.2} |",
            {"0.25": 0.25, "31.5": 31.5, "50.2": 50.2},
        ),
        ("| Metric | Value |\n|---|---|\n| train_loss | 1.21 |\n| eval_loss | 1.07 |", {"1.21": 1.21, "1.07": 1.07}),
        ("| Type | Score |\n|---|---|\n| `TAGGER_LOSS` | 3389.26 |", {"3389.26": 3389.26}),
        (
            "| Model | F | Loss |\n|---|---|---|\n| heron-tags | 0.91 | 0.125 |\n| egret | 0.8 | 0.3 |",
            {"0.125": 0.125},
        ),
        ("| train loss | valid loss | time |\n|---|---|---|\n| 4.19 | 4.801 | 2h |", {"4.19": 4.19, "4.801": 4.801}),
        ("| Step | Training Loss |\n|---|---|\n| 10 | No log |", {}),
    ],
)
def test_losses_in_tables(spec_of: Reader, table: str, expected: dict[str, float | None]) -> None:
    claims = spec_of(f"# heron-tags\n\n## Training\n\n{table}\n").claims
    found = {c.printed: c.value for c in claims if c.kind is ClaimKind.LOSS or c.split != "test" or c.step is not None}
    assert {k: v for k, v in found.items() if k in expected} == expected
    assert not any("No log" in c.printed for c in claims)


def test_a_log_between_tabs_is_a_table(spec_of: Reader) -> None:
    log = "Epoch\tTraining Loss\tValidation Loss\n1\tNo log\t0.96\n2\t0.79\t0.34\n"
    for text in (f"<pre>\n{log}</pre>\n", f"```\n{log}```\n"):
        figures = _figures(spec_of(f"# heron-tags\n\n## Training results\n\n{text}"))
        assert figures == {
            ("validation", "0.96", 1.0, None),
            ("train", "0.79", 2.0, None),
            ("validation", "0.34", 2.0, None),
        }


def test_rows_about_other_models_are_no_curve(spec_of: Reader) -> None:
    table = (
        "| | loss | steps |\n|---|---|---|\n"
        "| [a/one](https://huggingface.co/a/one) | 1.38 | 5000 |\n"
        "| [a/two](https://huggingface.co/a/two) | 1.20 | 9000 |\n"
    )
    assert not [c for c in spec_of(f"# heron-sum\n\n## Models\n\n{table}").claims if c.kind is ClaimKind.LOSS]


@pytest.mark.parametrize(("printed", "count"), [("0.3512", 1), ("NA", 0), ("TBD", 1)])
def test_a_result_that_is_not_available_is_no_claim(spec_of: Reader, printed: str, count: int) -> None:
    text = f"# heron-ctc\n\nIt achieves the following results on evaluation set:\n- Loss: {printed}\n"
    assert len([c for c in spec_of(text).claims if c.kind is ClaimKind.LOSS]) == count


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("## Evaluation results\n\nThe model was trained for 12 epochs and the best one kept.", "num_epochs", 12),
        ("## Training\n\nIt took 3 days to train 4 epochs on eight cards.", "num_epochs", 4),
        ("## Training\n\n- The model trained 5000 steps, equal to 2.25 Epochs.", "num_epochs", 2.25),
        ("## Training\n\nThe sequence length was set to 640 throughout.", "max_seq_length", 640),
        ("## Training\n\nThe model was trained for two million steps on birds.", "total_steps", 2_000_000),
        ("## Training\n\nThe full model was trained on birds for two million steps.", "total_steps", None),
        ("## Training\n\nThe model was trained on four cards for 300K updates.", "total_steps", 300_000),
        ("## Training\n\nIt was trained with 65,536 tokens per batch.", "effective_batch_tokens", 65536),
        ("## Training\n\nWe used a learning rate warmup for 6k steps.", "warmup_steps", 6000),
        ("## Training\n\nThe optimizer used is Adam (betas=[0.9, 0.98]).", "adam_beta2", 0.98),
        ("## Training\n\nThe optimizer is Adam with adam-betas of (0.9,0.97), adam-eps of 1e-6.", "adam_beta2", 0.97),
        ("## Training\n\nThe optimizer is Adam with adam-betas of (0.9,0.97), adam-eps of 1e-6.", "adam_epsilon", 1e-6),
        ("## Training\n\nIt was trained on questions across 2 epochs.", "num_epochs", 2),
        ("## Build\n\nIt was made at home.\n - 2 epochs taking about nine hours", "num_epochs", 2),
        ("## Evaluation\n\nModels that were trained for 9 epochs are compared.", "num_epochs", None),
        ("## Usage\n\nIf you train 4 epochs it gets better.", "num_epochs", None),
    ],
)
def test_settings_in_sentences(spec_of: Reader, text: str, key: str, value: float | None) -> None:
    spec = spec_of(f"# heron-tags\n\n{text}\n")
    found = [f.value for s in spec.stages for f in s.facts if f.key == key]
    found += [c.value for c in spec.claims if c.kind is ClaimKind.STEPS and key == "total_steps"]
    assert found == ([value] if value is not None else [])


def test_a_command_in_a_python_fence(spec_of: Reader) -> None:
    command = (
        "python run_qa.py \\\n  --per_gpu_train_batch_size 12 \\\n  --learning_rate 2e-5 \\\n"
        "  --num_train_epochs 4 \\\n  --doc_stride 64 \\\n  --save_strategy epoch"
    )
    (stage,) = spec_of(f"# heron-qa\n\n## Training\n\nThe script:\n\n```python\n{command}\n```\n").stages
    assert stage.get("per_device_batch_size").known or stage.get("effective_batch_size").value == 12
    assert stage.get("learning_rate").value == 2e-5
    assert stage.get("doc_stride").value == 64
    assert not stage.get("save_strategy").known


def test_constants_of_a_program_that_the_text_calls_hyperparameters(spec_of: Reader) -> None:
    code = "```python\nBATCH_SIZE = 128\n# A\nLEARNING_RATE = 0.002\nEPOCHS = 40\nWEIGHT_DECAY = 1e-4\n```\n"
    said = "It was trained with the following hyperparameters:"
    (stage,) = spec_of(f"# heron-vit\n\n{said}\n\n{code}").stages
    assert stage.get("effective_batch_size").value == 128
    assert stage.get("learning_rate").value == 0.002
    assert stage.get("num_epochs").value == 40
    assert not spec_of(f"# heron-vit\n\n## Use\n\nAn example:\n\n{code}").stages


@pytest.mark.parametrize(
    ("front", "title", "dialect"),
    [
        ("tags:\n- autotrain", "heron", "autotrain"),
        ("tags:\n- autonlp", "heron", "autotrain"),
        ("tags:\n- unsloth", "heron", "unsloth"),
        ("library_name: keras", "heron", "keras"),
        ("library_name: spacy", "heron", "spacy"),
        ("tags:\n- espnet", "heron", "espnet"),
        ("library_name: flair", "heron", "flair"),
        ("library_name: timm", "heron", "timm"),
        ("tags:\n- speechbrain", "heron", "speechbrain"),
        ("license: mit", "Tulu Heron, by the Allen Institute for AI", "allenai"),
        ("license: mit", "A model after Tulu", "hand-written"),
        ("license: mit", "heron", "hand-written"),
    ],
)
def test_dialects_are_known_by_their_marks(spec_of: Reader, front: str, title: str, dialect: str) -> None:
    assert spec_of(f"---\n{front}\n---\n\n# {title}\n\nA model.\n").dialect == dialect
