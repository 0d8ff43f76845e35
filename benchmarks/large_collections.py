"""Memory of `kinj index build` over collections larger than memory: its peak against the number of chunks.

    python benchmarks/large_collections.py words --chunks 200000 2000000
    export ELASTICSEARCH_URL=http://127.0.0.1:9200
    python benchmarks/large_collections.py elasticsearch --chunks 200000 2000000
    python benchmarks/large_collections.py vectors --chunks 50000 100000 200000

Chunks are generated: 100 words each, drawn from 50,000 by Zipf's law, five chunks a document, in an order that is not
that of their ids; the same numbers give the same file. Each build is the real command in a process of its own, from the
first line read to the manifest; its memory is the largest that the kernel saw resident (`ru_maxrss`), the mapped pages
of files among it. `vectors` builds through the same functions with a toy in place of the model: 64 numbers from a
text's hash, so that the builder is measured and not a network; the last column is what embedding the passages, writing
their vectors and describing them add to what was resident before.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kinj.jsonl import write_records
from kinj.records import Chunk

WORDS, WORDS_IN_A_CHUNK, CHUNKS_IN_A_DOCUMENT = 50_000, 100, 5
NAME = "elasticsearch:kinj-benchmark-large"
#: What the command `kinj` runs.
KINJ = "from kinj.cli import main; main()"
#: The real builder with a toy for a model: what `--embedder` finds is a folder, what embeds is a hash.
TOY = """
import hashlib, sys
from pathlib import Path
import numpy as np
from kinj.corpus import read_chunks
from kinj.retrieval import Embedder, build_index
from kinj.retrieval.embedding import shards
from kinj.retrieval.local import build, vectors

def embed(self, texts):
    digests = b"".join(hashlib.sha512(text.encode()).digest() for text in texts)
    rows = np.frombuffer(digests, "uint8").reshape(-1, 64).astype("float32")
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

def build_vectors(*given):
    peak, before = memory("VmHWM"), memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is taken anew from here, by the kernel's own count too
    info = whole(*given)
    print(peak, max(0, memory("VmHWM") - before))
    return info

whole, build._build_vectors = build._build_vectors, build_vectors
Embedder.embed_passages = embed
Embedder.count_cut = lambda self, texts: 0
Embedder.window = 512
build.find_embedder = lambda name: Embedder(name, "toy", Path(), "", "", "0" * 64)
build_index(read_chunks([Path(sys.argv[1])]), Path(sys.argv[2]), "toy", overwrite=True)
"""


def chunks(count: int, seed: int = 0) -> Iterator[Chunk]:
    """Yields so many chunks, every seventh first, then those after them, and so on."""
    draw = random.Random(seed)  # noqa: S311  # texts, no secrets
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 11))) for _ in range(WORDS)]
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))
    for first in range(7):
        for number in range(first, count, 7):
            text = " ".join(draw.choices(words, cum_weights=weights, k=WORDS_IN_A_CHUNK)).capitalize() + "."
            document, place = divmod(number, CHUNKS_IN_A_DOCUMENT)
            name = f"generated-{document:08d}"
            yield Chunk(
                id=f"{name}#{place + 1:06d}",
                document_id=name,
                text=text,
                start=0,
                end=len(text),
                title=f"Page {document}",
                date=f"2023-{document % 12 + 1:02d}-{document % 28 + 1:02d}",
                subject=("law", "trade", "health")[document % 3],
                source="https://example.org/generated",
                license="CC0-1.0",
            )


@dataclass(frozen=True, slots=True)
class Cost:
    """What a build took."""

    seconds: float
    cpu_seconds: float
    #: the largest resident memory
    megabytes: float
    #: what the process printed
    output: str


def measure(command: list[str]) -> Cost:
    """Runs a command that must succeed."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process.stdout as out:
        output = out.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the build ended with {process.returncode}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output)


def command_of(what: str, file: Path, folder: Path) -> list[str]:
    """What builds the index of the file."""
    if what == "vectors":
        return [sys.executable, "-c", TOY, str(file), str(folder)]
    name = NAME if what == "elasticsearch" else str(folder)
    return [sys.executable, "-c", KINJ, "index", "build", str(file), name, "--overwrite"]


def main() -> None:
    """Generates, builds, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("words", "elasticsearch", "vectors"))
    parser.add_argument("--chunks", type=int, nargs="+", default=[200_000, 2_000_000], help="(200000 2000000)")
    parser.add_argument("--scratch", type=Path, help="where to write files and indexes: 6 GB for 2,000,000 chunks")
    options = parser.parse_args()
    columns = ["chunks", "file, MB", "index, MB", "seconds", "CPU s", "chunks/s", "peak memory, MB"]
    if options.what == "vectors":
        columns.append("of it vectors, MB")
    table = Table(*columns, title=options.what)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for count in options.chunks:
            file, folder = Path(scratch) / "chunks.jsonl", Path(scratch) / "index"
            write_records(file, chunks(count))
            cost = measure(command_of(options.what, file, folder))
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
            shutil.rmtree(folder, ignore_errors=True)
            numbers = [file.stat().st_size / 1e6, size, cost.seconds, cost.cpu_seconds, count / cost.seconds]
            if options.what == "vectors":
                earlier_peak, added = (int(number) * 1024 / 1e6 for number in cost.output.split())
                numbers += [max(earlier_peak, cost.megabytes), added]
            else:
                numbers.append(cost.megabytes)
            table.add_row(f"{count:,}", *(f"{number:,.0f}" for number in numbers))
            Console(width=110).print(table)
    if options.what == "elasticsearch":
        from cluster import remove

        remove(NAME.removeprefix("elasticsearch:"))


if __name__ == "__main__":
    main()
