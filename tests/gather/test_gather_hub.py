"""The real huggingface_hub against the loopback Hub: what is described, downloaded, refused, and where tokens go."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hub.loopback import TOKEN, LoopbackHub
from small_repositories import PARAMETERS, safetensors, write

from repro.errors import PrerequisiteError
from repro.gather.hub import Hub
from repro.gather.propose import open_pull_request
from repro.gather.session import wait_seconds
from repro.task import Progress


@pytest.fixture
def hub(loopback: LoopbackHub, tmp_path: Path) -> Hub:
    return Hub(loopback.endpoint, cache_folder=str(tmp_path / "cache"))


def test_a_model_is_described_at_its_commit(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    sha = loopback.add_model("lab/tiny-dpo", model_folder)
    repo = hub.describe("lab/tiny-dpo", kind="model", role="subject")
    assert repo.revision == sha
    assert repo.source == f"hub {hub.host}/lab/tiny-dpo@{sha[:12]}"
    assert repo.get("vocab_size").value == 264
    assert repo.get("torch_dtype").value == "bfloat16"
    assert repo.get("eos_token").value == "</s>"
    assert repo.get("eos_token_id").value == ("2", "3")
    assert repo.get("total_params").value == 1024
    assert repo.get("config_parameters").value == PARAMETERS
    assert str(repo.get("vocab_size").span) == f"lab/tiny-dpo@{sha[:12]}:config.json:23"
    assert str(repo.get("chat_template").value).startswith("{% for m in messages %}")
    assert [f.value for f in repo.facts if f.key == "chat_template"][1:] == ["old"]
    assert [(r.step, r.loss, r.window) for r in repo.losses] == [(1, 0.6931, 1), (5, 0.68, 4), (10, 0.66, 5)]
    listed = repo.file("training_args.bin")
    assert listed is not None
    assert (listed.size_bytes, listed.text) == (7, None)
    assert not loopback.asked("training_args.bin")


def test_a_revision_is_honoured(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    first = loopback.add_model("lab/tiny-dpo", model_folder)
    write(model_folder, {"config.json": {"vocab_size": 7}})
    second = loopback.add_model("lab/tiny-dpo", model_folder)
    assert first != second
    assert hub.describe("lab/tiny-dpo", kind="model", role="subject", revision=first).get("vocab_size").value == 264
    assert hub.describe("lab/tiny-dpo", kind="model", role="subject").get("vocab_size").value == 7
    with pytest.raises(PrerequisiteError, match="no such revision"):
        hub.describe("lab/tiny-dpo", kind="model", role="subject", revision="v9")


def test_a_long_safetensors_header_takes_a_second_range(loopback: LoopbackHub, hub: Hub, tmp_path: Path) -> None:
    data = safetensors({"a": ("F32", [3, 5])}, padding=150_000) + bytes(500_000)
    loopback.add_model("lab/long", write(tmp_path / "m", {"model.safetensors": data}))
    repo = hub.describe("lab/long", kind="model", role="base")
    assert repo.get("total_params").value == 15
    ranges = [r.headers["range"] for r in loopback.asked("model.safetensors")]
    assert ranges[0] == "bytes=0-99999"
    assert len(ranges) == 2


def test_download_brings_what_loading_needs_and_nothing_that_runs(
    loopback: LoopbackHub, hub: Hub, model_folder: Path
) -> None:
    sha = loopback.add_model("lab/tiny-dpo", model_folder)
    seen: list[Progress] = []
    folder = Path(hub.watched(seen.append).download("lab/tiny-dpo", kind="model"))
    assert folder.name == sha
    names = {p.name for p in folder.rglob("*") if p.is_file()}
    assert {"config.json", "model.safetensors", "README.md", "chat_template.jinja", "trainer_state.json"} <= names
    assert not names & {"training_args.bin", "modeling_tiny.py", "optimizer.pt"}
    assert (folder / "model.safetensors").read_bytes() == (model_folder / "model.safetensors").read_bytes()
    assert seen[-1].done == seen[-1].total == sum((folder / n).stat().st_size for n in names)


def test_patterns_cannot_ask_for_code_or_pickles(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    folder = Path(hub.download("lab/tiny-dpo", kind="model", patterns=("*.py", "*.bin", "*.pt", "config.json")))
    assert [p.name for p in folder.iterdir()] == ["config.json"]
    with pytest.raises(PrerequisiteError, match="no file that matches"):
        hub.download("lab/tiny-dpo", kind="model", patterns=("*.py",))


def test_torch_weights_come_only_where_there_are_no_safetensors(
    loopback: LoopbackHub, hub: Hub, tmp_path: Path
) -> None:
    shard = "pytorch_model-00001-of-00001.bin"
    loopback.add_model("lab/old", write(tmp_path / "old", {"config.json": {}, shard: b"weights", "x.bin": b"no"}))
    folder = Path(hub.download("lab/old", kind="model"))
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", shard]
    both = write(tmp_path / "both", {"model.safetensors": safetensors({}), "pytorch_model.bin": b"weights"})
    loopback.add_model("lab/both", both)
    assert [p.name for p in Path(hub.download("lab/both", kind="model")).iterdir()] == ["model.safetensors"]


def test_the_token_goes_to_the_hub_and_not_to_its_storage(
    loopback: LoopbackHub, model_folder: Path, tmp_path: Path
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.private.add("lab/tiny-dpo")
    loopback.storage_elsewhere = True
    hub = Hub(loopback.endpoint, TOKEN, cache_folder=str(tmp_path / "cache"))
    assert hub.describe("lab/tiny-dpo", kind="model", role="subject").get("total_params").value == 1024
    hub.download("lab/tiny-dpo", kind="model")
    away = [r for r in loopback.requests if r.host.startswith("localhost")]
    assert len(away) >= 2
    assert not any(r.authorized for r in away)
    assert all(r.authorized for r in loopback.requests if r.host.startswith("127.0.0.1"))
    assert TOKEN not in repr(hub)
    kept = b"".join(p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file())
    assert TOKEN.encode() not in kept


def test_a_hub_named_in_the_environment_gets_no_token_of_another(
    loopback: LoopbackHub, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """huggingface_hub trusts a redirect to HF_ENDPOINT or the official Hub with the token; this program does not."""
    from huggingface_hub.utils import _http

    import repro.gather.session as session

    elsewhere = f"http://localhost:{loopback.port}"
    monkeypatch.setattr(_http, "_HUB_ORIGINS", frozenset({session.origin(elsewhere)}))
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.storage_elsewhere = True
    Hub(loopback.endpoint, TOKEN, cache_folder=str(tmp_path / "c")).download("lab/tiny-dpo", kind="model")
    away = [r for r in loopback.requests if r.host.startswith("localhost")]
    assert away
    assert not any(r.authorized for r in away)


def test_the_token_comes_from_the_environment_and_from_nowhere_else(
    loopback: LoopbackHub, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(write(tmp_path, {"t": TOKEN}) / "t"))
    Hub(loopback.endpoint, cache_folder=str(tmp_path / "c")).describe("lab/tiny-dpo", kind="model", role="subject")
    assert not any(r.authorized for r in loopback.requests)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    Hub(loopback.endpoint, cache_folder=str(tmp_path / "c")).describe("lab/tiny-dpo", kind="model", role="subject")
    assert any(r.authorized for r in loopback.requests)


def test_a_token_with_a_line_end_works_and_one_that_is_none_is_not_quoted(
    loopback: LoopbackHub, model_folder: Path, tmp_path: Path
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.private.add("lab/tiny-dpo")
    hub = Hub(loopback.endpoint, TOKEN + "\n", cache_folder=str(tmp_path / "c"))
    assert hub.describe("lab/tiny-dpo", kind="model", role="subject").get("vocab_size").value == 264
    with pytest.raises(PrerequisiteError, match="no token has") as caught:
        Hub(loopback.endpoint, "hf_se\ncret", cache_folder=str(tmp_path / "c"))
    assert "hf_se" not in repr(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("prepare", "says", "hint"),
    [
        (lambda h: h.repositories.clear(), "is not on .* or is private, and no token is set", "HF_TOKEN"),
        (lambda h: h.private.add("lab/tiny-dpo"), "is not on .* or is private", "HF_TOKEN"),
        (lambda h: h.status.update({"lab/tiny-dpo": 403}), "forbids", "HF_TOKEN"),
        (lambda h: h.status.update({"lab/tiny-dpo": 404}), "is not on", "HF_TOKEN"),
        (lambda h: h.status.update({"lab/tiny-dpo": 418}), "refused .* 418", "--offline"),
    ],
)
def test_refusals_are_sentences(
    loopback: LoopbackHub, hub: Hub, model_folder: Path, prepare: object, says: str, hint: str
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    prepare(loopback)  # type: ignore[operator]
    for ask in (
        lambda: hub.describe("lab/tiny-dpo", kind="model", role="subject"),
        lambda: hub.download("lab/tiny-dpo", kind="model"),
    ):
        with pytest.raises(PrerequisiteError, match=says) as caught:
            ask()
        assert hint in caught.value.hint
        assert "\n" not in caught.value.message


def test_a_wrong_token_is_told_apart_from_none(loopback: LoopbackHub, tmp_path: Path, model_folder: Path) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.private.add("lab/tiny-dpo")
    hub = Hub(loopback.endpoint, "hf_wrongWrongWrong", cache_folder=str(tmp_path / "c"))
    with pytest.raises(PrerequisiteError, match="the token in use may not read it") as caught:
        hub.describe("lab/tiny-dpo", kind="model", role="subject")
    assert "hf_wrong" not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"


def test_a_gated_repository_tells_its_listing_and_refuses_its_files(
    loopback: LoopbackHub, hub: Hub, model_folder: Path
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.gated.add("lab/tiny-dpo")
    repo = hub.describe("lab/tiny-dpo", kind="model", role="base")
    assert repo.get("gated").value == "manual"
    assert repo.file("config.json") is not None
    assert not repo.get("vocab_size").known
    assert any(f.key == "config.json" and "gated" in f.why for f in repo.facts)
    with pytest.raises(PrerequisiteError, match="gated") as caught:
        hub.download("lab/tiny-dpo", kind="model")
    assert "accept its terms" in caught.value.hint


def test_a_rate_limit_says_how_long(loopback: LoopbackHub, hub: Hub) -> None:
    loopback.status["lab/tiny-dpo"] = 429
    loopback.retry_after = 300
    with pytest.raises(PrerequisiteError, match="wait 300 s"):
        hub.describe("lab/tiny-dpo", kind="model", role="subject")
    assert len(loopback.requests) == 1


def test_a_download_does_not_sleep_through_a_long_limit(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    """huggingface_hub would wait six times as long as it is told, without a word."""
    loopback.add_model("lab/tiny-dpo", model_folder)
    hub.describe("lab/tiny-dpo", kind="model", role="subject")
    loopback.status["lab/tiny-dpo"] = 429
    loopback.retry_after = 300
    with pytest.raises(PrerequisiteError, match=r"limits the rate of requests .* wait 300 s"):
        hub.download("lab/tiny-dpo", kind="model")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7), ({"RateLimit": '"api";r=0;t=55'}, 55), ({"Retry-After": "Wed, 21 Oct"}, 0), ({}, 0)],
)
def test_how_long_a_refusal_asks_to_wait(headers: dict[str, str], seconds: int) -> None:
    assert wait_seconds(headers) == seconds


def test_a_short_wait_is_waited_once(loopback: LoopbackHub, hub: Hub) -> None:
    loopback.status["lab/tiny-dpo"] = 503
    loopback.retry_after = 0
    with pytest.raises(PrerequisiteError, match="out of order"):
        hub.describe("lab/tiny-dpo", kind="model", role="subject")
    assert len(loopback.requests) == 2


def test_a_dead_host_is_asked_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hub = Hub(f"http://127.0.0.1:{port}", cache_folder=str(tmp_path))
    with pytest.raises(PrerequisiteError, match="connection refused") as first:
        hub.describe("lab/tiny", kind="model", role="subject")
    assert "--offline" in first.value.hint
    with pytest.raises(PrerequisiteError) as second:
        hub.describe("lab/other", kind="model", role="base")
    assert second.value is first.value


def test_a_host_that_never_answers_is_given_up(
    loopback: LoopbackHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    import repro.gather.session as session

    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.3)
    huggingface_hub.close_session()
    loopback.delay_seconds = 2.0
    with pytest.raises(PrerequisiteError, match="did not answer in time"):
        hub.describe("lab/tiny", kind="model", role="subject")
    huggingface_hub.close_session()


def test_hub_offline_in_the_environment_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PrerequisiteError, match="HF_HUB_OFFLINE is set"):
        hub.describe("lab/tiny", kind="model", role="subject")


def test_another_commit_than_the_one_asked_for_is_refused(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    loopback.wrong_commit = True
    repo = hub.describe("lab/tiny-dpo", kind="model", role="subject")
    assert not repo.get("vocab_size").known
    with pytest.raises(PrerequisiteError, match="another commit"):
        hub.download("lab/tiny-dpo", kind="model")


@pytest.mark.parametrize("name", ["", "../etc", "a/b/c", "org/..", "a b/c", "org/na--me", "-x/y", "x" * 200])
def test_names_that_are_none_never_reach_the_host(loopback: LoopbackHub, hub: Hub, name: str) -> None:
    with pytest.raises(PrerequisiteError):
        hub.describe(name, kind="model", role="base")
    assert not loopback.requests


@pytest.mark.parametrize("endpoint", ["ftp://x", "huggingface.co", "http://", "http://[::1", "http://x:99999999"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(PrerequisiteError, match="not a web address"):
        Hub(endpoint, cache_folder="unused")


def test_credentials_in_the_endpoint_reach_no_name(tmp_path: Path) -> None:
    hub = Hub("https://user:secret@mirror.example/hub/", cache_folder=str(tmp_path))
    assert (hub.host, hub.name) == ("mirror.example", "hub mirror.example")


def test_nothing_is_printed_or_logged(
    loopback: LoopbackHub, hub: Hub, model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    hub.download("lab/tiny-dpo", kind="model")
    loopback.status["lab/tiny-sft"] = 500
    with pytest.raises(PrerequisiteError):
        hub.describe("lab/tiny-sft", kind="model", role="base")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_a_repository_is_asked_for_once(loopback: LoopbackHub, hub: Hub, model_folder: Path) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    first = hub.describe("lab/tiny-dpo", kind="model", role="subject")
    count = len(loopback.requests)
    assert hub.describe("lab/tiny-dpo", kind="model", role="subject") is first
    assert len(loopback.requests) == count


def test_a_refreshed_card_is_proposed_and_not_pushed(
    loopback: LoopbackHub, hub: Hub, model_folder: Path, tmp_path: Path
) -> None:
    loopback.add_model("lab/tiny-dpo", model_folder)
    before = loopback.files("lab/tiny-dpo")
    writer = Hub(loopback.endpoint, TOKEN, cache_folder=str(tmp_path / "c"))
    url = open_pull_request(writer, "lab/tiny-dpo", b"# Refreshed\n", title="Add a reproducibility section")
    assert url == f"{loopback.endpoint}/lab/tiny-dpo/discussions/1"
    assert loopback.files("lab/tiny-dpo") == before
    assert loopback.files("lab/tiny-dpo", revision="refs/pr/1") == {**before, "README.md": b"# Refreshed\n"}
    with pytest.raises(PrerequisiteError, match="needs a token"):
        open_pull_request(hub, "lab/tiny-dpo", b"#", title="x")
    with pytest.raises(PrerequisiteError, match="does not name"):
        open_pull_request(writer, "", b"#", title="x")
    with pytest.raises(PrerequisiteError, match="refuses the card's front matter"):
        open_pull_request(writer, "lab/tiny-dpo", b"---\na: [\n---\n", title="x")
    with pytest.raises(PrerequisiteError, match="is not on"):
        open_pull_request(writer, "lab/none", b"#", title="x")


def test_the_hub_is_light_until_it_is_asked() -> None:
    names = ["hub", "folder", "gatherer", "assets", "wire", "refusals", "session", "artefacts"]
    code = "import sys\n" + "".join(f"import repro.gather.{n}\n" for n in names)
    code += "heavy = {'torch', 'numpy', 'huggingface_hub', 'httpx2', 'yaml', 'datasets'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)
