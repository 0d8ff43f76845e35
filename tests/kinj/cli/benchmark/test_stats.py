"""`kinj benchmark stats`: what it measures, and as what it prints it."""

import json
import subprocess
import sys

import pytest


def stats(*arguments):
    command = [sys.executable, "-c", "from kinj.cli import main; main()", "benchmark", "stats", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def parts():
    """The shipped collection, measured once."""
    done = stats("current_events", "--json")
    assert done.returncode == 0, done.stderr
    return {(part["split"], part["name"]): part for part in json.loads(done.stdout)["parts"]}


def test_parts_are_the_forms_and_the_kinds_of_each_split(parts):
    for split in ("test", "dev"):
        whole = parts[split, "direct"]
        kinds = [part for (one, name), part in parts.items() if one == split and name.startswith("direct, ")]
        assert sum(part["questions"] for part in kinds) == whole["questions"] == sum(whole["places"])


def test_more_source_chunks_are_among_five_than_first(parts):
    for part in parts.values():
        assert 0 < part["recall"]["bm25"]["at_1"] <= part["recall"]["bm25"]["at_5"] <= 1


def test_the_tables_name_what_they_count_and_what_chance_is():
    done = stats("current_events")
    for words in ("right options at A to D", "without understanding, chance 25 %", "recall@1", "bm25 @1"):
        assert words in done.stdout
    assert "…" not in done.stdout  # 80 columns hold it


def test_no_such_benchmark_is_one_line():
    done = stats("nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "kinj: benchmark 'nowhere' is neither a folder nor one that ships with kinj (current_events)"
    ]
