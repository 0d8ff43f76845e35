"""Real servers that die, come back or stay away while an evaluation runs: its results are right, or there are none."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from kinj.corpus import read_chunks
from kinj.errors import UserError
from kinj.records import Query
from kinj.retrieval import Retriever, build_elastic_index, open_retriever

SCORED, GENERATED = "kinj_benchmark_option", "kinj_benchmark_generate"
#: Enough that scoring lasts while a server is killed, and that the searches after it are several requests.
QUESTIONS = 150


@dataclass(frozen=True)
class Run:
    """An evaluation that has ended."""

    done: CompletedProcess[str]
    folder: Path

    @property
    def trace(self) -> Path:
        return self.folder / "trace.jsonl"


@pytest.fixture(scope="module")
def quiz(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection with many questions, so that it is searched twice, before and after a while of scoring."""
    folder = tmp_path_factory.mktemp("quiz")
    for name in ("documents", "chunks"):
        (folder / f"{name}.jsonl").write_text((collection / f"{name}.jsonl").read_text())
    rows = [json.loads(line) for line in (collection / "questions.jsonl").read_text().splitlines()]
    asked = [
        {**rows[i % 6], "id": f"{rows[i % 6]['id']}.{i}", "question": f"{rows[i % 6]['question']} Guess {i}!"}
        for i in range(QUESTIONS)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    return folder


@pytest.fixture(scope="module")
def evaluate(lm_eval: Callable, quiz: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """Evaluates over `elasticsearch:towers`; `meanwhile` is called when the first of two searches has been answered."""

    def run(
        environment: dict[str, str], *extra: str, meanwhile: Callable[[], None] | None = None, wait: float = 120
    ) -> Run:
        folder = tmp_path_factory.mktemp("run")
        trace = folder / "trace.jsonl"
        arguments = (
            "--tasks", f"{SCORED},{GENERATED}", "--metadata", json.dumps({"benchmark": str(quiz)}),
            "--gen_kwargs", "max_gen_toks=2", "--model", "kinj_rag", "--model_args",
            f"pretrained={tiny_model},dtype=float32,index=elasticsearch:towers,k=2,trace={trace}", *extra,
        )  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            environment = {**environment, "ELASTICSEARCH_WAIT": str(wait)}
            running = pool.submit(lm_eval, *arguments, output=folder / "out", **environment)
            if meanwhile is not None:
                wait_until(lambda: trace.is_file() or running.done())
                meanwhile()
                assert GENERATED not in trace.read_text(), "the second search was quicker than the test"
            return Run(running.result(), folder)

    return run


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def ask(url: str, path: str, body: object = None, method: str = "POST") -> Any:
    sent = urllib.request.Request(  # noqa: S310  # our own server on loopback
        url + path, None if body is None else json.dumps(body).encode(), {"content-type": "application/json"}
    )
    sent.method = "GET" if body is None else method
    return json.loads(urllib.request.urlopen(sent, timeout=90).read())  # noqa: S310


@pytest.fixture(scope="module")
def outcome(samples: Callable) -> Callable[[Run], dict[str, object]]:
    """All that an evaluation found out: every passage with its score, every prompt, every answer of the model."""

    def of(run: Run) -> dict[str, object]:
        assert run.done.returncode == 0, run.done.stderr
        answers = {task: [row["resps"] for row in sorted(samples(run.folder / "out", task), key=by_number)]
                   for task in (SCORED, GENERATED)}  # fmt: skip
        return {**answers, "trace": run.trace.read_text()}

    def by_number(row: dict) -> int:
        return row["doc_id"]

    return of


def build(environment: dict[str, str], collection: Path, name: str, **settings: Any) -> Retriever:
    """Indexes the collection and opens it, which takes the address from the environment once and for all."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**environment, "ELASTICSEARCH_WAIT": "2"}.items():
            patch.setenv(key, value)
        build_elastic_index(read_chunks([collection / "chunks.jsonl"]), name, overwrite=True, **settings)
        return open_retriever("bm25", index=f"elasticsearch:{name}")


@pytest.fixture(scope="module")
def undisturbed(elasticsearch_server: Any, collection: Path, evaluate: Callable, outcome: Callable) -> dict:
    """What the evaluation finds out when nothing happens."""
    build(elasticsearch_server.environment, collection, "towers")
    return outcome(evaluate(elasticsearch_server.environment))


def test_a_server_that_stops_and_comes_back_changes_no_result(elasticsearch_server, undisturbed, evaluate, outcome):
    def restart() -> None:
        elasticsearch_server.kill()
        pool.submit(elasticsearch_server.start)

    with ThreadPoolExecutor(1) as pool:
        run = evaluate(elasticsearch_server.environment, meanwhile=restart)
    assert outcome(run) == undisturbed
    said = run.done.stderr
    assert f"Elasticsearch at {elasticsearch_server.url}: connection refused (search); trying again for 120 s" in said
    assert f"Elasticsearch at {elasticsearch_server.url}: went on after" in said


def test_a_server_that_stays_away_ends_the_run_after_the_stated_time_and_the_same_command_goes_on(
    elasticsearch_server, undisturbed, evaluate, outcome, results, tmp_path, monkeypatch
):
    cache = ("--use_cache", str(tmp_path / "answers"))
    run = evaluate(elasticsearch_server.environment, *cache, meanwhile=elasticsearch_server.kill, wait=2)
    try:
        assert run.done.returncode == 1
        last = run.done.stderr.splitlines()[-1]
        assert last.startswith(f"kinj: Elasticsearch at {elasticsearch_server.url} did not search for 2 s: connection ")
        assert "no part of an answer was used" in last
        assert "ELASTICSEARCH_WAIT=SECONDS" in last
        assert "Traceback" not in run.done.stderr
        assert list(run.folder.rglob("results*")) == []
        for name, value in {**elasticsearch_server.environment, "ELASTICSEARCH_WAIT": "1"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match=r"did not describe towers for 1 s: connection refused"):
            open_retriever("bm25", index="elasticsearch:towers")
    finally:
        elasticsearch_server.start()
    again = evaluate(elasticsearch_server.environment, *cache)
    assert outcome(again) == undisturbed
    answers = results(again.folder / "out")["config"]["kinj"]["answers"]
    assert answers["from_cache"] == 4 * QUESTIONS


@dataclass(frozen=True)
class Bereft:
    """A cluster of three that lost a node."""

    #: of a node that lives
    url: str
    #: the evaluation during which it was lost
    run: Run
    #: over an index in three parts without copies, of which the lost node held one; opened before
    uncopied: Retriever


@pytest.fixture(scope="module")
def bereft(start_elasticsearch: Callable, collection: Path, evaluate: Callable) -> Bereft:
    """The elected master is killed while an evaluation runs."""
    first = start_elasticsearch("--heap", "400m")
    joining = ("--heap", "400m", "--join", str(first.port))
    with ThreadPoolExecutor(2) as pool:
        nodes = [first, *pool.map(lambda _: start_elasticsearch(*joining), range(2))]
    everywhere = {"ELASTICSEARCH_URL": ",".join(node.url for node in nodes)}
    ask(first.url, "/_cluster/health?wait_for_nodes=3&timeout=60s")
    build(everywhere, collection, "towers", shards=3)
    uncopied = build(everywhere, collection, "uncopied", shards=3)
    alone = {"index": {"auto_expand_replicas": False, "number_of_replicas": 0}}
    ask(first.url, "/uncopied/_settings", alone, "PUT")
    assert ask(first.url, "/_cluster/health?wait_for_status=green&timeout=60s")["number_of_nodes"] == 3
    [master] = ask(first.url, "/_cat/master?format=json")
    assert master["node"] in [row["node"] for row in ask(first.url, "/_cat/shards/uncopied-*?format=json")]
    [lost] = [node for node in nodes if master["node"] == f"node-{node.port}"]
    run = evaluate(everywhere, meanwhile=lost.kill)
    return Bereft(next(node.url for node in nodes if node is not lost), run, uncopied)


def test_a_node_of_three_that_is_killed_changes_no_result(bereft, undisturbed, outcome):
    assert outcome(bereft.run) == undisturbed


def test_part_of_an_answer_is_never_used_though_the_server_would_give_it(bereft):
    query = {"query": {"match": {"text": "tower"}}}
    given = ask(bereft.url, "/uncopied/_search", query)
    assert (given["_shards"]["total"], given["_shards"]["failed"]) == (3, 1)
    assert 0 < given["hits"]["total"]["value"] < 9
    with pytest.raises(UserError, match=r"did not search for \d s: .*; no part of an answer was used") as failed:
        bereft.uncopied.search([Query("tower")], 3)
    assert "503" in str(failed.value)
