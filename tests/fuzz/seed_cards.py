"""Cards made from fragments, whole and broken: the seeds of the fuzzer and the pieces of the property tests."""

# ruff: noqa: E501

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

FRONT = (
    "---\nlicense: mit\nbase_model: lab/egret-1b\ntags:\n- dpo\n- trl\ndatasets:\n- lab/pairs\n---\n",
    (
        "---\nmodel-index:\n- name: heron\n  results:\n  - task:\n      type: qa\n    dataset:\n      name: PIQA\n"
        "    metrics:\n    - type: acc\n      value: 0.61\n---\n"
    ),
    "---\nmodel_index:\n  results:\n    metrics:\n      value: {x: 1}\n---\n",
    "---\n- a\n- b\n---\n",
    "---\nlicense:\tmit\nbase_model: a: b\nx: *y\n---\n",
    "---\na: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n---\n",
    "\n\n---\nlicense: mit\n---\n",
    "---\nlicense: mit\n",
    '---\n"\n---\n',
)
HEADINGS = (
    "# Heron-7B\n\n", "## Training procedure\n\n", "### Training hyperparameters\n\n", "## Evaluation\n\n",
    "<h2>Results</h2>\n\n", "Heron\n=====\n\n", "#### DPO stage 2\n\n", "## 评测\n\n", "## Model card for heron | x\n\n",
)  # fmt: skip
TABLES = (
    "| Parameter | Value |\n|---|---|\n| Learning rate | 5e-7 |\n| Effective batch size | 32 (2 x 16) |\n| Epochs | 3 |\n",
    "| Step | Training Loss | Validation Loss |\n|---|---|---|\n| 100 | 0.6931 | No log |\n| 200 | 0,512 | 0.5 |\n",
    "|Tasks|Version|Filter|n-shot|Metric| |Value| |Stderr|\n|-|-|-|-|-|-|-|-|-|\n|arc|1|none|5|acc|↑|0.5|±|0.01|\n| | | | |f1|↑|0.4|±|0.02|\n",
    "| Model | MMLU (5-shot) | SQuAD (F1/EM) |\n|---|---|---|\n| Egret | 1 | 2/3 |\n| **Heron-7B** | 61.5* | 88.1/80.2 |\n",
    "Benchmark | Base | Fine-tuned\n---|---|---\nBLEU | 10.1 ± 0.3 | 12,5%\n",
    "<table><tr><th colspan=2>SFT</th></tr><tr><td rowspan=2>lr</td><td>1e-5</td></tr><tr><td>2</td></tr></table>\n",
    "| Precision | VRAM | GPU |\n|---|---|---|\n| bf16 | ~20 GB | A100 |\n",
    "| a |\n|---|\n| b | c | d |\n|\n||\n",
    "|" * 40 + "\n" + "|-" * 40 + "\n",
)  # fmt: skip
LISTS = (
    "- learning_rate: 5e-07\n- train_batch_size: 8\n- num_devices: 4\n- total_train_batch_size: 64\n- num_epochs: 3.0\n",
    "It achieves the following results on the evaluation set:\n- Loss: 0.3649\n- Accuracy: 0.9\n- R: {'r1': 2.5, 'f': -1}\n",
    "- **MMLU** (5-shot): 65.2%\n  - accuracy: 0.61 ± 0.01\n- ARC: TBD\n",
    "* lr = 1 × 10⁻⁷\n* warmup: 3% \n* Adam with betas=(0.9,0.999) and epsilon=1e-08\n",
    "1. [ ] x\n2. > - - - nested\n",
)
PROSE = (
    "Trained for 3 epochs with a peak learning rate of 2e-5, 3% linear warmup and cosine decay on 4 x A100 80GB.\n",
    "This model is a fine-tuned version of [lab/egret-1b](https://huggingface.co/lab/egret-1b) on the pairs dataset.\n",
    "It achieves 84.3 on GSM8K and 61.0% on MMLU.\n",
    "The loss fell by 8.6% (1.572 -> 0.703), a mean over 10 steps; 94K rows (10%) were used.\n",
    "<!-- ## DPO\n\n| a | b |\n|---|---|\n -->\n",
    "<!-- repro:begin -->\nx\n<!-- repro:end -->\n<!-- repro: ignore R101 because -->\n",
    "学習率は 2e-5、エポック数は 3。학습률 2e-5. อัตราการเรียนรู้ 2e-5. Taux d'apprentissage : 2e-5\n",
)
CODE = (
    "```python\nfrom transformers import AutoModelForCausalLM\nm = AutoModelForCausalLM.from_pretrained('lab/heron')\n```\n",
    "```yaml\nbase_model: lab/egret\nlearning_rate: 2e-5\nmicro_batch_size: 2\nnum_epochs: 3\nadapter: lora\n```\n",
    "```\n|Task|Metric|Value|\n|---|---|---|\n|piqa|acc|0.8|\n```\n",
    "```bash\ntorchrun train.py --learning_rate 2e-5 --num_train_epochs 3 --per_device_train_batch_size 4 \\\n",
    "~~~\nbase ──dpo──▶ heron\n~~~\n",
    "```jinja\n{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}\n```\n",
    "<pre>\nStep\tTraining Loss\n500\t0.263200\n1000\t0.156900\n</pre>\n",
    "<details><summary>See axolotl config</summary>\n\n```yaml\nrl: dpo\nsequence_len: 2048\n```\n\n</details>\n",
)
ODD = ("\x00", "\ufeff", "\r\n", "\r", "\u2028", "\ud7ff", "`", "```", "~~~~", "|", "***", "<td>", "</table>", "<!--", "-->",
       "[", "](", "> ", "\t", "\\", "&amp;", "%", "1e999", "9" * 50, "$$", "---\n", "...\n")  # fmt: skip
FRAGMENTS: tuple[str, ...] = (*FRONT, *HEADINGS, *TABLES, *LISTS, *PROSE, *CODE, *ODD)


def cards(count: int = 200, seed: int = 0) -> Iterator[bytes]:
    """Cards of one to twelve fragments, the same for the same seed; some are cut or have bytes that are no text."""
    chance = random.Random(seed)
    yield from (fragment.encode() for fragment in FRAGMENTS)
    for _ in range(count):
        text = chance.choice(FRONT) if chance.random() < 0.7 else ""
        text += "\n".join(chance.choice(FRAGMENTS) for _ in range(chance.randint(1, 12)))
        data = text.encode("utf-8", "replace")
        if chance.random() < 0.2:
            data = data[: chance.randint(0, len(data))] + bytes([chance.randint(128, 255)])
        yield data


def write(folder: Path) -> int:
    """The seeds as files in a folder; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = 0
    for made, data in enumerate(cards(), start=1):
        (folder / f"seed-{made:03}").write_bytes(data)
    return made
