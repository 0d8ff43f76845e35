"""Speed and memory of `kinj corpus files` on much text, and of its second run, which finds nothing changed.

Run by hand:

    python benchmarks/corpus_files.py --megabytes 1000 --tokenizer MODEL_OR_FILE

The texts are words drawn from the shipped collection, in documents of 2,000 words, half as files and half as rows. The
rival is `cat`: how long the same bytes take to be copied by the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kinj.benchmark import collection_folder
from kinj.corpus import read_documents

WORDS_OF_A_DOCUMENT = 2_000


def main() -> None:
    """Makes the texts, runs the command twice, and prints what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--tokenizer", default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    home = options.folder or Path(tempfile.mkdtemp(prefix="kinj-corpus-"))
    texts, out = home / "in", home / "out"
    size = write_texts(texts, options.megabytes * 1_000_000)
    print(f"{size / 1e6:,.0f} MB in {sum(1 for _ in texts.iterdir())} files")
    print(f"{'copy by cat':<16}{copy_seconds(texts, home / 'copy'):8.1f} s of a processor")
    words = [] if options.tokenizer is None else ["--tokenizer", options.tokenizer]
    for run in ("first run", "nothing changed"):
        seconds, wall, peak, built = build(texts, out, words)
        counts = built["counts"]
        print(
            f"{run:<16}{seconds:8.1f} s of a processor ({size / 1e6 / seconds:.2f} MB/s), {wall:.1f} s by the clock, "
            f"peak {peak / 1e6:.0f} MB; {counts['documents']:,} documents, {counts['tokens']:,} tokens"
        )
    if options.folder is None:
        shutil.rmtree(home)


def write_texts(folder: Path, size: int) -> int:
    """Writes about so many bytes of texts; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    rows = (folder / "rows.jsonl").open("w")
    with rows:
        for number, text in enumerate(documents()):
            if number % 2:
                written += rows.write(json.dumps({"id": f"row{number}", "text": text}) + "\n")
            else:
                written += (folder / f"{number:07d}.txt").write_text(text)
            if written >= size:
                return written
    return written


def documents() -> Iterator[str]:
    """Yields texts of sentences and paragraphs without end: words of the shipped collection, as often as they come."""
    pages = read_documents([collection_folder("current_events")])
    vocabulary = [word for page in pages for word in page.text.split()]
    drawn = random.Random(0)  # noqa: S311  # a seed, no secret
    while True:
        words = drawn.choices(vocabulary, k=WORDS_OF_A_DOCUMENT)
        sentences = [" ".join(words[at : at + 16]).capitalize() + "." for at in range(0, len(words), 16)]
        yield "\n\n".join(" ".join(sentences[at : at + 6]) for at in range(0, len(sentences), 6))


def copy_seconds(texts: Path, target: Path) -> float:
    """Seconds of a processor for copying the files."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["sh", "-c", 'cat "$0"/* > "$1" && rm "$1"', str(texts), str(target)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def build(texts: Path, out: Path, words: list[str]) -> tuple[float, float, int, dict]:
    """Seconds of a processor, seconds by the clock, peak memory in bytes, and the manifest."""
    code = (
        "import resource, sys\n"
        "from kinj.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('cost', used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, "corpus", "files", str(texts), str(out), "--json", *words]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    _, seconds, peak = done.stderr.splitlines()[-1].split()
    return float(seconds), time.monotonic() - started, int(peak), json.loads(done.stdout)


if __name__ == "__main__":
    main()
