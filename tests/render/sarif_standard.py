"""What SARIF 2.1.0 (OASIS, sections 3.13 to 3.58) and GitHub's upload ask of a log with the properties used here."""

from __future__ import annotations

from typing import Any

import jsonschema

_TEXT = {"type": "string", "minLength": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_POSITIVE = {"type": "integer", "minimum": 1}


def _closed(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    """The standard allows no other properties in any of its objects; here, only those that this program writes."""
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


_ADDRESS = {"type": "string", "pattern": r"^[A-Za-z0-9_.!~*'();/?:@&=+$,#%\[\]-]+$"}
_ARTIFACT = _closed(("uri",), uri=_ADDRESS, uriBaseId=_TEXT)
_REGION = _closed(
    ("startLine",),
    startLine=_POSITIVE,
    endLine=_POSITIVE,
    startColumn=_POSITIVE,
    endColumn=_POSITIVE,
    snippet=_closed(("text",), text={"type": "string"}),
)
_PHYSICAL = _closed(("artifactLocation",), artifactLocation=_ARTIFACT, region=_REGION)
_LOCATION = _closed(("physicalLocation",), physicalLocation=_PHYSICAL, id={"type": "integer", "minimum": 0})
_MESSAGE = _closed(("text",), text=_TEXT)
_MULTI = _closed(("text",), text=_TEXT, markdown=_TEXT)
_RULE = _closed(
    ("id", "shortDescription", "help", "defaultConfiguration"),
    id=_TEXT,
    name=_TEXT,
    shortDescription=_MULTI,
    fullDescription=_MULTI,
    help=_MULTI,
    helpUri={"type": "string", "pattern": "^https://"},
    defaultConfiguration=_closed(("level",), level=_LEVEL),
    properties=_closed(
        (), tags={"type": "array", "items": _TEXT, "uniqueItems": True}, precision={"enum": ["low", "medium", "high"]}
    ),
)
_SUPPRESSION = _closed(
    ("kind",), kind={"enum": ["inSource", "external"]}, status={"enum": ["accepted"]}, justification=_TEXT
)
_RESULT = _closed(
    ("message", "ruleId", "ruleIndex", "level", "locations", "partialFingerprints"),
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    kind={"enum": ["fail"]},
    level=_LEVEL,
    message=_MESSAGE,
    locations={"type": "array", "items": _LOCATION, "minItems": 1, "maxItems": 1},
    relatedLocations={"type": "array", "items": _LOCATION, "uniqueItems": True},
    partialFingerprints={"type": "object", "additionalProperties": _TEXT, "minProperties": 1},
    suppressions={"type": "array", "items": _SUPPRESSION, "minItems": 1, "uniqueItems": True},
)
_NOTIFICATION = _closed(
    ("message",), level=_LEVEL, message=_MESSAGE, locations={"type": "array", "items": _LOCATION, "uniqueItems": True}
)
_DRIVER = _closed(
    ("name",),
    name=_TEXT,
    version=_TEXT,
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    fullName=_TEXT,
    rules={"type": "array", "items": _RULE, "uniqueItems": True},
)
_RUN = _closed(
    ("tool", "results", "columnKind"),
    tool=_closed(("driver",), driver=_DRIVER),
    invocations={
        "type": "array",
        "items": _closed(
            ("executionSuccessful",),
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications={"type": "array", "items": _NOTIFICATION},
        ),
    },
    artifacts={
        "type": "array",
        "items": _closed((), location=_ARTIFACT, hashes={"type": "object", "additionalProperties": _TEXT}),
        "uniqueItems": True,
    },
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": _RESULT},
)
_LOG = {
    **_closed(("version", "runs"), version={"const": "2.1.0"}, runs={"type": "array", "items": _RUN}),
}
_LOG["properties"]["$schema"] = {"type": "string", "pattern": "^https://.*sarif"}


def sound(log: dict[str, Any]) -> dict[str, Any]:
    """The one run of a log that keeps to the standard, also in what a schema cannot say."""
    jsonschema.Draft202012Validator(_LOG).validate(log)
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids))
    prints = [tuple(r["partialFingerprints"].items()) for r in run["results"]]
    assert len(prints) == len(set(prints)), "two results would be taken for one"
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        places = [*result["locations"], *result["relatedLocations"]]
        related = [p["id"] for p in result["relatedLocations"]]
        assert len(related) == len(set(related))
        for place in places:
            physical = place["physicalLocation"]
            uri = physical["artifactLocation"]["uri"]
            assert uri.startswith("file:///") or ":" not in uri.split("/")[0], "a relative URI begins with no scheme"
            assert not uri.startswith("/")
            region = physical.get("region", {})
            if region:
                assert region["endLine"] >= region["startLine"]
                if region["endLine"] == region["startLine"] and "endColumn" in region:
                    assert region["endColumn"] > region["startColumn"]
    return dict(run)
