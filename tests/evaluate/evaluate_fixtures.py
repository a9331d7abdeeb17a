"""Real, tiny models and rows to ask them: a Llama of some 30 thousand weights and a byte-level BPE."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TULU = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% if not loop.last %}{{ '\n' }}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '\n<|assistant|>\n' }}{% endif %}{% endfor %}"
)


def _tokenizer(template: str | None, pattern: str = "") -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        words = pre_tokenizers.Split(Regex(pattern), "isolated")
        pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        bpe.pre_tokenizer = pre_tokenizers.Sequence([words, pieces])
        bpe.post_processor = processors.ByteLevel(trim_offsets=True)
    bpe.decoder = decoders.ByteLevel()
    text = ["<|user|>\nwhat colour is the sky\n<|assistant|>\nblue and green", "red is warm, blue is cold"] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(text, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=128
    )
    tokenizer.chat_template = template
    return tokenizer


def save_tiny(
    folder: Path,
    seed: int = 0,
    *,
    favoured: str = "",
    template: str | None = TULU,
    dtype: str = "float32",
    positions: int = 128,
    hidden: int = 32,
    layers: int = 1,
    pattern: str = "",
    change: Callable[[Any, Any], None] | None = None,
) -> str:
    """Makes a checkpoint: `favoured` is a text whose tokens the model finds likely everywhere, `pattern` how the
    tokenizer cuts words (GPT-2's way when empty)."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(template, pattern)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=hidden * 3 // 2,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=positions,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
            tie_word_embeddings=False,
        )
    )
    torch.random.set_rng_state(state)
    if favoured:
        # A constant direction in every hidden state, read by the favoured tokens only.
        with torch.no_grad():
            model.model.embed_tokens.weight[:, 0] = 50.0
            model.lm_head.weight[:, 0] = 0.0
            model.lm_head.weight[tokenizer.encode(favoured, add_special_tokens=False), 0] = 3.0
    if change is not None:
        change(model, tokenizer)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def preference_row(number: int, chosen: str, rejected: str, prompt: str = "") -> dict[str, Any]:
    prompt = prompt or f"what colour is number {number}"
    return {
        "id": f"row-{number}",
        "prompt": prompt,
        "chosen": [{"role": "user", "content": prompt}, {"role": "assistant", "content": chosen}],
        "rejected": [{"role": "user", "content": prompt}, {"role": "assistant", "content": rejected}],
        "source": "made for this test",
    }


def sft_row(number: int, answer: str, prompt: str = "") -> dict[str, Any]:
    prompt = prompt or f"say number {number}"
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"id": f"row-{number}", "messages": turns, "source": "made for this test"}


def write_rows(path: Path, rows: Sequence[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)
