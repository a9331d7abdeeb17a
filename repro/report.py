"""Everything one audit learned, and its JSON form: the one noun that all renderings read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.card import Card
from repro.completeness import Completeness
from repro.errors import ReproError
from repro.evidence import Evidence
from repro.finding import Finding, Outcome
from repro.spec import Claim, Spec

if TYPE_CHECKING:
    # A check needs none of these, and loading them takes as long as reading several cards.
    from repro.comparison import Beside, Comparison, Verdict
    from repro.plan import Plan
    from repro.run import Environment, StageRun
    from repro.score import Score
    from repro.sensitivity import Sensitivity

SCHEMA_VERSION = 1
"""Grows when a reader of older reports would misread a newer one."""


_UNSEEN = re.compile(
    "[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What no reader sees but a terminal or an editor obeys: control characters, bidirectional marks, tags."""


@dataclass(frozen=True, slots=True)
class Report:
    """One audit. Parts that were not run are empty, and the renderings say so."""

    schema_version: int
    tool_version: str
    created: str
    """ISO time, UTC."""
    kind: str
    """"run", "verify" or "check"."""
    card_source: str
    card_name: str
    card_sha256: str
    spec: Spec
    evidence: Evidence
    findings: tuple[Finding, ...]
    plan: Plan | None = None
    run_id: str = ""
    stages: tuple[StageRun, ...] = ()
    environment: Environment | None = None
    scores: tuple[Score, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know about this audit as a whole."""
    seconds: float = 0.0
    completeness: Completeness | None = None
    """Which facts are missing for a regeneration; None in a report that never asked."""
    beside: tuple[Beside, ...] = ()
    """The same claims by the latest run from the other start: the error of a stage and that of its chain, apart."""
    sensitivity: Sensitivity | None = None
    """How far each assumed value moves the claims, where that was studied for this very card."""

    def comparison(self, claim: Claim) -> Comparison | None:
        return next((c for c in self.comparisons if c.claim == claim.id), None)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What the checks found wrong and nobody ignores, gravest first."""
        found = [f for f in self.findings if f.outcome is Outcome.FAIL and not f.ignored]
        return tuple(sorted(found, key=lambda f: (-f.severity.rank, f.code)))

    @property
    def answer(self) -> tuple[Verdict | None, str]:
        """The answer to "can I trust this model's claims?": the whole's verdict and one sentence.

        The whole is REPRODUCED only when every loss and score claim is; DIFFERS when any claim differs.
        None when nothing was compared.
        """
        return answer(self.spec, self.comparisons)


def answer(spec: Spec, comparisons: tuple[Comparison, ...]) -> tuple[Verdict | None, str]:
    """See `Report.answer`."""
    from repro.comparison import Verdict, Weight, count

    if not comparisons:
        return None, "Nothing was compared yet: the card was read and checked, no claim was tested."
    counts = count(comparisons)
    total = len(comparisons)
    by_id = {c.claim: c for c in comparisons}
    results = [by_id[c.id] for c in spec.claims if c.id in by_id and c.kind in {"loss", "eval"}]
    tally = ", ".join(f"{n} {v.value}" for v, n in counts.items() if n)
    if counts[Verdict.DIFFERS]:
        n = counts[Verdict.DIFFERS]
        return Verdict.DIFFERS, f"No: {n} of {total} claims differ{'s' if n == 1 else ''} from the evidence ({tally})."
    stated = [c for c in results if c.verdict is not Verdict.UNSTATED]
    untold = [c for c in spec.claims if c.kind in {"loss", "eval"} and c.id not in by_id and not c.unstated]
    if stated and not untold and all(c.verdict is Verdict.REPRODUCED for c in stated):
        if all(c.weight is Weight.NONE for c in stated):
            empty = "what was reproduced holds for every recipe and says nothing about this one"
            return Verdict.INCONCLUSIVE, f"Cannot tell yet: {empty} ({tally})."
        return Verdict.REPRODUCED, f"Yes: every loss and score it states was reproduced ({tally})."
    if counts[Verdict.INCONCLUSIVE]:
        return Verdict.INCONCLUSIVE, f"Cannot tell yet: nothing differs, some measurements are too noisy ({tally})."
    if counts[Verdict.NOT_COMPARABLE]:
        why = "nothing contradicts the card, and its results were not measured at their own scale"
        return Verdict.NOT_COMPARABLE, f"Cannot tell from this run: {why} ({tally})."
    if counts[Verdict.CONSISTENT]:
        return Verdict.CONSISTENT, f"Nothing contradicts the card, and nothing was reproduced ({tally})."
    return Verdict.UNTESTED, f"Cannot tell: nothing was measured ({tally})."


def of_card(card: Card, spec: Spec, evidence: Evidence, findings: tuple[Finding, ...], **rest: Any) -> Report:
    """A report on a card, with the card's identity filled in; `rest` are Report's other fields."""
    return Report(
        schema_version=SCHEMA_VERSION,
        card_source=card.source,
        card_name=card.name,
        card_sha256=card.sha256,
        spec=spec,
        evidence=evidence,
        findings=findings,
        **rest,
    )


def to_json(report: Report) -> str:
    """The report as JSON; `from_json` gives an equal report back. NaN and infinities are kept as strings."""
    return as_json(report)


def as_json(value: Any) -> str:
    """A noun as JSON that is safe to show: characters that only a terminal would obey are written as escapes."""
    import pydantic_core

    text = pydantic_core.to_json(value, indent=1, inf_nan_mode="strings").decode("utf-8")
    return plain_json(text) + "\n"


def plain_json(text: str) -> str:
    """JSON with the characters that only a terminal would obey written as escapes."""
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def is_plain(text: str) -> bool:
    """Whether `text` holds none of the characters that only a terminal would obey."""
    return _UNSEEN.search(text) is None


def from_json(text: str) -> Report:
    """
    Raises:
        ReproError: not a report, or one of a newer schema.
    """
    from pydantic import ValidationError

    try:
        version = json.loads(text).get("schema_version")
        if version != SCHEMA_VERSION:
            raise ReproError(
                f"report of schema {version}, this version reads {SCHEMA_VERSION}",
                hint="use the version of repro that wrote it, or run the audit again",
            )
        report: Report = _adapter().validate_json(text)
        return report
    except (ValueError, AttributeError, ValidationError, RecursionError) as error:
        raise ReproError(f"not a report: {str(error).splitlines()[0]}") from error


def _adapter() -> Any:
    """What reads a report: pydantic looks up the names of a report's fields where the adapter is made."""
    from pydantic import TypeAdapter

    from repro.comparison import Beside, Comparison  # noqa: F401
    from repro.plan import Plan  # noqa: F401
    from repro.run import Environment, StageRun  # noqa: F401
    from repro.score import Score  # noqa: F401
    from repro.sensitivity import Sensitivity  # noqa: F401

    return TypeAdapter(Report)


def json_schema() -> dict[str, Any]:
    """JSON Schema of report.json."""
    schema: dict[str, Any] = _with_unprintable_numbers(_adapter().json_schema())
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"repro report, schema version {SCHEMA_VERSION}"
    return schema


def _with_unprintable_numbers(schema: Any) -> Any:
    # JSON has no NaN and no infinities: `to_json` writes them as strings, so a number may be one of these.
    if isinstance(schema, list):
        return [_with_unprintable_numbers(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "number":
        about = {key: value for key, value in schema.items() if key != "type"}
        return {**about, "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    return {key: _with_unprintable_numbers(value) for key, value in schema.items()}
