"""A whole evaluation against a cluster that asks for credentials: right, and without a secret in anything it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.corpus import read_chunks
from kinj.retrieval import build_elastic_index
from kinj.retrieval.elastic.connection import connect


@pytest.fixture(scope="module")
def secured(start_elasticsearch: Callable) -> dict[str, str]:
    """What a user exports for a server with TLS."""
    return start_elasticsearch("--security").environment


@pytest.fixture(scope="module")
def api_key(secured: dict[str, str], collection: Path) -> str:
    """A key, after the collection was indexed with user and password."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in secured.items():
            patch.setenv(name, value)
        build_elastic_index(read_chunks([collection / "chunks.jsonl"]), "towers", overwrite=True)
        made = connect().request("POST", "/_security/api_key", {"name": "evaluation"}, what="make a key")
    return made["encoded"]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def evaluate(lm_eval: Callable, collection: Path, tiny_model: Path, tmp_path: Path, environment: dict[str, str]):
    return lm_eval(
        "--model", "kinj_rag", "--tasks", "kinj_benchmark_option", "--limit", "3",
        "--model_args",
        f"pretrained={tiny_model},index=elasticsearch:towers,k=1,dtype=float32,trace={tmp_path}/trace.jsonl",
        "--metadata", f'{{"benchmark": "{collection}"}}', "--use_cache", f"{tmp_path}/answers",
        "--device", "cpu", output=tmp_path / "results", **environment,
    )  # fmt: skip


def test_an_evaluation_with_an_api_key_leaves_the_key_nowhere(
    lm_eval, collection, tiny_model, tmp_path, secured, api_key, results, monkeypatch
):
    environment = {name: secured[name] for name in ("ELASTICSEARCH_URL", "ELASTICSEARCH_CA")}
    environment |= {"ELASTICSEARCH_API_KEY": api_key, "LMEVAL_LOG_LEVEL": "DEBUG"}
    done = evaluate(lm_eval, collection, tiny_model, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    said = results(tmp_path / "results")["config"]["kinj"]
    assert said["tasks"]["kinj_benchmark_option"]["recall@1"] == 1
    assert said["indexes"]["elasticsearch:towers"]["back_end"]["name"] == "elasticsearch"
    assert (tmp_path / "trace.jsonl").is_file()
    left = everything(tmp_path) + done.stdout.encode() + done.stderr.encode()
    assert b"elasticsearch:towers" in left
    assert api_key.encode() not in left


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ELASTICSEARCH_API_KEY": "d3JvbmctczNjcmV0"}, "ELASTICSEARCH_API_KEY was not accepted (401)"),
        (
            {"ELASTICSEARCH_USER": "elastic", "ELASTICSEARCH_PASSWORD": "wr0ng-s3cret"},
            "ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD were not accepted (401)",
        ),
        ({}, "asks for credentials: set ELASTICSEARCH_API_KEY"),
        ({"ELASTICSEARCH_CA": ""}, "does not verify: set ELASTICSEARCH_CA"),
        ({"ELASTICSEARCH_URL": "http"}, "did not describe towers"),
    ],
)
def test_what_is_not_let_in_ends_in_one_line_without_the_secret(secured, api_key, change, message, tmp_path):
    environment = {name: secured[name] for name in ("ELASTICSEARCH_URL", "ELASTICSEARCH_CA")} | change
    if change.get("ELASTICSEARCH_URL"):
        environment |= {"ELASTICSEARCH_URL": secured["ELASTICSEARCH_URL"].replace("https", "http")}
        environment |= {"ELASTICSEARCH_CA": "", "ELASTICSEARCH_API_KEY": api_key, "ELASTICSEARCH_WAIT": "1"}
    command = [sys.executable, "-m", "kinj.cli", "search", "elasticsearch:towers", "tower"]
    code = "import sys; from kinj.cli import main; sys.argv[0] = 'kinj'; main()"
    command = [sys.executable, "-c", code, *command[3:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    for secret in (api_key, "d3JvbmctczNjcmV0", "wr0ng-s3cret"):
        assert secret not in done.stdout + done.stderr
