"""A real cluster that is too busy, whose disk is full, or that a build was killed on: nothing partial is ever used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from unittest.mock import Mock

import pytest

from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import build_elastic_index, open_index, open_retriever
from kinj.retrieval.elastic import steps as elastic_steps
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.elastic.generations import builds_of


@pytest.fixture(scope="module")
def busy_server(start_elasticsearch: Callable):
    """Refuses every bulk request of more than 16 kB with 429."""
    return start_elasticsearch("--heap", "400m", "--set", "indexing_pressure.memory.limit=16kb")


@pytest.fixture
def cluster(busy_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    for name, value in busy_server.environment.items():
        monkeypatch.setenv(name, value)
    connection = connect()
    yield connection
    set_on(connection, "/_cluster/settings", {"persistent": {"*": None}})


def set_on(connection: Connection, path: str, settings: dict) -> None:
    connection.request("PUT", path, settings, what="take settings")


def test_a_cluster_that_refuses_large_requests_for_load_gets_smaller_ones_until_all_is_there(
    cluster, chunks, monkeypatch, caplog
):
    monkeypatch.setenv("ELASTICSEARCH_WAIT", "10")
    made = chunks(*[f"tower number {i}" for i in range(300)])
    assert len(build_elastic_index(made, "much", overwrite=True)) == 300
    assert "429 es_rejected_execution_exception" in caplog.text
    assert "went on after" in caplog.text
    [[found]] = open_retriever("bm25", index="elasticsearch:much").search([Query("number 299")], 1)
    assert found.chunk_id == "c299"


def test_a_chunk_larger_than_the_cluster_takes_ends_in_an_error_and_nothing_serves(cluster, chunks, monkeypatch):
    monkeypatch.setenv("ELASTICSEARCH_WAIT", "1")
    with pytest.raises(UserError, match=r"did not take the chunks for \d s: 429 es_rejected_execution_exception"):
        build_elastic_index(chunks("red fox", "tower " * 5000), "large")
    with pytest.raises(UserError, match="its build is unfinished"):
        open_index("elasticsearch:large")


def test_searches_that_are_refused_for_load_are_asked_again(cluster, chunks, caplog, ids):
    build_elastic_index(chunks("red fox", "blue whale"), "busy", overwrite=True)
    retriever = open_retriever("bm25", index="elasticsearch:busy")
    queries = [Query("fox"), Query("whale " * 2000)]
    whole = ids(retriever.search(queries, 1))
    breaker = "network.breaker.inflight_requests.limit"
    set_on(cluster, "/_cluster/settings", {"persistent": {breaker: "9kb"}})
    relief = threading.Timer(1, set_on, (cluster, "/_cluster/settings", {"persistent": {breaker: None}}))
    relief.start()
    assert ids(retriever.search(queries, 1)) == whole == [["c00"], ["c01"]]
    relief.join()
    assert "429 circuit_breaking_exception" in caplog.text


def test_a_build_on_a_full_disk_says_so_at_once_and_goes_on_when_there_is_room(cluster, chunks, monkeypatch):
    made = chunks("red fox", "blue whale")
    with monkeypatch.context() as patch:
        patch.setattr(elastic_steps, "send_all", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build_elastic_index(made, "full")
    [started] = builds_of(cluster, "full")
    block = "index.blocks.read_only_allow_delete"
    set_on(cluster, f"/{started.index}/_settings", {block: True})
    began = time.monotonic()
    with pytest.raises(UserError, match=r"its disk is nearly full, .* free some disk, .* type the same command again"):
        build_elastic_index(made, "full")
    assert time.monotonic() - began < 10
    set_on(cluster, f"/{started.index}/_settings", {block: None})
    assert len(build_elastic_index(made, "full")) == 2


def test_a_cluster_without_room_for_a_new_index_is_not_waited_for(cluster, chunks, monkeypatch):
    monkeypatch.setattr(elastic_steps, "SHARD_SECONDS", 1)
    nowhere = "cluster.routing.allocation.enable"
    set_on(cluster, "/_cluster/settings", {"persistent": {nowhere: "none"}})
    with pytest.raises(UserError, match=r"no node took the shards of homeless-.* _cluster/allocation/explain"):
        build_elastic_index(chunks("red fox"), "homeless")
    set_on(cluster, "/_cluster/settings", {"persistent": {nowhere: None}})
    assert len(build_elastic_index(chunks("red fox"), "homeless")) == 1


def test_an_index_that_may_only_be_read_for_lack_of_disk_is_searched(cluster, chunks, ids):
    index = build_elastic_index(chunks("red fox"), "read", overwrite=True)
    set_on(cluster, f"/{index.manifest['name']}/_settings", {"index.blocks.read_only_allow_delete": True})
    assert ids(open_retriever("bm25", index="elasticsearch:read").search([Query("fox")], 1)) == [["c00"]]


def test_a_build_that_is_killed_goes_on_with_what_is_there(cluster, chunks, tiny_embedder, tmp_path):
    made = tmp_path / "chunks.jsonl"
    rows = [asdict(chunk) for chunk in chunks(*[f"tower number {i}" for i in range(1500)])]
    made.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kinj = Path(sys.executable).parent / "kinj"
    # Embedding takes longer than it takes to see that some are there.
    command = [kinj, "index", "build", made, "elasticsearch:killed", "--embedder", tiny_embedder]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ))
    held = 0
    while held == 0:
        assert running.poll() is None
        time.sleep(0.05)
        for build in builds_of(cluster, "killed"):
            cluster.request("POST", f"/{build.index}/_refresh", what="refresh")
            held = cluster.request("GET", f"/{build.index}/_count", what="count")["count"]
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert held < 1500
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "of 1500 chunks from an earlier build: going on" in done.stderr
    assert len(open_index("elasticsearch:killed")) == 1500
