"""Accuracy by kind of question, which docs/current-events.md reports, from `lm_eval --log_samples`.

python benchmarks/current_events.py RESULTS… [--metric acc]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kinj.jsonl import read_objects


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
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--metric", default="acc")
    given = parser.parse_args()
    kinds(given.folders, given.metric)


if __name__ == "__main__":
    main()
