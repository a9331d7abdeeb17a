"""A report as plain rows and sentences: what the Markdown, the HTML and the card's section all loop over."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from repro.card import Span
from repro.comparison import Verdict
from repro.finding import Outcome
from repro.plan import Command, Scaled
from repro.render.finding_rows import FindingRow, Highlight, finding_tally, highlights, ignored_rows, rows_with
from repro.render.gap_rows import GapRow, gap_rows, score_text
from repro.render.ledger import Chip, LedgerGroup, LedgerRow, ledger_chips, ledger_groups, tested_rows, untested_groups
from repro.render.places import MAX_LINES, Line, card_lines, numbered
from repro.render.plan_rows import CostRow, StageRows, cost, plan_stages
from repro.render.score_rows import ScoreBlock, score_blocks
from repro.render.sensitivity_rows import SensitivityRows, study_rows
from repro.render.starts import BESIDE_TITLE, BesideRow, beside_rows, beside_text, scale_words
from repro.render.verdict_words import NOT_COMPARED, VERDICTS, WEIGHTS
from repro.render.words import ORIGINS, SEVERITIES, Word, duration, figure, moment, plural
from repro.report import Report
from repro.spec import Spec
from repro.task import Scale, Start

KINDS = {"run": "Regeneration", "verify": "Verification against the published model", "check": "Static audit"}

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "lm-eval", "lm_eval", "tokenizers", "numpy")
"""Packages whose version bears on the numbers; the report lists all, the card's section these."""


@dataclass(frozen=True, slots=True)
class StageDone:
    """One trained stage, in words."""

    name: str
    seed: str
    steps: str
    rows: str
    first: str
    last: str
    seconds: str
    resumed: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything a template may say."""

    title: str
    kind: str
    source: str
    sha256: str
    created: str
    took: str
    tool: str
    run_id: str
    word: Word
    answer: str
    tally: str
    scale: str
    scale_text: str
    proxy: bool
    chips: tuple[Chip, ...]
    highlights: tuple[Highlight, ...]
    groups: tuple[LedgerGroup, ...]
    beside: tuple[BesideRow, ...]
    """The claims that another run measured from the other start."""
    beside_title: str
    beside_text: str
    tested: tuple[LedgerRow, ...]
    untested: tuple[LedgerGroup, ...]
    """The claims with which nothing was done, by reason; the reason is the group's title."""
    failures: tuple[FindingRow, ...]
    unknowns: tuple[FindingRow, ...]
    passed: tuple[FindingRow, ...]
    ignored: tuple[FindingRow, ...]
    checks: str
    """"31 checks: 8 found something, 5 cannot tell, 18 passed"."""
    completeness: str
    """"completeness 71/100: 26 of 38 facts ... are told"; empty when it was not asked."""
    gaps: tuple[GapRow, ...]
    sensitivity: SensitivityRows | None
    """How far each assumed value moves the claims; None where that was not studied."""
    stages: tuple[StageRows, ...]
    recipe: str
    scaled: tuple[Scaled, ...]
    stand_in: str
    costs: tuple[CostRow, ...]
    commands: tuple[Command, ...]
    plan_notes: tuple[str, ...]
    done: tuple[StageDone, ...]
    scores: tuple[ScoreBlock, ...]
    environment: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    looked_at: tuple[tuple[str, str, str], ...]
    """(role, repository, where it was read)."""
    absences: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    repeat: str
    lines: tuple[Line, ...]
    lines_cut: int
    verdict_words: tuple[Word, ...]
    origin_words: tuple[Word, ...]
    severity_words: tuple[Word, ...]
    weight_words: tuple[str, ...]


def view(report: Report) -> View:
    """Everything the templates say about `report`."""
    spec, plan, evidence = report.spec, report.plan, report.evidence
    lines = card_lines(spec)
    verdict, sentence = report.answer
    answer, tally = split_answer(sentence)
    scale, scale_text = _scale(report)
    groups = ledger_groups(report, lines)
    return View(
        title=report.card_name or spec.name,
        kind=KINDS.get(report.kind, report.kind),
        source=report.card_source,
        sha256=report.card_sha256,
        created=moment(report.created),
        took=duration(report.seconds) if report.seconds else "",
        tool=f"repro {report.tool_version}",
        run_id=report.run_id,
        word=NOT_COMPARED if verdict is None else VERDICTS[verdict],
        answer=answer,
        tally=tally,
        scale=scale,
        scale_text=scale_text,
        proxy=plan is not None and plan.scale is Scale.PROXY,
        chips=ledger_chips(report),
        highlights=highlights(report),
        groups=groups,
        beside=beside_rows(report),
        beside_title=BESIDE_TITLE,
        beside_text=beside_text(report),
        tested=tested_rows(groups),
        untested=untested_groups(groups),
        failures=rows_with(report, Outcome.FAIL, lines),
        unknowns=rows_with(report, Outcome.UNKNOWN, lines),
        passed=rows_with(report, Outcome.PASS, lines),
        ignored=ignored_rows(report, lines),
        checks=checks_text(report),
        completeness="" if report.completeness is None else score_text(report.completeness),
        gaps=gap_rows(report.completeness),
        sensitivity=study_rows(report.sensitivity),
        stages=() if plan is None else plan_stages(plan, spec, lines),
        recipe="" if plan is None else plan.recipe,
        scaled=() if plan is None else plan.scaled,
        stand_in=_stand_in(report),
        costs=() if plan is None else tuple(cost(f) for f in plan.feasibility),
        commands=() if plan is None else plan.commands,
        plan_notes=() if plan is None else tuple(n for n in plan.notes if n not in report.notes),
        done=_done(report),
        scores=score_blocks(report),
        environment=_environment(report),
        packages=() if report.environment is None else report.environment.packages,
        looked_at=tuple((r.role, r.repo_id, r.source) for r in evidence.repos)
        + tuple(("parent's card", p.name, p.source) for p in evidence.parents),
        absences=tuple((a.what, a.why) for a in evidence.absences),
        problems=tuple((_where(p.span, spec), p.message) for p in spec.problems),
        notes=report.notes,
        repeat=repeat_command(report, report.card_source),
        lines=numbered(spec, lines, _spans(report)),
        lines_cut=max(0, len(lines) - MAX_LINES),
        verdict_words=tuple(VERDICTS[v] for v in Verdict),
        origin_words=tuple(ORIGINS.values()),
        severity_words=tuple(SEVERITIES.values()),
        weight_words=tuple(WEIGHTS.values()),
    )


def split_answer(sentence: str) -> tuple[str, str]:
    """The answer without its tally, and the tally: "Cannot tell (3 UNTESTED)." is "Cannot tell." and "3 UNTESTED"."""
    head, bracket, tail = sentence.rpartition(" (")
    return (f"{head}.", tail[:-2]) if bracket and tail.endswith(").") else (sentence, "")


def checks_text(report: Report) -> str:
    """How the checks came out, in one line; empty when none was run."""
    counts = finding_tally(report)
    if not report.findings:
        return ""
    parts = [
        f"{plural(counts[Outcome.FAIL], 'problem')} found",
        f"{counts[Outcome.UNKNOWN]} cannot tell",
        f"{counts[Outcome.PASS]} passed",
    ]
    return ", ".join(parts)


def repeat_command(report: Report, source: str) -> str:
    """The command that repeats this audit of the card at `source`."""
    if report.kind == "check" or report.plan is None:
        return f"repro check {shlex.quote(source)}"
    seed = f" --seed {report.plan.seeds[0]}" if report.plan.seeds else ""
    seeds = f" --seeds {len(report.plan.seeds)}" if len(report.plan.seeds) > 1 else ""
    plan = report.plan
    only = "".join(f" --stages {shlex.quote(s.name)}" for s in plan.stages) if plan.left_out else ""
    start = f" --start {plan.start.value}" if plan.start is Start.PUBLISHED else ""
    return f"repro run {shlex.quote(source)} --scale {plan.scale.value}{only}{start}{seed}{seeds}"


def file_name(source: str) -> str:
    """The last part of a path: what a public card may say of where it was audited."""
    return PurePosixPath(source.replace("\\", "/")).name or "README.md"


def _scale(report: Report) -> tuple[str, str]:
    if report.plan is None or not (report.stages or report.comparisons):
        return "Nothing was run", "The card was read and checked; no model was trained or scored."
    return scale_words(report.plan)


def _stand_in(report: Report) -> str:
    proxy = None if report.plan is None else report.plan.proxy
    if proxy is None:
        return ""
    return (
        f"a Llama of {proxy.num_layers} layers, hidden size {proxy.hidden_size}, intermediate size "
        f"{proxy.intermediate_size}, {plural(proxy.num_heads, 'head')} ({proxy.num_key_value_heads} key-value), "
        f"vocabulary {proxy.vocab_size:,}, pretrained for {plural(proxy.pretraining_steps, 'step')} on made-up text"
    )


def _done(report: Report) -> tuple[StageDone, ...]:
    return tuple(
        StageDone(
            name=s.name,
            seed=str(s.seed),
            steps=f"{len(s.steps):,}",
            rows=f"{s.rows_used:,} of {s.rows_sampled:,}",
            first=figure(s.steps[0].loss) if s.steps else "?",
            last=figure(s.steps[-1].loss) if s.steps else "?",
            seconds=duration(s.seconds),
            resumed=f"resumed {plural(s.resumed, 'time')}" if s.resumed else "",
        )
        for s in report.stages
    )


def _environment(report: Report) -> tuple[tuple[str, str], ...]:
    e = report.environment
    if e is None:
        return ()
    rows = [
        ("Python", e.python),
        ("Platform", e.platform),
        ("Processor", e.processor),
        ("CPU capability", e.cpu_capability),
        ("Threads", str(e.threads)),
        ("Devices", ", ".join(e.devices) or "CPU only"),
    ]
    rows += [(name, version) for name, version in e.packages if name in PACKAGES]
    return tuple((name, value) for name, value in rows if value)


def _where(span: Span, spec: Spec) -> str:
    if span.source != spec.source:
        return str(span)
    return f"line {span.line}" if span.line else ""


def _spans(report: Report) -> Iterator[Span]:
    for claim in report.spec.claims:
        yield claim.span
    for finding in report.failures:
        yield from finding.spans
