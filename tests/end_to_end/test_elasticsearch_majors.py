"""A cluster of the older major: the older client serves it, the newer one says what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinj.corpus import read_chunks
from kinj.retrieval import build_index

#: Put there by `make test`: one environment can't hold both clients.
OLDER_CLIENT = Path(sys.prefix) / "elasticsearch-8"


@pytest.fixture(scope="module")
def older(start_elasticsearch: Callable) -> dict[str, str]:
    """What a user exports for a server of 8.19.8."""
    return start_elasticsearch("--version", "8.19.8", "--heap", "400m").environment


@pytest.fixture
def kinj(older: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).parent / "kinj", *arguments]
        env = {**os.environ, **older, **environment}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    return run


def chunk_ids(found: subprocess.CompletedProcess[str]) -> list[str]:
    return [passage["chunk_id"] for passage in json.loads(found.stdout)]


def test_the_older_client_builds_searches_and_evaluates_on_the_older_server(
    kinj, lm_eval, older, collection, tiny_model, tiny_embedder, tmp_path, results
):
    if not OLDER_CLIENT.is_dir():
        pytest.skip(f"no client of major 8: pip install --target {OLDER_CLIENT} 'elasticsearch==8.19.3'")
    client = {"PYTHONPATH": str(OLDER_CLIENT)}
    chunks = str(collection / "chunks.jsonl")
    built = kinj("index", "build", chunks, "elasticsearch:towers", "--embedder", str(tiny_embedder), **client)
    assert built.returncode == 0, built.stderr
    folder = build_index(read_chunks([collection / "chunks.jsonl"]), tmp_path / "index", str(tiny_embedder)).folder
    asked = "Which color did Gilroy get?", "--retriever", "hybrid", "--json"
    found = kinj("search", "elasticsearch:towers", *asked, **client)
    assert found.returncode == 0, found.stderr
    assert chunk_ids(found) == chunk_ids(kinj("search", str(folder), *asked))
    done = lm_eval(
        "--tasks", "kinj_benchmark_option", "--metadata", f'{{"benchmark": "{collection}"}}',
        "--model", "kinj_rag", "--model_args",
        f"pretrained={tiny_model},dtype=float32,index=elasticsearch:towers,retriever=bm25,k=1",
        output=tmp_path / "out", **older, **client,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = results(tmp_path / "out")["config"]["kinj"]
    assert said["tasks"]["kinj_benchmark_option"]["recall@1"] == 1
    assert said["indexes"]["elasticsearch:towers"]["back_end"]["version"].startswith("8")


def test_the_newer_client_says_which_one_an_older_server_needs(kinj):
    done = kinj("search", "elasticsearch:towers", "tower")
    assert done.returncode == 2
    assert (
        "of an older major version than the client installed here: pip install 'elasticsearch>=8.19,<9'" in done.stderr
    )
    assert "Traceback" not in done.stderr
