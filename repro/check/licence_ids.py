"""R7, continued: whether the front matter's licence is one that the Hub knows, and a custom one leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repro.card import Span
from repro.check.front_matter_shape import front_keys, line_before_end, with_edits
from repro.check.outcomes import absent, failed, listing, passed, unknown
from repro.check.wording import at, search, split_by_place
from repro.evidence import Evidence
from repro.finding import Edit, Observation, Severity, check
from repro.spec import Spec

_IDS = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0
openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown other
"""
HUB_IDS = frozenset(_IDS.split())
"""Licence ids of https://huggingface.co/docs/hub/repositories-licenses."""
_PLAIN = {re.sub(r"[^a-z0-9+]", "", name): name for name in sorted(HUB_IDS)}
_PLAIN |= {"apache2": "apache-2.0", "apachelicense20": "apache-2.0", "mitlicense": "mit", "gplv3": "gpl-3.0"}
_PLAIN |= {"apache20license": "apache-2.0", "agplv3": "agpl-3.0", "ccby40": "cc-by-4.0", "cc0": "cc0-1.0"}
_LABELLED = re.compile(r"^\W{0,4}licen[sc]e[*_ ]{0,3}:[*_ ]{0,3}(\w[\w. +-]{0,60}\w)[*_. ]{0,4}$", re.IGNORECASE)
_PLAIN |= {"gpl3": "gpl-3.0", "agpl3": "agpl-3.0", "bsd3": "bsd-3-clause", "llama31": "llama3.1"}


@check("R708", "licence-id-known", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="license")
def licence_id_known(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The front matter's licence is an id of the Hub's list

    What: Looks up the licence of the front matter in the Hub's list of licence ids.
    Why: The Hub neither shows nor filters by a licence that it does not know, and warns at every upload.
    Fix: Write the id from the list, or `license: other` with `license_name` and `license_link`.
    Sources: https://huggingface.co/docs/hub/repositories-licenses
    """
    front, _ = split_by_place(spec, spec.all("license"))
    front = [f for f in front if f.why == "front matter" and isinstance(f.value, str)]
    if not front:
        return [absent("The front matter states no single licence.")]
    fact = front[0]
    name = str(fact.value).strip()
    if name.lower() in HUB_IDS:
        return [passed(f"{name} is a licence id.", fact.span)]
    right = _PLAIN.get(re.sub(r"[^a-z0-9+]", "", name.lower()))
    if right is None:
        named = [key for _, key, _ in front_keys(spec) if key in {"license_name", "license_link"}]
        if named or re.match(r"https?://", name):
            return [failed(f"{name[:80]} is no id of the Hub's list.", fact.span, fix="Write license: other there.")]
        return [failed(f"{name[:80]} is no id of the Hub's list.", fact.span)]
    observation = failed(f"{name} is no id of the Hub's list; {right} is.", fact.span)
    place = next(((n, rest) for n, key, rest in front_keys(spec) if key == "license"), None)
    if place is None or place[1] != name:
        return [observation]
    text = spec.text.split("\n", place[0])[place[0] - 1]
    start = text.rindex(name) + 1
    return [with_edits(observation, (Edit(place[0], start, start + len(name) - 1, name, right),))]


@check("R709", "custom-licence-linked", severity=Severity.LOW, asks="license")
def custom_licence_linked(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A licence called "other" has a name and a link

    What: Where the front matter says `license: other`, asks for `license_name` and `license_link`.
    Why: The Hub shows "other" and nothing else: nobody knows what is allowed.
    Fix: Add `license_name` and `license_link` (a file of the repository, or an address).
    Sources: https://huggingface.co/docs/hub/repositories-licenses
    """
    front, body = split_by_place(spec, spec.all("license"))
    others = [f for f in front if str(f.value).strip().lower() == "other"]
    if not others:
        return [absent("The licence is not a custom one.")]
    keys = {key for _, key, _ in front_keys(spec)}
    lacking = [k for k in ("license_name", "license_link") if k not in keys]
    if not lacking:
        return [passed("The custom licence has a name and a link.", others[0].span)]
    if len(lacking) == 1 or body:
        return [unknown(f'The licence is "other"; {listing(lacking)} is not in the front matter.', others[0].span)]
    return [failed(f'The licence is "other", without {listing(lacking)}.', others[0].span)]


@check("R710", "licence-in-front-matter", severity=Severity.LOW)
def licence_in_front_matter(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """A licence that the body states stands in the front matter too

    What: Where the text states one licence that is an id of the Hub's list, asks for `license` in the front matter.
    Why: The Hub shows and filters by the front matter alone.
    Fix: Add `license:` with the same id to the front matter.
    Sources: https://huggingface.co/docs/hub/repositories-licenses
    """
    front, body = split_by_place(spec, spec.all("license"))
    if front or any(key == "license" for _, key, _ in front_keys(spec)):
        return [passed("The front matter states the licence.", front[0].span if front else at(spec, 1))]
    names = {str(f.value).lower(): f.span for f in body} or _labelled(spec)
    if not names:
        return [absent("The body states no licence that could be read.")]
    span = next(iter(names.values()))
    if spec.problems:
        return [unknown("The front matter cannot be read, and a licence may stand in it.", span)]
    if len(names) != 1 or not names.keys() <= HUB_IDS - {"other", "unknown"}:
        return [unknown("The body speaks of licences; none is the one id of the Hub's list.", span)]
    (name,) = names
    observation = failed(f"The body states {name}; the front matter states no licence.", span)
    return [with_edits(observation, line_before_end(spec, f"license: {name}"))]


def _labelled(spec: Spec) -> dict[str, Span | None]:
    """Licences on a line of their own ("License: Apache-2.0"), as ids where they are ones, and where they stand."""
    found: dict[str, Span | None] = {}
    for hit in search(spec, _LABELLED, body_only=True):
        if any(b.span.line <= hit.span.line <= b.span.end_line for b in spec.code):
            continue
        name = hit.match.group(1)
        span = Span(spec.source, hit.span.line, hit.span.line, hit.match.start(1) + 1, hit.match.end(1))
        found.setdefault(_PLAIN.get(re.sub(r"[^a-z0-9+]", "", name.lower()), name), span)
    return found
