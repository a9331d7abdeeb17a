"""A checkpoint as lm-eval asks it: loaded safely and offline, with an exact seam between question and answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from lm_eval.models.huggingface import HFLM

from repro.errors import PrerequisiteError, RunError
from repro.evaluate.quiet import Quiet
from repro.evaluate.rows import Turns
from repro.task import Observer, Progress, ignore

_HALF_PRECISION_FROM = 2_000_000_000
"""Parameters from which a model on a GPU is scored in bfloat16. Smaller ones are scored in float32: their
likelihoods lie close together, and bfloat16 would make ties of them."""


class LocalModel(HFLM):  # type: ignore[misc]
    """lm-eval's HFLM on a local folder.

    It differs in three things: the seam (`_encode_pair`), progress by an observer instead of bars, and that nothing
    is asked of the Hub. In a GPU's memory it halves its batch until the work fits.
    """

    def __init__(self, folder: Path, *, batch_size: int, device: str, dtype: str, silence: Quiet) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        tokenizer = _tokenizer(folder)
        model, self.unused_weights = _model(folder, device, dtype)
        self.chat = bool(tokenizer.chat_template)
        # A rendered template holds its special tokens already; transformers and the trainers add none to it.
        super().__init__(
            pretrained=model, tokenizer=tokenizer, batch_size=batch_size, add_bos_token=False if self.chat else None
        )
        self._silence = silence
        self._vectors = int(model.get_input_embeddings().weight.shape[0])
        self.observer: Observer = ignore
        self.label = ""
        self._progress = Progress("", 0, 0, 0.0)
        self._began = self._told = 0.0

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    def render(self, prompt: Turns | str) -> str:
        """The conversation as this model is asked, ending in the generation prompt.

        By the tokenizer's own chat template; without one (base models) by the Tulu roles, which are plain text to
        any tokenizer (open-instruct@e6c3044:open_instruct/dataset_transformation.py, CHAT_TEMPLATES["tulu"]).

        Raises:
            jinja2.TemplateError: the template refuses this conversation.
        """
        if isinstance(prompt, str):
            return prompt
        if self.chat:
            turns = [{"role": role, "content": content} for role, content in prompt]
            # Llama 3.2's template prints today's date unless it is given one: tomorrow's prompts would not pair with
            # today's. This is the date that Llama 3.1's carries; templates without the variable ignore it.
            return str(
                self.tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True, date_string="26 Jul 2024"
                )
            )
        end = self.tokenizer.eos_token or ""
        parts = [f"<|{role}|>\n{content}{end if role == 'assistant' else ''}\n" for role, content in prompt]
        return "".join(parts) + "<|assistant|>\n"

    def problem(self, prompt: str, answers: Sequence[str], room: int) -> str:
        """Why lm-eval could not ask this without cutting text off; empty when it can. `room` is in tokens."""
        for answer in answers:
            context, continuation = self._encode_pair(prompt, answer)
            if not context or not continuation:
                return "no tokens"
            if len(context) + len(continuation) > self.max_length or (room and len(continuation) > room):
                return "too long"
            if room and len(context) + room > self.max_length:
                return "too long"
            if max(*context, *continuation) >= self._vectors:
                raise PrerequisiteError(
                    f"the tokenizer gives token {max(*context, *continuation)}, the model has {self._vectors}",
                    hint="tokenizer and weights do not belong together",
                )
        return ""

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Both texts tokenised as one, split where the first token reaches beyond the context.

        HFLM moves the context's trailing white space to the answer and cuts by the length of the context's own
        tokenisation, which is another text's. With a prompt that ends in "<|assistant|>\\n" this scores the newline,
        and loses or gains a token wherever the newline would merge with what precedes it.
        """
        if not self.tokenizer.is_fast or not context:
            pair: tuple[list[int], list[int]] = super()._encode_pair(context, continuation)
            return pair
        special = {} if self.add_bos_token is None else {"add_special_tokens": self.add_bos_token}
        encoded = self.tokenizer(context + continuation, return_offsets_mapping=True, **special)
        ids = list(encoded["input_ids"])
        seam = next((i for i, (_, end) in enumerate(encoded["offset_mapping"]) if end > len(context)), len(ids))
        return ids[:seam], ids[seam:]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        answers = self._told_and_fitted(super().loglikelihood, requests)
        if any(math.isnan(likelihood) for likelihood, _ in answers):
            # numpy's argmax takes a NaN for the largest: a broken model would look like one that guesses.
            raise RunError("the model gives NaN for a likelihood", hint="its weights or its precision are broken")
        return answers

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        return self._told_and_fitted(super().generate_until, requests)

    def get_model_info(self) -> dict[str, Any]:
        # HFLM would look the folder's name up on the Hub.
        return {"model_num_parameters": self.model.num_parameters(), "model_dtype": self.dtype}

    def _told_and_fitted(self, answer: Callable[..., list[Any]], requests: list[Any]) -> list[Any]:
        name = str(requests[0].task_name) if requests else ""
        while True:
            self._progress = Progress(f"score {self.label}: {name}", 0, len(requests), 0.0)
            self._began = self._told = time.monotonic()
            self._tell(0)
            try:
                with self._silence.lifted():
                    answers = answer(requests, disable_tqdm=True)
            except torch.OutOfMemoryError:
                if self.batch_size_per_gpu <= 1:
                    raise
                self.batch_size_per_gpu //= 2
                torch.cuda.empty_cache()
                continue
            self._tell(len(requests), last=True)
            return answers

    def _model_call(self, inps: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        logits: torch.Tensor = super()._model_call(inps, *args, **kwargs)
        self._tell(self._progress.done + inps.shape[0])
        return logits

    def _model_generate(self, context: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        tokens: torch.Tensor = super()._model_generate(context, *args, **kwargs)
        self._tell(self._progress.done + context.shape[0])
        return tokens

    def _tell(self, done: int, *, last: bool = False) -> None:
        now = time.monotonic()
        self._progress = Progress(self._progress.task, done, self._progress.total, now - self._began)
        if last or done == 0 or now - self._told > 0.1:
            self._told = now
            with self._silence.lifted():
                self.observer(self._progress)


def _tokenizer(folder: Path) -> Any:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # third-party readers of a foreign folder fail in many ways
        raise PrerequisiteError(
            f"the tokenizer cannot be loaded: {_first_line(error)}",
            where=str(folder),
            hint="save the tokenizer beside the weights; code from repositories is never run",
        ) from error
    if tokenizer.eos_token_id is None:
        raise PrerequisiteError(
            "the tokenizer has no end-of-text token", where=str(folder), hint="set eos_token in tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        # lm-eval would add a token, for which the model has no embedding.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _model(folder: Path, device: str, dtype: str) -> tuple[Any, int]:
    """The model, and how many tensors of its files it has no place for."""
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(str(folder), **options)
        if dtype == "auto":
            dtype = (
                "bfloat16" if device.startswith("cuda") and _parameters(config) >= _HALF_PRECISION_FROM else "float32"
            )
        placed = {"device_map": "auto"} if device == "cuda" and torch.cuda.device_count() > 1 else {}
        model, loaded = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            dtype=getattr(torch, dtype),
            weights_only=True,
            output_loading_info=True,
            **options,
            **placed,
        )
        if not placed:
            model.to(device)
    except Exception as error:
        raise PrerequisiteError(
            f"the model cannot be loaded: {_first_line(error)}",
            where=str(folder),
            hint="it must be a causal language model of transformers' own; code from repositories is never run",
        ) from error
    absent = sorted(str(key) for key in [*loaded["missing_keys"], *loaded["mismatched_keys"]])
    if absent:
        # transformers would fill them with random numbers and only log it.
        raise PrerequisiteError(
            f"{len(absent)} weights are missing or of another shape, such as {absent[0]}",
            where=str(folder),
            hint="config.json and weights do not belong together, or the download is incomplete",
        )
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        raise RunError("the weights hold NaN or infinite values", where=str(folder), hint="the training diverged")
    _plain_greedy(model)
    return model.eval(), len(loaded["unexpected_keys"])


def _plain_greedy(model: Any) -> None:
    # A repository's generation_config.json may carry penalties, beams and the like; what is asked here is greedy
    # decoding, of which only the tokens that end an answer belong to the model.
    given = model.generation_config
    ends = given.eos_token_id if given is not None and given.eos_token_id is not None else model.config.eos_token_id
    model.generation_config = transformers.GenerationConfig(eos_token_id=ends)


def _parameters(config: Any) -> int:
    with torch.device("meta"):
        return int(transformers.AutoModelForCausalLM.from_config(config).num_parameters())


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0][:300].removesuffix(" from one of:").rstrip(" :.")
    return json.dumps(line, ensure_ascii=False)[1:-1]
