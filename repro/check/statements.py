"""R4, continued: what a training's words leave open, and what they say of another training."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.frameworks import framework, framework_version
from repro.check.lineage import is_preference, is_sft, settings_are_shown, stage_fact, stated_hyperparameters
from repro.check.making import is_language_model, tags, title
from repro.check.outcomes import absent, failed, listing, passed, plural, unknown
from repro.check.wording import says, search, text_lines
from repro.evidence import Evidence
from repro.finding import Observation, Persona, Severity, check
from repro.spec import Spec
from repro.vocabulary import vocabulary

_REFERENCE = re.compile(r"\breference[- ](?:model|policy|free)\b|\bref[-_ ]model\b|\bfrozen copy\b", re.IGNORECASE)
_USED_DURING = re.compile(
    r"\bused (?:during|for|in) (?:the )?(SFT|DPO|PPO|GRPO|KTO|ORPO|reward model(?:ing)?|RLHF|pre-?training)\b(?! data)",
    re.IGNORECASE,
)
_DEV = re.compile(r"\b\d+\.\d+(?:\.\d+)?\.?dev\d*\b(?!\+g?[0-9a-f]{7})")
_EXACT = re.compile(
    r"\bdeterministic\b|\battn_implementation\b|\bflash[- _]?attention\b|\bflash_attn\b|\bsdpa\b|\beager\b"
)
_OTHER_ACCELERATORS = ("tpu", "tpus", "hpu", "gaudi", "gaudi2", "rdu", "trainium", "npu")
_SHUFFLE = re.compile(
    r"\bshuffl\w+|\bRandomSampler\b|\bseed\b|\bdata order\b|\bin order\b|\bcurriculum\b|\bgroup_by_length\b",
    re.IGNORECASE,
)
_MASKS = re.compile(
    r"\btrain_on_inputs?\b|\bmask(?:ed|ing)?\b|\bcompletion[- _]only\b|\bassistant[- _]only\b|\bonly on (?:the )?"
    r"(?:completions?|responses?|answers?|outputs?|assistant)|\bloss on (?:the )?(?:completions?|responses?|prompts?)",
    re.IGNORECASE,
)
_LIBRARIES = (
    "transformers_version",
    "pytorch_version",
    "datasets_version",
    "tokenizers_version",
    "trl_version",
    "peft_version",
)
_DECAYS = frozenset({"linear", "cosine", "polynomial", "inverse_sqrt", "cosine_with_restarts", "cosine_with_min_lr"})
_METHODS = ("sft", "dpo", "ppo", "grpo", "kto", "orpo", "reward", "rlhf", "pretraining")
_MOST_VERSIONS = 20
"""Of one library: more are a list of something else."""
ENOUGH = 5
"""Hyperparameters stated by a card that means to be complete."""


@check(
    "R440",
    "reference-model-named",
    severity=Severity.INFO,
    persona=Persona.AUDITOR,
    needs=("card", "parent"),
    asks="stage",
)
def reference_model_named(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A preference stage names its reference model

    What: Asks each DPO stage which model the log-probabilities were compared with, where its own start is not named
    either.
    Why: It is the stage's own start in most recipes and not in all (a moving average, another SFT model, none): with
    another reference the loss, the margins and the model differ.
    Fix: Name the reference model by its repository and revision, or say "the starting weights, frozen".
    Sources: direct-preference-optimization issue 26; trl issue 639; Rafailov et al. 2023 (arXiv:2305.18290)
    """
    stages = [s for s in spec.stages if is_preference(s)]
    if not stages:
        return [absent("No preference stage.")]
    if hits := search(spec, _REFERENCE, body_only=True):
        return [passed("The reference model is spoken of.", hits[0].span)]
    if any(stage_fact(s, "loss_type", evidence).value in {"simpo", "orpo", "cpo"} for s in stages):
        return [absent("The loss has no reference model.")]
    if all(s.base.known for s in stages):
        words = f"{stages[0].name}: not named; by the usual default it is the start, {stages[0].base.value}"
        return [unknown(f"{words}.", stages[0].span or stages[0].base.span)]
    return [failed(f"{stages[0].name}: the reference model is not named.", stages[0].span)]


@check(
    "R441",
    "prompt-in-loss-stated",
    severity=Severity.LOW,
    persona=Persona.AUDITOR,
    needs=("card", "parent"),
    asks="stage",
)
def prompt_in_loss_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A supervised stage says which tokens the loss counts

    What: Asks each supervised stage with hyperparameters whether prompts were masked out of the loss.
    Why: With the prompts in it the loss is another number and the model another model; frameworks differ in their
    default.
    Fix: State "loss on the assistant's turns only" or "on all tokens" (train_on_inputs).
    Sources: open-instruct issue 995; https://docs.axolotl.ai/docs/config-reference.html; Shi et al. 2024, Instruction
    Tuning With Loss Over Instructions (arXiv:2405.14394)
    """
    stages = [s for s in spec.stages if is_sft(s) and len(stated_hyperparameters(s, evidence)) >= ENOUGH]
    if not stages:
        return [absent("No supervised stage states its hyperparameters.")]
    told = [f for s in stages for f in (stage_fact(s, "label_scope", evidence),) if f.known]
    if told:
        return [passed(f"The loss counts: {told[0].value}.", told[0].span)]
    if hits := search(spec, _MASKS, body_only=True):
        return [passed(f'The mask is spoken of ("{hits[0].match.group(0)}").', hits[0].span)]
    return [failed(f"{stages[0].name}: whether prompts count in the loss is not said.", stages[0].span)]


@check("R442", "parameters-of-this-method", severity=Severity.HIGH, confidence=Severity.MEDIUM)
def parameters_of_this_method(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The hyperparameters are those of the method that the card describes

    What: Compares the method named where hyperparameters are introduced ("used during DPO training") with the methods
    that the card's title, tags, stages and text name.
    Why: Such a line is left over from another card: the whole block may be of the other model.
    Fix: Name the method of this model there, and check the block against the run's own log.
    Sources: https://huggingface.co/docs/hub/model-card-annotated#training-hyperparameters;
    SimPO issue 37
    """
    hits = search(spec, _USED_DURING, body_only=True) if says(spec, "used") and says(spec, *_METHODS) else []
    if not hits:
        return [absent("No method is named beside the hyperparameters.")]
    text = vocabulary(spec.text).lower
    hit = hits[0]
    method = hit.match.group(1).lower()
    elsewhere = text.count(method) - sum(h.line.lower().count(method) for h in hits)
    own = {"sft", "dpo", "ppo", "grpo", "kto", "orpo"} & (
        tags(spec) | set(re.split(r"[-_ ]", title(spec.text).lower()))
    )
    if own and method in {"sft", "dpo", "ppo", "grpo", "kto", "orpo"} and method not in own:
        return [
            failed(
                f"The hyperparameters are said to be of {method.upper()}; the card is of {listing(sorted(own))}.",
                hit.span,
            )
        ]
    if elsewhere:
        return [passed(f"{hit.match.group(1)} is a method that the card names.", hit.span)]
    return [unknown(f"{hit.match.group(1)} is named here and nowhere else in the card.", hit.span)]


@check("R443", "schedule-has-length", severity=Severity.LOW, asks="stage")
def schedule_has_length(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A decaying schedule comes with its length

    What: Where a stage states a schedule that decays, asks for epochs or steps.
    Why: Linear and cosine schedules end at the last step: at half the length every learning rate but the first differs.
    Fix: State the epochs or the steps for which the schedule was set, also when training stopped before.
    Sources: accelerate issue 2926; transformers PR 24088; Hoffmann et al. 2022 (arXiv:2203.15556), appendix B
    """
    found = []
    for stage in spec.stages:
        schedule = stage.get("lr_scheduler_type")
        if str(schedule.value) not in _DECAYS:
            continue
        length = next((f for k in ("num_epochs", "max_steps", "train_tokens") if (f := stage.get(k)).known), None)
        if length is not None:
            found.append(
                passed(f"{stage.name}: {schedule.value} over {length.printed or length.value}.", schedule.span)
            )
        elif stage.all("num_epochs") or stage.all("max_steps") or says(spec, "epoch", "epochs", "steps", "iterations"):
            found.append(
                unknown(f"{stage.name}: the length of the {schedule.value} schedule could not be read.", schedule.span)
            )
        else:
            found.append(failed(f"{stage.name}: {schedule.value} schedule without epochs or steps.", schedule.span))
    return found or [absent("No decaying schedule is stated.")]


@check("R444", "packing-has-length", severity=Severity.MEDIUM, needs=("card", "parent"), asks="stage")
def packing_has_length(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Packed rows come with their length

    What: Where a stage says that rows were packed, asks for the sequence length.
    Why: A packed batch holds as many rows as fit: without the length nobody knows how many rows a step saw, and
    epochs and steps cannot be compared.
    Fix: State the sequence length that rows were packed to.
    Sources: open-instruct issue 588; alignment-handbook issue 124; https://huggingface.co/docs/trl/reducing_memory_usage
    """
    found = []
    for stage in spec.stages:
        packing = stage_fact(stage, "packing", evidence)
        if packing.value is not True:
            continue
        length = stage_fact(stage, "max_seq_length", evidence)
        if length.known:
            found.append(passed(f"{stage.name}: packed to {length.value} tokens.", packing.span, length.span))
        elif says(spec, "tokens", "context", "length"):
            found.append(unknown(f"{stage.name}: packed; to which length could not be read.", packing.span))
        else:
            found.append(failed(f"{stage.name}: packed, and the sequence length is not stated.", packing.span))
    return found or [absent("No stage says that its rows were packed.")]


@check("R445", "kernels-stated", severity=Severity.INFO, persona=Persona.AUDITOR, asks="stage")
def kernels_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The attention implementation is stated

    What: Asks stages of language models with hyperparameters for the attention implementation, or for deterministic
    kernels.
    Why: Flash attention's backward pass adds in no fixed order: two runs of one seed differ, and a reader should know
    whether they are expected to.
    Fix: State attn_implementation, and whether deterministic algorithms were on.
    Sources: flash-attention issue 384; NeMo Automodel PR 3875; https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    stages = [s for s in spec.stages if len(stated_hyperparameters(s)) >= ENOUGH]
    if not stages or not is_language_model(spec):
        return [absent("No training of a language model states its hyperparameters.")]
    if hits := search(spec, _EXACT):
        return [passed(f'Stated ("{hits[0].match.group(0)}").', hits[0].span)]
    if says(spec, *_OTHER_ACCELERATORS):
        return [absent("The card names an accelerator that brings its own attention.")]
    return [failed(f"{stages[0].name}: the attention implementation is not stated.", stages[0].span)]


@check("R446", "one-version-each", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def one_version_each(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Each library has one version

    What: Looks for two versions of one library among the card's framework versions.
    Why: Only one of them trained the model; defaults differ between them.
    Fix: Keep the version of the run, or say which stage used which.
    Sources: open-instruct issue 148; SimPO issue 44
    """
    found, looked = [], 0
    for key in _LIBRARIES:
        facts = [f for f in spec.all(key) if f.known][:_MOST_VERSIONS]
        values = list(dict.fromkeys(str(f.value) for f in facts))
        looked += len(facts)
        if len(values) < 2:
            continue
        name, spans = key.removesuffix("_version"), [f.span for f in facts[:3]]
        if len(spec.stages) > 1 or len({_heading_above(spec, f.span.line) for f in facts if f.span}) > 1:
            found.append(unknown(f"{name} {listing(values)}: perhaps one for each part of the training.", *spans))
        else:
            found.append(failed(f"{name} is given as {listing(values)}.", *spans))
    if found:
        return found
    return [passed(f"{plural(looked, 'library version')}, one each.")] if looked else [absent("No library version.")]


def _heading_above(spec: Spec, line: int) -> int:
    lines = text_lines(spec)
    return next((n for n in range(min(line, len(lines)), 0, -1) if lines[n - 1].startswith("#")), 0)


@check("R447", "version-can-be-installed", severity=Severity.LOW, persona=Persona.AUDITOR)
def version_can_be_installed(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Framework versions are ones that can be installed

    What: Looks for development versions ("4.36.0.dev0") without a commit.
    Why: Such a version is any of hundreds of commits between two releases.
    Fix: State the commit that was installed.
    Sources: https://peps.python.org/pep-0440/#developmental-releases; open-instruct issue 148
    """
    facts = [f for key in _LIBRARIES for f in spec.all(key) if f.known and f.span]
    made = [v for s in spec.stages if framework(spec, s).known and (v := framework_version(spec, s)) is not None]
    facts += [f for f in made if f.span and f not in facts]
    if not facts:
        return [absent("No framework version is stated.")]
    loose = [f for f in facts if _DEV.search(f"{f.printed} {f.value}")]
    if loose:
        texts = listing([f"{f.key.removesuffix('_version')} {f.value}" for f in loose])
        return [failed(f"Development versions without a commit: {texts}.", *(f.span for f in loose[:3]))]
    return [passed(f"{plural(len(facts), 'version')}, all released.", facts[0].span)]


@check("R448", "order-of-rows-stated", severity=Severity.INFO, persona=Persona.AUDITOR, asks="stage")
def order_of_rows_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The order of the rows is stated

    What: Asks trainings with hyperparameters and no seed whether the rows were shuffled.
    Why: Rows sorted by source or by length train another model, and a loss curve follows the order.
    Fix: State that rows were shuffled and with which seed, or the order.
    Sources: alignment-handbook PR 88; open-instruct issue 560
    """
    stages = [s for s in spec.stages if len(stated_hyperparameters(s)) >= ENOUGH]
    if not stages:
        return [absent("No stage states its hyperparameters.")]
    seeds = [f for s in stages for k in ("seed", "data_seed") if (f := s.get(k)).known]
    if seeds:
        return [passed(f"The seed {seeds[0].value} orders the rows.", seeds[0].span)]
    if hits := search(spec, _SHUFFLE, body_only=True):
        return [passed(f'The order is spoken of ("{hits[0].match.group(0)}").', hits[0].span)]
    if all(settings_are_shown(spec, s) for s in stages):
        return [unknown("The order is the default of the settings shown.", stages[0].span)]
    return [failed(f"{stages[0].name}: whether the rows were shuffled is not stated.", stages[0].span)]
