"""Local copies for a full-scale run: which base models, which files of which split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub.loopback import LoopbackHub
from small_repositories import safetensors, write
from test_gather_gatherer import spec_of

from repro.errors import PrerequisiteError
from repro.evidence import Repo, RepoFile
from repro.gather.assets import fetch_assets, fetch_published
from repro.gather.dataset_files import heldout_files, split_files, split_names
from repro.gather.folder import Folder
from repro.gather.hub import Hub
from repro.plan import DatasetPlan, Plan, StagePlan
from repro.task import Progress, Scale


def plan_of(*stages: tuple[str, str, str, str]) -> Plan:
    """Stages as (base, produces, data set, split)."""
    none: Any = None
    made = tuple(
        StagePlan(
            f"s{i}", "sft", base, produces, (DatasetPlan(rows, "", split, None, None, None),), none, none, (), None
        )
        for i, (base, produces, rows, split) in enumerate(stages)
    )
    return Plan("card.md", Scale.FULL, (1,), made, "")


def repo_of(*paths: str, readme: str = "") -> Repo:
    files = tuple(RepoFile(p, 1, readme if p == "README.md" else None) for p in ("README.md", *paths))
    return Repo("lab/rows", "dataset", "dataset", "local", "test", files)


def test_a_two_stage_run_gets_one_base_and_the_rows_of_both(
    loopback: LoopbackHub, tmp_path: Path, model_folder: Path, dataset_folder: Path
) -> None:
    loopback.add_model("lab/base", model_folder)
    loopback.add_dataset("lab/pairs", dataset_folder)
    loopback.add_dataset("lab/chats", write(tmp_path / "chats", {"train.jsonl": "{}\n", "test.jsonl": "{}\n"}))
    plan = plan_of(("lab/base", "lab/sft", "lab/chats", "train"), ("lab/sft", "lab/dpo", "lab/pairs", "train"))
    seen: list[Progress] = []
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    assets = fetch_assets(plan, hub, seen.append)
    assert list(assets.models) == ["lab/base"]
    assert (Path(assets.models["lab/base"]) / "model.safetensors").is_file()
    assert [Path(p).read_text() for p in assets.datasets["lab/pairs"]] == ['{"prompt": "a"}\n', '{"prompt": "b"}\n']
    assert [Path(p).read_text() for p in assets.heldout["lab/pairs"]] == ['{"prompt": "c"}\n']
    assert [Path(p).name for p in assets.datasets["lab/chats"]] == ["train.jsonl"]
    assert [Path(p).name for p in assets.heldout["lab/chats"]] == ["test.jsonl"]
    assert not loopback.asked("rows.py")
    assert {"fetch", "download lab/base", "download lab/pairs"} <= {p.task for p in seen}


@pytest.mark.parametrize("absent", ["lab/base", "lab/pairs"])
@pytest.mark.parametrize("how", ["missing", "gated", "private"])
def test_a_base_or_a_data_set_that_cannot_be_had_is_named(
    absent: str, how: str, loopback: LoopbackHub, tmp_path: Path, model_folder: Path, dataset_folder: Path
) -> None:
    if how != "missing" or absent != "lab/base":
        loopback.add_model("lab/base", model_folder)
    if how != "missing" or absent != "lab/pairs":
        loopback.add_dataset("lab/pairs", dataset_folder)
    if how != "missing":
        getattr(loopback, how).add(absent)
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    with pytest.raises(PrerequisiteError, match="is gated" if how == "gated" else "is private") as caught:
        fetch_assets(plan_of(("lab/base", "lab/dpo", "lab/pairs", "train")), hub)
    kind = "model" if absent == "lab/base" else "dataset"
    assert f"{kind} {absent} " in caught.value.message
    assert "HF_TOKEN" in caught.value.hint


def test_a_stage_that_names_the_one_before_needs_no_weights(tmp_path: Path, dataset_folder: Path) -> None:
    (tmp_path / "root/datasets/lab").mkdir(parents=True)
    dataset_folder.rename(tmp_path / "root/datasets/lab/rows")
    plan = plan_of(("<s0>", "lab/dpo", "lab/rows", "train[:50%]"))
    assets = fetch_assets(plan, Folder(str(tmp_path / "root")))
    assert assets.models == {}
    assert len(assets.datasets["lab/rows"]) == 2


def test_a_split_that_is_not_there_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"datasets/lab/rows/train_sft-00000-of-00001.parquet": "", "datasets/lab/code/rows.py": ""})
    folder = Folder(str(tmp_path))
    with pytest.raises(PrerequisiteError, match="no files for the split 'train': it has train_sft"):
        fetch_assets(plan_of(("<a>", "b", "lab/rows", "train")), folder)
    with pytest.raises(PrerequisiteError, match="no parquet, JSON lines or CSV files") as caught:
        fetch_assets(plan_of(("<a>", "b", "lab/code", "train")), folder)
    assert "scripts are never run" in caught.value.hint


def test_two_splits_of_one_set_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"datasets/lab/rows/train.jsonl": "", "datasets/lab/rows/test.jsonl": ""})
    plan = plan_of(("<a>", "b", "lab/rows", "train"), ("<b>", "c", "lab/rows", "test"))
    with pytest.raises(PrerequisiteError, match="two splits"):
        fetch_assets(plan, Folder(str(tmp_path)))


@pytest.mark.parametrize(
    ("paths", "train", "held"),
    [
        (("a.jsonl", "b.jsonl"), ("a.jsonl", "b.jsonl"), ()),
        (("train.jsonl", "dev.jsonl"), ("train.jsonl",), ("dev.jsonl",)),
        (("train.jsonl", "dev.jsonl", "test.csv"), ("train.jsonl",), ("test.csv",)),
        (("training_set.csv", "eval.csv"), ("training_set.csv",), ("eval.csv",)),
        (("train/0.parquet", "test/0.parquet"), ("train/0.parquet",), ("test/0.parquet",)),
        (("strain.jsonl", "latest.jsonl"), ("latest.jsonl", "strain.jsonl"), ()),
        (("dataset_infos.json", "train.json", ".hidden.json"), ("train.json",), ()),
        (("data/train-00000-of-00001.parquet", "extra.jsonl"), ("data/train-00000-of-00001.parquet",), ()),
        (("test.jsonl",), (), ("test.jsonl",)),
        (("../train.jsonl", "train.pkl"), (), ()),
    ],
)
def test_splits_by_name(paths: tuple[str, ...], train: tuple[str, ...], held: tuple[str, ...]) -> None:
    repo = repo_of(*paths)
    assert split_files(repo, "train") == train
    assert heldout_files(repo, "train") == held


def test_named_splits_go_with_their_own_test_split() -> None:
    shards = [f"data/{s}-00000-of-00001.parquet" for s in ("train_prefs", "train_sft", "test_prefs", "test_sft")]
    repo = repo_of(*shards)
    assert split_files(repo, "train") == ()
    assert split_files(repo, "train_prefs") == (shards[0],)
    assert heldout_files(repo, "train_prefs") == (shards[2],)
    assert split_names(repo) == ("test_prefs", "test_sft", "train_prefs", "train_sft")


@pytest.mark.parametrize(
    ("configs", "train"),
    [
        ("data_files: '*.jsonl'", ("a.jsonl", "b.jsonl")),
        ("data_files: ['a.jsonl']", ("a.jsonl",)),
        ("data_files: [{split: train, path: ['b.jsonl', 'sub/*.jsonl']}]", ("b.jsonl", "sub/c.jsonl")),
        ("data_files: {train: '**/c.jsonl', test: a.jsonl}", ("sub/c.jsonl",)),
        ("data_dir: sub\n  data_files: '*.jsonl'", ("sub/c.jsonl",)),
        ("data_files: '../../*'", ()),
        ("data_files: 7", ()),
        ("data_files: '" + "**a" * 20 + "'", ()),
    ],
)
def test_splits_by_configuration(configs: str, train: tuple[str, ...]) -> None:
    readme = f"---\nconfigs:\n- config_name: one\n  {configs}\n---\n"
    assert split_files(repo_of("a.jsonl", "b.jsonl", "sub/c.jsonl", readme=readme), "train") == train


def test_several_configurations_need_a_default() -> None:
    readme = "---\nconfigs:\n- {config_name: a, data_files: a.jsonl}\n- {config_name: b, data_files: b.jsonl}\n---\n"
    with pytest.raises(PrerequisiteError, match=r"several configurations \(a, b\)"):
        split_files(repo_of("a.jsonl", "b.jsonl", readme=readme), "train")
    chosen = readme.replace("config_name: b,", "config_name: b, default: true,")
    assert split_files(repo_of("a.jsonl", "b.jsonl", readme=chosen), "train") == ("b.jsonl",)


def test_the_published_weights(loopback: LoopbackHub, tmp_path: Path, model_folder: Path) -> None:
    sha = loopback.add_model("lab/tiny", model_folder)
    loopback.add_model("lab/empty", write(tmp_path / "e", {"config.json": {}}))
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    assert Path(fetch_published(spec_of("lab/tiny"), hub)).name == sha
    assert fetch_published(spec_of(""), Folder(str(model_folder))) == str(model_folder.resolve())
    with pytest.raises(PrerequisiteError, match="holds no weights"):
        fetch_published(spec_of("lab/empty"), hub)
    with pytest.raises(PrerequisiteError, match="does not name its own repository"):
        fetch_published(spec_of(""), hub)


def test_a_pinned_data_set_is_fetched_at_its_commit(loopback: LoopbackHub, tmp_path: Path) -> None:
    first = loopback.add_dataset("lab/rows", write(tmp_path / "r", {"train.jsonl": "1\n"}))
    loopback.add_dataset("lab/rows", write(tmp_path / "r", {"train.jsonl": "2\n"}))
    loopback.add_model("lab/base", write(tmp_path / "m", {"model.safetensors": safetensors({})}))
    plan = plan_of(("lab/base", "lab/sft", "lab/rows", "train"))
    pinned = replace(plan.stages[0], datasets=(replace(plan.stages[0].datasets[0], revision=first),))
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    assets = fetch_assets(replace(plan, stages=(pinned,)), hub)
    assert Path(assets.datasets["lab/rows"][0]).read_text() == "1\n"
