"""One small run held against published repositories: through a Hub on loopback, through folders, and without either."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.loopback import TOKEN, LoopbackHub

from repro import measure, pipeline
from repro.cli import main
from repro.comparison import Comparison, Verdict
from repro.options import Options, Outcome
from repro.plan import Plan
from repro.render.plots import published_losses
from repro.report import Report, from_json, to_json
from repro.spec import Origin
from repro.task import Scale

MODEL, PARENT, BASE = "lab/Wren-8B-DPO", "lab/Wren-8B-SFT", "meta-llama/Llama-3.1-8B"
PAIRS, TURNS = "allenai/llama-3.1-tulu-3-8b-preference-mixture", "allenai/tulu-3-sft-mixture"
CARD = f"""---
license: llama3.1
base_model: {PARENT}
library_name: transformers
datasets:
- {PAIRS}
---

# Wren-8B-DPO

| Attribute | Value |
|---|---|
| Base Model | [{PARENT}](https://huggingface.co/{PARENT}) |
| Training Method | Direct Preference Optimization (DPO) |
| Dataset | [{PAIRS}](https://huggingface.co/datasets/{PAIRS}) (10%) |
| Framework | [open-instruct](https://github.com/allenai/open-instruct) |

## From base to here

```
{BASE}
        ↓ SFT (10% Tulu-3 SFT mixture)
{PARENT}
        ↓ DPO (10% Tulu-3 preference mixture)
{MODEL}  ← This model
```

## Hyperparameters

| Parameter | Value |
|---|---|
| Learning Rate | 5e-7 |
| Effective Batch Size | 8 |
| Gradient Accumulation | 2 |
| Max Sequence Length | 512 |
| Epochs | 1 |
| LR Schedule | Linear |
| Warmup Ratio | 0.1 |
| DPO Beta | 5 |
| DPO Loss Type | dpo_norm |
| Optimizer | AdamW |

## Losses

| Step | Loss | Notes |
|---|---|---|
| 1 | 0.693 | where all begin |
| 20 | 0.650 | -6.2% |
| 40 | TBD | end |

## Use it

```python
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("{MODEL}")
```

## Chat Template

The model uses the Tulu chat template:

```
<|user|>
What sings?
<|assistant|>
A wren.<|endoftext|>
```

Made for one test.
"""
PARENT_CARD = f"""---
license: llama3.1
base_model: {BASE}
datasets: [{TURNS}]
---

# Wren-8B-SFT

Supervised fine-tuning (SFT) of [{BASE}](https://huggingface.co/{BASE}) on a tenth of {TURNS}.

## Hyperparameters

| Parameter | Value |
|---|---|
| Learning Rate | 4e-6 |
| Effective Batch Size | 128 |
| Gradient Accumulation | 16 |
| Max Sequence Length | 4096 |
| Epochs | 2 |
| LR Schedule | Linear |
| Warmup Ratio | 0.03 |
| Optimizer | AdamW |
"""
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "dtype": "bfloat16",
}
TOKENIZER = {
    "added_tokens_decoder": {"128001": {"content": "<|end_of_text|>"}, "128256": {"content": "<pad>"}},
    "eos_token": "<|end_of_text|>",
    "pad_token": "<pad>",
}
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] }}{% endfor %}"
    "{# <|user|> <|assistant|> #}{{ eos_token }}"
)
CURVE = "step\tlearning_rate\tloss\n" + "".join(
    f"{n}\t{min(1.0, n / 6) * 4e-6:.10g}\t{1.25 - 0.002 * n:.9f}0123456789\n" for n in range(1, 121)
)


def rows_card(count: int) -> str:
    split = f"  - name: train\n    num_examples: {count}\n"
    return f"---\nlicense: odc-by\ndataset_info:\n  splits:\n{split}---\n# Rows\n"


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def repositories(root: Path, weights: Path | None) -> Path:
    """ORG/NAME and datasets/ORG/NAME: what the author and others published; `weights` make the model loadable."""
    if weights is None:
        own = {"config.json": json.dumps(SHAPE), "tokenizer_config.json": json.dumps(TOKENIZER)}
        lay(root / MODEL, {**own, "chat_template.jinja": TEMPLATE})
    else:
        shutil.copytree(weights, root / MODEL)
    lay(root / MODEL, {"README.md": CARD})
    lay(root / PARENT, {"README.md": PARENT_CARD, "config.json": json.dumps(SHAPE), "curve.tsv": CURVE})
    lay(root / BASE, {"README.md": "---\nlicense: llama3.1\n---\n# Base\n", "config.json": json.dumps(SHAPE)})
    lay(root / "datasets" / PAIRS, {"README.md": rows_card(3203)})
    lay(root / "datasets" / TURNS, {"README.md": rows_card(939343)})
    return root


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cards") / "wren.md"
    place.write_text(CARD, "utf-8")
    return place


@pytest.fixture(scope="module")
def ran(card: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A proxy run of the card that looked nothing up."""
    outcome = pipeline.run(str(card), Options(reports=tmp_path_factory.mktemp("ran"), max_samples=40))
    assert outcome is not None
    return outcome


@pytest.fixture
def reports(ran: Outcome, tmp_path: Path) -> Path:
    """The run's reports folder, a copy for one test."""
    return Path(shutil.copytree(ran.folder.parent.parent, tmp_path / "reports"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub(repositories(tmp_path / "hub", None)) as served:
        yield served


@pytest.fixture
def loadable(ran: Outcome, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub whose published model is the run's own, so that it can be scored."""
    with LoopbackHub(repositories(tmp_path / "loadable", ran.folder / "seed-42" / "dpo" / "model")) as served:
        yield served


def verify(card: Path, reports: Path, against: str, **more: object) -> Outcome:
    return pipeline.verify(str(card), against, Options(reports=reports, max_samples=40, **more))  # type: ignore[arg-type]


def judged(report: Report, claim: str) -> Comparison:
    return next(c for c in report.comparisons if c.claim == claim)


def origins(plan: Plan, stage: str) -> dict[str, Origin]:
    found = plan.stage(stage)
    assert found is not None
    return {f.key: f.origin for f in found.facts}


# --- the parent's card


SFT_KEYS = ("learning_rate", "effective_batch_size", "num_epochs", "max_seq_length", "warmup_ratio", "optimizer")


@pytest.mark.parametrize("way", ["hub", "folder"])
def test_the_sft_stage_is_found_on_the_parents_card(way: str, card: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    source = "hub" if way == "hub" else str(tmp_path / "hub")
    options = Options(reports=tmp_path / "r", scale=Scale.FULL, source=source, endpoint=hub.endpoint)
    _, plan = pipeline.plan(str(card), options)
    assert {origins(plan, "sft")[key] for key in SFT_KEYS} == {Origin.FOUND}
    sft = plan.stage("sft")
    assert sft is not None
    assert sft.hyperparameters.learning_rate == 4e-6
    at = hub.repositories["model", PARENT].refs["main"][:12] if way == "hub" else "local"
    span = sft.get("learning_rate").span
    assert span is not None
    assert span.source == f"{PARENT}@{at}:README.md"
    assert PARENT_CARD.splitlines()[span.line - 1] == "| Learning Rate | 4e-6 |"


def test_without_the_parents_card_the_sft_stage_is_assumed(card: Path, tmp_path: Path) -> None:
    _, plan = pipeline.plan(str(card), Options(reports=tmp_path / "r", scale=Scale.FULL))
    assert {origins(plan, "sft")[key] for key in SFT_KEYS} == {Origin.ASSUMED}
    sft = plan.stage("sft")
    assert sft is not None
    assert sft.hyperparameters.learning_rate == 5e-6
    assert "open-instruct@" in sft.get("learning_rate").why


# --- against a Hub


def test_a_run_held_against_the_published_model(card: Path, reports: Path, loadable: LoopbackHub) -> None:
    outcome = verify(card, reports, "hub", endpoint=loadable.endpoint)
    report = outcome.report
    assert outcome.blocked is None
    assert report.kind == "verify"
    (subject,) = report.evidence.role("subject")
    sha = loadable.repositories["model", MODEL].refs["main"]
    assert (subject.repo_id, subject.revision) == (MODEL, sha)
    # Both models were asked the same questions; the published one is the regenerated one, and scores the same.
    ours = {(s.task, s.metric): s for s in report.scores if s.model == "dpo"}
    theirs = {(s.task, s.metric): s for s in report.scores if s.model == "published"}
    assert theirs.keys() == ours.keys()
    for key, score in theirs.items():
        assert score.value == ours[key].value
        assert [s.prompt_hash for s in score.samples] == [s.prompt_hash for s in ours[key].samples]
    assert any("This card is the one that" in note for note in report.notes)
    # The parent's published curve lies over the regenerated one.
    assert len(published_losses(report, "sft")) == 120
    assert published_losses(report, "dpo") == ()
    assert from_json((outcome.folder / "report.json").read_text("utf-8")) == report
    assert MODEL in (outcome.folder / "report.html").read_text("utf-8")


def test_what_the_run_assumed_is_marked_where_it_has_been_found(card: Path, reports: Path, hub: LoopbackHub) -> None:
    outcome = verify(card, reports, "hub", endpoint=hub.endpoint)
    plan = outcome.report.plan
    assert plan is not None
    known = origins(plan, "sft")
    assert known["num_epochs"] is Origin.FOUND
    assert known["learning_rate"] is Origin.ASSUMED, "the run took another one, and keeps it"
    sha = hub.repositories["model", PARENT].refs["main"][:12]
    notes = "\n".join(outcome.report.notes)
    line = PARENT_CARD.splitlines().index("| Learning Rate | 4e-6 |") + 1
    assert f"assumed learning_rate 5e-06, and {PARENT}@{sha}:README.md:{line} says 4e-6" in notes
    assert "num_epochs" in next(n for n in outcome.report.notes if "has been found to be so" in n)
    steps = {s.name: s.steps for s in outcome.report.stages}
    assert len(steps["sft"]) == 200


def test_a_templates_name_is_no_templates_text(card: Path, reports: Path, hub: LoopbackHub) -> None:
    report = verify(card, reports, "hub", endpoint=hub.endpoint).report
    assert judged(report, "dpo.chat_template").verdict is Verdict.CONSISTENT, "the name is right"
    end = judged(report, "dpo.template_end_token")
    assert end.verdict is Verdict.DIFFERS
    assert "ends a turn with <|endoftext|>" in end.why
    assert "has no token <|endoftext|>" in end.why
    assert [c.claim for c in report.comparisons if c.verdict is Verdict.DIFFERS] == ["dpo.template_end_token"]
    assert judged(report, "identity.base_model").verdict is Verdict.CONSISTENT


def test_a_template_that_ends_as_the_card_shows_is_consistent(card: Path, reports: Path, loadable: LoopbackHub) -> None:
    report = verify(card, reports, "hub", endpoint=loadable.endpoint).report
    assert judged(report, "dpo.chat_template").verdict is Verdict.CONSISTENT
    assert judged(report, "dpo.template_end_token").verdict is Verdict.CONSISTENT
    base = judged(report, "identity.base_model")
    assert base.verdict is Verdict.DIFFERS, "a small Llama is no fine-tuned 8B"
    assert "hidden_size" in base.why


def test_large_weights_are_not_downloaded_unasked(
    card: Path, reports: Path, loadable: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "MAX_PUBLISHED_GB", 1e-6)
    outcome = verify(card, reports, "hub", endpoint=loadable.endpoint)
    assert outcome.blocked is None
    assert any("Give --score-published" in note for note in outcome.report.notes)
    assert not [s for s in outcome.report.scores if s.model == "published"]
    weights = [r for r in loadable.requests if r.path.endswith(".safetensors")]
    assert all("range" in r.headers for r in weights), "headers only"


def test_another_card_on_the_hub_is_said_to_be_another(card: Path, reports: Path, hub: LoopbackHub) -> None:
    files = hub.files(MODEL)
    hub.repositories["model", MODEL].commit({**files, "README.md": files["README.md"].replace(b"0.650", b"0.640")})
    notes = verify(card, reports, "hub", endpoint=hub.endpoint).report.notes
    line = CARD.splitlines().index("| 20 | 0.650 | -6.2% |") + 1
    assert any(f"they part at line {line} " in note for note in notes)


# --- REPO[@REV] and folders


def test_the_named_repository_at_the_named_revision_is_the_subject(
    card: Path, reports: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    def state(loss: float) -> dict[str, str]:
        log = [{"step": n, "loss": loss, "learning_rate": 5e-7} for n in range(1, 41)]
        text = json.dumps({"log_history": log, "logging_steps": 1, "global_step": 40, "max_steps": 40})
        return {"trainer_state.json": text, "config.json": json.dumps(SHAPE)}

    mirror = "elsewhere/wren-mirror"
    old = hub.add_model(mirror, lay(tmp_path / "one", state(0.64995)))
    new = hub.add_model(mirror, lay(tmp_path / "two", state(0.9)))
    asked = len(hub.requests)
    for revision, sha, verdict in ((f"@{old}", old, Verdict.CONSISTENT), ("", new, Verdict.DIFFERS)):
        report = verify(card, reports, f"{mirror}{revision}", endpoint=hub.endpoint).report
        (subject,) = report.evidence.role("subject")
        assert (subject.repo_id, subject.revision) == (mirror, sha)
        assert judged(report, "dpo.loss@20").verdict is verdict
        assert sha[:8] in judged(report, "dpo.loss@20").why
        assert any(f"Held against hub {hub.endpoint[7:]}/{mirror}" in note for note in report.notes)
    assert not [r for r in hub.requests[asked:] if MODEL in r.path], "the card's own repository was not looked at"


def test_weights_come_from_the_revision_that_was_described(card: Path, reports: Path, loadable: LoopbackHub) -> None:
    repository = loadable.repositories["model", MODEL]
    old, files = repository.refs["main"], loadable.files(MODEL)
    repository.commit({**files, "model.safetensors": b"no weights any more"})
    outcome = verify(card, reports, f"{MODEL}@{old}", endpoint=loadable.endpoint)
    assert outcome.blocked is None
    assert [s for s in outcome.report.scores if s.model == "published"]
    got = [r for r in loadable.requests if r.method == "GET" and "/resolve/" in r.path and MODEL in r.path]
    assert got
    assert all(f"/resolve/{old}/" in r.path for r in got)


def test_a_card_is_not_held_against_its_own_parent(card: Path, reports: Path, hub: LoopbackHub) -> None:
    outcome = verify(card, reports, PARENT, endpoint=hub.endpoint)
    assert outcome.blocked is not None
    assert "was made from" in str(outcome.blocked)
    assert not [c for c in outcome.report.comparisons if c.verdict is Verdict.DIFFERS]


@pytest.mark.parametrize("layout", ["one repository", "like a Hub"])
def test_against_a_folder(layout: str, card: Path, reports: Path, ran: Outcome, tmp_path: Path) -> None:
    root = repositories(tmp_path / "hub", ran.folder / "seed-42" / "dpo" / "model")
    outcome = verify(card, reports, str(root / MODEL if layout == "one repository" else root))
    assert outcome.blocked is None
    assert [s for s in outcome.report.scores if s.model == "published"]
    whole = layout == "like a Hub"
    assert len(published_losses(outcome.report, "sft")) == (120 if whole else 0)
    assert bool(outcome.report.evidence.parents) == whole
    # What was looked for and not had is said.
    missing = {a.what for a in outcome.report.evidence.absences}
    assert (f"model {PARENT}" in missing) != whole


def test_broken_weights_leave_a_report_and_a_reason(card: Path, reports: Path, ran: Outcome, tmp_path: Path) -> None:
    root = repositories(tmp_path / "hub", ran.folder / "seed-42" / "dpo" / "model")
    (root / MODEL / "model.safetensors").write_bytes(b"not weights")
    outcome = verify(card, reports, str(root))
    assert outcome.blocked is not None
    assert outcome.blocked.exit_code == 4
    assert any("was not scored" in note for note in outcome.report.notes)
    assert (outcome.folder / "report.json").is_file()


def test_a_runs_folder_is_verified_under_the_cards_own_name(card: Path, reports: Path, hub: LoopbackHub) -> None:
    (run,) = (p.parent for p in reports.glob("*/*/run.json"))
    report = pipeline.verify(str(run), "hub", Options(reports=reports, endpoint=hub.endpoint)).report
    assert (report.card_name, report.card_source) == ("wren", str(card))
    again = pipeline.verify(str(run / "verify"), "hub", Options(reports=reports, endpoint=hub.endpoint))
    assert again.folder == run / "verify"


def test_a_card_without_a_run_is_still_held_against_the_hub(card: Path, tmp_path: Path, hub: LoopbackHub) -> None:
    report = verify(card, tmp_path / "empty", "hub", endpoint=hub.endpoint).report
    assert judged(report, "dpo.template_end_token").verdict is Verdict.DIFFERS
    assert any("no run of this card yet" in note for note in report.notes)


# --- what stands in the way


def test_a_blocked_verify_does_the_rest_and_exits_4(
    card: Path, reports: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    down = "http://127.0.0.1:9"
    ways = {
        "--offline was given": ["--offline"],
        "cannot be reached: connection refused": ["--endpoint", down],
        "is not a web address": ["--endpoint", "ftp:nowhere"],
        "no such revision": ["--against", f"{MODEL}@never", "--endpoint", hub.endpoint],
        "is not on": ["--against", "lab/nothing", "--endpoint", hub.endpoint],
    }
    (run,) = (p.parent for p in reports.glob("*/*/run.json"))
    for reason, arguments in ways.items():
        written = run / "verify" / "report.json"
        written.unlink(missing_ok=True)
        assert main(["verify", str(card), "--reports", str(reports), *arguments]) == 4
        shown = capsys.readouterr()
        errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert reason in errors[0]
        assert "Traceback" not in shown.err
        assert "Not verified: " in shown.out
        report = from_json(written.read_text("utf-8"))
        assert judged(report, "dpo.change@20").verdict is Verdict.CONSISTENT, "arithmetic needs no network"
        assert report.evidence.absences


def test_evidence_of_the_run_stays_when_the_hub_is_gone(card: Path, reports: Path, hub: LoopbackHub) -> None:
    (run,) = (p.parent for p in reports.glob("*/*/run.json"))
    before = from_json((run / "report.json").read_text("utf-8"))
    seen = pipeline.audit(str(card), Options(reports=reports, source="hub", endpoint=hub.endpoint)).evidence
    (run / "report.json").write_text(to_json(dataclasses.replace(before, evidence=seen)), "utf-8")
    outcome = verify(card, reports, "hub", offline=True)
    assert outcome.blocked is not None
    assert outcome.report.evidence == seen
    assert any("was found by the run of" in note for note in outcome.report.notes)


@pytest.mark.parametrize(
    ("against", "code"), [("nonsense", 2), ("lab/name@", 2), ("../x/y@z", 4), ("/no/such/folder", 4)]
)
def test_against_what_does_not_exist(
    against: str, code: int, card: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(card), "--against", against, "--reports", str(tmp_path)]) == code
    assert "Traceback" not in capsys.readouterr().err
    assert not list(tmp_path.rglob("report.json"))


# --- the token, and the proposal to the author


def test_the_token_goes_to_the_hub_alone_and_into_no_file(
    card: Path, reports: Path, loadable: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    loadable.private.add(MODEL)
    loadable.storage_elsewhere = True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    outcome = verify(card, reports, "hub", endpoint=loadable.endpoint)
    assert [s for s in outcome.report.scores if s.model == "published"]
    home, storage = f"127.0.0.1:{loadable.port}", f"localhost:{loadable.port}"
    assert {r.host for r in loadable.requests} == {home, storage}
    assert any(r.authorized for r in loadable.requests if r.host == home)
    assert not any(r.authorized for r in loadable.requests if r.host == storage)
    for place in reports.rglob("*"):
        assert not place.is_file() or TOKEN.encode() not in place.read_bytes(), place


def test_a_pull_request_brings_the_refreshed_card(
    card: Path, reports: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["card", str(card), "--reports", str(reports), "--open-pr", "--endpoint", hub.endpoint]
    assert main(arguments) == 4
    shown = capsys.readouterr()
    assert [line for line in shown.err.splitlines() if line.startswith("error: ")] == [
        f"error: a pull request to {MODEL} needs a token for {hub.endpoint[7:]}"
    ]
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == f"{hub.endpoint}/{MODEL}/discussions/1"
    assert hub.files(MODEL)["README.md"].decode() == CARD, "the main branch is the author's"
    proposed = hub.files(MODEL, revision="refs/pr/1")["README.md"].decode()
    assert "## Reproducibility" in proposed
    lines = iter(proposed.splitlines(keepends=True))
    assert all(line in lines for line in CARD.splitlines(keepends=True)), "every line of the author, in order"
    assert {k: v for k, v in hub.files(MODEL, revision="refs/pr/1").items() if k != "README.md"} == {
        k: v for k, v in hub.files(MODEL).items() if k != "README.md"
    }
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert main(arguments) == 4
    assert "hf_another" not in capsys.readouterr().err
    assert main([*arguments, "--offline"]) == 4
