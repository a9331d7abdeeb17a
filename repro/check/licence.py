"""R7: what the licence of the base model asks of the models made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.card import Span
from repro.check.lineage import Lineage, lineages
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.tokens import subject
from repro.check.wording import at, search, split_by_place
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.spec import Spec

_LINK = re.compile(r"llama\.(?:meta\.)?com/(llama[-_0-9]+|llama)/license|ai\.meta\.com/(llama)/license", re.IGNORECASE)
_PERMISSIVE = re.compile(
    r"apache|mit\b|bsd|cc0|cc-by-\d|cc-by-sa|unlicense|wtfpl|gpl|lgpl|agpl|mpl|isc|artistic|zlib|openrail"
)
"""Beginnings of licence ids that promise more than the Llama licences allow."""
_NAMED = re.compile(
    r"llama[ -]?[23]?(?:\.\d)?(?:,? [\w ]{0,20})? licen[sc]e|llama[-_0-9.]*/license"
    r"|llama.{0,120}licen[sc]|licen[sc].{0,120}llama",
    re.IGNORECASE,
)
_TERMS = frozenset(
    (
        "apache-2.0", "mit", "bsd-3-clause", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
        "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "gemma",
    )
)  # fmt: skip
"""Ids that stand for different terms, each for its own."""
_SPOKEN = re.compile(r"\blicen[sc](?:es?|ed|ing)\b|creativecommons\.org/licen", re.IGNORECASE)
_BLANK = re.compile(r"more information needed|\[needs|<[^<>]*>\s*$|^\s*licen[sc]es?\s*:\s*\S*\s*$", re.IGNORECASE)
"""A line of the template, or of front matter that names none."""
_PLURAL = re.compile(r"^licen[sc]es:", re.MULTILINE)
_SHORTEST = 40
"""Characters: less than this is a file that was not there when it was fetched ("Entry not found")."""
_SAME = {"llama": "llama-2", "llama2": "llama-2", "llama-2": "llama-2"}


def _families(spec: Spec, evidence: Evidence, *, asks: str = "") -> list[tuple[Lineage, str, Span | None]]:
    """Families of the bases; with `asks`, those whose licence asks for that."""
    found = lineages(spec, evidence)
    return [f for f in found if not asks or getattr(f[0], asks)]


def _ids(spec: Spec) -> list[str]:
    values = [f.value for f in spec.all("license") if f.known]
    flat = [str(v) for value in values for v in (value if isinstance(value, tuple) else (value,))]
    return [re.sub(r"[\s_]+", "-", v.strip().lower()) for v in flat]


@check("R701", "licence-of-the-base", severity=Severity.HIGH, confidence=Severity.MEDIUM, needs=("card", "parent"))
def licence_of_the_base(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The licence is one that the base model's licence allows

    What: Compares the card's licence with that of the base model's family, where that travels with derived models.
    Why: A model made from Llama weights stays under the Llama licence; an Apache or MIT label promises rights that
    the author cannot give.
    Fix: Use the base's licence id in the front matter (such as llama3.1); name a second licence for your own data
    in words.
    Sources: https://github.com/meta-llama/llama-models (LICENSE of each version, section 1.b);
    https://huggingface.co/docs/hub/repositories-licenses
    """
    families = _families(spec, evidence)
    if not families:
        return [absent("No base model of a family whose licence travels is named.")]
    family, name, span = families[0]
    fact = spec.get("license")
    if not fact.known:
        return [unknown(f"{name} is under the {family.name} licence; the card states none (R706).", span)]
    allowed = {f.licence for f, _, _ in families}
    ids = _ids(spec)
    plain = [re.sub(r"^meta-", "", i) for i in ids]
    if any(i in allowed or i.startswith(tuple(allowed)) or _names(i, families) for i in plain):
        return [passed(f"The licence {fact.printed or fact.value} is that of {name}.", fact.span, span)]
    text_names = search(spec, _NAMED, body_only=True)
    if not any(re.match(_PERMISSIVE, i) for i in plain):
        words = f"The licence is given as {listing(ids)}; {name} is under {family.licence}"
        return [unknown(f"{words}, whose terms would have to come with it.", fact.span, span)]
    if (
        text_names
        or any(i in {"other", "unknown"} for i in plain)
        or (any(i.startswith("llama") for i in plain) and len(families) > 1)
    ):
        return [
            unknown(
                f"The licence is given as {listing(ids)}; that of {name} may be meant in the text or in a file.",
                fact.span,
                span,
            )
        ]
    return [
        failed(
            f"The licence is given as {listing(ids)}; {name} is under {family.licence}, which its derived models keep.",
            fact.span,
            span,
            claims=("identity.license",),
        )
    ]


def _names(licence: str, families: list[tuple[Lineage, str, Span | None]]) -> bool:
    words = licence.replace("-", " ")
    return any(f.licence_words in words or f.name.lower() in words for f, _, _ in families)


@check("R702", "built-with", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, needs=("card", "parent"))
def built_with(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """ "Built with Llama" is displayed

    What: Looks for the display that the licence asks of those who publish a derived model.
    Why: The licence's section 1.b.i asks for it on a related page; the card is the page people see.
    Fix: Add the sentence "Built with Llama" (Llama 3: "Built with Meta Llama 3") to the card.
    Sources: https://github.com/meta-llama/llama-models/blob/main/models/llama3_1/LICENSE (1.b.i)
    """
    families = _families(spec, evidence, asks="built_with")
    if not families:
        return [absent("No base model whose licence asks for a display is named.")]
    hits = search(spec, re.compile(r"built with (?:meta[ -])?llama", re.IGNORECASE), body_only=True)
    family, name, span = families[0]
    if hits:
        return [passed(f'"{hits[0].match.group(0)}" is displayed.', hits[0].span)]
    if not spec.text.strip():
        return [unknown("The card's text is not at hand.")]
    return [failed(f'The card nowhere says "{family.built_with}", as the licence of {name} asks.', span)]


@check("R703", "name-begins-with-llama", severity=Severity.MEDIUM, needs=("card", "parent"))
def name_begins(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A derived model's name begins with Llama

    What: Compares the beginning of the model's name with what the base's licence asks for.
    Why: The licence's section 1.b.i makes it a condition for publishing a model trained from Llama 3 weights or
    later.
    Fix: Rename the repository (a redirect keeps old links working).
    Sources: https://github.com/meta-llama/llama-models/blob/main/models/llama3_1/LICENSE (1.b.i);
    https://github.com/meta-llama/llama3/blob/main/LICENSE (1.b.i)
    """
    families = _families(spec, evidence, asks="name_prefix")
    if not families:
        return [absent("No base model whose licence asks for a name is named.")]
    family, base, span = families[0]
    own = spec.get("model_id")
    if not own.known:
        return [unknown("The model's own name is not known here.", span)]
    name = str(own.value).rsplit("/", 1)[-1]
    plain = re.sub(r"[-_ .]", "", name.lower())
    wanted = [re.sub(r"[-_ .]", "", f.name_prefix.lower()) for f, _, _ in families]
    if plain.startswith(tuple(wanted)):
        return [passed(f'"{name}" begins as the licence of {base} asks.', own.span)]
    if len(families) > 1 or plain.startswith("metallama"):
        return [unknown(f'"{name}" begins with the maker\'s name.', own.span)]
    return [
        failed(f'"{name}" does not begin with "{family.name_prefix}", as the licence of {base} asks.', own.span, span)
    ]


@check("R704", "notice-kept", severity=Severity.LOW, confidence=Severity.MEDIUM, needs=("card", "parent", "subject"))
def notice_kept(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The licence's notice comes with the weights

    What: Looks for a Notice file in the repository, or for the notice's sentence in the card.
    Why: The licence's section 1.b.iii asks that every copy keeps it.
    Fix: Add a file named Notice with the sentence that the licence gives, and a copy of the licence.
    Sources: https://github.com/meta-llama/llama-models/blob/main/models/llama3_1/LICENSE (1.b.iii)
    """
    families = _families(spec, evidence, asks="notice")
    if not families:
        return [absent("No base model whose licence asks for a notice is named.")]
    family, _, span = families[0]
    said = search(spec, re.compile(re.escape(family.notice), re.IGNORECASE), body_only=True)
    if said:
        return [passed("The card carries the notice.", said[0].span)]
    repo = subject(evidence)
    if repo is None or not repo.files:
        return [unknown("The repository's file list was not looked at; the card does not carry the notice.", span)]
    files = [f.path for f in repo.files if re.search(r"(?:^|/)notice(?:\.\w+)?$", f.path, re.IGNORECASE)]
    if files:
        return [passed(f"{repo.source} has {files[0]}.")]
    texts = [f for f in repo.files if re.search(r"licen[sc]e|use_policy", f.path, re.IGNORECASE)]
    if texts:
        return [unknown(f"{repo.source} has {texts[0].path}, which may hold the notice.")]
    return [
        failed(f"{repo.source} has neither a Notice nor a licence file, and the card does not carry the notice.", span)
    ]


@check("R705", "licence-link", severity=Severity.MEDIUM)
def licence_link(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The licence link leads to the licence of the same version

    What: Compares the version in links to Meta's licence pages with the version of the base model.
    Why: The licences differ: what is allowed, what must be displayed, where it may be used.
    Fix: Link the licence of the base model's own version.
    Sources: https://www.llama.com/license/; https://github.com/meta-llama/llama-models
    """
    links = search(spec, _LINK)
    if not links:
        return [absent("No licence page of Meta is linked.")]
    families = _families(spec, evidence)
    if not families:
        return [unknown("A Llama licence is linked; no base model of that family could be read.", links[0].span)]
    due = {f.link_version.replace("_", "-"): f.name for f, _, _ in families}
    linked = []
    for hit in links:
        word = (hit.match.group(1) or hit.match.group(2) or "").lower().strip("_-").replace("_", "-")
        linked.append((_SAME.get(word, word), hit.span))
    if any(version in due for version, _ in linked):
        return [passed(f"The link leads to the licence of {listing(sorted(due.values()))}.", linked[0][1])]
    return [
        failed(
            f"The link leads to the licence of {linked[0][0]}; the base is {listing(sorted(due.values()))}.",
            linked[0][1],
            families[0][2],
        )
    ]


@check("R706", "licence-stated", severity=Severity.MEDIUM)
def licence_stated(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The card states a licence

    What: Asks for a licence in the front matter or in the text.
    Why: Without one nobody may use, copy or redistribute the weights.
    Fix: Add `license:` with an id of the Hub's list to the front matter.
    Sources: https://huggingface.co/docs/hub/repositories-licenses
    """
    fact = spec.get("license")
    value = str(fact.value).strip().lower() if fact.known else ""
    if value and value not in {"unknown", "license", "other"}:
        return [passed(f"The licence is {fact.printed or fact.value}.", fact.span)]
    named = search(
        spec,
        re.compile(
            r"^\s{0,4}license_(?:name|link)\s*:\s*\S|\blicen[sc]ed? (?:under|is|by)\b"
            r"|\bunder the [\w. -]{2,40} licen[sc]e\b"
            r"|\*{0,2}licen[sc]e\*{0,2}\s*(?:\||:)\**\s*\w",
            re.IGNORECASE,
        ),
    )
    blank = [h for h in named if re.match(r"\s*licence:\s*license\s*$", h.line)]
    named = [h for h in named if h not in blank]
    if named:
        return [unknown("The licence is named in words, not by an id in the front matter.", named[0].span, fact.span)]
    spoken = [h for h in search(spec, _SPOKEN) if not _BLANK.search(h.line)]
    if _PLURAL.search(spec.text):
        return [unknown("Licences stand under a key that the Hub does not read (R121).")]
    if spoken and value != "other":
        return [unknown("The card speaks of a licence; no id could be read.", spoken[0].span)]
    if value == "other":
        return [failed('The licence is "other", and nothing says which.', fact.span)]
    if not spec.text.strip() and not fact.known:
        return [unknown("The card's text is not at hand.")]
    if len(spec.text) < _SHORTEST and not spec.text.lstrip().startswith(("#", "---")):
        return [unknown("The text is too short to be a card.", at(spec, 1))]
    unread = next((p for p in spec.problems if "front matter" in p.message), None)
    if unread is not None:
        return [unknown("The front matter cannot be read, and a licence may stand in it.", unread.span)]
    if blank:
        return [failed('The card states no licence: "licence: license" is left from the template.', blank[0].span)]
    return [failed("The card states no licence.", fact.span)]


@check("R707", "licence-agreement", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="license")
def licence_agreement(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Front matter and text state one licence

    What: Compares the licence of the front matter with the one that the text gives, where both are ids of known terms.
    Why: The Hub shows and filters by the front matter; a reader of the text would go by other terms.
    Fix: Write the licence that holds in both places, or say in words which part each is for.
    Sources: https://huggingface.co/docs/hub/repositories-licenses
    """
    front, body = split_by_place(spec, tuple(f for f in spec.all("license") if f.known))
    if not front or not body:
        return [absent("The licence is stated in one place.")]
    ours = {_id(value) for f in front for value in (f.value if isinstance(f.value, tuple) else (f.value,))}
    if ours <= {"other", "unknown", "license"}:
        return [absent("The front matter leaves the licence to the text.")]
    others = [f for f in body if _id(f.value) not in ours]
    if not others:
        return [passed(f"Both say {listing(sorted(ours))}.", front[0].span, body[0].span)]
    words = f"The front matter says {listing(sorted(ours))}, the text {others[0].printed[:120]}"
    if _id(others[0].value) in _TERMS and ours <= _TERMS:
        return [failed(f"{words}.", front[0].span, others[0].span, claims=("identity.license",))]
    return [unknown(f"{words}: whether they are the same terms is not known here.", front[0].span, others[0].span)]


def _id(value: object) -> str:
    return re.sub(r"[\s_]+", "-", str(value).strip().lower())
