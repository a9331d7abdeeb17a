"""The loopback Hub answers the real huggingface_hub as the Hub does: uploads, listings, downloads, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.loopback import TOKEN, LoopbackHub
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=TOKEN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "up" / "data").mkdir(parents=True)
    (tmp_path / "up" / "README.md").write_text("---\nlicense: mit\n---\n# A\n")
    (tmp_path / "up" / "model.safetensors").write_bytes(bytes(range(256)) * 5000)
    (tmp_path / "up" / "data" / "rows.jsonl").write_text('{"a": 1}\n')
    return tmp_path / "up"


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_is_uploaded_comes_back(hub: LoopbackHub, api: HfApi, folder: Path, tmp_path: Path, kind: str) -> None:
    assert api.whoami()["name"] == "loopback"
    url = api.create_repo("lab/thing", repo_type=kind)
    assert url.repo_id == "lab/thing"
    api.create_repo("lab/thing", repo_type=kind, exist_ok=True)
    commit = api.upload_folder(repo_id="lab/thing", folder_path=folder, repo_type=kind)
    info = api.repo_info("lab/thing", repo_type=kind, files_metadata=True)
    assert info.sha == commit.oid
    assert {s.rfilename: s.size for s in info.siblings or ()}["model.safetensors"] == 256 * 5000
    paths = [f.path for f in api.list_repo_tree("lab/thing", repo_type=kind, recursive=True)]
    assert paths == [".gitattributes", "README.md", "data", "data/rows.jsonl", "model.safetensors"]
    assert [f.path for f in api.list_repo_tree("lab/thing", "data", repo_type=kind)] == ["data/rows.jsonl"]
    assert [f.path for f in api.get_paths_info("lab/thing", ["README.md", "none"], repo_type=kind)] == ["README.md"]
    local = snapshot_download("lab/thing", repo_type=kind, endpoint=hub.endpoint, token=TOKEN, cache_dir=tmp_path / "c")
    assert Path(local).name == commit.oid
    assert (Path(local) / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_pull_request_leaves_the_main_branch_alone(hub: LoopbackHub, api: HfApi, folder: Path) -> None:
    hub.add_model("lab/thing", folder)
    before = hub.files("lab/thing")
    commit = api.create_commit(
        "lab/thing", [CommitOperationAdd("README.md", b"# B\n")], commit_message="say more", create_pr=True
    )
    assert commit.pr_num == 1
    assert hub.files("lab/thing") == before
    assert hub.files("lab/thing", revision="refs/pr/1")["README.md"] == b"# B\n"
    assert api.repo_info("lab/thing", revision="refs/pr/1").sha == commit.oid


def test_refusals(hub: LoopbackHub, api: HfApi, folder: Path, tmp_path: Path) -> None:
    hub.add_model("lab/thing", folder)
    stranger = HfApi(endpoint=hub.endpoint, token=False)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("lab/none")
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.model_info("lab/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("lab/thing", revision="v2")
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("lab/thing", "none.json", cache_dir=tmp_path / "c")
    hub.gated.add("lab/thing")
    with pytest.raises(GatedRepoError):
        stranger.hf_hub_download("lab/thing", "README.md", cache_dir=tmp_path / "d")
    hub.private.add("lab/thing")
    with pytest.raises(HfHubHTTPError, match="401"):
        stranger.model_info("lab/thing")
    assert api.model_info("lab/thing").private
    hub.add_model("lab/open", folder)
    with pytest.raises(HfHubHTTPError, match="403"):
        stranger.create_commit("lab/open", [CommitOperationAdd("a", b"a")], commit_message="no")


def test_a_tree_on_disk_is_served(tmp_path: Path, folder: Path) -> None:
    for name in ("lab/model", "datasets/lab/rows"):
        (tmp_path / "root" / name).parent.mkdir(parents=True)
        folder.rename(tmp_path / "root" / name) if name == "lab/model" else (tmp_path / "root" / name).mkdir()
    (tmp_path / "root/datasets/lab/rows/README.md").write_text("# Rows\n")
    with LoopbackHub(tmp_path / "root") as hub:
        assert sorted(hub.repositories) == [("dataset", "lab/rows"), ("model", "lab/model")]
        assert HfApi(endpoint=hub.endpoint, token=False).dataset_info("lab/rows").id == "lab/rows"


def test_requests_are_kept_without_the_token(hub: LoopbackHub, api: HfApi, folder: Path) -> None:
    hub.add_model("lab/thing", folder)
    api.model_info("lab/thing")
    HfApi(endpoint=hub.endpoint, token=False).model_info("lab/thing")
    assert [(r.method, r.path, r.authorized) for r in hub.requests] == [
        ("GET", "/api/models/lab/thing", True),
        ("GET", "/api/models/lab/thing", False),
    ]
    assert TOKEN not in repr(hub.requests)
