"""Models: the stand-in made from nothing, real ones loaded without running anything of theirs, and how one scores."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repro.errors import PrerequisiteError, RunError
from repro.files import cannot_write, names_code
from repro.memory import LOGITS_BYTES
from repro.plan import ProxyModel
from repro.train.batch import fork_masks
from repro.train.fit import refuse_incomplete, refuse_lookahead, refuse_more_layers
from repro.train.loss import label_losses, token_losses
from repro.train.template import TULU_TEMPLATE

PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose logits are the output embedding applied to the last hidden state, and nothing else (no scale, no
cap): for these the head is applied to label positions only."""


class Scorer(nn.Module):
    """A causal language model that answers one question: the loss of each label token."""

    def __init__(self, model: Any, *, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.model = model
        self.held_bytes = LOGITS_BYTES
        """As for `label_losses`."""
        self._autocast = autocast

    @property
    def config(self) -> Any:
        """The model's own, where accelerate looks for it."""
        return self.model.config

    @property
    def _no_split_modules(self) -> Any:
        """The layers that FSDP shards one by one, where accelerate looks for them."""
        return self.model._no_split_modules

    def get_input_embeddings(self) -> Any:
        """The token embeddings, which FSDP2 then gathers apart from the rest, unless the head shares them.

        The head has no such door on purpose: it is called several times a pass, on pieces of the labels, and FSDP2
        has it gathered for the whole of a pass as a part of the outermost unit.
        """
        inner = self.model.get_input_embeddings()
        return None if inner.weight is self.model.get_output_embeddings().weight else inner

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        targets: torch.Tensor,
        forks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Cross-entropy of each label of a `Batch`, (labels,), float32."""
        device = input_ids.device.type
        given: dict[str, torch.Tensor] = {}
        if forks is not None:
            given["position_ids"], given["attention_mask"] = fork_masks(forks, input_ids.shape[1])
        with torch.autocast(device, dtype=self._autocast, enabled=self._autocast is not None):
            if self.model.config.model_type in PLAIN_HEADS:
                states = self.model.get_decoder()(input_ids=input_ids, use_cache=False, **given).last_hidden_state
                chosen = states.reshape(-1, states.shape[-1]).index_select(0, positions)
                head = self.model.get_output_embeddings()
                vocabulary = self.model.config.vocab_size
                return label_losses(head, chosen, targets, vocabulary=vocabulary, held_bytes=self.held_bytes)
            every = self.model(input_ids=input_ids, use_cache=False, **given).logits
            logits = every.reshape(-1, every.shape[-1]).index_select(0, positions)
        return token_losses(logits, targets)


def checkpoint_layers(model: Any) -> None:
    """Keep each layer's input alone for the backward pass, and compute the layer anew there."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def shares_prompts(model: Any, device: torch.device) -> bool:
    """Whether a `Scorer` of the model gives forked rows the losses of their sequences, and is the faster for it.

    Not where a token's answer hangs on more than the tokens it sees (dropout; a window over neighbours), nor on
    devices whose fastest attention takes no mask of ours.
    """
    config = model.config
    dropout = getattr(config, "attention_dropout", 0.0) or any(
        module.p > 0 for module in model.modules() if isinstance(module, nn.Dropout)
    )
    windowed = getattr(config, "sliding_window", None) is not None
    masked = getattr(config, "_attn_implementation", None) in {"sdpa", "eager"}
    return device.type == "cpu" and config.model_type in PLAIN_HEADS and masked and not dropout and not windowed


def make_proxy(shape: ProxyModel, tokenizer: Any, seed: int) -> Any:
    """A randomly initialised Llama of the plan's shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_key_value_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def load_tokenizer(folder: str | Path) -> Any:
    """
    Raises:
        PrerequisiteError: there is no tokenizer, or it would need code of the repository.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and more for what it cannot read
        raise PrerequisiteError(f"the tokenizer cannot be loaded: {_first_line(error)}", where=str(folder)) from error


def load_model(folder: str | Path, dtype: torch.dtype, *, quantization: Any = None) -> Any:
    """The weights of a local folder: safetensors, or pickles read by torch's weights-only reader.

    Args:
        quantization: a transformers quantization config, or None for weights as they are.

    Raises:
        PrerequisiteError: there are none, they need code of the repository, they hold more than weights, or they are
            not a whole causal language model.
    """
    from transformers import AutoModelForCausalLM

    _refuse_unsafe(Path(folder))
    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to name them
            **({"quantization_config": quantization} if quantization is not None else {}),
        )
    except Exception as error:
        raise PrerequisiteError(
            f"the model cannot be loaded: {_first_line(error)}",
            where=str(folder),
            hint="it must be a causal language model of transformers' own, downloaded whole; code of repositories is "
            "never run",
        ) from error
    refuse_incomplete(loaded, model.config, Path(folder))
    refuse_more_layers(loaded, list(model.state_dict()), Path(folder))
    refuse_lookahead(model, Path(folder))
    return model


def add_pad_token(model: Any, tokenizer: Any) -> bool:
    """Give the tokenizer a pad token of its own where it has none, and the model room for it: True if anything changed.

    Source: open_instruct/finetune.py@e6c3044: `<pad>` is added when there is no pad token or it is the eos; the
    embeddings grow to a multiple of 8.
    """
    if tokenizer.pad_token is not None and tokenizer.pad_token != tokenizer.eos_token:
        return False
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=8, mean_resizing=False)
    model.config.pad_token_id = tokenizer.pad_token_id
    return True


def pad_token_id(tokenizer: Any) -> int:
    """What fills the padding; never scored, so any token will do."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0


def set_template(tokenizer: Any, name: str) -> bool:
    """Make the plan's chat template the tokenizer's: True for the Tulu format.

    Raises:
        PrerequisiteError: the tokenizer lacks what the template needs.
        RunError: the plan names a template that is not known here.
    """
    if name == "tulu":
        if tokenizer.eos_token is None:
            raise PrerequisiteError(
                "the tokenizer has no end-of-text token, with which the Tulu template closes every answer",
                where=str(tokenizer.name_or_path),
                hint="set eos_token in tokenizer_config.json",
            )
        tokenizer.chat_template = TULU_TEMPLATE
        return True
    if name == "model":
        return False
    raise RunError(f"the chat template {name!r} is unknown", hint="--assume chat_template=tulu or =model")


def save_model(model: Any, tokenizer: Any, folder: Path, state: dict[str, torch.Tensor] | None = None) -> None:
    """Write weights (safetensors) and tokenizer so that the folder is seen whole or not at all.

    Raises:
        ReproError: the disk is full, or the folder cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        model.save_pretrained(part, state_dict=state)
        tokenizer.save_pretrained(part)
        for file in part.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise cannot_write(folder, error) from error
    except Exception as error:  # safetensors wraps the system's error in its own
        shutil.rmtree(part, ignore_errors=True)
        if "os error 28" in str(error) or "No space left" in str(error):
            raise cannot_write(folder, OSError(28, "No space left on device")) from error
        raise RunError(f"the model cannot be saved: {_first_line(error)}", where=str(folder)) from error


def _refuse_unsafe(folder: Path) -> None:
    if not folder.is_dir():
        raise PrerequisiteError("no such model folder", where=str(folder))
    if (folder / "adapter_config.json").exists():
        raise PrerequisiteError(
            "this is an adapter, not a whole model",
            where=str(folder),
            hint="merge it into its base model and save that",
        )
    names = {p.name for p in folder.iterdir()}
    if not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise PrerequisiteError(
            "holds no weights that can be read safely (safetensors, or .bin read as weights only)", where=str(folder)
        )
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PrerequisiteError("holds no readable config.json", where=str(folder)) from error
    if isinstance(config, dict) and (config.get("auto_map") or names_code(config)):
        raise PrerequisiteError(
            "needs code of its own repository to load, which is never run here", where=str(folder / "config.json")
        )


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
