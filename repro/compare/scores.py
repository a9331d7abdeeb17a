"""The law of score claims: claimed against re-scored, published against regenerated, never mixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from repro.compare.case import Case, result
from repro.compare.overrides import assumed, overruled
from repro.compare.pairs import FEWEST_SHARED, Paired, pair, same_harness
from repro.compare.parents import ALONE, unproven_parents, why_unproven
from repro.compare.score_match import Matched, claimed_interval, harness_gap, left_out_share, limit_of, match, rows_gap
from repro.compare.stats import FAMILY_ERROR, holm, t_quantile
from repro.comparison import Comparison, Leg, Verdict, Weight
from repro.score import Score
from repro.spec import Claim, ClaimKind

MARGIN = 0.05
"""Equivalence margin as a share of the metric's range (0 to 1), stated before looking."""
SLACK = 0.005
"""Scores of one model by one harness that differ by no more are the same: batch shape and device flip near-ties."""
CLAIMED_LEG, TRAINED_LEG = "claimed vs published", "published vs regenerated"


@dataclass(frozen=True, slots=True)
class _Trained:
    """The second leg of one claim, before and after its p-value is adjusted for the others."""

    paired: Paired | None
    gap: str
    p_value: float = 1.0


def compare_scores(case: Case, losses: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """A comparison for every score claim, by claim id; p-values of the second legs are adjusted jointly (Holm).

    `losses` are the comparisons of the loss claims: they tell whether a regenerated parent is the card's.
    """
    claims = [c for c in case.spec.claims if c.kind is ClaimKind.EVAL]
    matched = {c.id: match(case, c) for c in claims if c.number is not None}
    legs = {key: _trained(case, m) for key, m in matched.items()}
    tested = [key for key, leg in legs.items() if leg.paired is not None and not leg.gap]
    for key, p_value in zip(tested, holm([_p(legs[k].paired) for k in tested])):
        legs[key] = replace(legs[key], p_value=p_value)
    return {
        c.id: _judged(case, c, matched[c.id], legs[c.id], unproven_parents(case, c, losses))
        if c.id in matched
        else _unmeasured(case, c)
        for c in claims
    }


def _p(paired: Paired | None) -> float:
    return paired.p_value if paired is not None else 1.0


def _unmeasured(case: Case, claim: Claim) -> Comparison:
    if not claim.unstated:
        return result(claim, Verdict.UNTESTED, f'"{claim.printed}" could not be read as a number.')
    found = match(case, claim).any
    text = f"{found.value:.4f} ({found.model})" if found is not None else ""
    offer = f" Scored here: {text}." if text else ""
    return replace(
        result(
            claim,
            Verdict.UNSTATED,
            f"The card leaves this score open.{offer}",
            measured=found.value if found is not None else None,
            measured_text=text,
            scale=case.scale,
        ),
        weight_why="the card claims nothing here",
    )


def _trained(case: Case, matched: Matched) -> _Trained:
    published, ours = matched.published, matched.regenerated
    if published is None:
        return _Trained(None, "the published model was not scored here")
    if not ours:
        return _Trained(None, "no regenerated model was scored on it")
    if not case.full:
        return _Trained(None, f"the regenerated model is of {case.scale or 'no'} scale")
    gap = next((g for s in ours if (g := same_harness(published, s))), "")
    if gap:
        return _Trained(None, gap)
    paired = pair(published, ours)
    if paired is None or paired.shared < FEWEST_SHARED:
        return _Trained(None, "the two models were not asked the same questions")
    return _Trained(paired, "")


def _judged(case: Case, claim: Claim, matched: Matched, trained: _Trained, unproven: tuple[str, ...]) -> Comparison:
    if matched.any is None:
        others = f" ({', '.join(matched.others)} were)" if matched.others else ""
        return result(
            claim,
            Verdict.UNTESTED,
            f"No model was scored on {claim.task or 'this task'} with this metric{others}.",
            needs="the published model and a full-scale regenerated one, scored by the card's harness",
            scale=case.scale,
        )
    if matched.published is None:
        return _without_published(case, claim, matched)
    claimed_leg, state, remark = _claimed_leg(claim, matched.published)
    pair_leg, outcome, said = _trained_leg(case, claim, trained, unproven)
    legs = tuple(leg for leg in (claimed_leg, pair_leg) if leg is not None)
    # What the claim says is contradicted by either leg; it is reproduced only by both.
    if state == "differs" or (outcome == "differs" and state == "agrees"):
        verdict, needs = Verdict.DIFFERS, ""
    elif state.startswith("gap"):
        verdict, needs = Verdict.NOT_COMPARABLE, "the harness, its version and the task's version, stated in the card"
        if rows_gap(matched.published):
            needs = "a full-scale run on data that has a test split of its own"
    elif state == "agrees" and outcome == "inside" and (changed := overruled(case, claim)):
        verdict, needs = Verdict.NOT_COMPARABLE, f"a run with the card's own {', '.join(changed)}"
        said += " But that model was trained with another " + ", ".join(changed) + " than the card states."
    elif state == "agrees" and outcome == "inside":
        verdict, needs = Verdict.REPRODUCED, ""
    elif state == "agrees" and outcome == "none":
        verdict, needs = Verdict.CONSISTENT, "a full-scale run scored on the same questions"
    elif outcome == "parent":
        verdict, needs = Verdict.INCONCLUSIVE, ALONE + (claim.stage or case.spec.stages[-1].name)
    elif outcome == "open":
        verdict, needs = Verdict.INCONCLUSIVE, _samples_needed(trained)
    else:
        verdict, needs = Verdict.INCONCLUSIVE, "all of the task's questions, on the device and precision of the author"
    paired = trained.paired
    strong = verdict is Verdict.REPRODUCED and paired is not None and paired.seeds > 1
    weight = {
        Verdict.REPRODUCED: Weight.STRONG if strong else Weight.MODERATE,
        Verdict.DIFFERS: Weight.STRONG,
        Verdict.CONSISTENT: Weight.MODERATE,
    }.get(verdict, Weight.NONE)
    reasons = {
        Verdict.REPRODUCED: "evaluation and training were both repeated",
        Verdict.DIFFERS: "measured on the same questions",
        Verdict.CONSISTENT: "the evaluation was repeated, the training was not",
    }
    return replace(
        result(
            claim,
            verdict,
            " ".join(p for p in (remark, said) if p),
            method="paired" if pair_leg is not None else "re-scored",
            weight=weight,
            weight_why=reasons.get(verdict, "the two legs do not decide it"),
            measured=paired.regenerated if paired is not None else matched.published.value,
            measured_text=f"published {matched.published.value:.4f}"
            + (f", regenerated {paired.regenerated:.4f} ({case.scale})" if paired is not None else ""),
            interval=paired.interval if paired is not None else None,
            evidence_kind="published model re-scored" if verdict is Verdict.CONSISTENT else "",
            needs=needs,
            scale=case.scale,
        ),
        margin=MARGIN if paired is not None else None,
        margin_why="of the difference published against regenerated, stated before looking" if paired else "",
        p_value=trained.p_value if paired is not None else None,
        legs=legs,
    )


def _claimed_leg(claim: Claim, published: Score) -> tuple[Leg | None, str, str]:
    """(leg, "agrees" | "differs" | "open" | "gap", sentence): the error of the evaluation."""
    printed, value, unit = claimed_interval(claim, published)
    gap = harness_gap(claim, published) or rows_gap(published)
    count = len(published.samples)
    apart = published.value - value
    if gap:
        return (
            None,
            "gap",
            f"The published model scores {published.value:.4f} here; not compared with {claim.printed}: {gap}.",
        )
    slack = max(SLACK, 1 / max(1, count))
    limit = limit_of(published)
    stated = next((str(f.value) for f in claim.conditions if f.key == "limit" and f.known), "")
    # Answers that are all alike still leave 3/n open, the rule of three.
    chance = max(t_quantile(0.05, max(1.0, count - 1.0)) * published.standard_error, min(1.0, 3 / max(1, count)))
    # Of a finite set the answers that were asked are known: only the others are left to chance.
    share = 1.0 if limit and stated != limit else left_out_share(published)
    sampled = chance * math.sqrt(share) if share else 0.0
    error = printed.half_width + slack + sampled
    distance = max(0.0, printed.lo - published.value, published.value - printed.hi)
    leg = Leg(
        CLAIMED_LEG,
        value,
        published.value,
        (apart - error, apart + error),
        error,
        count,
        "rounding and near-ties" + (f", and only {limit or count} questions asked" if sampled else ""),
    )
    sentence = (
        f"Re-scored by the same harness the published model has {published.value:.4f}, the card says {claim.printed}"
        f"{f' ({unit})' if unit else ''}: {abs(apart):.4f} apart, {error:.4f} allowed."
    )
    if sampled > MARGIN and distance <= slack + sampled:
        return leg, "open", sentence
    if distance <= slack + sampled:
        return leg, "agrees", sentence
    # Between one and two allowances other hardware may be at work; beyond, it is another score.
    return leg, "differs" if distance > 2 * (slack + sampled) else "open", sentence


def _trained_leg(case: Case, claim: Claim, trained: _Trained, unproven: tuple[str, ...]) -> tuple[Leg | None, str, str]:
    """(leg, "inside" | "differs" | "parent" | "open" | "none", sentence): the error of the training."""
    paired = trained.paired
    if paired is None:
        return None, "none", f"Published against regenerated was not compared: {trained.gap}."
    low, high = paired.interval
    inside = low >= -MARGIN and high <= MARGIN
    leg = Leg(
        TRAINED_LEG,
        paired.published,
        paired.regenerated,
        paired.interval,
        MARGIN,
        paired.samples,
        f"paired over {paired.samples} questions, {paired.seeds} seed(s)",
    )
    spread = (
        f"spread between {paired.seeds} seeds included" if paired.seeds > 1 else "one seed: its spread is not known"
    )
    sentence = (
        f"The regenerated model is {paired.difference:+.4f} from the published one on {paired.samples} shared "
        f"questions (95% interval [{low:.4f}, {high:.4f}], margin {MARGIN}; {spread})."
    )
    if inside:
        return leg, "inside", sentence
    # One seed shows no spread between seeds, so only an interval wholly beyond the margin counts against it.
    beyond = low > MARGIN or high < -MARGIN
    if trained.p_value <= FAMILY_ERROR and (beyond if paired.seeds == 1 else True):
        guesses = assumed(case, claim)
        if guesses:
            return leg, "open", f"{sentence} The run assumed or changed {', '.join(guesses)}, which may explain it."
        if unproven:
            return leg, "parent", f"{sentence} {why_unproven(unproven)}"
        return leg, "differs", f"{sentence} Holm-adjusted p {trained.p_value:.2g}."
    return leg, "open", sentence


def _samples_needed(trained: _Trained) -> str:
    paired = trained.paired
    if paired is None:
        return "both models on the same questions"
    room = MARGIN - abs(paired.difference)
    if room <= 0:
        return "more seeds and questions: the difference itself is at the margin"
    if paired.seed_spread * 2 > room:
        return f"more seeds than {paired.seeds}: they spread by {paired.seed_spread:.3f}"
    questions = int(paired.samples * (paired.half_width / room) ** 2) + 1
    return f"about {max(questions, paired.samples + 1):,} questions instead of {paired.samples:,}"


def _without_published(case: Case, claim: Claim, matched: Matched) -> Comparison:
    ours = matched.regenerated
    mean = sum(s.value for s in ours) / len(ours)
    text = f"{mean:.4f} ({case.scale or 'regenerated'})"
    full = case.full
    other = f"The regenerated model scores {mean:.4f} and the card says {claim.printed}"
    why = (
        f"{other}; that mixes the error of the evaluation with that of the training, and only the published model's "
        "own score can part them."
        if full
        else f"{other}, of a larger model: a stand-in's score says nothing about it."
    )
    return result(
        claim,
        Verdict.INCONCLUSIVE if full else Verdict.NOT_COMPARABLE,
        why,
        method="side by side",
        measured=mean,
        measured_text=text,
        weight_why="only one of the two legs could be looked at",
        needs="score the published model: repro verify" if full else "a full-scale run, then repro verify",
        scale=case.scale,
    )
