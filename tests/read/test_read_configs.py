"""Configurations that cards show: axolotl's YAML, LLaMA-Factory's, arguments in code, merges."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from repro.read.yaml_lines import entries
from repro.spec import Spec, Stage

Reader = Callable[[str], Spec]

AXOLOTL = """# gannet-7b

<details><summary>See axolotl config</summary>

```yaml
base_model: nest-org/egg-7b
model_type: MistralForCausalLM
load_in_4bit: true
load_in_8bit: false
datasets:
  - path: nest-org/eggs
    type: alpaca
  - path: nest-org/shells  # second
    type: sharegpt
val_set_size: 0.05
adapter: qlora
lora_r: 8
lora_alpha: 16
lora_dropout: 0.05
lora_target_modules:
  - q_proj
  - v_proj
lora_model_dir:
sequence_len: 512
sample_packing: false
gradient_accumulation_steps: 2
micro_batch_size: 4
num_epochs: 8
optimizer: adamw_bnb_8bit
lr_scheduler: cosine
learning_rate: 2e-4
bf16: true
fp16: false
# seed: 7
resume_from_checkpoint: null
wandb_project: nest
warmup_steps: 10
special_tokens:
  weight_decay: 0.5
```
</details>

## Training procedure

The following hyperparameters were used during training:
- learning_rate: 0.0002
- train_batch_size: 4
- num_epochs: 8
- seed: 42
"""

MERGE = """---
tags: [mergekit, merge, dpo]
---
# skua-dpo-merge

```yaml
models:
  - model: "nest-org/a-7b"
    parameters:
      weight: 0.8
      density: 0.5
  - model: nest-org/b-dpo-7b
    parameters:
      weight: [0, 0.5, 1]
merge_method: dare_ties
base_model: nest-org/egg-7b
parameters:
  normalize: true
dtype: bfloat16
```
"""


def _values(stage: Stage) -> dict[str, object]:
    return {key: stage.get(key).value for key in dict.fromkeys(f.key for f in stage.facts)}


def test_axolotls_configuration_is_the_recipe(spec_of: Reader) -> None:
    spec = spec_of(AXOLOTL)
    (stage,) = spec.stages
    values = _values(stage)
    assert stage.base.value == "nest-org/egg-7b"
    assert [d.repo_id for d in stage.datasets] == ["nest-org/eggs", "nest-org/shells"]
    expected: dict[str, object] = {
        "per_device_batch_size": 4, "max_seq_length": 512, "packing": False, "adapter": "qlora", "lora_r": 8,
        "lora_alpha": 16, "lora_dropout": 0.05, "lora_target_modules": ("q_proj", "v_proj"), "load_in_4bit": True,
        "load_in_8bit": False, "val_set_size": 0.05, "optimizer": "adamw_8bit", "warmup_steps": 10, "precision": "bf16",
        "fp16": False, "seed": 42, "learning_rate": 2e-4,
    }  # fmt: skip
    assert {key: values[key] for key in expected} == expected
    assert stage.get("learning_rate").printed == "2e-4"
    assert len(stage.all("learning_rate")) == 2
    assert not {"weight_decay", "model_type", "wandb_project"} & set(values)


def test_a_configuration_outside_of_details_names_base_and_data(spec_of: Reader) -> None:
    inner = AXOLOTL.split("```yaml")[1].split("```")[0]
    spec = spec_of(f"# gannet\n\n## Settings:\n```{inner}```\n")
    (stage,) = spec.stages
    assert stage.base.value == "nest-org/egg-7b"
    assert [d.repo_id for d in stage.datasets] == ["nest-org/eggs", "nest-org/shells"]


def test_llama_factorys_configuration(spec_of: Reader) -> None:
    spec = spec_of(
        "# tern\n\n## Training\n\n```yaml\nmodel_name_or_path: nest-org/egg-7b\nstage: dpo\nfinetuning_type: lora\n"
        "lora_target: all\ndataset: eggs_dpo,shells\ncutoff_len: 1024\nper_device_train_batch_size: 2\n"
        "pref_beta: 0.1\nlearning_rate: 5.0e-6\nnum_train_epochs: 3.0\nwarmup_ratio: 0.1\n```\n"
    )
    (stage,) = spec.stages
    assert (stage.name, stage.base.value) == ("dpo", "nest-org/egg-7b")
    assert [d.repo_id for d in stage.datasets] == ["eggs_dpo", "shells"]
    values = _values(stage)
    assert (values["adapter"], values["max_seq_length"], values["beta"]) == ("lora", 1024, 0.1)


def test_arguments_in_code(spec_of: Reader) -> None:
    spec = spec_of(
        "# tern\n\n## Training\n\n```python\nfrom trl import SFTConfig\n\nargs = SFTConfig(\n"
        "    per_device_train_batch_size=4,  # low\n    learning_rate=2e-5,\n    num_train_epochs=3,\n  bf16=True,\n"
        '    lr_scheduler_type="cosine",\n    warmup_ratio=0.03,\n    output_dir="out",\n)\n'
        'config = LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"], bias="none")\n'
        "model.generate(max_length=99, seed=3)\n```\n"
    )
    (stage,) = spec.stages
    expected: dict[str, object] = {
        "per_device_batch_size": 4, "learning_rate": 2e-5, "num_epochs": 3, "precision": "bf16",
        "lr_scheduler_type": "cosine", "warmup_ratio": 0.03, "lora_r": 16, "lora_alpha": 32,
        "lora_target_modules": ("q_proj", "v_proj"),
    }  # fmt: skip
    values = _values(stage)
    assert {key: values.get(key) for key in expected} == expected
    assert not {"seed", "max_seq_length"} & set(values)


def test_an_adapters_json(spec_of: Reader) -> None:
    spec = spec_of(
        '# tern\n\n## Training\n\n- Lora Config:\n\n  ```\n  {\n    "base_model_name_or_path": "nest-org/egg-7b",\n'
        '    "lora_alpha": 32.0,\n    "lora_dropout": 0.05,\n    "target_modules": [\n'
        '      "q_proj",\n      "v_proj"\n    ],\n'
        '    "r": 8\n  }\n  ```\n'
    )
    (stage,) = spec.stages
    assert stage.base.value == "nest-org/egg-7b"
    assert _values(stage) == {
        "lora_alpha": 32.0, "lora_dropout": 0.05, "lora_target_modules": ("q_proj", "v_proj"), "lora_r": 8,
    }  # fmt: skip


def test_usage_code_is_not_a_training(spec_of: Reader) -> None:
    spec = spec_of("# tern\n\n```python\nmodel.generate(max_length=99, seed=3, learning_rate=2e-5)\n```\n")
    assert spec.stages == ()


def test_a_merge_is_a_stage_of_its_own(spec_of: Reader) -> None:
    spec = spec_of(MERGE)
    (stage,) = spec.stages
    assert (stage.name, stage.method, stage.base.value) == ("merge", "model merge", "nest-org/egg-7b")
    assert spec.trainings == ()
    assert [(f.key, f.value) for f in stage.facts] == [
        ("merge_model", "nest-org/a-7b"),
        ("merge_weight", 0.8),
        ("merge_density", 0.5),
        ("merge_model", "nest-org/b-dpo-7b"),
        ("merge_weight", "[0, 0.5, 1]"),
        ("merge_method", "dare_ties"),
        ("merge_normalize", "true"),
        ("precision", "bf16"),
    ]
    assert stage.facts[1].why == "of nest-org/a-7b"


def test_two_merges_are_two_stages(spec_of: Reader) -> None:
    second = "```yaml\nmodels:\n  - model: nest-org/c-7b\nmerge_method: linear\ndtype: float16\n```\n"
    spec = spec_of(f"{MERGE}\n{second}")
    assert [(s.name, s.base.value, s.get("merge_method").value) for s in spec.stages] == [
        ("merge", "nest-org/egg-7b", "dare_ties"),
        ("merge-2", None, "linear"),
    ]
    assert spec.trainings == ()


@given(st.text(alphabet=" -:#'\"[]{}ab_\n\t|>~", max_size=300))
@settings(max_examples=200)
def test_any_text_has_entries_within_it(text: str) -> None:
    lines = text.replace("\t", "    ").split("\n")  # as entries are read
    for entry in entries(text):
        assert entry.path[-1] in lines[entry.line] or entry.path[-1] == "-"
        assert entry.value in lines[entry.line].replace("\t", "    ")


COMMAND = "```python\npython run_squad.py \\\n  --model_name_or_path egg-base-cased \\\n  --learning_rate 3e-5 \\\n"
FLAGS = "  --num_train_epochs 5 \\\n  --per_gpu_train_batch_size 24 --doc_stride 128\n```\n"


def test_a_command_in_a_block_of_code_names_base_and_settings(spec_of: Reader) -> None:
    spec = spec_of(f"# Egg fine-tuned on questions\n\n## Training\n\n{COMMAND}{FLAGS}")
    (stage,) = spec.stages
    assert stage.base.value == "egg-base-cased"
    assert _values(stage) == {
        "learning_rate": 3e-5,
        "num_epochs": 5,
        "per_device_batch_size": 24,
        "doc_stride": 128,
    }


def test_a_command_that_tunes_the_cards_own_model_names_no_base(spec_of: Reader) -> None:
    spec = spec_of(f"# nest/egg-base-cased\n\n## Fine-tuning\n\n{COMMAND}{FLAGS}")
    assert not spec.get("base_model").known


def test_bitsandbytes_settings(spec_of: Reader) -> None:
    said = "The following `bitsandbytes` quantization config was used during training:"
    bullets = "- quant_method: bitsandbytes\n- load_in_8bit: True\n- bnb_4bit_quant_type: fp4\n"
    bullets += "- llm_int8_threshold: 6.0\n"
    spec = spec_of(f"---\nbase_model: nest/egg\n---\n# Tern\n\n## Training procedure\n\n{said}\n{bullets}")
    (stage,) = spec.stages
    expected: dict[str, object] = {
        "quant_method": "bitsandbytes", "load_in_8bit": True, "bnb_4bit_quant_type": "fp4", "llm_int8_threshold": 6.0,
    }  # fmt: skip
    assert _values(stage) == expected
