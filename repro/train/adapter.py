"""LoRA by peft: adapters over frozen weights, quantized ones where the device can hold them, merged when trained."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import torch

from repro.errors import PrerequisiteError, RunError
from repro.plan import Adapter
from repro.train.sharding import REPLICATED, layout


def refuse_adapter(adapter: Adapter, accelerator: Any) -> None:
    """
    Raises:
        PrerequisiteError: this machine, or the way it was launched, cannot train such an adapter.
    """
    if layout(accelerator) != REPLICATED:
        raise PrerequisiteError(
            "an adapter is trained with whole weights in every process, which FSDP and DeepSpeed do not keep",
            hint="launch without them: the frozen weights need no gradients and no optimizer state",
        )
    if adapter.quantization and not (accelerator.device.type == "cuda" and importlib.util.find_spec("bitsandbytes")):
        raise PrerequisiteError(
            f"weights in {adapter.quantization} (QLoRA) need a CUDA GPU and the package bitsandbytes",
            hint="--assume adapter=lora trains the same adapter over the weights as they are",
        )


def quantization_config(adapter: Adapter) -> Any:
    """How transformers is to load the frozen weights: a BitsAndBytesConfig, or None for as they are.

    Source: Dettmers et al. 2023, QLoRA, arXiv:2305.14314 (4-bit storage, bfloat16 computation).
    """
    if not adapter.quantization:
        return None
    from transformers import BitsAndBytesConfig

    if adapter.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=adapter.quantization,
        bnb_4bit_use_double_quant=adapter.double_quantization,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def add_adapter(model: Any, adapter: Adapter, *, seed: int) -> Any:
    """The model with a fresh adapter, which alone is trainable: a peft.PeftModel.

    A fresh adapter changes nothing (its second matrix is zero), so that the model scores as its base does until the
    first step: DPO's reference is that base, as in TRL 1.16 (trainer/dpo_trainer.py), which disables the adapter.
    The first matrix is drawn right after `seed` is set, as TRL draws it.

    Raises:
        RunError: the model has no layers of these names, or they cannot carry an adapter.
    """
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if adapter.quantization:
        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            model, use_gradient_checkpointing=False
        )
    names: list[str] | str | None = list(adapter.target_modules) or None
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.r,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]  # declared whole, used as a factor
        lora_dropout=adapter.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        bias=adapter.bias,  # type: ignore[arg-type]
        use_rslora=adapter.use_rslora,
    )
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 asks transformers 5.23 by a name that goes
            return get_peft_model(model, config)
    except ValueError as error:
        raise RunError(
            f"the adapter does not fit the model: {str(error).splitlines()[0]}",
            hint="--assume lora_target_modules=... with names of the model's own layers, or all-linear",
        ) from error


def is_adapted(model: Any) -> bool:
    """Whether the model is one that `add_adapter` gave."""
    return hasattr(model, "peft_config")


def merged(model: Any) -> Any:
    """The base model with the trained adapter in its weights, float32: whole, for whoever loads it next.

    The adapter is used up. Quantized weights are read back first: what is saved computes what was trained.

    Raises:
        RunError: the merged weights are not finite.
    """
    if getattr(model.get_base_model(), "is_quantized", False):
        model = _dequantized(model)
    whole = model.float().merge_and_unload()
    for name, weight in whole.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise RunError(f"the merged weight {name} holds values that are not finite", hint="the training diverged")
    return whole


def _dequantized(model: Any) -> Any:
    """The same adapter over plain layers that hold the values which the quantized ones stood for."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    config = model.peft_config["default"]
    trained = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(model).items()}
    plain = get_peft_model(model.unload().dequantize(dtype=torch.float32), config)
    set_peft_model_state_dict(plain, trained)
    return plain
