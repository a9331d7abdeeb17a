"""Small chat data made from a seed: questions whose answers stand in the question, answered well or badly.

The columns are those of the real sets (allenai/tulu-3-sft-mixture, allenai/llama-3.1-tulu-3-8b-preference-mixture).
What can be learnt is general (answer what was asked, in a full and courteous sentence), so that it carries over to
questions that were never seen; a tenth of the preference labels is flipped, because annotators disagree.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SOURCE = "made by repro from a seed"
FLIPPED_SHARE = 0.1
"""Share of preference pairs whose labels are exchanged: single logged steps of such data vary about as much around
their mean as those of real DPO runs do."""
WELL_ANSWERED_SHARE = 0.5
"""Share of good answers in the SFT data: the rest is what DPO has to unlearn."""
HELDOUT_IN = 16
"""One subject in so many is kept for the held-out rows."""

NOUNS = _words(
    "river stone garden bridge candle window mirror ladder basket kettle hammer pillow blanket bottle "
    "button carpet clock cradle drum feather fence flute forest harbour helmet hill jacket jar lamp "
    "lantern meadow needle orchard oven paddle parcel pebble pencil plough pocket saddle sail shovel "
    "spoon statue table tent tower trumpet tunnel valley violin wagon wheel whistle wing boat cabin "
    "castle cellar chain coat cup desk door gate glove horn"
)
COLOURS = tuple("red blue green yellow black white brown grey purple orange pink silver".split())  # noqa: SIM905
PLACES = _words("attic barn cellar field harbour hall kitchen library market museum park shed station temple valley")
NAMES = _words("Anna Ben Clara David Emma Felix Grace Henry Iris Jack Karen Leo Maria Noah Olga Paul Rosa Tom")
VERBS = tuple("found lost painted sold bought carried cleaned mended hid borrowed".split())  # noqa: SIM905
COURTESY = ("I hope this helps.", "Glad to help.", "Ask me more if you like.", "That is the answer.")
REFUSALS = ("I do not know.", "No idea.", "Why do you ask?", "Leave me alone.")


def sft_rows(seed: int, count: int, *, heldout: bool = False) -> list[Row]:
    """`count` rows of `id, messages, source`; held-out rows share no subject with the others."""
    draw = random.Random(f"sft:{seed}:{heldout}")
    rows: list[Row] = []
    for number in range(count):
        question, good, bad = _question(draw, heldout)
        # held-out answers are references to be scored against: always the good one, without the courtesy
        well = heldout or draw.random() < WELL_ANSWERED_SHARE
        answer = good if heldout else _courteous(draw, good) if well else bad
        rows.append({"id": f"sft-{seed}-{number}", "messages": _turns(question, answer), "source": SOURCE})
    return rows


def preference_rows(seed: int, count: int, *, heldout: bool = False) -> list[Row]:
    """`count` rows of `id, prompt, chosen, rejected, source`; labels are flipped in training rows only."""
    draw = random.Random(f"preference:{seed}:{heldout}")
    rows: list[Row] = []
    for number in range(count):
        question, good, bad = _question(draw, heldout)
        chosen, rejected = _courteous(draw, good), bad
        if not heldout and draw.random() < FLIPPED_SHARE:
            chosen, rejected = rejected, chosen
        rows.append(
            {
                "id": f"preference-{seed}-{number}",
                "prompt": question,
                "chosen": _turns(question, chosen),
                "rejected": _turns(question, rejected),
                "source": SOURCE,
            }
        )
    return rows


def pretraining_texts(seed: int, count: int) -> list[str]:
    """`count` short plain texts in the same words, for the stand-in's "base" model."""
    draw = random.Random(f"pretraining:{seed}")
    return [" ".join(_statement(draw) for _ in range(draw.randint(2, 3))) for _ in range(count)]


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _heldout_subject(noun: str, detail: str) -> bool:
    return hashlib.sha256(f"{noun}/{detail}".encode()).digest()[0] % HELDOUT_IN == 0


def _subjects(draw: random.Random, heldout: bool, details: tuple[str, ...]) -> tuple[str, str]:
    while True:
        noun, detail = draw.choice(NOUNS), draw.choice(details)
        if _heldout_subject(noun, detail) is heldout:
            return noun, detail


def _question(draw: random.Random, heldout: bool) -> tuple[str, str, str]:
    """A question, a good answer without courtesy, and a bad answer."""
    kind = draw.randrange(4)
    if kind == 0:
        noun, colour = _subjects(draw, heldout, COLOURS)
        question = draw.choice((f"What colour is the {colour} {noun}?", f"Tell me the colour of a {colour} {noun}."))
        good = f"The {noun} is {colour}."
        wrong = f"The {noun} is {_other(draw, COLOURS, colour)}."
        curt = colour
    elif kind == 1:
        noun, place = _subjects(draw, heldout, PLACES)
        question = f"The {noun} is in the {place}. Where is the {noun}?"
        good = f"The {noun} is in the {place}."
        wrong = f"The {noun} is in the {_other(draw, PLACES, place)}."
        curt = place
    elif kind == 2:
        noun, name = _subjects(draw, heldout, NAMES)
        verb = draw.choice(VERBS)
        question = f"{name} {verb} the {noun}. Who {verb} it?"
        good = f"{name} {verb} the {noun}."
        wrong = f"{_other(draw, NAMES, name)} {verb} the {noun}."
        curt = name
    else:
        noun, colour = _subjects(draw, heldout, COLOURS)
        question = f"Repeat after me: {colour} {noun}."
        good = f"You said {colour} {noun}."
        wrong = f"You said {colour} {_other(draw, NOUNS, noun)}."
        curt = noun
    bad = draw.choice((wrong, wrong, f"{curt} {curt} {curt}", f"{_statement(draw)}", draw.choice(REFUSALS), curt))
    return question, good, bad


def _courteous(draw: random.Random, answer: str) -> str:
    return f"{answer} {draw.choice(COURTESY)}" if draw.random() < 0.7 else answer


def _other(draw: random.Random, words: tuple[str, ...], word: str) -> str:
    return draw.choice([other for other in words if other != word])


def _statement(draw: random.Random) -> str:
    return draw.choice(tuple(_statements(draw)))


def _statements(draw: random.Random) -> Iterator[str]:
    noun = draw.choice(NOUNS)
    yield f"The {noun} is {draw.choice(COLOURS)}."
    yield f"The {noun} is in the {draw.choice(PLACES)}."
    yield f"{draw.choice(NAMES)} {draw.choice(VERBS)} the {noun}."
