"""The search for evidence: the chain of parents, circles, limits, absences."""

from __future__ import annotations

from pathlib import Path

from hub.loopback import LoopbackHub
from small_repositories import CONFIG, write

from repro.errors import CardError
from repro.gather.folder import Folder
from repro.gather.front_matter import front_matter
from repro.gather.gatherer import gather
from repro.gather.hub import Hub
from repro.spec import AnyFact, DatasetRef, Fact, Origin, Spec, Stage, missing


def fact(key: str, value: object) -> AnyFact:
    return Fact(key, value, Origin.STATED)  # type: ignore[arg-type]


def spec_of(model: str, bases: tuple[str, ...] = (), sets: tuple[str, ...] = (), source: str = "card.md") -> Spec:
    stage = Stage(
        name="sft", method="SFT", base=fact("base_model", bases[0]) if bases else missing("base_model"),
        produces=missing("model_id"), datasets=tuple(DatasetRef(s) for s in sets), facts=(),
    )  # fmt: skip
    facts = (fact("model_id", model),) if model else ()
    facts += (fact("base_model", bases),) if bases else ()
    return Spec(
        source=source, name="x", card_sha256="", dialect="", facts=facts, stages=(stage,), claims=(), code=()
    )  # fmt: skip


def read(data: bytes, source: str) -> Spec:
    """A reader of cards that have only front matter."""
    matter, why = front_matter(data.decode())
    if why:
        raise CardError(why, where=source)
    base = matter.get("base_model")
    return spec_of("", (base,) if base else (), tuple(matter.get("datasets", ())), source)


def card(base: str = "", sets: tuple[str, ...] = ()) -> str:
    lines = ([f"base_model: {base}"] if base else []) + (["datasets:", *(f"- {s}" for s in sets)] if sets else [])
    return "\n".join(["---", *lines, "---", "# Model", ""])


def test_the_chain_is_followed_and_its_data_sets_are_found(
    loopback: LoopbackHub, tmp_path: Path, model_folder: Path, dataset_folder: Path
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    sft = {"README.md": card("lab/base", ("lab/mixture",)), "config.json": dict(CONFIG)}
    sha = loopback.add_model("lab/tiny-sft", write(tmp_path / "sft", sft))
    loopback.add_model("lab/base", write(tmp_path / "base", {"config.json": dict(CONFIG)}))
    loopback.add_dataset("lab/pairs", dataset_folder)
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    evidence = gather(spec_of("lab/tiny-dpo", ("lab/tiny-sft",), ("lab/pairs",)), hub, read)
    assert [(r.role, r.repo_id) for r in evidence.repos] == [
        ("subject", "lab/tiny-dpo"),
        ("base", "lab/tiny-sft"),
        ("base", "lab/base"),
        ("dataset", "lab/pairs"),
    ]
    assert [p.source for p in evidence.parents] == [f"lab/tiny-sft@{sha[:12]}:README.md"]
    whys = {a.what: a.why for a in evidence.absences}
    assert whys["card of lab/base"] == "the repository has no README.md"
    assert "is not on" in whys["data set lab/mixture"]
    pairs = evidence.repo("lab/pairs")
    assert pairs is not None
    assert pairs.get("num_rows").value == 1234


def test_a_circle_ends_and_a_long_chain_is_cut(tmp_path: Path) -> None:
    write(tmp_path, {"a/a/README.md": card("b/b"), "b/b/README.md": card("A/a")})
    evidence = gather(spec_of("a/a", ("b/b",)), Folder(str(tmp_path)), read)
    assert [r.repo_id for r in evidence.repos] == ["a/a", "b/b"]
    for level in range(8):
        write(tmp_path, {f"l/{level}/README.md": card(f"l/{level + 1}")})
    evidence = gather(spec_of("x/x", ("l/0",)), Folder(str(tmp_path)), read)
    assert [p.source for p in evidence.parents] == [f"l/{level}@local:README.md" for level in range(4)]
    assert [a.why for a in evidence.absences if a.what == "model l/4"] == ["not followed further than 4 levels"]


def test_offline_names_everything_that_was_not_looked_up() -> None:
    evidence = gather(spec_of("lab/m", ("lab/b",), ("lab/d", "Some mixture")), None, read)
    assert evidence.repos == ()
    assert [(a.what, a.why) for a in evidence.absences] == [
        ("model lab/m", "not looked up: offline"),
        ("model lab/b", "not looked up: offline"),
        ("data set lab/d", "not looked up: offline"),
        ("data set Some mixture", "the card gives a name, not a repository"),
    ]


def test_a_dead_hub_is_an_absence_for_each_and_no_error(tmp_path: Path) -> None:
    hub = Hub("http://127.0.0.1:9", cache_folder=str(tmp_path))
    evidence = gather(spec_of("lab/m", ("lab/b",), ("lab/d",)), hub, read)
    assert [a.what for a in evidence.absences] == ["model lab/m", "model lab/b", "data set lab/d"]
    assert all("cannot be reached" in a.why for a in evidence.absences)


def test_a_card_that_names_nothing(tmp_path: Path, model_folder: Path) -> None:
    evidence = gather(spec_of(""), None, read)
    assert [a.why for a in evidence.absences] == ["the card does not name it"]
    evidence = gather(spec_of(""), Folder(str(model_folder)), read)
    assert [r.repo_id for r in evidence.role("subject")] == ["model"]


def test_broken_files_and_cards_are_absences(tmp_path: Path) -> None:
    write(tmp_path, {"a/a/config.json": "{", "b/b/README.md": "---\n- no\n---\n"})
    evidence = gather(spec_of("a/a", ("b/b",)), Folder(str(tmp_path)), read)
    whys = {a.what: a.why for a in evidence.absences}
    assert "not JSON" in whys["a/a: config.json"]
    assert whys["card of b/b"] == "the front matter is not a mapping"


def test_a_card_that_names_dozens_is_cut(tmp_path: Path) -> None:
    names = tuple(f"m/{i}" for i in range(40))
    write(tmp_path, {f"{name}/README.md": card() for name in names})
    evidence = gather(spec_of("x/x", names), Folder(str(tmp_path)), read)
    assert len(evidence.role("base")) < 15
    assert sum("more than" in a.why for a in evidence.absences) > 20
