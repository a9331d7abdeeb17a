"""How much of what people read in real cards the reader reads, and how much it reads that they do not: a scorer."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gold_labels import folded, meaning, plain_number, same_value, squeezed
from gold_tally import KINDS, Score, Tally, report

from repro.read.names import methods_in
from repro.read.reader import read
from repro.read.values import left_open
from repro.spec import KEYS, Claim, ClaimKind, Spec, Stage

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
UNSCORED = frozenset(("framework", "framework_version", "framework_commit", "hardware", "base_model", "model_id"))
"""Facts of a stage that the gold files do not list among hyperparameters."""


def score(gold: dict[str, Any], spec: Spec) -> Score:
    """One card's counts by kind."""
    tallies = {kind: Tally() for kind in KINDS}
    pairs = _aligned(gold["stages"], spec)
    for place, (wanted, stage) in enumerate(pairs):
        before = [w for w, _ in pairs[:place] if w is not None]
        # Of rows of one table the gold files write the base of the first for each. Whether a later one starts there or
        # from the model of the row above is arguable: the card says neither, and to leave it open is right as well.
        if wanted and stage and not stage.base.known and any(_nearly(wanted, w) for w in before):
            wanted = {**wanted, "base_model": None}
        _stage(tallies, gold, wanted, stage, spec)
    _figures(tallies, gold, spec)
    return tallies


def _nearly(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(first[key] == second[key] for key in ("method", "base_model"))


def _aligned(wanted: list[dict[str, Any]], spec: Spec) -> list[tuple[dict[str, Any] | None, Stage | None]]:
    """Stages of the gold and of the spec side by side, so that most agrees; those without the other stand alone."""
    stages = list(spec.stages)
    rows = [[_overlap(w, s, spec) for s in stages] for w in wanted]
    slots = list(range(len(stages))) + [-1] * max(0, len(wanted) - len(stages))
    orders: Iterable[tuple[int, ...]] = itertools.permutations(slots, len(wanted))
    best = max(itertools.islice(orders, 50_000), key=lambda o: sum(r[i] for r, i in zip(rows, o) if i >= 0), default=())
    pairs: list[tuple[dict[str, Any] | None, Stage | None]] = [
        (w, stages[i] if i >= 0 else None) for w, i in zip(wanted, best)
    ]
    return pairs + [(None, stage) for i, stage in enumerate(stages) if i not in best]


def _overlap(wanted: dict[str, Any], stage: Stage, spec: Spec) -> float:
    facts = {(key, squeezed(printed)) for key, printed, _ in _facts(stage, spec)}
    same = sum(
        (key, squeezed(printed)) in facts
        for label, printed in wanted["hyperparameters"].items()
        for key in meaning(label, str(printed))[0]
    )
    return same + 0.5 * (_stem(wanted["method"]) == _own_stem(stage)) + 0.25 * len(_shared_data(wanted, stage))


def _facts(stage: Stage, spec: Spec) -> list[tuple[str, str, object]]:
    """Key, text and value of everything that the spec states for a stage, steps taken among them."""
    found = [(f.key, f.printed, f.value) for f in stage.facts if f.key not in UNSCORED]
    steps = [c for c in spec.claims if c.kind is ClaimKind.STEPS and c.stage == stage.name]
    # A step marked as the last of a table of losses is the table's own figure, not one more.
    rows = {c.step for c in spec.claims if c.kind is ClaimKind.LOSS}
    return found + [("total_steps", c.printed, c.value) for c in steps if c.value not in rows]


def _stage(
    tallies: Score, gold: dict[str, Any], wanted: dict[str, Any] | None, stage: Stage | None, spec: Spec
) -> None:
    _nature(tallies["stages"], wanted, stage)
    tally, name = tallies["hyperparameters"], stage.name if stage else "no stage"
    facts = _facts(stage, spec) if stage else []
    printed_by_hand = wanted["hyperparameters"] if wanted else {}
    explained: list[tuple[str, object]] = []
    read_as = [(label, str(printed), *meaning(label, str(printed))) for label, printed in printed_by_hand.items()]
    # A label that may stand for one key only chooses first.
    for label, printed, keys, said in sorted(read_as, key=lambda row: len(row[2])):
        if "hardware" in keys:
            continue
        pair = keys == ("adam_beta1", "adam_beta2")
        parts = {squeezed(printed)} | {squeezed(part) for part in re.findall(r"[\d.]+", printed) if pair}
        main = next((f for f in facts if f[0] in keys and squeezed(f[1]) in parts), None)
        if main is None:
            tally.miss(f"{name}: {label} = {printed}")
            continue
        facts.remove(main)
        needed = [key for key in said if key != main[0] and (pair or key not in keys)]
        along = [f for f in facts if f[0] in needed and same_value(said[f[0]], f[2])]
        expected = said.get(main[0], printed)
        # A figure with a unit that no term is for ("101 hours") may stay as printed.
        kept = isinstance(main[2], str) and squeezed(main[2]) == squeezed(printed) and main[0] not in KEYS
        right = (same_value(expected, main[2]) or kept) and len({f[0] for f in along}) == len(needed)
        tally.hit(right, f"{name}: {label} = {printed} is read as {main[0]} = {main[2]!r}")
        facts = [f for f in facts if f not in along]
        explained += [(main[0], main[2]), *((f[0], f[2]) for f in along)]
    neutral = _neutral(gold, wanted)
    for key, printed, value in facts:
        again = any(key == k and same_value(v, value) for k, v in explained)
        text = squeezed(printed)
        if again or any(text == word for word in neutral) or not text or (value is None and left_open(printed)):
            continue
        merged = wanted is not None and ("merge_config" in wanted or _stem(wanted["method"]) == "merge")
        if merged and (key.startswith("merge_") or key == "precision"):
            continue  # what a merge is made of is told apart in these files
        tally.invent(f"{name}: {key} = {printed}")


def _neutral(gold: dict[str, Any], wanted: dict[str, Any] | None) -> set[str]:
    """Words of what the gold files tell beside the hyperparameters: commands, hardware, notes, data."""
    stage = wanted or {}
    beside = {**stage.get("also_printed_in_command", {}), **stage.get("also_printed", {})}
    texts = [str(v) for v in beside.values()]
    texts += [str(stage.get("hardware", "")), *gold.get("notes", []), *stage.get("datasets", [])]
    words = {squeezed(word).rstrip(".") for text in texts for word in re.findall(r"[^\s(),;:]+", text)}
    # A single digit in a note explains nothing.
    counted = {squeezed(w) for w in re.findall(r"\d+", str(stage.get("hardware", "")))}
    commands = {squeezed(v) for v in beside.values()}
    return {word for word in words if len(word) > 1} | counted | commands


def _stem(method: str) -> str:
    """ "sft", "dpo", "merge", "fine-tuning": the stage's kind as the reader names it."""
    if re.search(r"(?i)\bmerge", method):
        return "merge"
    if folded(method).startswith("training"):
        return "fine-tuning"
    return next(iter(methods_in(method)), "fine-tuning" if re.search(r"(?i)tun", method) else folded(method))


def _loose_stem(method: str) -> str:
    """Whether instruction tuning is called SFT or fine-tuning is a matter of words."""
    return "fine-tuning" if re.search(r"(?i)instruction fine-?tuning", method) else ""


def _own_stem(stage: Stage) -> str:
    bare = re.sub(r"-\d+$", "", stage.name)
    return "fine-tuning" if bare == "training" else bare


def _names(text: str) -> set[str]:
    """The names that one entry of a gold file gives: what stands before brackets, and what is said of front matter."""
    said = [n for found in re.findall(r"\(front matter:? ([^()]*)\)", text) for n in re.split("[,;]", found)]
    names = {folded(n) for n in said}
    for part in re.sub(r"\([^()]*\)", " ", text).split(";"):
        names.add(folded(part))
    return names - {""}


def _shared_data(wanted: dict[str, Any], stage: Stage) -> list[str]:
    own = {folded(d.repo_id) for d in stage.datasets}
    return [text for text in wanted["datasets"] if _names(text) & own]


def _nature(tally: Tally, wanted: dict[str, Any] | None, stage: Stage | None) -> None:
    """A stage's method, base model and data sets, one fact each."""
    if wanted is None or stage is None:
        said, data = str((wanted or {}).get("method", "")), (wanted or {}).get("datasets", [])
        base = _base_wanted(wanted) if wanted else ""
        for text in [said, base, *data] if wanted else ():
            if text:
                tally.miss(f"no stage: {text}")
        if stage is not None:
            own = [stage.name, str(stage.base.value or ""), *(d.repo_id for d in stage.datasets)]
            for text in filter(None, own):
                tally.invent(f"stage nobody finds: {text}")
        return
    if _own_stem(stage) in (_stem(wanted["method"]), _loose_stem(wanted["method"])):
        tally.hit(True, "")
    else:
        tally.miss(f"{stage.name}: method {wanted['method']}")
        tally.invent(f"{stage.name}: method {stage.method}")
    base, own_base = _base_wanted(wanted), str(stage.base.value or "")
    if base and folded(base) in (folded(own_base), folded(own_base.rsplit("/", 1)[-1])):
        tally.hit(True, "")
    else:
        if base:
            tally.miss(f"{stage.name}: base {base}")
        if own_base:
            tally.invent(f"{stage.name}: base {own_base}")
    shared = _shared_data(wanted, stage)
    for text in wanted["datasets"]:
        tally.hit(True, "") if text in shared else tally.miss(f"{stage.name}: data {text}")
    known = {name for text in wanted["datasets"] for name in _names(text)}
    for ref in stage.datasets:
        if folded(ref.repo_id) not in known:
            tally.invent(f"{stage.name}: data {ref.repo_id}")


def _base_wanted(wanted: dict[str, Any]) -> str:
    text = str(wanted.get("base_model") or "")
    bare = re.sub(r"\s*\([^()]*\)", "", text).strip()
    return "" if left_open(bare) else bare


def _figures(tallies: Score, gold: dict[str, Any], spec: Spec) -> None:
    """Rows of losses and scores against the claims; one claim answers one row."""
    left = [c for c in spec.claims if c.kind in (ClaimKind.LOSS, ClaimKind.EVAL)]
    told: list[tuple[str, str]] = []
    for kind, rows in (("losses", gold["loss_claims"]), ("scores", gold["eval_claims"])):
        for row in rows:
            same = _same_loss if kind == "losses" else _same_score
            claim = next((c for c in left if squeezed(c.printed) == squeezed(row["value"]) and same(row, c)), None)
            where = f"{row.get('task') or row.get('split')} {row['metric']} @{row.get('step')}"
            if claim is None:
                tallies[kind].miss(f"{where} = {row['value']}")
                continue
            left.remove(claim)
            told.append((_task(claim.task), squeezed(claim.printed)))
            tallies[kind].hit(_value_is(row["value"], claim), f"{where} = {row['value']} is read as {claim.value!r}")
    for claim in left:
        if (_task(claim.task), squeezed(claim.printed)) in told and claim.step is None and claim.task:
            continue  # the same score in a second place
        is_row = claim.kind is ClaimKind.LOSS or claim.step is not None or claim.epoch is not None
        tallies["losses" if is_row else "scores"].invent(f"{claim.id} {claim.task} {claim.metric} {claim.printed}")


def _value_is(printed: str, claim: Claim) -> bool:
    if left_open(str(printed)):
        return claim.value is None
    value = plain_number(printed)
    return value is not None and same_value(value, claim.value)


def _same_loss(row: dict[str, Any], claim: Claim) -> bool:
    step, epoch = (plain_number(row[k]) if row.get(k) is not None else None for k in ("step", "epoch"))
    if (claim.step, claim.epoch) != (step, epoch) or (claim.split == "train") != (row["split"] == "train"):
        return False
    if claim.kind is ClaimKind.LOSS:
        return "loss" in folded(row["metric"])
    return folded(row["metric"]) == folded(claim.metric)


def _same_score(row: dict[str, Any], claim: Claim) -> bool:
    if claim.step is not None or claim.epoch is not None or not claim.task:
        return False
    metric, own = folded(str(row["metric"] or "")), folded(claim.metric)
    # A leaderboard is where a score stands, not what it measures; the gold files write it as the metric.
    metric = "" if "leaderboard" in metric or metric == "score" else metric
    own = "" if own == "score" else own
    return _task(str(row["task"])) == _task(claim.task) and (metric == own or not metric or not own)


def _task(text: str) -> str:
    """A task's name without what stands in brackets: shots, units, the metric."""
    return folded(re.sub(r"\([^()]*\)|\b\d+[- ]shots?\b", " ", text, flags=re.IGNORECASE))


def scores(gold_folder: Path, cards: Path) -> dict[str, Score]:
    """Counts by card of every gold file in a folder; cards lie below `cards` or beside the gold in cards/."""
    found: dict[str, Score] = {}
    for path in sorted(gold_folder.glob("*.json")):
        gold = json.loads(path.read_text(encoding="utf-8"))
        places = (cards / gold["card"], gold_folder / "cards" / gold["card"], gold_folder / gold["card"])
        card = next((place for place in places if place.is_file()), None)
        if card is not None:
            found[path.stem] = score(gold, read(card.read_bytes(), str(gold["card"]))[1])
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS / "gold"
    sys.stdout.write(report(scores(folder, Path(sys.argv[2]) if len(sys.argv) > 2 else CORPUS / "cards")))
