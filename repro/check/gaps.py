"""R4, continued: what a training description leaves out, and what that leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.frameworks import DRIFTS, LIBRARIES, framework, framework_version
from repro.check.lineage import (
    HYPERPARAMETERS,
    is_preference,
    is_sft,
    settings_are_shown,
    stage_fact,
    stated_hyperparameters,
)
from repro.check.making import title
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import reads_english, search
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Spec, Stage

_SPEAKS = re.compile(r"\bhyper-?parameters\b|\blearning[- _]rate\b|\bbatch[- _]size\b|\bepochs?\b", re.IGNORECASE)
_IN_A_NAME = re.compile(r"(?<![a-z])(?:lr|bs|ep(?:ochs?)?)[-_=]?\d[\d.e-]*", re.IGNORECASE)
"""Settings in a name, such as "bs8_lr3e-05_ep1"."""
_REDUCTION = re.compile(
    r"\breduce[_ ]loss\b|\bloss reduction\b|\b(?:sum|mean|average)(?:med|d)? over (?:the )?tokens\b", re.IGNORECASE
)
_SEED = re.compile(r"\bseeds?\b|\bsemilla\b|\bgraine\b|\bsemente\b|种子|シード|시드", re.IGNORECASE)


@check(
    "R404",
    "loss-reduction-stated",
    severity=Severity.MEDIUM,
    confidence=Severity.HIGH,
    needs=("card", "parent"),
    asks="stage",
)
def loss_reduction_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """An SFT stage says how token losses are averaged

    What: Asks each supervised stage whether its loss is a sum over tokens, a mean over the step's tokens or a mean of
    micro-batch means; a pinned framework version answers it too.
    Why: The three weigh long answers differently, and the best learning rate differs by an order of magnitude; a public
    retraining with a mean where the recipe had a sum fell from 75.6 to 59.9 on GSM8K.
    Fix: State the reduction, or the framework's version or commit.
    Sources: open-instruct issue 1728; open-instruct issue 995; transformers issue 34191; LlamaFactory issue 7443
    """
    found = []
    for stage in spec.trainings:
        if not is_sft(stage) or is_preference(stage) or not stated_hyperparameters(stage, evidence):
            continue
        fact, made = stage_fact(stage, "loss_reduction", evidence), framework(spec, stage)
        if fact.known:
            found.append(
                passed(f"{stage.name}: the loss reduction is stated ({fact.printed or fact.value}).", fact.span)
            )
        elif hits := search(spec, _REDUCTION, body_only=True):
            found.append(
                unknown(
                    f"{stage.name}: the card speaks of a loss reduction; which one could not be read.", hits[0].span
                )
            )
        elif made.known and (version := framework_version(spec, stage)):
            found.append(passed(f"{stage.name}: not stated; {made.value} {version.value} decides it.", made.span))
        elif made.known and made.value != "transformers":
            found.append(
                failed(
                    f"{stage.name}: neither the loss reduction nor the version of {made.value} is stated.",
                    stage.span,
                    made.span,
                )
            )
        else:
            found.append(
                unknown(
                    f"{stage.name}: neither the loss reduction nor a training framework's version is stated.",
                    stage.span,
                )
            )
    return found or [absent("No supervised stage states hyperparameters.")]


@check("R405", "seed-stated", severity=Severity.LOW, needs=("card", "parent"), asks="stage")
def seed_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The training seed is stated

    What: Asks each stage that states hyperparameters for its seed.
    Why: The seed orders the rows; with another order single losses differ by the batch noise, and only means compare.
    Fix: State the seed the trainer was given (its default too).
    Sources: Pineau et al. 2021, reproducibility checklist; Dodge et al. 2020 (arXiv:2002.06305)
    """
    found = []
    for stage in spec.trainings:
        if len(stated_hyperparameters(stage)) < 3:
            continue
        fact = stage_fact(stage, "seed", evidence)
        if fact.known:
            found.append(passed(f"{stage.name}: seed {fact.value}.", fact.span))
        elif hits := search(spec, _SEED, body_only=True):
            found.append(unknown(f"{stage.name}: the card speaks of a seed that could not be read.", hits[0].span))
        elif settings_are_shown(spec, stage):
            found.append(unknown(f"{stage.name}: the seed is the default of the settings shown.", stage.span))
        else:
            found.append(failed(f"{stage.name}: hyperparameters are stated, the seed is not.", stage.span))
    return found or [absent("No stage states enough hyperparameters for a seed to be missed.")]


@check("R406", "framework-version", severity=Severity.MEDIUM, asks="stage")
def framework_version_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The training framework comes with its version or commit

    What: Where a framework is named, asks for its version; and lists the unstated fields whose default changed.
    Why: A field that is not stated means the default of one commit; defaults drift.
    Fix: State the version, or the commit when it was run from a checkout.
    Sources: open-instruct@7917d41 and @bb98dbc; open-instruct issue 148; SimPO issue 44; transformers issue 34191
    """
    found = []
    seen: set[str] = set()
    for stage in spec.trainings:
        made = framework(spec, stage)
        if not made.known or str(made.value) in seen:
            continue
        seen.add(str(made.value))
        version = framework_version(spec, stage)
        if version is not None:
            found.append(passed(f"{made.value} {version.value} is stated.", made.span, version.span))
            continue
        name = str(made.value).lower()
        if name in LIBRARIES:
            words = f"{made.value} is named without a version; whether it trained the model could not be read"
            found.append(unknown(f"{words}.", made.span))
            continue
        open_fields = [
            f"{s.name} {d.key} ({d.text})"
            for s in spec.trainings
            for d in DRIFTS
            if d.framework == name
            and ((d.stage == "dpo" and is_preference(s)) or (d.stage == "sft" and is_sft(s)))
            and not stage_fact(s, d.key, evidence).known
        ]
        more = f" Not stated, and dependent on it: {'; '.join(open_fields[:5])}." if open_fields else ""
        found.append(failed(f"{made.value} is named without a version or commit.{more}", made.span))
    return found or [absent("No training framework is named.")]


@check("R414", "stage-has-hyperparameters", severity=Severity.HIGH, needs=("card", "parent"), asks="stage")
def stage_has_hyperparameters(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Every training stage states how it was trained

    What: Asks each stage for at least a learning rate and a length of training; for an earlier stage the card of
    the model that it made may answer.
    Why: A stage without hyperparameters can only be regenerated from assumptions.
    Fix: Add a table with the hyperparameters, or link the card that has it.
    Sources: https://huggingface.co/docs/hub/model-card-annotated#training-hyperparameters;
    https://github.com/huggingface/trl (generated cards print none)
    """
    found = []
    for stage in spec.trainings:
        last = stage is spec.trainings[-1]
        own, all_known = stated_hyperparameters(stage), stated_hyperparameters(stage, evidence)
        if own:
            if stage.get("learning_rate").known:
                found.append(
                    passed(
                        f"{stage.name}: {len(own)} of {len(HYPERPARAMETERS)} looked-for hyperparameters are stated.",
                        stage.span,
                    )
                )
            else:
                found.append(
                    unknown(
                        f"{stage.name}: {listing([f.key for f in own])} but no learning rate could be read.", stage.span
                    )
                )
        elif all_known:
            where = all_known[0].span
            found.append(
                passed(
                    f"{stage.name}: not in this card; {len(all_known)} found in "
                    f"{where.source if where else 'the parent card'}.",
                    stage.span,
                    where,
                )
            )
        elif (hits := search(spec, _SPEAKS, body_only=True)) or not reads_english(spec):
            where = hits[0].span if hits else stage.span
            found.append(unknown(f"{stage.name}: no hyperparameter could be read; the card speaks of them.", where))
        elif stage.span is None or not (stage.base.known or is_sft(stage) or is_preference(stage)):
            found.append(unknown(f"{stage.name}: only hinted at; no hyperparameter could be read."))
        elif hint := _IN_A_NAME.search(f"{spec.get('model_name').value or ''} {title(spec.text)}"):
            words = f"{stage.name}: no hyperparameter is stated but by the model's name ({hint.group(0)})"
            found.append(unknown(f"{words}, which could not be read.", stage.span))
        elif last or any(_describes(p, stage) for p in evidence.parents):
            found.append(
                failed(f"{stage.name}: no learning rate, batch size or length of training is stated.", stage.span)
            )
        else:
            made = stage.produces.value or "the model it made"
            found.append(
                unknown(
                    f"{stage.name}: no hyperparameter is stated here; the card of {made} may have them, "
                    "and was not looked at.",
                    stage.span,
                )
            )
    return found or [absent("The card describes no training stage.")]


def _describes(parent: Spec, stage: Stage) -> bool:
    if not stage.produces.known:
        return False
    names = {str(parent.get("model_id").value), *(str(s.produces.value) for s in parent.stages)}
    return str(stage.produces.value) in names


@check("R415", "optimizer-stated", severity=Severity.LOW, asks="stage")
def optimizer_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The optimizer comes with its betas and weight decay

    What: Where an Adam-like optimizer is named, asks for beta1, beta2 and weight decay.
    Why: Defaults differ between libraries (weight decay 0.01 in PyTorch's AdamW, 0 in the Trainer; beta2 0.999 or
    0.95).
    Fix: Write the optimizer as the trainer prints it, with betas, epsilon and weight decay.
    Sources: https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html;
    https://huggingface.co/docs/transformers/main_classes/trainer
    """
    found = []
    for stage in spec.trainings:
        optimizer = stage.get("optimizer")
        if not optimizer.known:
            continue
        if not str(optimizer.value).lower().startswith("adam"):
            found.append(
                unknown(f"{stage.name}: which settings {optimizer.value} has is not known here.", optimizer.span)
            )
            continue
        betas = "beta" in optimizer.printed.lower()
        lacking = [
            k
            for k in ("adam_beta1", "adam_beta2", "weight_decay")
            if not (stage.get(k).known or (betas and "beta" in k))
        ]
        if lacking == ["weight_decay"]:
            found.append(
                unknown(
                    f"{stage.name}: {optimizer.printed or optimizer.value}; the weight decay is not stated.",
                    optimizer.span,
                )
            )
        elif lacking and settings_are_shown(spec, stage):
            words = f"{stage.name}: {listing(lacking)} of {optimizer.printed or optimizer.value}"
            found.append(unknown(f"{words} are the defaults of the settings shown.", optimizer.span))
        elif lacking:
            found.append(
                failed(
                    f"{stage.name}: {optimizer.printed or optimizer.value} without {listing(lacking)}.", optimizer.span
                )
            )
        else:
            found.append(
                passed(
                    f"{stage.name}: {optimizer.printed or optimizer.value} with betas and weight decay.", optimizer.span
                )
            )
    return found or [absent("No optimizer is named.")]
