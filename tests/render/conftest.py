"""Three audits made by hand: a proxy run, a full-scale run, and a check that ran nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.card import Span
from repro.comparison import Comparison, Leg, Verdict, Weight
from repro.evidence import Absence, Evidence, LoggedLoss, Repo
from repro.finding import Family, Finding, Outcome, Severity
from repro.number import Number
from repro.plan import Command, DatasetPlan, Feasibility, Hyperparameters, Plan, ProxyModel, Scaled, StagePlan
from repro.render.plots import loss_plots
from repro.report import Report
from repro.run import Environment, StageRun, Step
from repro.score import HarnessInfo, Sample, Score
from repro.semantics import Semantics
from repro.spec import AnyFact, Claim, ClaimKind, DatasetRef, Fact, Origin, Spec, Stage, missing
from repro.task import Scale

CARD = Path(__file__).parents[2] / "cards" / "dpo-mahals.md"
SOURCE = "cards/dpo-mahals.md"
SFT = "anonymousML123/Llama-3.1-8B-Tulu10pct-SFT-MAHALS"
DPO = "anonymousML123/Llama-3.1-8B-Tulu10pct-DPO-MAHALS"
GOLDEN = Path(__file__).parents[1] / "golden" / "render"


@pytest.fixture(scope="session")
def card_bytes() -> bytes:
    return CARD.read_bytes()


@pytest.fixture(scope="session")
def proxy_report() -> Report:
    return make_proxy(CARD.read_bytes())


@pytest.fixture(scope="session")
def full_report() -> Report:
    return make_full(CARD.read_bytes())


@pytest.fixture(scope="session")
def check_report() -> Report:
    return make_check(CARD.read_bytes())


@pytest.fixture(scope="session")
def proxy_plots(proxy_report: Report) -> dict[str, bytes]:
    return loss_plots(proxy_report)


@pytest.fixture(scope="session")
def full_plots(full_report: Report) -> dict[str, bytes]:
    return loss_plots(full_report)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the recorded one; `--update-goldens` records it anew."""

    def compare(name: str, text: str) -> None:
        place = GOLDEN / name
        if request.config.getoption("--update-goldens"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", newline="")
        assert place.is_file(), f"{place} is not recorded: run pytest --update-goldens"
        with place.open(encoding="utf-8", newline="") as file:
            assert text == file.read()

    return compare


def at(line: int, end: int | None = None) -> Span:
    return Span(SOURCE, line, end or line)


def number(printed: str, unit: str = "") -> Number:
    digits = printed.lstrip("-")
    decimals = len(digits.partition(".")[2])
    return Number(printed, float(printed), 10.0**-decimals, unit)


def stated(key: str, value: bool | int | float | str, line: int, printed: str = "") -> AnyFact:
    return Fact(key, value, Origin.STATED, printed or str(value), at(line))


def loss(step: int, printed: str, line: int, data: bytes) -> Claim:
    row = data.decode().split("\n")[line - 1]
    offset = len("\n".join(data.decode().split("\n")[: line - 1]).encode()) + 1
    start = offset + len(row.split(printed)[0].encode())
    open_cell = printed == "TBD"
    return Claim(
        id=f"dpo.loss@{step}",
        kind=ClaimKind.LOSS,
        text=f"training loss at step {step}",
        printed=printed,
        span=at(line),
        value=None if open_cell else float(printed),
        number=None if open_cell else number(printed),
        stage="dpo",
        step=step,
        cell_start=start if open_cell else None,
        cell_end=start + len(printed) if open_cell else None,
    )


def claims(data: bytes) -> tuple[Claim, ...]:
    config = (
        ("learning_rate", "learning rate", 5e-7, "5e-7", 96),
        ("effective_batch_size", "effective batch size", 32, "32", 97),
        ("max_seq_length", "maximum sequence length", 2048, "2048", 99),
        ("num_epochs", "epochs", 1, "1", 100),
        ("beta", "DPO's beta", 5, "5", 103),
        ("loss_type", "DPO loss type", "dpo_norm", "dpo_norm", 104),
    )
    return (
        loss(1, "0.693", 112, data),
        loss(103, "0.634", 113, data),
        loss(197, "0.521", 114, data),
        loss(844, "TBD", 115, data),
        *(
            Claim(
                f"dpo.change@{step}",
                ClaimKind.CHANGE,
                f"change of the loss from step 1 to step {step}",
                f"{printed}%",
                at(line),
                float(printed),
                number(printed, "%"),
                "dpo",
                step,
                refers_to=("dpo.loss@1", f"dpo.loss@{step}"),
            )
            for step, printed, line in ((103, "-8.6", 113), (197, "-25", 114))
        ),
        Claim(
            "dpo.steps", ClaimKind.STEPS, "optimizer steps of the DPO stage", "844", at(115), 844, number("844"), "dpo"
        ),
        *(Claim(f"dpo.{k}", ClaimKind.CONFIG, t, p, at(n), v, stage="dpo") for k, t, v, p, n in config),
        Claim(
            "dpo.dataset_fraction", ClaimKind.DATA, "share of the preference mixture", "10%", at(119), 0.1, stage="dpo"
        ),
        Claim("base_model", ClaimKind.IDENTITY, "base model", SFT, at(27), SFT),
        Claim("license", ClaimKind.IDENTITY, "licence", "llama3.1", at(2), "llama3.1"),
        Claim("usage.1", ClaimKind.USAGE, "the Python code under Usage runs", "python", at(54, 73), "python"),
        Claim(
            "vram.bf16",
            ClaimKind.INFERENCE,
            "memory at BF16/FP16",
            "~20 GB",
            at(47),
            20.0,
            Number("~20", 20, 1, "GB", True),
        ),
    )


def make_spec(data: bytes) -> Spec:
    facts: tuple[AnyFact, ...] = (
        stated("model_id", DPO, 59),
        stated("base_model", SFT, 3),
        stated("license", "llama3.1", 2),
        stated("library_name", "transformers", 4),
        stated("pipeline_tag", "text-generation", 16),
    )
    mixture = "allenai/llama-3.1-tulu-3-8b-preference-mixture"
    dpo_facts = (
        stated("learning_rate", 5e-7, 96, "5e-7"),
        stated("effective_batch_size", 32, 97),
        stated("gradient_accumulation_steps", 16, 98),
        stated("beta", 5, 103),
        stated("loss_type", "dpo_norm", 104),
        missing("seed"),
    )
    sft = Stage(
        "sft",
        "SFT",
        Fact("base_model", "meta-llama/Llama-3.1-8B", Origin.STATED, "meta-llama/Llama-3.1-8B", at(36)),
        Fact("model_id", SFT, Origin.STATED, SFT, at(38)),
        (DatasetRef("Tulu-3 SFT mixture", span=at(37)),),
        (),
        at(35, 41),
    )
    dpo = Stage(
        "dpo",
        "Direct Preference Optimization (DPO)",
        Fact("base_model", SFT, Origin.STATED, SFT, at(3)),
        Fact("model_id", DPO, Origin.STATED, DPO, at(40)),
        (DatasetRef(mixture, fraction=Fact("dataset_fraction", 0.1, Origin.STATED, "10%", at(119)), span=at(29)),),
        dpo_facts,
        at(92, 106),
    )
    return Spec(
        source=SOURCE,
        name="dpo-mahals",
        card_sha256=hashlib.sha256(data).hexdigest(),
        dialect="tables",
        facts=facts,
        stages=(sft, dpo),
        claims=claims(data),
        code=(),
        text=data.decode(),
    )


def finding(
    code: str, slug: str, severity: Severity, title: str, message: str, lines: tuple[int, ...], **rest: object
) -> Finding:
    family = list(Family)[int(code[1]) - 1]
    outcome = rest.pop("outcome", Outcome.FAIL)
    assert isinstance(outcome, Outcome)
    fix, bears = rest.pop("fix", ""), rest.pop("claims", ())
    assert isinstance(fix, str)
    assert isinstance(bears, tuple)
    spans = tuple(at(n) for n in lines)
    return Finding(code, slug, title, family, severity, Severity.HIGH, outcome, message, spans, fix, bears)


def make_findings() -> tuple[Finding, ...]:
    high, medium, low = Severity.HIGH, Severity.MEDIUM, Severity.LOW
    return (
        finding(
            "R301",
            "template-end-token",
            high,
            "The template in the card ends a turn with a token that the tokenizer has",
            "The template shown ends an answer with <|endoftext|>; Llama 3.1's vocabulary has no such token, its end "
            "of text is <|end_of_text|>. Whoever follows the card trains and stops on seven ordinary tokens.",
            (89,),
            fix="Show the template with the tokenizer's own eos token: <|end_of_text|>.",
        ),
        finding(
            "R410",
            "loss-of-one-step",
            medium,
            "Losses say over how many steps they are averaged",
            "0.634 at step 103 and 0.521 at step 197 are single readings of 32 pairs; such a reading of a DPO run "
            "strays by 0.02 to 0.12 about its local mean, as much as the change that the table reports.",
            (113, 114),
            fix="Publish the mean of 25 to 50 steps ending at each of them.",
            claims=("dpo.loss@103", "dpo.loss@197"),
        ),
        finding(
            "R603",
            "chat-template-return",
            medium,
            "The chat template's result is passed on as what it is",
            'apply_chat_template(..., return_tensors="pt") returns a BatchEncoding since transformers 5; passing it to '
            "generate as a tensor raises.",
            (70, 71),
            fix="Pass return_dict=True and model.generate(**inputs).",
            claims=("usage.1",),
        ),
        finding(
            "R405",
            "seed",
            low,
            "The training seed is stated",
            "Neither the sample's nor the training's seed is stated.",
            (119,),
        ),
        finding(
            "R203",
            "rows-and-steps",
            medium,
            "Rows, batch and steps",
            "10% of 271,409 rows are 27,140, which make 849 steps of 32; 844 follows when a filter drops 0.5%.",
            (97, 115),
            outcome=Outcome.PASS,
        ),
        finding(
            "R102",
            "datasets-agree",
            medium,
            "Data sets in front matter and body",
            "Both name allenai/llama-3.1-tulu-3-8b-preference-mixture.",
            (13, 29),
            outcome=Outcome.PASS,
        ),
        finding(
            "R104",
            "shape",
            high,
            "The configuration's shape",
            "Needs the repository's config.json, which was not looked up.",
            (),
            outcome=Outcome.UNKNOWN,
        ),
        finding(
            "R607",
            "pickled-weights",
            medium,
            "Weights only as pickles",
            "Needs the repository's file list, which was not looked up.",
            (),
            outcome=Outcome.UNKNOWN,
        ),
    )


def curve(name: str, steps: int, seed: int, start: float, end: float, noise: float) -> StageRun:
    rng = random.Random(f"{name}-{seed}")
    done = []
    for step in range(1, steps + 1):
        x = step / steps
        level = end + (start - end) * math.exp(-3.2 * x)
        value = start if step == 1 else level + rng.gauss(0, noise * (0.2 + x))
        warm = min(1.0, x / 0.1)
        done.append(Step(step, round(value, 6), 1e-3 * warm * (1 - x), 1.0, 900, 32, round(x, 6)))
    return StageRun(name, name, seed, "base", f"{name}/model", tuple(done), steps * 32, steps * 32 - 8, 31.25)


def hyperparameters(method: str) -> Hyperparameters:
    dpo = method == "dpo"
    return Hyperparameters(
        learning_rate=5e-7 if dpo else 5e-6,
        effective_batch_size=32 if dpo else 128,
        gradient_accumulation_steps=16,
        per_device_batch_size=2,
        num_devices=1,
        max_seq_length=2048,
        num_epochs=1.0,
        max_steps=None,
        lr_scheduler_type="linear",
        warmup_steps=None,
        warmup_ratio=0.1,
        optimizer="adamw",
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        weight_decay=0.0,
        max_grad_norm=0.0,
        precision="bf16",
        master_weights="fp32",
        seed=42,
        data_seed=42,
        logging_steps=1,
        loss_type="dpo_norm" if dpo else "cross_entropy",
        loss_reduction="mean",
        label_scope="all_turns",
        beta=5.0,
        label_smoothing=0.0,
        chat_template="tulu",
    )


def semantics(method: str) -> Semantics:
    return Semantics(
        truncation_side="right",
        row_filter="labels",
        sampling_rule="remainder",
        sampler="shuffled_random",
        sampler_seed="seed",
        last_window="keep",
        partial_window_gradient="full",
        partial_window_divisor="full",
        scheduler_ticks="step",
        warmup_rounding="down",
        weight_decay_groups="matrices",
        training_dropout="config",
        reference_log_probs="start" if method == "dpo" else "",
        pad_token_rule="added",
    )


def make_plan(scale: Scale) -> Plan:
    commit = "open-instruct@e6c3044:open_instruct/dpo_utils.py"
    dpo_facts: tuple[AnyFact, ...] = (
        stated("learning_rate", 5e-7, 96, "5e-7"),
        stated("effective_batch_size", 32, 97),
        stated("gradient_accumulation_steps", 16, 98),
        Fact("per_device_batch_size", 2, Origin.DERIVED, why="32 sequences / 16 micro-steps / 1 device = 2"),
        stated("lr_scheduler_type", "linear", 101, "Linear"),
        stated("warmup_ratio", 0.1, 102),
        stated("beta", 5, 103),
        stated("loss_type", "dpo_norm", 104),
        Fact("weight_decay", 0.0, Origin.ASSUMED, why=f"the default of {commit}"),
        Fact("seed", 42, Origin.ASSUMED, why=f"the default of {commit}; the card does not say"),
        Fact("max_grad_norm", 0.0, Origin.ASSUMED, why=f"clipping is off in {commit}"),
    )
    parent = f"{SFT}@44d1c57:README.md"
    sft_facts: tuple[AnyFact, ...] = (
        Fact("learning_rate", 5e-6, Origin.FOUND, "5e-6", Span(parent, 87, 87), why="the parent's card"),
        Fact("effective_batch_size", 128, Origin.FOUND, "128", Span(parent, 88, 88), why="the parent's card"),
        Fact("num_epochs", 2, Origin.FOUND, "2", Span(parent, 91, 91), why="the parent's card"),
        Fact("loss_reduction", "mean", Origin.ASSUMED, why="open-instruct after bb98dbc has no other"),
    )
    sft_data = DatasetPlan("allenai/tulu-3-sft-mixture", "", "train", 0.1, None, 939343)
    dpo_data = DatasetPlan("allenai/llama-3.1-tulu-3-8b-preference-mixture", "", "train", 0.1, None, 271409)
    proxy = scale is Scale.PROXY
    return Plan(
        card=SOURCE,
        scale=scale,
        seeds=(42,),
        stages=(
            StagePlan(
                *("sft", "sft", "meta-llama/Llama-3.1-8B", SFT, (sft_data,)),
                *(hyperparameters("sft"), semantics("sft"), sft_facts, 200),
            ),
            StagePlan(
                "dpo", "dpo", "<sft>", DPO, (dpo_data,), hyperparameters("dpo"), semantics("dpo"), dpo_facts, 844
            ),
        ),
        recipe="Tulu 3 of open-instruct, commit e6c3044 (2026-08)",
        scaled=(
            Scaled(
                "dpo", "parameters", "8.03 B", "0.2 M", "the smallest Llama on which 844 steps fit into two minutes"
            ),
            Scaled(
                "dpo", "learning rate", "5e-7", "1.6e-3", "stated rate × (4096 / hidden size), never tuned to the card"
            ),
            Scaled("dpo", "row length", "2048 tokens", "64 tokens", "made-up rows are short"),
        )
        if proxy
        else (),
        proxy=ProxyModel(512, 64, 128, 2, 4, 2, 300) if proxy else None,
        feasibility=(
            Feasibility(
                "sft", 8030261248, 16.1, 128.5, 62_000_000, 41.5, "6 × 8.03e9 × 6.2e7 FLOPs at 40% of 989e12 a second"
            ),
            Feasibility("dpo", 8030261248, 16.1, 128.5, None, None, "the rows' lengths are unknown until the download"),
        ),
        commands=(
            Command("SFT and DPO, by this program", f"accelerate launch -m repro run {SOURCE} --scale full --seed 42"),
            Command(
                "DPO, by open-instruct",
                "accelerate launch open_instruct/dpo_tune_cache.py \\\n  --beta 5 \\\n  --loss_type dpo_norm",
            ),
        ),
        notes=("The card names no seed; the recipe's default, 42, is used for the sample and for the training.",),
    )


def score(model: str, task: str, value: float, n: int = 200) -> Score:
    harness = HarnessInfo("lm_eval", "0.4.13", "1.0", "3f2a9c01d4", 0, False, (("limit", "200"),))
    samples = tuple(Sample(i, f"{i:064x}", float(i < value * n)) for i in range(n))
    return Score(model, task, "acc", value, math.sqrt(value * (1 - value) / n), samples, harness, 42)


ENVIRONMENT = Environment(
    python="3.11.7",
    platform="Linux-6.1-x86_64",
    processor="x86_64",
    cpu_capability="AVX512",
    threads=2,
    devices=(),
    packages=(
        ("accelerate", "1.15.0"),
        ("lm_eval", "0.4.13"),
        ("rich", "15.0.0"),
        ("torch", "2.13.0"),
        ("transformers", "5.23.0"),
    ),
)


def comparison(claim: str, verdict: Verdict, why: str, **rest: object) -> Comparison:
    known: dict[str, object] = {"method": "none", "weight": Weight.NONE, "weight_why": ""}
    return Comparison(claim=claim, verdict=verdict, why=why, **{**known, **rest})  # type: ignore[arg-type]


def proxy_comparisons() -> tuple[Comparison, ...]:
    proxy_why = (
        "The stand-in's loss at that step and the card's stand side by side: model, data and learning rate are scaled, "
        "so the level decides nothing."
    )
    full = "a full-scale run, or the run's own trainer log"
    return (
        comparison(
            "dpo.loss@1",
            Verdict.CONSISTENT,
            "Before its first update a policy equals its reference, so the loss is log 2 = 0.6931 at any scale; the "
            "card prints 0.693, and this run logged 0.6931.",
            method="invariant",
            evidence_kind="invariant",
            weight_why="every DPO recipe whose reference is its own start satisfies it",
            measured=0.693147,
            measured_text="0.6931 (proxy)",
            scale="proxy",
        ),
        comparison(
            "dpo.loss@103",
            Verdict.NOT_COMPARABLE,
            proxy_why,
            method="prediction interval",
            weight=Weight.WEAK,
            weight_why="one step of 32 pairs carries noise of 0.02 to 0.12; a mean of 40 steps carries a sixth of it",
            measured=0.5712,
            measured_text="0.5712 (proxy)",
            interval=(0.5302, 0.6122),
            margin=0.0148,
            margin_why="a quarter of the 0.059 that the card claims between steps 1 and 103",
            scale="proxy",
            needs=full,
        ),
        comparison(
            "dpo.loss@197",
            Verdict.NOT_COMPARABLE,
            proxy_why,
            method="prediction interval",
            weight=Weight.WEAK,
            weight_why="one step of 32 pairs carries noise of 0.02 to 0.12",
            measured=0.4633,
            measured_text="0.4633 (proxy)",
            interval=(0.4101, 0.5165),
            margin=0.0148,
            margin_why="a quarter of the 0.059 that the card claims between steps 1 and 103",
            scale="proxy",
            needs=full,
        ),
        comparison(
            "dpo.loss@844",
            Verdict.UNSTATED,
            "The card leaves it open. The stand-in ended at 0.2410, which says nothing of the full-scale model.",
            measured=0.2410,
            measured_text="0.2410 (proxy)",
            scale="proxy",
            needs="a full-scale run fills it",
        ),
        comparison(
            "dpo.change@103",
            Verdict.CONSISTENT,
            "(0.634 - 0.693) / 0.693 lies between -8.65% and -8.38% for every value that rounds so; -8.6% does.",
            method="arithmetic",
            evidence_kind="arithmetic",
            weight=Weight.WEAK,
            weight_why="it follows from the two losses printed beside it",
        ),
        comparison(
            "dpo.change@197",
            Verdict.CONSISTENT,
            "(0.521 - 0.693) / 0.693 lies between -24.95% and -24.69%; -25% agrees.",
            method="arithmetic",
            evidence_kind="arithmetic",
            weight=Weight.WEAK,
            weight_why="it follows from the two losses printed beside it",
        ),
        comparison(
            "dpo.steps",
            Verdict.CONSISTENT,
            "10% of 271,409 rows are 27,140, or 849 steps of 32; 844 follows when the filter drops 0.49 to 0.60%.",
            method="arithmetic",
            evidence_kind="arithmetic",
            weight=Weight.MODERATE,
            weight_why="another share or batch size would give another count",
        ),
        *(
            comparison(f"dpo.{key}", Verdict.UNTESTED, "Used as given; the run cannot test it separately.", needs=full)
            for key in ("learning_rate", "effective_batch_size", "max_seq_length", "num_epochs", "beta", "loss_type")
        ),
        comparison(
            "dpo.dataset_fraction",
            Verdict.CONSISTENT,
            "844 steps of 32 pairs are 26,977 to 27,008 rows, 9.9 to 10.0% of the mixture.",
            method="arithmetic",
            evidence_kind="arithmetic",
            weight=Weight.MODERATE,
            weight_why="another share would give another count",
        ),
        comparison(
            "base_model",
            Verdict.CONSISTENT,
            "Front matter and body name the same model.",
            evidence_kind="the card itself",
            weight=Weight.WEAK,
        ),
        comparison(
            "license", Verdict.UNTESTED, "Nothing outside the card was looked up.", needs="repro run --against hub"
        ),
        comparison("usage.1", Verdict.UNTESTED, "Not executed: code of a card runs only when asked for."),
        comparison(
            "vram.bf16",
            Verdict.CONSISTENT,
            "8.03e9 parameters of 2 bytes are 16.1 GB; about 20 GB leaves a quarter for everything else.",
            method="arithmetic",
            evidence_kind="arithmetic",
            weight=Weight.WEAK,
        ),
    )


def make_report(data: bytes, **rest: object) -> Report:
    absences = (Absence(DPO, "no source was named: --against hub looks it up"),)
    known: dict[str, object] = {
        "schema_version": 1,
        "tool_version": "0.1.0",
        "created": "2026-11-23T05:10:44Z",
        "kind": "run",
        "card_source": SOURCE,
        "card_name": "dpo-mahals",
        "card_sha256": hashlib.sha256(data).hexdigest(),
        "spec": make_spec(data),
        "evidence": Evidence(absences=absences),
        "findings": make_findings(),
    }
    return Report(**{**known, **rest})  # type: ignore[arg-type]


def make_check(data: bytes) -> Report:
    return make_report(data, kind="check", seconds=0.21)


def make_proxy(data: bytes) -> Report:
    return make_report(
        data,
        plan=make_plan(Scale.PROXY),
        run_id="proxy-42-6f1c2d",
        stages=(curve("sft", 200, 42, 5.9, 2.1, 0.05), curve("dpo", 844, 42, math.log(2), 0.22, 0.08)),
        environment=ENVIRONMENT,
        scores=tuple(
            score(model, task, value)
            for task, values in (("repro_preference", (0.515, 0.56, 0.78)), ("repro_recall", (0.04, 0.21, 0.2)))
            for model, value in zip(("base", "sft", "dpo"), values, strict=True)
        ),
        comparisons=proxy_comparisons(),
        seconds=143.0,
    )


def make_full(data: bytes) -> Report:
    """As if the recipe had been run at full scale, with one loss that does not hold."""
    changed = {
        "dpo.loss@1": {"verdict": Verdict.REPRODUCED, "measured_text": "0.6931", "scale": "full"},
        "dpo.loss@103": {
            "verdict": Verdict.REPRODUCED,
            "why": "Measured 0.6302; one more reading would lie between 0.6202 and 0.6402, within the margin.",
            "measured": 0.6302,
            "measured_text": "0.6302",
            "interval": (0.6202, 0.6402),
            "p_value": 0.61,
            "weight": Weight.MODERATE,
            "scale": "full",
            "needs": "",
        },
        "dpo.loss@197": {
            "verdict": Verdict.DIFFERS,
            "why": "Measured 0.5811; one more reading would lie between 0.5655 and 0.5967, and the card says 0.521.",
            "measured": 0.5811,
            "measured_text": "0.5811",
            "interval": (0.5655, 0.5967),
            "p_value": 0.00021,
            "weight": Weight.STRONG,
            "scale": "full",
            "needs": "",
            "legs": (
                Leg("published against regenerated", 0.52, 0.581, (0.04, 0.08), 0.0148, 844, "paired by window."),
            ),
        },
        "dpo.loss@844": {"measured": 0.50125, "measured_text": "0.5013", "scale": "full", "why": "Measured 0.5013."},
    }
    comparisons = tuple(dataclasses.replace(c, **changed.get(c.claim, {})) for c in proxy_comparisons())  # type: ignore[arg-type]
    losses = tuple(LoggedLoss(step, 0.5 + 0.19 * math.exp(-step / 220), window=10) for step in range(10, 845, 10))
    repo = Repo(DPO, "model", "subject", "a1b2c3d", f"hub huggingface.co/{DPO}@a1b2c3d", losses=losses)
    return make_report(
        data,
        plan=make_plan(Scale.FULL),
        run_id="full-42-91ab00",
        evidence=Evidence(repos=(repo,)),
        stages=tuple(
            s
            for seed in (42, 43)
            for s in (curve("sft", 200, seed, 1.2, 0.75, 0.05), curve("dpo", 844, seed, math.log(2), 0.5, 0.03))
        ),
        environment=dataclasses.replace(ENVIRONMENT, devices=("NVIDIA H200",)),
        comparisons=comparisons,
        seconds=40521.0,
    )
