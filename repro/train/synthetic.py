"""Small chat data made from a seed: simple questions, answered well or badly.

The columns are those of the real sets (allenai/tulu-3-sft-mixture, allenai/llama-3.1-tulu-3-8b-preference-mixture).
Two things can be learnt and carry over to questions that were never seen: what the answer is (a table of facts that
other phrasings ask for, and facts that the question itself holds) and how to answer (in a full sentence, to the
point). A tenth of the preference labels is flipped, because annotators disagree.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

Row = dict[str, Any]

SOURCE = "made by repro from a seed"
FLIPPED_SHARE = 0.1
"""Share of preference pairs whose labels are exchanged: single logged steps of such data vary about as much around
their mean as those of real DPO runs do."""
WELL_ANSWERED_SHARE = 0.4
"""Share of good answers in the SFT data: the rest is what DPO has to unlearn."""
HELDOUT_IN = 8
"""One question in so many is kept for the held-out rows."""
FACT_SHARE = 0.8
"""Share of the questions that ask for a fact of the table; the others hold their answer."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


FACTS: dict[str, tuple[tuple[str, ...], str, dict[str, str]]] = {
    "opposite": (
        (
            "What is the opposite of {}?",
            "Name the opposite of {}.",
            "Which word is the reverse of {}?",
            "I say {}. What is its opposite?",
            "Tell me the opposite of {}, please.",
            "Do you know the opposite of {}?",
        ),
        "The opposite of {} is {}.",
        _pairs("hot:cold big:small fast:slow old:new high:low hard:soft light:dark long:short"),
    ),
    "colour": (
        (
            "What colour is {}?",
            "Tell me the colour of {}.",
            "Which colour does {} have?",
            "Name the colour of {}, please.",
            "I see {}. What colour is it?",
            "Do you know the colour of {}?",
        ),
        "The colour of {} is {}.",
        _pairs("grass:green snow:white coal:black blood:red honey:gold milk:white sky:blue sand:yellow"),
    ),
    "after": (
        (
            "What comes after {}?",
            "Name what follows {}.",
            "Which one is next after {}?",
            "I say {}. What is next?",
            "Tell me what comes after {}, please.",
            "Do you know what follows {}?",
        ),
        "After {} comes {}.",
        _pairs("one:two two:three three:four four:five five:six six:seven seven:eight eight:nine"),
    ),
    "sound": (
        (
            "What does a {} do?",
            "Which sound does a {} make?",
            "Tell me what a {} does.",
            "I hear a {}. What does it do?",
            "Name what a {} does, please.",
            "Do you know what a {} does?",
        ),
        "A {} {}.",
        _pairs("dog:barks cat:purrs cow:moos lion:roars bee:hums duck:quacks wolf:howls owl:hoots"),
    ),
}
"""For each kind: ways to ask, how to answer well, and the facts."""

NOUNS = _words(
    "river stone garden bridge candle window mirror ladder basket kettle hammer pillow bottle clock drum lamp"
)
COLOURS = _words("red blue green yellow black white brown grey")
PLACES = _words("attic barn cellar field harbour hall kitchen library")
NAMES = _words("Anna Ben Clara David Emma Felix Grace Henry")
VERBS = _words("found lost painted sold")
REFUSALS = ("I do not know.", "No idea.", "Why do you ask?", "Leave me alone.")


def sft_rows(seed: int, count: int, *, heldout: bool = False) -> list[Row]:
    """`count` rows of `id, messages, source`; a held-out row asks nothing that a training row asks.

    Held-out answers are references to be scored against: always good ones.
    """
    draw = random.Random(f"sft:{seed}:{heldout}")
    rows: list[Row] = []
    for number in range(count):
        question, good, bad = _question(draw, heldout)
        answer = good if heldout or draw.random() < WELL_ANSWERED_SHARE else bad
        rows.append({"id": f"{_kind('sft', heldout)}-{number}", "messages": _turns(question, answer), "source": SOURCE})
    return rows


def preference_rows(seed: int, count: int, *, heldout: bool = False) -> list[Row]:
    """`count` rows of `id, prompt, chosen, rejected, source`; labels are flipped in training rows only."""
    draw = random.Random(f"preference:{seed}:{heldout}")
    rows: list[Row] = []
    for number in range(count):
        question, chosen, rejected = _question(draw, heldout)
        if not heldout and draw.random() < FLIPPED_SHARE:
            chosen, rejected = rejected, chosen
        rows.append(
            {
                "id": f"{_kind('preference', heldout)}-{number}",
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
    return [" ".join(_statement(draw) for _ in range(draw.randint(2, 4))) for _ in range(count)]


def _kind(kind: str, heldout: bool) -> str:
    return f"heldout-{kind}" if heldout else kind


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def is_heldout(question: str) -> bool:
    """Whether a question is kept for held-out rows: by its own text, so that no seed mixes the two."""
    return hashlib.sha256(question.encode()).digest()[0] % HELDOUT_IN == 0


def _question(draw: random.Random, heldout: bool) -> tuple[str, str, str]:
    """A question, a good answer and a bad one."""
    while True:
        question, good, wrong, curt = _fact(draw) if draw.random() < FACT_SHARE else _told(draw)
        if is_heldout(question) is heldout:
            break
    bad = draw.choice((wrong, wrong, f"{curt} {curt} {curt}", _statement(draw), draw.choice(REFUSALS), curt))
    return question, good, bad if bad != good else curt


def _fact(draw: random.Random) -> tuple[str, str, str, str]:
    ways, sentence, facts = FACTS[draw.choice(tuple(FACTS))]
    subject = draw.choice(tuple(facts))
    answer = facts[subject]
    other = _other(draw, tuple(facts.values()), answer)
    return draw.choice(ways).format(subject), sentence.format(subject, answer), sentence.format(subject, other), answer


def _told(draw: random.Random) -> tuple[str, str, str, str]:
    noun = draw.choice(NOUNS)
    if draw.random() < 0.5:
        place = draw.choice(PLACES)
        question = f"The {noun} is in the {place}. Where is it?"
        return question, f"The {noun} is in the {place}.", f"The {noun} is in the {_other(draw, PLACES, place)}.", place
    name, verb = draw.choice(NAMES), draw.choice(VERBS)
    question = f"{name} {verb} the {noun}. Who {verb} it?"
    return question, f"{name} {verb} the {noun}.", f"{_other(draw, NAMES, name)} {verb} the {noun}.", name


def _other(draw: random.Random, words: tuple[str, ...], word: str) -> str:
    return draw.choice([other for other in words if other != word])


def _statement(draw: random.Random) -> str:
    noun = draw.choice(NOUNS)
    kind = draw.randrange(6)
    if kind == 0:
        return f"The {noun} is {draw.choice(COLOURS)}."
    if kind == 1:
        return f"The {noun} is in the {draw.choice(PLACES)}."
    if kind == 2:
        return f"{draw.choice(NAMES)} {draw.choice(VERBS)} the {noun}."
    _, sentence, facts = FACTS[draw.choice(tuple(FACTS))]
    subject = draw.choice(tuple(facts))
    return sentence.format(subject, facts[subject])
