"""A local folder as a Source: one repository or many, and nothing outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub.loopback import LoopbackHub
from small_repositories import write

from repro.errors import PrerequisiteError
from repro.gather.folder import Folder
from repro.gather.hub import Hub


def test_a_lone_repository_answers_for_the_subject_alone(model_folder: Path) -> None:
    folder = Folder(str(model_folder))
    repo = folder.describe("any/name", kind="model", role="subject")
    assert (repo.repo_id, repo.revision) == ("any/name", "local")
    assert repo.get("vocab_size").value == 264
    assert repo.get("total_params").value == 1024
    assert folder.download("", kind="model") == str(model_folder.resolve())
    with pytest.raises(PrerequisiteError, match="is not in folder"):
        folder.describe("lab/tiny-sft", kind="model", role="base")
    # Training from the subject's own weights would reproduce anything.
    with pytest.raises(PrerequisiteError):
        folder.download("lab/tiny-sft", kind="model")


def test_a_folder_laid_out_like_a_hub(tmp_path: Path, model_folder: Path, dataset_folder: Path) -> None:
    (tmp_path / "root/lab").mkdir(parents=True)
    (tmp_path / "root/datasets/lab").mkdir(parents=True)
    model_folder.rename(tmp_path / "root/lab/tiny")
    dataset_folder.rename(tmp_path / "root/datasets/lab/rows")
    folder = Folder(str(tmp_path / "root"))
    assert not folder.single
    assert folder.describe("lab/tiny", kind="model", role="base").get("vocab_size").value == 264
    assert folder.describe("lab/rows", kind="dataset", role="dataset").get("num_rows").value == 1234
    assert folder.download("lab/rows", kind="dataset").endswith("datasets/lab/rows")
    with pytest.raises(PrerequisiteError, match="model lab/other is not in folder"):
        folder.describe("lab/other", kind="model", role="subject")
    with pytest.raises(PrerequisiteError, match="has no revisions"):
        folder.describe("lab/tiny", kind="model", role="base", revision="main")


@pytest.mark.parametrize("name", ["../secret/x", "..", "/etc", "lab/../../x", ""])
def test_names_do_not_lead_out(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"secret/x/config.json": {}, "root/lab/tiny/config.json": {}})
    with pytest.raises(PrerequisiteError):
        Folder(str(tmp_path / "root")).download(name, kind="model")


def test_links_that_lead_out_are_passed_over(tmp_path: Path, model_folder: Path) -> None:
    secret = write(tmp_path, {"secret.json": {"vocab_size": 5}}) / "secret.json"
    (model_folder / "config.json").unlink()
    (model_folder / "config.json").symlink_to(secret)
    (model_folder / "loop.json").symlink_to(model_folder / "loop.json")
    (model_folder / "card.md").symlink_to(model_folder / "README.md")
    repo = Folder(str(model_folder)).describe("x/y", kind="model", role="subject")
    assert repo.file("config.json") is None
    assert repo.file("loop.json") is None
    assert repo.file("card.md") is not None
    assert not repo.get("vocab_size").known


def test_a_downloaded_snapshot_is_a_folder(loopback: LoopbackHub, model_folder: Path, tmp_path: Path) -> None:
    loopback.add_model("lab/tiny", model_folder)
    hub = Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))
    local = Folder(hub.download("lab/tiny", kind="model")).describe("lab/tiny", kind="model", role="subject")
    distant = hub.describe("lab/tiny", kind="model", role="subject")
    values = {(f.key, f.value) for f in distant.facts}
    assert values == {(f.key, f.value) for f in local.facts}
    assert local.losses == distant.losses


@pytest.mark.parametrize("path", ["none", "file.txt"])
def test_a_folder_has_to_be_one(tmp_path: Path, path: str) -> None:
    write(tmp_path, {"file.txt": "x"})
    with pytest.raises(PrerequisiteError, match=r"does not exist|is not a folder"):
        Folder(str(tmp_path / path))
