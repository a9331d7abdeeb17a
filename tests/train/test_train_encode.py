"""Tokens and labels: the Tulu format against its own Jinja form, masks against the obvious slow way, odd rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.errors import RunError
from repro.train import synthetic
from repro.train.batch import Sequences, chunks, collate
from repro.train.encode import Codec, encode_preference, encode_sft
from repro.train.template import render
from repro.train.tokenizer import train_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer((m["content"] for row in synthetic.sft_rows(0, 200) for m in row["messages"]), 330)


def codec(tokenizer: Any, scope: str = "all_turns", *, tulu: bool = True, length: int = 500) -> Codec:
    return Codec(tokenizer, tulu, scope, length, "right", "labels")


def one(row: dict[str, Any], given: Codec) -> tuple[list[int], list[int]]:
    """The row's ids, and those of them that are labels."""
    sequences, kept = encode_sft([row], given, lambda done: None)
    assert kept == [0]
    return sequences.ids.tolist(), sequences.ids[sequences.labels].tolist()


contents = st.text(alphabet=st.sampled_from("ab \n<|>{}%é水user"), max_size=12)
conversations = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant"]), contents), min_size=1, max_size=5
).map(lambda turns: [{"role": role, "content": content} for role, content in turns])


@given(conversations)
@settings(max_examples=60, deadline=None)
def test_plain_rendering_is_the_template(tokenizer: Any, messages: list[dict[str, str]]) -> None:
    expected = tokenizer.apply_chat_template(messages, tokenize=False)
    assert render(messages, tokenizer.eos_token).text == expected


@given(conversations)
@settings(max_examples=60, deadline=None)
def test_fast_masks_are_the_prefix_masks(tokenizer: Any, messages: list[dict[str, str]]) -> None:
    """Offsets in one rendering against open-instruct's way: the lengths of the prefixes."""
    row = {"messages": messages}
    for scope in ("all_turns", "last_turn"):
        fast, fast_kept = encode_sft([row], codec(tokenizer, scope), lambda done: None)
        slow, slow_kept = encode_sft([row], codec(tokenizer, scope, tulu=False), lambda done: None)
        assert fast_kept == slow_kept
        assert fast.ids.tolist() == slow.ids.tolist()
        assert fast.labels.tolist() == slow.labels.tolist()


TALK: list[dict[str, str]] = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "and"},
    {"role": "assistant", "content": "no"},
]


def test_scopes(tokenizer: Any) -> None:
    eos = tokenizer.eos_token
    expected = {"all_turns": f"yes{eos}no{eos}", "last_turn": f"no{eos}", "completion": f"no{eos}"}
    for scope, text in expected.items():
        ids, labels = one({"messages": TALK}, codec(tokenizer, scope))
        assert tokenizer.decode(labels) == text
        assert tokenizer.decode(ids).count("<|assistant|>") == 2
    ids, labels = one({"messages": [TALK[1], TALK[3]]}, codec(tokenizer, "all_turns"))
    assert labels == ids[1:], "open-instruct masks what is not an assistant's, and nothing else"
    ids, labels = one({"messages": TALK}, codec(tokenizer, "all_tokens"))
    assert labels == ids[1:], "nothing predicts the first token"


def test_truncation_drops_rows_without_labels(tokenizer: Any) -> None:
    long = {"messages": [{"role": "user", "content": "word " * 50}, TALK[1]]}
    sequences, kept = encode_sft([long, {"messages": TALK}], codec(tokenizer, length=40), lambda done: None)
    assert kept == [1]
    assert len(sequences) == 1
    assert sequences.lengths[0] <= 40
    pair = {"chosen": TALK, "rejected": long["messages"]}
    _, _, pairs = encode_preference([pair], codec(tokenizer, length=40), lambda done: None)
    assert pairs == []


def test_kinds_of_rows(tokenizer: Any) -> None:
    eos = tokenizer.eos_token
    plain = codec(tokenizer, "completion")
    _, labels = one({"prompt": "say", "completion": " it"}, plain)
    assert tokenizer.decode(labels) == f" it{eos}"
    _, labels = one({"prompt": TALK[:1], "completion": TALK[1:2]}, plain)
    assert tokenizer.decode(labels) == f"yes{eos}"
    ids, _ = one({"text": "a story"}, codec(tokenizer, "all_tokens"))
    assert tokenizer.decode(ids) == f"a story{eos}"
    shapes: Sequence[dict[str, Any]] = (
        {"chosen": TALK[:2], "rejected": [TALK[0], {"role": "assistant", "content": "bad"}]},
        {"prompt": TALK[:1], "chosen": TALK[1:2], "rejected": [{"role": "assistant", "content": "bad"}]},
        {"prompt": "hi", "chosen": TALK[1:2], "rejected": [{"role": "assistant", "content": "bad"}]},
        {"prompt": "hi", "chosen": TALK[:2], "rejected": [TALK[0], {"role": "assistant", "content": "bad"}]},
    )
    for row in shapes:
        chosen, rejected, _ = encode_preference([row], plain, lambda done: None)
        assert tokenizer.decode(chosen.ids) == f"<|user|>\nhi\n<|assistant|>\nyes{eos}"
        assert tokenizer.decode(chosen.ids[chosen.labels]) == f"yes{eos}"
        assert tokenizer.decode(rejected.ids[rejected.labels]) == f"bad{eos}"
    chosen, _, _ = encode_preference([{"prompt": "q", "chosen": " a", "rejected": " b"}], plain, lambda done: None)
    assert tokenizer.decode(chosen.ids[chosen.labels]) == f" a{eos}"


@pytest.mark.parametrize(
    "row",
    [{}, {"messages": []}, {"messages": "text"}, {"messages": [1]}, {"messages": [{"role": "user", "content": None}]}],
)
def test_odd_rows_are_refused_in_a_sentence(row: dict[str, Any], tokenizer: Any) -> None:
    with pytest.raises(RunError, match="row"):
        encode_sft([row], codec(tokenizer), lambda done: None)
    with pytest.raises(RunError, match="row"):
        encode_preference([row], codec(tokenizer), lambda done: None)


def test_text_is_never_a_template(tokenizer: Any) -> None:
    hostile = [{"role": "user", "content": "{{ 7*7 }}{% raw %}"}, {"role": "assistant", "content": "{{ eos_token }}"}]
    for tulu in (True, False):
        ids, _ = one({"messages": hostile}, codec(tokenizer, tulu=tulu))
        assert "{{ 7*7 }}{% raw %}" in tokenizer.decode(ids)
        assert "{{ eos_token }}" in tokenizer.decode(ids)


def test_a_failing_template_is_one_sentence(tokenizer: Any) -> None:
    was = tokenizer.chat_template
    try:
        tokenizer.chat_template = "{{ raise_exception('not for you') }}"
        with pytest.raises(RunError, match="not for you"):
            encode_sft([{"messages": TALK}], codec(tokenizer, "all_tokens", tulu=False), lambda done: None)
        tokenizer.chat_template = None
        with pytest.raises(RunError, match="no chat template"):
            encode_sft([{"messages": TALK}], codec(tokenizer, "all_tokens", tulu=False), lambda done: None)
    finally:
        tokenizer.chat_template = was


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=6), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_batches_hold_every_label_once(masks: list[list[bool]], budget: int) -> None:
    import numpy as np
    import torch

    encoded = [([10 * i + j for j in range(len(mask))], mask) for i, mask in enumerate(masks)]
    sequences = Sequences.of(encoded)
    seen = []
    for part in chunks(sequences.lengths, budget):
        assert len(part) == 1 or len(part) * int(sequences.lengths[part].max()) <= budget
        batch = collate([(sequences, part)], 99, torch.device("cpu"))
        flat = batch.input_ids.reshape(-1)
        for position, target, owner in zip(batch.positions, batch.targets, batch.owner, strict=True):
            assert flat[position + 1] == target
            seen.append((int(part[owner]), int(target)))
        assert batch.label_counts.tolist() == sequences.label_counts[part].tolist()
    expected = [(i, 10 * i + j) for i, mask in enumerate(masks) for j, label in enumerate(mask) if label and j]
    assert sorted(seen) == expected
    assert np.array_equal(sequences.label_counts, [sum(mask[1:]) for mask in masks])
