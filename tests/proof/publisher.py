"""A stranger's training: TRL, not our code, trains SFT then DPO on our synthetic rows and leaves what it would publish.

Run as a program: `python publisher.py FOLDER`. It writes `FOLDER/{base,sft,dpo}` (model repositories) and
`FOLDER/{sft-data,dpo-data}` (data set repositories), and `FOLDER/facts.json` with what TRL measured.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ORG = "stranger"
BASE, SFT, DPO = f"{ORG}/tiny-base", f"{ORG}/tiny-sft", f"{ORG}/tiny-dpo"
SFT_DATA, DPO_DATA = f"{ORG}/chat-rows", f"{ORG}/preference-rows"

SFT_ROWS, DPO_ROWS, HELDOUT_ROWS = 9600, 12800, 600
PER_DEVICE, SFT_ACCUMULATION, DPO_ACCUMULATION = 16, 2, 4
SFT_LR, DPO_LR, BETA = 2e-3, 1.5e-5, 5.0
WINDOW = 40
SEED = 17

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def distinct(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first `count` rows that differ in more than their id."""
    seen = {json.dumps({**row, "id": ""}): row for row in rows}
    return list(seen.values())[:count]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")


def make_base(folder: Path, texts: list[str]) -> None:
    """A random Llama of 0.2M parameters and a byte-level BPE of its own."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>", chat_template=TEMPLATE
    )
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def arguments(kind: type, folder: Path, **more: Any) -> Any:
    return kind(
        output_dir=str(folder),
        per_device_train_batch_size=PER_DEVICE,
        num_train_epochs=1,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        bf16=False,
        use_cpu=True,
        seed=SEED,
        disable_tqdm=True,
        log_level="error",
        max_length=128,
        gradient_checkpointing=False,
        **more,
    )


def finish(trainer: Any, folder: Path, name: str, data: str) -> list[float]:
    trainer.train()
    trainer.save_model(str(folder))
    trainer.processing_class.save_pretrained(str(folder))
    trainer.save_state()
    trainer.create_model_card(model_name=name, dataset_name=data)
    (folder / "training_args.bin").unlink(missing_ok=True)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def publish(folder: Path) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    from repro.train.synthetic import preference_rows, sft_rows

    sft, preferences = sft_rows(101, SFT_ROWS), preference_rows(202, DPO_ROWS)
    heldout = (sft_rows(303, 9000, heldout=True), preference_rows(404, 9000, heldout=True))
    for repo, rows, test in ((SFT_DATA, sft, heldout[0]), (DPO_DATA, preferences, heldout[1])):
        place = folder / repo.split("/")[1]
        kept = distinct(test, HELDOUT_ROWS)
        write_rows(place / "train.jsonl", rows)
        write_rows(place / "test.jsonl", kept)
        (place / "README.md").write_text(data_card(repo, len(rows), len(kept)), "utf-8")

    texts = [m["content"] for row in sft[:2000] for m in row["messages"]] + ["<|user|>\n", "<|assistant|>\n"] * 200
    base, sft_folder, dpo_folder = (folder / repo.split("/")[1] for repo in (BASE, SFT, DPO))
    make_base(base, texts)
    tokenizer = AutoTokenizer.from_pretrained(base)

    losses = {}
    model = AutoModelForCausalLM.from_pretrained(base)
    trainer = SFTTrainer(
        model=model,
        args=arguments(SFTConfig, sft_folder, learning_rate=SFT_LR, gradient_accumulation_steps=SFT_ACCUMULATION),
        train_dataset=Dataset.from_list([{"messages": r["messages"]} for r in sft]),
        processing_class=tokenizer,
    )
    losses["sft"] = finish(trainer, sft_folder, "tiny-sft", SFT_DATA)

    model = AutoModelForCausalLM.from_pretrained(sft_folder)
    columns = ("chosen", "rejected")
    trainer = DPOTrainer(
        model=model,
        args=arguments(
            DPOConfig,
            dpo_folder,
            learning_rate=DPO_LR,
            gradient_accumulation_steps=DPO_ACCUMULATION,
            beta=BETA,
            loss_type="sigmoid_norm",
            precompute_ref_log_probs=True,
        ),
        train_dataset=Dataset.from_list([{c: r[c] for c in columns} for r in preferences]),
        processing_class=tokenizer,
    )
    losses["dpo"] = finish(trainer, dpo_folder, "tiny-dpo", DPO_DATA)
    scores = evaluate(folder, dpo_folder)
    (folder / "facts.json").write_text(json.dumps({"losses": losses, "scores": scores}), "utf-8")


def evaluate(folder: Path, model: Path) -> dict[str, float]:
    """What lm-eval says of the published model on the test splits: the scores that the card claims."""
    from repro.evaluate.harness import LmEvalHarness
    from repro.task import ignore

    data = [("preference", str(folder / DPO_DATA.split("/")[1] / "test.jsonl"))]
    data.append(("sft", str(folder / SFT_DATA.split("/")[1] / "test.jsonl")))
    scores = LmEvalHarness().score(str(model), "published", data, str(folder / "scores"), ignore)
    return {f"{s.task}/{s.metric}": s.value for s in scores}


def data_card(repo: str, rows: int, heldout: int) -> str:
    return (
        "---\ndataset_info:\n  splits:\n"
        f"  - name: train\n    num_examples: {rows}\n  - name: test\n    num_examples: {heldout}\n"
        "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.jsonl\n"
        f"  - split: test\n    path: test.jsonl\n---\n\n# {repo}\n\nRows that a program made.\n"
    )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    publish(Path(sys.argv[1]))
