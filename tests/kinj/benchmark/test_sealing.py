"""The files of a benchmark folder, written whole or not at all."""

from dataclasses import replace

import pytest

from kinj.benchmark import open_benchmark, sealing
from kinj.benchmark.reviewing import Decision
from kinj.benchmark.sealing import write_benchmark


def test_a_fault_in_what_stands_beside_leaves_the_folder_as_it_was(rows, write):
    folder = write(rows)
    benchmark = open_benchmark(folder)
    write_benchmark(benchmark, folder, {"name": "one"}, {"review.jsonl": [Decision("a", "accept")]})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "manifest.json" in before

    def full():
        yield Decision("b", "strike")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_benchmark(benchmark, folder, {"name": "two"}, {"review.jsonl": full()})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_manifest_that_cannot_be_written_leaves_the_folder_as_it_was(rows, write, monkeypatch):
    folder = write(rows)
    benchmark = open_benchmark(folder)
    write_benchmark(benchmark, folder, {"name": "one", "files": ["notes.txt"]})
    (folder / "notes.txt").write_text("kept")
    write_benchmark(benchmark, folder, {"name": "one", "files": ["notes.txt"]})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert b"notes.txt" in before["manifest.json"]
    open_benchmark(folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealing, "write_manifest", full)
    with pytest.raises(OSError, match="No space left"):
        write_benchmark(replace(benchmark, questions=benchmark.questions[:1]), folder, {"name": "two"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
