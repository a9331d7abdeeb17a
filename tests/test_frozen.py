"""Values that are made quickly are the same values: equal, of the same class, frozen, with every field set."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from repro.card import Block, BlockKind, Cell, Span, make_block, make_cell, make_span
from repro.check.checker import all_checks
from repro.finding import Edit, Finding, Observation, Outcome, make_finding, make_observation

SPAN = Span("card.md", 3, 4, 5, 6)
MADE: list[tuple[type[Any], Any, tuple[object, ...]]] = [
    (Span, make_span, ("card.md", 3, 4, 5, 6)),
    (Cell, make_cell, ("text", "*text*", SPAN, 7, 8, ("https://a.example",))),
    (Block, make_block, (BlockKind.CODE, SPAN, "text", ("A", "B"), 2, "python", None, ("https://b.example",))),
    (Observation, make_observation, (Outcome.FAIL, "said", (SPAN,), "mend", ("c1",), (Edit(1, 2, 3, "o", "n"),))),
]


@pytest.mark.parametrize(("kind", "make", "values"), MADE, ids=lambda v: getattr(v, "__name__", ""))
def test_quick_makers_make_the_same_value(kind: type[Any], make: Any, values: tuple[object, ...]) -> None:
    parameters = inspect.signature(kind).parameters.values()
    assert [(p.name, p.default) for p in inspect.signature(make).parameters.values()] == [
        (p.name, p.default) for p in parameters
    ]
    required = sum(p.default is inspect.Parameter.empty for p in parameters)
    for count in range(required, len(values) + 1):
        ours, theirs = make(*values[:count]), kind(*values[:count])
        assert type(ours) is kind
        assert ours == theirs
        assert hash(ours) == hash(theirs)
        assert repr(ours) == repr(theirs)
        assert pickle.loads(pickle.dumps(ours)) == copy.copy(ours) == dataclasses.replace(ours) == theirs
        for field in dataclasses.fields(kind):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(ours, field.name, None)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("fix", ["", "mend"])
def test_a_finding_is_the_check_and_what_it_saw(outcome: Outcome, fix: str) -> None:
    check = all_checks()[0]
    seen = Observation(outcome, "said", (SPAN,), fix, ("c1",), (Edit(1, 2, 3, "o", "n"),))
    found = make_finding(check, seen)
    of_check = {name: getattr(check, name) for name in ("code", "slug", "title", "family", "severity", "confidence")}
    of_seen = {name: getattr(seen, name) for name in ("outcome", "message", "spans", "claims", "edits")}
    remedy = fix or (check.fix if outcome is Outcome.FAIL else "")
    assert found == Finding(**of_check, **of_seen, fix=remedy, persona=check.persona)
    assert type(found) is Finding
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.ignored = "no"  # type: ignore[misc]
