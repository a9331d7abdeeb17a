"""The commands as calls: light to import, typed, and of the same answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import repro
from repro import pipeline
from repro.errors import PrerequisiteError, UsageError
from repro.options import Options
from repro.report import from_json
from repro.task import Scale, Start

ROOT = Path(__file__).parents[1]
CARD = ROOT / "cards" / "dpo-mahals.md"


def test_importing_it_loads_nothing_else() -> None:
    code = (
        "import sys, json, repro\n"
        "first = sorted(n for n in sys.modules if n.startswith('repro'))\n"
        f"repro.plan_card({str(CARD)!r}, rate=1)\n"
        "heavy = [n for n in ('torch', 'transformers', 'scipy', 'numpy', 'matplotlib', 'typer') if n in sys.modules]\n"
        "print(json.dumps([first, heavy]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [["repro"], []]


def test_it_lists_what_it_has_and_refuses_what_it_has_not() -> None:
    assert set(repro._HOMES) <= set(dir(repro)) & set(repro.__all__)
    for name in repro._HOMES:
        assert getattr(repro, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        repro.nothing  # noqa: B018


def test_the_calls_answer_as_the_commands_do() -> None:
    _, _, spec = pipeline.read(str(CARD))
    assert repro.read_card(CARD) == spec
    report = repro.check_card(CARD, select=["R3"])
    assert {f.code[:2] for f in report.findings} == {"R3"}
    assert repro.check_card(CARD, select=["R3"], ignore=["R301"]).findings != report.findings
    options = Options(scale=Scale.FULL, start=Start.PUBLISHED, stages=("dpo",), assume={"dpo.beta": "0.1"}, rate=2.0)
    plan = repro.plan_card(CARD, start="published", stages=["dpo"], assume={"dpo.beta": 0.1}, rate=2.0)
    assert plan == pipeline.plan(str(CARD), options)[1]
    assert "R301" in repro.explain_check("r301")


def test_nouns_are_rendered_in_each_of_their_forms() -> None:
    report, plan, spec = repro.check_card(CARD), repro.plan_card(CARD), repro.read_card(CARD)
    assert from_json(repro.rendered(report, "json")).spec == spec
    assert "<html" in repro.rendered(report, "html")
    assert repro.rendered(report, "md").startswith("# ")
    assert json.loads(repro.rendered(report, "sarif"))["version"] == "2.1.0"
    assert "What deciding each claim costs" in repro.rendered(plan)
    assert repro.rendered(plan, "md").startswith("# The plan for")
    assert json.loads(repro.rendered(plan, "json"))["prices"]["runs"]
    assert "dpo.loss@103" in repro.rendered(spec)
    assert json.loads(repro.rendered(spec, "json"))["claims"]
    with pytest.raises(UsageError, match="a plan has no format 'sarif'"):
        repro.rendered(plan, "sarif")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scale": "huge"}, "scale='huge': it is 'proxy' or 'full'"),
        ({"start": "here"}, "start='here': it is 'regenerated' or 'published'"),
        ({"offline": True, "source": "hub"}, "contradict"),
        ({"stages": ["ppo"]}, "it has sft and dpo"),
    ],
)
def test_a_wrong_word_is_one_sentence(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(repro.ReproError) as caught:
        repro.plan_card(CARD, **wrong)  # type: ignore[arg-type]
    assert says in str(caught.value)


def test_a_card_is_mended_only_where_it_is_asked_for(tmp_path: Path) -> None:
    case = next(ROOT.glob("tests/check/cases/R121-front-matter-keys/fail-licence.md"))
    place = Path(shutil.copy(case, tmp_path / "card.md"))
    before = place.read_bytes()
    shown = repro.mend_card(place)
    assert shown.changed
    assert place.read_bytes() == before
    made = repro.mend_card(place, write=True)
    assert place.read_bytes() == made.data == shown.data != before


def test_a_sweep_is_a_summary(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "cards").mkdir()
    shutil.copy(CARD, tmp_path / "cards")
    assert repro.sweep_cards(tmp_path / "cards", tmp_path / "out").read == 1


def test_what_needs_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="no report on this card"):
        repro.refresh_card(CARD, reports=tmp_path)
    with pytest.raises(UsageError, match="no check is called"):
        repro.explain_check("R9999")
    outcome = repro.verify_card(CARD, reports=tmp_path, offline=True)
    assert outcome.blocked is not None
