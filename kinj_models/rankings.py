"""Passages that were retrieved before: written once, read by every model that is asked the same questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from kinj.jsonl import read_objects, to_record
from kinj.manifest import read_manifest, replacing, write_manifest
from kinj.records import Passage, Query
from kinj.retrieval import Retriever
from kinj_models.settings import Json

_FILE = "passages.jsonl"
_REMEDY = "type the same `kinj compare` again, which retrieves anew"


class KeptRanking:
    """A `Retriever` that looks up what another one gave, and says of itself what that one said."""

    def __init__(self, source: Json, passages: Mapping[Query, list[Passage]]) -> None:
        self._source = source
        self._passages = passages

    @property
    def fingerprint(self) -> str:
        """See `Retriever`."""
        return str(self._source["fingerprint"])

    def describe(self) -> Json:
        """See `Retriever`."""
        return dict(self._source)

    def search(self, queries: Sequence[Query], k: int) -> list[list[Passage]]:
        """The first k of each kept ranking; that these are the k best is what whoever kept it has seen to.

        Raises:
            RuntimeError: a query that was not asked before, which is a mistake of ours.
        """
        missing = next((query for query in queries if query not in self._passages), None)
        if missing is not None:
            raise RuntimeError(f"query {missing.id!r} was not asked when the passages were retrieved")
        return [self._passages[query][:k] for query in queries]


def write_rankings(
    folder: Path, values: Json, retrievers: Mapping[str, Retriever], found: Mapping[str, Mapping[Query, list[Passage]]]
) -> None:
    """Writes a pass: passages first, the manifest last.

    Args:
        folder: of the pass; its parent exists.
        values: what else the manifest says.
        retrievers: by source, as `Retrievers` names them.
        found: by source, each query's passages, best first.
    """
    folder.mkdir(exist_ok=True)
    with replacing(folder / _FILE) as part, part.open("w", encoding="utf-8") as sink:
        for line in _lines(found):
            sink.write(line)
    sources = {source: retriever.describe() for source, retriever in retrievers.items()}
    write_manifest(folder, {"made_by": "kinj compare", **values, "sources": sources})


def read_rankings(folder: Path) -> dict[str, KeptRanking]:
    """The rankings of a pass, by source.

    Raises:
        UserError: the pass is unfinished, or its file was changed.
    """
    sources = read_manifest(folder, _REMEDY)["sources"]
    found: dict[str, dict[Query, list[Passage]]] = {source: {} for source in sources}
    for place, row in read_objects(folder / _FILE):
        query = to_record(place, row["query"], Query)
        found[row["source"]][query] = [to_record(place, passage, Passage) for passage in row["passages"]]
    return {source: KeptRanking(sources[source], passages) for source, passages in found.items()}


def _lines(found: Mapping[str, Mapping[Query, list[Passage]]]) -> Iterator[str]:
    for source, rankings in found.items():
        for query, passages in rankings.items():
            row = {"source": source, "query": asdict(query), "passages": [asdict(passage) for passage in passages]}
            yield json.dumps(row, ensure_ascii=False) + "\n"
