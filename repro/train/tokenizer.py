"""The stand-in's tokenizer: a byte-level BPE trained on the data that the project makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from repro.errors import RunError
from repro.train.template import TULU_TEMPLATE

BOS, EOS, PAD = "<|begin_of_text|>", "<|endoftext|>", "<pad>"
"""Three different tokens: a pad that is the eos would teach nothing about where to stop."""
SMALLEST_VOCABULARY = 256 + 3


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """A transformers tokenizer with the Tulu template, of at most `vocab_size` tokens.

    Raises:
        RunError: the vocabulary cannot hold the 256 bytes and three special tokens.
    """
    if vocab_size < SMALLEST_VOCABULARY:
        raise RunError(f"a byte-level vocabulary needs {SMALLEST_VOCABULARY} tokens, not {vocab_size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    wrapped.chat_template = TULU_TEMPLATE
    return wrapped
