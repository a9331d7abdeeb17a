"""Whether starting weights, tokenizer and rows fit each other: asked before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from repro.errors import PrerequisiteError, RunError
from repro.train.batch import Sequences

_NOT_A_CAUSAL_MODEL = "start from a causal language model (a decoder) of transformers' own"


def refuse_incomplete(loaded: Mapping[str, Any], config: Any, folder: Path) -> None:
    """Refuse weights that are not the whole of what config.json describes: transformers would fill what is missing
    with random numbers, leave out what is too much, and only log it.

    Args:
        loaded: what `from_pretrained(..., output_loading_info=True)` gives beside the model.

    Raises:
        PrerequisiteError: a weight is missing or of another shape, or there are more layers than described.
    """
    said = ", ".join(getattr(config, "architectures", None) or ())
    absent = sorted(map(str, loaded["missing_keys"]))
    other = sorted(str(key[0] if isinstance(key, tuple) else key) for key in loaded["mismatched_keys"])
    if absent or other:
        what = "missing" if absent else "of another shape"
        raise PrerequisiteError(
            f"weights are {what}: {(absent or other)[0]} and {len(absent or other) - 1} more"
            + (f" (config.json says {said})" if said else ""),
            where=str(folder),
            hint="config.json and weights do not belong together, the download is incomplete, or this is no whole "
            "language model",
        )


def refuse_more_layers(loaded: Mapping[str, Any], expected: Sequence[str], folder: Path) -> None:
    """Refuse weights of a layer that is built like one of the model's own and that config.json does not count.

    Args:
        expected: the names of the model's own weights.

    Raises:
        PrerequisiteError: there is such a layer.
    """
    kinds = {re.sub(r"\d+", "#", name) for name in expected}
    more = sorted(str(k) for k in loaded["unexpected_keys"] if re.sub(r"\d+", "#", str(k)) in kinds)
    if more:
        raise PrerequisiteError(
            f"there are more layers than config.json counts: {more[0]} and {len(more) - 1} other weights have no place",
            where=str(folder),
            hint="config.json and weights do not belong together",
        )


@torch.no_grad()
def refuse_lookahead(model: Any, folder: Path) -> None:
    """Refuse a model whose answer at a token hangs on the tokens after it, as an encoder's does (BERT loads as a
    causal language model, and its loss would be a fair one's in everything but meaning).

    Raises:
        PrerequisiteError: it is one, or cannot be asked at all.
    """
    if any(p.is_meta for p in model.parameters()):
        return  # another process of this run holds the weights
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    ids = torch.arange(4, device=model.device).remainder(vocabulary)[None]  # quantized weights load onto a GPU at once
    changed = ids.clone()
    changed[0, -1] = vocabulary - 1
    was = model.training
    model.eval()
    try:
        first, second = (model(input_ids=i, use_cache=False).logits[0].float() for i in (ids, changed))
    except Exception as error:
        raise PrerequisiteError(
            f"the model cannot be asked for the next token: {_first_line(error)}",
            where=str(folder),
            hint=_NOT_A_CAUSAL_MODEL,
        ) from error
    finally:
        model.train(was)
    # what differs before the changed token by more than rounding
    slack = 1e-4 if next(model.parameters()).dtype == torch.float32 else 0.03
    if float((first - second)[:-1].abs().max()) > slack * float(first.abs().max()):
        said = ", ".join(getattr(model.config, "architectures", None) or ()) or model.config.model_type
        raise PrerequisiteError(
            f"this model ({said}) sees the tokens that it is to predict: it is no causal language model",
            where=str(folder),
            hint=_NOT_A_CAUSAL_MODEL,
        )


def refuse_misfit(model: Any, tokenizer: Any, parts: Sequence[Sequences], *, stage: str, folder: Path) -> str:
    """Refuse rows that the model has no place for; a sentence where it has none of its own but goes on, else "".

    Raises:
        PrerequisiteError: the tokenizer gives a token for which the model has no embedding.
        RunError: a row is longer than the positions that the model has learnt.
    """
    vectors = int(model.get_input_embeddings().weight.shape[0])
    largest = max(int(part.ids.max()) for part in parts)
    if largest >= vectors:
        raise PrerequisiteError(
            f"the tokenizer gives token {largest} ({tokenizer.convert_ids_to_tokens(largest)!r}), the model has "
            f"{vectors:,}",
            where=str(folder),
            hint="tokenizer and weights do not belong together",
        )
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    longest = max(int(part.lengths.max()) for part in parts)
    if not isinstance(limit, int) or limit <= 0 or longest <= limit:
        return ""
    over = f"rows of up to {longest:,} tokens, and the model is made for {limit:,} (max_position_embeddings)"
    if not getattr(config, "rope_parameters", None):
        raise RunError(
            f"stage {stage!r} has {over}", where=str(folder), hint=f"--assume {stage}.max_seq_length={limit}"
        )
    return f"{over}: it is trained beyond them, as its framework would"


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
