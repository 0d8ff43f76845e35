"""Building on a real cluster: never half seen, never half replaced, and gone on with where it stopped."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kinj.errors import UserError
from kinj.records import Chunk, Query
from kinj.retrieval import build_elastic_index, open_index, open_retriever
from kinj.retrieval.elastic import steps
from kinj.retrieval.elastic.connection import Connection, connect
from kinj.retrieval.elastic.patience import TransientError
from kinj.retrieval.embedding import shards
from kinj.retrieval.embedding.embedder import Embedder


@pytest.fixture
def cluster(elasticsearch_server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A cluster named by the environment, without any index when the test ends."""
    for name, value in elasticsearch_server.environment.items():
        monkeypatch.setenv(name, value)
    connection = connect()
    yield connection
    for name in names(connection):
        connection.request("DELETE", f"/{name}", what="delete")


def names(connection: Connection) -> list[str]:
    return [row["index"] for row in connection.request("GET", "/_cat/indices/mine*", what="list", format="json")]


def test_the_name_is_an_alias_of_an_index_named_after_its_content(cluster, chunks):
    build_elastic_index(chunks("red fox", "red hen"), "elasticsearch:mine")
    [index] = names(cluster)
    assert index.startswith("mine-")
    assert list(cluster.request("GET", f"/{index}/_alias", what="list")[index]["aliases"]) == ["mine"]
    assert open_index(f"elasticsearch:{index}").content == open_index("elasticsearch:mine").content


def test_the_same_index_is_reused_and_said_so(cluster, chunks, caplog):
    caplog.set_level("INFO")
    first = build_elastic_index(chunks("red fox", "red hen"), "mine")
    again = build_elastic_index(chunks("red fox", "red hen")[::-1], "mine")
    assert again.describe() == first.describe()
    assert "elasticsearch:mine already holds this index: reused" in caplog.text


def test_other_chunks_are_refused_unless_overwriting_which_leaves_one_index(cluster, chunks, ids):
    build_elastic_index(chunks("red fox"), "mine")
    with pytest.raises(UserError, match=r"holds another index \(1 chunks, embedder none\): add --overwrite"):
        build_elastic_index(chunks("blue whale", "hen"), "mine")
    build_elastic_index(chunks("blue whale", "hen"), "mine", overwrite=True)
    assert ids(open_retriever("bm25", index="elasticsearch:mine").search([Query("whale")], 3)) == [["c00"]]
    assert len(names(cluster)) == 1


def test_other_settings_are_another_index(cluster, chunks, tiny_embedder):
    build_elastic_index(chunks("red fox"), "mine", str(tiny_embedder))
    with pytest.raises(UserError, match="holds another index"):
        build_elastic_index(chunks("red fox"), "mine", str(tiny_embedder), vectors="int8_hnsw")


def test_what_somebody_else_has_under_the_name_is_never_replaced(cluster, chunks):
    cluster.request("PUT", "/mine", {}, what="make")
    with pytest.raises(UserError, match="elasticsearch:mine is the name of something that kinj must not replace"):
        build_elastic_index(chunks("red fox"), "mine", overwrite=True)
    cluster.request("DELETE", "/mine", what="delete")
    cluster.request("PUT", "/mine-other", {"aliases": {"mine": {}}}, what="make")
    with pytest.raises(UserError, match="must not replace"):
        build_elastic_index(chunks("red fox"), "mine", overwrite=True)
    assert names(cluster) == ["mine-other"]


def embedding(monkeypatch: pytest.MonkeyPatch, stop_after: int) -> list[int]:
    """Shards of four texts; embedding is interrupted after so many. Gives the sizes that were embedded."""
    monkeypatch.setattr(shards, "SHARD", 4)
    whole, sizes = Embedder.embed_passages, []

    def embed(self: Embedder, texts: list[str]):
        if len(sizes) == stop_after:
            raise KeyboardInterrupt
        sizes.append(len(texts))
        return whole(self, texts)

    monkeypatch.setattr(Embedder, "embed_passages", embed)
    return sizes


def test_an_interrupted_build_leaves_the_old_index_serving_and_goes_on_without_embedding_again(
    cluster, chunks, tiny_embedder, monkeypatch, ids, caplog
):
    caplog.set_level("INFO")
    build_elastic_index(chunks("red fox"), "mine")
    reader = open_retriever("bm25", index="elasticsearch:mine")
    made = chunks(*[f"tower number {i}" for i in range(22)])
    with monkeypatch.context() as patch:
        assert embedding(patch, stop_after=3) == []
        with pytest.raises(KeyboardInterrupt):
            build_elastic_index(made, "mine", str(tiny_embedder), overwrite=True)
    assert ids(reader.search([Query("fox")], 1)) == [["c00"]]
    assert open_retriever("bm25", index="elasticsearch:mine").fingerprint == reader.fingerprint
    with monkeypatch.context() as patch:
        sizes = embedding(patch, stop_after=100)
        resumed = build_elastic_index(made, "mine", str(tiny_embedder), overwrite=True)
    there = int(caplog.text.partition(" of 22 chunks from an earlier build")[0].rpartition(" ")[2])
    assert there >= 4
    assert sum(sizes) == 22 - there
    assert resumed.manifest["embedder"]["dimensions"] == 24
    [passages] = open_retriever("dense", index="elasticsearch:mine").search([Query("tower number 7")], 22)
    assert {passage.chunk_id for passage in passages} == {chunk.id for chunk in made}


def test_chunks_are_held_a_request_at_a_time(cluster, chunks, monkeypatch):
    monkeypatch.setattr(steps, "DOCUMENTS", 10)
    alive, as_item = [], steps.as_item

    def count_and_make(chunk_id, source):
        if chunk_id in ("c100", "c399"):
            alive.append(sum(type(one) is Chunk for one in gc.get_objects()))
        return as_item(chunk_id, source)

    monkeypatch.setattr(steps, "as_item", count_and_make)
    made = (chunk for number in range(400) for chunk in [Chunk(f"c{number:03d}", "d", f"tower {number}", 0, 9)])
    assert len(build_elastic_index(made, "mine")) == 400
    assert len(alive) == 2
    assert max(alive) < 40


def test_the_working_files_are_in_the_cache_folder_and_go_with_the_build(cluster, chunks, monkeypatch, tmp_path):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path))
    found = []

    def look(**given):
        found.extend(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("chunks.jsonl*"))
        yield from chunks("red fox")

    build_elastic_index(look(), "mine")
    assert len(found) == 1
    assert found[0].startswith("elasticsearch/.mine.sorting-")
    assert list((tmp_path / "elasticsearch").iterdir()) == []


def test_a_build_that_never_ended_is_not_opened_and_says_how_to_go_on(cluster, chunks, tiny_embedder, monkeypatch):
    embedding(monkeypatch, stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        build_elastic_index(chunks(*"abcdefgh"), "mine", str(tiny_embedder), made_from=["my texts"])
    command = f"kinj index build 'my texts' elasticsearch:mine --embedder {tiny_embedder}$"
    with pytest.raises(UserError, match=f"is not there yet, its build is unfinished; build it with: {command}"):
        open_index("elasticsearch:mine")


def test_a_chunk_that_is_refused_is_named_and_nothing_serves(cluster, chunks):
    made = [*chunks("red fox"), Chunk("too far", "d", "hen", 2**40, 2**40 + 3)]
    with pytest.raises(UserError, match=r"did not take chunk 'too far': 400 document_parsing_exception: .*start"):
        build_elastic_index(made, "mine")
    with pytest.raises(UserError, match="is not there yet"):
        open_index("elasticsearch:mine")


def test_two_builds_of_the_same_chunks_at_once_make_one_index(cluster, chunks):
    made = chunks(*[f"tower number {i}" for i in range(3000)])
    errors = at_once(lambda: build_elastic_index(made, "mine"), lambda: build_elastic_index(made, "mine"))
    assert errors == []
    assert len(open_index("elasticsearch:mine")) == 3000
    assert len(names(cluster)) == 1


@pytest.mark.parametrize("is_switched", [True, False])
def test_a_build_overtaken_by_one_of_the_same_chunks_ends_well_through_trouble_that_passes(
    cluster, chunks, monkeypatch, caplog, is_switched
):
    made, trouble = chunks("red fox", "blue whale"), []
    rows_there, once = steps.ElasticBuild._rows_there, Connection.once

    def overtaken(self: steps.ElasticBuild) -> bytearray:
        with monkeypatch.context() as patch:
            patch.setattr(steps.ElasticBuild, "_rows_there", rows_there)
            if not is_switched:
                patch.setattr(steps.ElasticBuild, "switch", lambda self, serving: None)
            build_elastic_index(made, "mine")
        trouble.append(TransientError("a node left"))
        return bytearray()

    def fail_once(self: Connection, method: str, path: str, *rest: object, **more: object) -> object:
        if trouble and path.endswith("/_refresh"):
            raise trouble.pop()
        return once(self, method, path, *rest, **more)

    monkeypatch.setattr(steps.ElasticBuild, "_rows_there", overtaken)
    monkeypatch.setattr(Connection, "once", fail_once)
    assert len(build_elastic_index(made, "mine")) == 2
    assert len(open_index("elasticsearch:mine")) == 2
    assert trouble == []
    assert "a node left" in caplog.text


def test_only_the_replaced_index_is_deleted_and_unfinished_ones_when_overwriting(
    cluster, chunks, tiny_embedder, monkeypatch
):
    def beside(*texts: str) -> str:
        """A complete index of that name which does not serve."""
        before = set(names(cluster))
        with monkeypatch.context() as patch:
            patch.setattr(steps.ElasticBuild, "switch", lambda self, serving: None)
            build_elastic_index(chunks(*texts), "mine")
        [index] = set(names(cluster)) - before
        return index

    kept = beside("blue whale")
    with monkeypatch.context() as patch:
        embedding(patch, stop_after=1)
        with pytest.raises(KeyboardInterrupt):
            build_elastic_index(chunks(*"abcdefgh"), "mine", str(tiny_embedder))
    [unfinished] = set(names(cluster)) - {kept}
    build_elastic_index(chunks("red fox"), "mine")
    [replaced] = set(names(cluster)) - {kept, unfinished}
    build_elastic_index(chunks("red hen"), "mine", overwrite=True)
    assert kept in names(cluster)
    assert not {replaced, unfinished} & set(names(cluster))
    assert len(names(cluster)) == 2


def test_of_two_builds_of_other_chunks_at_once_one_serves_whole_and_the_other_is_told(cluster, chunks, caplog):
    one, other = chunks(*[f"tower {i}" for i in range(400)]), chunks(*[f"hen {i}" for i in range(400)])
    errors = at_once(lambda: build_elastic_index(one, "mine"), lambda: build_elastic_index(other, "mine"))
    assert len(errors) <= 1
    assert all(isinstance(error, UserError) for error in errors)
    assert all("built anew by somebody else" in str(one) or "holds another index" in str(one) for one in errors)
    assert "trying again" not in caplog.text
    words = [
        bool(open_retriever("bm25", index="elasticsearch:mine").search([Query(w)], 1)[0]) for w in ("tower", "hen")
    ]
    assert sorted(words) == [False, True]


def at_once(*builds: Callable[[], object]) -> list[BaseException]:
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(build) for build in builds]
    return [error for one in running if (error := one.exception()) is not None]


def test_a_complete_index_is_closed_to_writing_and_one_that_lost_chunks_is_refused(cluster, chunks):
    build_elastic_index(chunks("red fox", "red hen"), "mine")
    [index] = names(cluster)
    with pytest.raises(UserError, match="blocked"):
        cluster.request("PUT", f"/{index}/_doc/c02", {"text": "mine"}, what="write")
    cluster.request("PUT", f"/{index}/_settings", {"index.blocks.write": False}, what="open")
    cluster.request("DELETE", f"/{index}/_doc/c01", what="delete", refresh=True)
    with pytest.raises(UserError, match=r"holds 1 chunks but was built with 2; build it with: .* --overwrite"):
        open_index("elasticsearch:mine")


@pytest.mark.parametrize(("key", "value"), [("format", 0), ("analysis", {"stemmer": "none"})])
def test_an_index_of_another_version_is_refused(cluster, chunks, key, value):
    manifest = build_elastic_index(chunks("red fox"), "mine").manifest
    cluster.request("PUT", "/mine/_mapping", {"_meta": {"kinj": manifest | {key: value}}}, what="change")
    with pytest.raises(UserError, match=r"written by another version of kinj; .* --overwrite"):
        open_index("elasticsearch:mine")


def test_a_reader_of_a_replaced_index_is_told_and_reads_nothing_else(cluster, chunks):
    build_elastic_index(chunks("red fox"), "mine")
    reader = open_retriever("bm25", index="elasticsearch:mine")
    build_elastic_index(chunks("red hen"), "mine", overwrite=True)
    with pytest.raises(UserError, match="is gone: it was deleted, or replaced by a newer build, while it was read"):
        reader.search([Query("red")], 1)


def test_a_missing_index_is_refused_with_the_command_that_builds_it(cluster):
    with pytest.raises(
        UserError, match=r"mine does not exist .*build it with: kinj index build IN elasticsearch:mine$"
    ):
        open_index("elasticsearch:mine")


@pytest.mark.parametrize("name", ["Mine", "_all", "mine*", "a,b", "", "-mine", "a/b"])
def test_a_name_that_could_mean_more_than_one_index_is_refused(cluster, name, chunks):
    for use in (lambda: open_index(f"elasticsearch:{name}"), lambda: build_elastic_index(chunks("red"), name)):
        with pytest.raises(UserError, match="a name has lower-case letters, digits"):
            use()


def test_a_name_of_several_indexes_is_refused(cluster):
    for index in ("mine-1", "mine-2"):
        cluster.request("PUT", f"/{index}", {"aliases": {"mine": {}}}, what="make")
    with pytest.raises(UserError, match=r"elasticsearch:mine stands for 2 indexes \(mine-1, mine-2\)"):
        open_index("elasticsearch:mine", text_field="text")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vectors": "flat"}, "settings for vectors need an embedder"),
        ({"vectors": "tree", "embedder": True}, "vectors=tree: must be one of flat, hnsw, int8_hnsw"),
        ({"m": 8, "embedder": True}, "m: only for a graph, and these vectors are kept flat"),
        ({"vectors": "hnsw", "m": 0, "embedder": True}, "m=0: must be at least 1"),
        ({"shards": 0}, "shards=0: must be at least 1"),
    ],
)
def test_settings_that_are_not_allowed_are_refused(cluster, chunks, tiny_embedder, settings, message):
    embedder = str(tiny_embedder) if settings.pop("embedder", False) else None
    with pytest.raises(UserError, match=message):
        build_elastic_index(chunks("red fox"), "mine", embedder, **settings)
    assert names(cluster) == []


def test_a_setting_that_is_never_allowed_is_refused_before_a_chunk_is_read(tiny_embedder):
    unread = iter([Chunk("a", "d", "x", 0, 1)])
    with pytest.raises(UserError, match="vectors=tree: must be one of"):
        build_elastic_index(unread, "mine", str(tiny_embedder), vectors="tree")
    with pytest.raises(UserError, match="shards=0: must be at least 1"):
        build_elastic_index(unread, "mine", shards=0)
    assert len(list(unread)) == 1
