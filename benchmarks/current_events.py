"""Numbers about the current-events benchmark that docs/current-events.md reports.

python benchmarks/current_events.py recall                    # BM25 and dense recall of the source chunk, all questions
python benchmarks/current_events.py recall --index DIR        # the same in a larger index that holds the chunks too
python benchmarks/current_events.py kinds RESULTS…            # accuracy by kind of question, from lm_eval --log_samples
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kinj.benchmark import collection_folder, open_benchmark
from kinj.jsonl import read_objects
from kinj.records import Query
from kinj.retrieval import DEFAULT_EMBEDDER, collection_index, open_retriever


def recall(index: Path | None, retrievers: Sequence[str]) -> None:
    """Prints the share of questions whose source chunk comes first, and among the first five."""
    folder = collection_folder("current_events")
    benchmark = open_benchmark(folder)
    for split in ("test", "dev"):
        queries = [Query(q.question, q.chunk_ids, q.id) for q in benchmark.part(split).questions]
        for name in retrievers:
            where = index or collection_index(folder, None if name == "bm25" else DEFAULT_EMBEDDER)
            retriever = open_retriever(name, index=where)
            found = retriever.search(queries, 5)
            ranks = [
                next((p.rank for p in passages if p.chunk_id in query.chunk_ids), None)
                for query, passages in zip(queries, found, strict=True)
            ]
            first, five = (sum(r is not None and r <= k for r in ranks) / len(ranks) for k in (1, 5))
            chunks = retriever.describe()["chunks"]
            print(
                f"{split:5} {name:7} {chunks:6} chunks  n={len(queries):4}  recall@1 {first:.3f}  recall@5 {five:.3f}"
            )


def kinds(folders: Sequence[Path], metric: str) -> None:
    """Prints accuracy and number of questions by kind, one line a run."""
    for folder in folders:
        for file in sorted(folder.rglob("samples_*.jsonl")):
            right: dict[str, list[float]] = defaultdict(list)
            for _, row in read_objects(file):
                right[row["doc"]["kind"]].append(row[metric])
                right["all"].append(row[metric])
            said = "  ".join(f"{kind} {sum(v) / len(v):.2f} ({len(v)})" for kind, v in sorted(right.items()))
            print(f"{folder.name:24} {said}")
            print(json.dumps({"run": folder.name, "metric": metric, "right": {k: sum(v) for k, v in right.items()}}))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("recall")
    one.add_argument("--index", type=Path)
    one.add_argument("--retriever", action="append", choices=["bm25", "dense", "hybrid"])
    two = commands.add_parser("kinds")
    two.add_argument("folders", type=Path, nargs="+")
    two.add_argument("--metric", default="acc")
    given = parser.parse_args()
    if given.command == "recall":
        recall(given.index, given.retriever or ["bm25", "dense"])
    else:
        kinds(given.folders, given.metric)


if __name__ == "__main__":
    main()
