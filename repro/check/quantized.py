"""R6, continued: sizes of published files against parameters and bits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median

from repro.card import Span
from repro.check.figures import cell_span, entries, figure
from repro.check.lineage import parameters
from repro.check.outcomes import absent, failed, passed, unknown
from repro.check.wording import PipeTable, at, pipe_tables
from repro.evidence import Evidence
from repro.finding import Observation, Severity, check
from repro.number import Number
from repro.spec import Spec

BITS: dict[str, float] = {
    "Q2K": 3.0, "Q3KS": 3.5, "Q3KM": 3.9, "Q3KL": 4.3, "Q40": 4.55, "Q41": 5.0, "Q4KS": 4.6, "Q4KM": 4.85,
    "Q50": 5.55, "Q51": 6.0, "Q5KS": 5.55, "Q5KM": 5.7, "Q6K": 6.6, "Q80": 8.5, "IQ4XS": 4.35, "IQ4NL": 4.55,
    "F16": 16.0, "FP16": 16.0, "BF16": 16.0, "F32": 32.0,
}  # fmt: skip
"""Bits a weight of llama.cpp's types, over whole files of models of 7 billion (tools/quantize/README.md).
Names without the underscores, which a table's cell may take for emphasis."""
_TYPE = re.compile(
    r"(?<![A-Za-z0-9])(I?Q[2-8]_?(?:K_?[SML]|K|[01]|XS|NL)|BF16|FP?16|F32)(?![A-Za-z0-9])", re.IGNORECASE
)
_SIZE = re.compile(r"(?:file ?)?size\b", re.IGNORECASE)
_MEMORY = re.compile(r"max(?:imum)? ram", re.IGNORECASE)
_UNITS = {"gb": 1e9, "gib": 2.0**30, "mb": 1e6, "mib": 2.0**20}
_FILE_SIZE = re.compile(r"(?:model|checkpoint|weights?|download|pytorch model)? ?(?:file )?size|model size on disk")
_ADAPTER = re.compile(r"adapter|lora|quanti|gguf|embedding", re.IGNORECASE)
FAR = 1.35
"""Files of one model imply parameters that differ by less than this: embeddings keep more bits than the rest."""


def _bytes(number: Number, header: str) -> float | None:
    unit = number.unit.lower().split(" ")[0] or next((u for u in ("gib", "gb", "mb") if u in header.lower()), "")
    return number.value * _UNITS[unit] if unit in _UNITS else None


def _files(table: PipeTable) -> list[tuple[str, float, str, int, int, float | None]]:
    """(type, bytes, size as printed, line, cell, stated memory in bytes) of the rows that name a type."""
    places = [i for i, h in enumerate(table.header) if _SIZE.match(h)]
    if len(places) != 1:
        return []
    place, found = places[0], []
    memory = next((i for i, h in enumerate(table.header) if _MEMORY.match(h)), None)
    for row, line in zip(table.rows, table.lines, strict=True):
        number = figure(row[place]) if place < len(row) else None
        kinds = {
            m.group(1).upper().replace("_", "") for i, c in enumerate(row) if i != place for m in _TYPE.finditer(c)
        }
        kinds &= BITS.keys()
        size = _bytes(number, table.header[place]) if number else None
        if size and number and len(kinds) == 1:
            room = figure(row[memory]) if memory is not None and memory < len(row) else None
            most = _bytes(room, table.header[memory]) if room and memory is not None else None
            found.append((kinds.pop(), size, number.printed, line, place, most))
    return found


@check("R610", "sizes-of-quantized-files", severity=Severity.MEDIUM, confidence=Severity.MEDIUM, asks="table")
def sizes_of_quantized_files(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """Files of one model have sizes that their bits give

    What: Divides each listed file's size by the bits of its type (Q4_K_M takes 4.85 bits a weight): all files of one
    model must imply the same number of parameters, and the number that the name says. Stated memory must hold the file.
    Why: A row copied from another model's table sends people to a file that does not fit, or does not exist.
    Fix: Take the sizes from the repository's own file list.
    Sources: https://github.com/ggml-org/llama.cpp/blob/master/tools/quantize/README.md;
    https://huggingface.co/docs/hub/gguf
    """
    if "Q" not in spec.text or "|" not in spec.text:
        return [absent("No table lists quantized files.")]
    good: list[Span] = []
    found: list[Observation] = []
    for table in pipe_tables(spec):
        files = _files(table)
        if len(files) < 2:
            continue
        implied = [size * 8.0 / BITS[kind] for kind, size, *_ in files]
        middle = median(implied)
        for (kind, size, printed, line, place, most), count in zip(files, implied, strict=True):
            span = cell_span(spec, line, place)
            words = f"{kind}: {printed} x 8 / {BITS[kind]:g} bits = {count / 1e9:.3g}B parameters"
            if most is not None and most < size:
                found.append(failed(f"{kind}: the memory stated is less than the file's {printed}.", span))
            elif len(files) >= 3 and not middle / FAR <= count <= middle * FAR and middle > 1e9:
                found.append(failed(f"{words}, the other files give {middle / 1e9:.3g}B.", span))
            else:
                good.append(span)
        size_known = parameters(spec, evidence)
        if size_known and not size_known[0].lo / 1.5 <= middle <= size_known[0].hi * 1.5 and size_known[0].lo > 2e9:
            span = cell_span(spec, files[0][3], files[0][4])
            words = f"The files imply {middle / 1e9:.3g}B parameters; {size_known[1]}"
            found.append(unknown(f"{words}: they may be of another model of the family.", span))
    if good:
        found.append(passed("Sizes of the listed files are those that their bits give.", *good[:3]))
    return found or [absent("No table lists quantized files with their sizes.")]


@check("R611", "size-of-the-weights", severity=Severity.LOW, confidence=Severity.MEDIUM)
def size_of_the_weights(spec: Spec, evidence: Evidence) -> Iterable[Observation]:
    """The stated size of the weights is that of so many parameters

    What: Divides a stated size of the model's files by its parameters: between half a byte and eight bytes each.
    Why: A size that no precision gives is of another model, or counts a part of the files.
    Fix: State the sum of the weight files, and their precision.
    Sources: https://huggingface.co/docs/accelerate/usage_guides/model_size_estimator;
    https://huggingface.co/docs/safetensors/metadata_parsing
    """
    sizes = [
        (e, e.number.value * _UNITS[unit])
        for e in entries(spec)
        if (unit := e.number.unit.lower().split(" ")[0]) in _UNITS and _FILE_SIZE.fullmatch(e.label)
    ]
    if not sizes:
        return [absent("No size of the weights is stated in bytes.")]
    known = parameters(spec, evidence)
    if known is None:
        return [unknown("How many parameters the model has is not known here.", at(spec, sizes[0][0].line))]
    found = []
    for entry, size in sizes:
        low, high = size / known[0].hi, size / known[0].lo
        span = at(spec, entry.line)
        each = f"{low:.2g}" if high - low < 0.05 * high else f"{low:.2g} to {high:.2g}"
        words = f"{entry.number.printed} {entry.number.unit} over the parameters ({known[1]}) is {each} bytes each"
        if high >= 0.2 and low <= 8.5:
            found.append(passed(f"{words}.", span))
        elif _ADAPTER.search(spec.text[:200_000]):
            found.append(unknown(f"{words}; it may be an adapter or a quantized file.", span))
        else:
            found.append(failed(f"{words}.", span))
    return found
