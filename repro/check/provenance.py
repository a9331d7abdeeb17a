"""R1, continued: what merges, quantised copies and adapters say of the models that they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.check.making import making_of, tags
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.python_code import calls, python_snippets, source_span
from repro.check.wording import at, reads_english, search
from repro.completeness import Making
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Spec
from repro.vocabulary import vocabulary

_MERGED = re.compile(r"^\s*-?\s*(?:model|lora|base_model): +\S|\bmerge of\b|\bmodels merged\b", re.IGNORECASE)
_METHOD = re.compile(
    r"\bmerge_method\b|\b(?:slerp|ties|dare|della|passthrough|task[-_ ]arithmetic|linear|model[-_ ]stock|breadcrumbs|"
    r"nearswap|sce|karcher|arcee_fusion|nuslerp|frankenmerge|layers?|block)\b",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\bquanti[sz]ed (?:version|model|from|using)\b|\boriginal (?:model|weights)\b|\bbase model\b"
    r"|\b(?:quants?|gguf|ggml|gptq|awq)\b.{0,60}\b(?:of|for|from)\b",
    re.IGNORECASE,
)
_REPOSITORY_LINK = re.compile(
    r"huggingface\.co/(?!datasets/|spaces/|docs/|blog/)[\w.-]+/[\w.-]+|\b[\w-]+/[\w.-]*\d[bB]\b"
)
_HEADS = {
    "text-classification": ("TokenClassification", "QuestionAnswering", "ImageClassification", "CTC"),
    "token-classification": ("SequenceClassification", "QuestionAnswering", "ImageClassification", "CTC"),
    "question-answering": ("TokenClassification", "ImageClassification", "CTC"),
    "fill-mask": ("SequenceClassification", "TokenClassification", "QuestionAnswering", "ImageClassification"),
    "text-generation": ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MaskedLM", "CTC"),
    "automatic-speech-recognition": ("SequenceClassification", "TokenClassification", "CausalLM", "MaskedLM"),
    "image-classification": ("SequenceClassification", "TokenClassification", "CausalLM", "CTC"),
}
"""Heads that cannot do a pipeline's task."""


@check("R122", "merge-recipe-complete", severity=Severity.MEDIUM)
def merge_recipe_complete(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A merge gives its recipe

    What: Asks the card of a merge for the models that went in and for the method that joined them.
    Why: A merge is a function of its models, its method and its weights: with these anybody can make it again in
    minutes, without them nobody can.
    Fix: Paste the mergekit configuration into the card.
    Sources: https://github.com/arcee-ai/mergekit; Goddard et al. 2024, Arcee's MergeKit (arXiv:2403.13257)
    """
    if making_of(spec) is not Making.MERGE:
        return [absent("The card is not of a merge.")]
    models, methods = search(spec, _MERGED), search(spec, _METHOD, body_only=True)
    bases = [f for f in spec.all("base_model") if f.known]
    if (models or len(bases) >= 2) and methods:
        return [passed("The merge names its models and its method.", methods[0].span)]
    lacking = listing(["its models"] * (not (models or bases)) + ["its method"] * (not methods))
    if not lacking or not reads_english(spec):
        return [unknown("Which models were merged could not be read in full.", bases[0].span if bases else None)]
    if models or bases:
        return [failed(f"The merge does not give {lacking}.", models[0].span if models else bases[0].span)]
    linked = search(spec, _REPOSITORY_LINK, body_only=True)
    if linked:
        return [unknown(f"The merge links to models; {lacking} could not be read.", linked[0].span)]
    return [failed(f"The merge does not give {lacking}.", at(spec, 1))]


@check("R123", "quantised-copy-names-source", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def quantised_copy_names_source(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A quantised copy names the model that it was made from

    What: Asks the card of a quantised copy for the model that was quantised.
    Why: Scores and licence are the source's; of a copy without a source neither is known.
    Fix: Add `base_model: owner/name` and `base_model_relation: quantized` to the front matter.
    Sources: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model; https://huggingface.co/docs/hub/gguf
    """
    if making_of(spec) is not Making.QUANTISATION:
        return [absent("The card is not of a quantised copy.")]
    named = spec.get("base_model")
    if named.known:
        return [passed(f"The copy was made from {named.value}.", named.span)]
    said = search(spec, _SOURCE, body_only=True) or search(spec, _REPOSITORY_LINK, body_only=True)
    if said or not reads_english(spec):
        return [unknown("The source is told in words; no base_model could be read.", said[0].span if said else None)]
    return [failed("Which model was quantised is not told.", at(spec, 1))]


@check("R124", "adapter-names-its-base", severity=Severity.HIGH, confidence=Severity.MEDIUM)
def adapter_names_its_base(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """An adapter names the model that it adapts

    What: Asks a card that calls its model an adapter (library peft, or a tag) for the base model.
    Why: An adapter is a difference: without the weights that it was trained on it is nothing, and on others of the
    same shape it loads without an error and answers worse.
    Fix: Add `base_model: owner/name` to the front matter.
    Sources: https://huggingface.co/docs/hub/peft; https://huggingface.co/docs/peft/developer_guides/checkpoint
    """
    if not tags(spec) & {"peft", "lora", "qlora"}:
        return [absent("The card does not call its model an adapter.")]
    named = next((f for f in (*spec.all("base_model"), *(s.base for s in spec.stages)) if f.known), None)
    if named is not None:
        return [passed(f"The adapter belongs to {named.value}.", named.span)]
    for repo in evidence.role("subject"):
        if repo.get("base_model").known:
            return [passed(f"{repo.source} says that it belongs to {repo.get('base_model').value}.")]
    loaded = [s for s in spec.code if "from_pretrained" in s.text]
    linked = search(spec, _REPOSITORY_LINK, body_only=True)
    if loaded or linked:
        where = loaded[0].span if loaded else linked[0].span
        return [unknown("The base of the adapter may be the model that the text or the code names.", where)]
    return [failed("The adapter's base model is not named.", at(spec, 1))]


@check("R125", "pipeline-against-head", severity=Severity.MEDIUM, confidence=Severity.MEDIUM)
def pipeline_against_head(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The pipeline of the front matter is one that the model's head can do

    What: Compares `pipeline_tag` with the classes that the usage code loads.
    Why: The Hub's widget and `pipeline(model=...)` load the head that the tag asks for; another head starts untrained
    and only warns.
    Fix: Name the pipeline that the usage code shows.
    Sources: https://huggingface.co/docs/hub/models-widgets; https://huggingface.co/docs/transformers/main_classes/pipelines
    """
    task = spec.get("pipeline_tag")
    wrong = _HEADS.get(str(task.value))
    if wrong is None or "modelfor" not in vocabulary(spec.text).lower:
        return [absent("No pipeline whose heads are known here, or no code that loads a head.")]
    seen, bad = [], []
    for snippet in python_snippets(spec.code):
        if snippet.tree is None:
            continue
        for call in calls(snippet.tree, "from_pretrained"):
            owner = getattr(getattr(call.func, "value", None), "id", "")
            if "For" in owner:
                seen.append((owner, source_span(snippet.block, call.lineno)))
                if owner.endswith(tuple(f"For{head}" for head in wrong)):
                    bad.append(seen[-1])
    if not seen:
        return [absent("No code loads a head.")]
    if len(bad) == len(seen):
        names = listing([name for name, _ in bad])
        return [failed(f"The pipeline is {task.value}; the code loads {names}.", task.span, bad[0][1])]
    return [passed(f"{seen[0][0]} can do {task.value}.", task.span, seen[0][1])]
