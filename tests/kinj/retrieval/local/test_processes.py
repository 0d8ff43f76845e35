"""Building in real processes: several at once, and one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kinj.records import Query
from kinj.retrieval import open_index, open_retriever

BUILD = """
import logging, sys
from pathlib import Path
logging.basicConfig(level="INFO", format="%(message)s")
from kinj.retrieval import collection_index, open_retriever
from kinj.records import Query
folder = collection_index(Path(sys.argv[1]), None)
print(folder, open_retriever("bm25", index=folder).search([Query("Belmont")], 1)[0][0].chunk_id)
"""

#: The real build with a slow stand-in for the model: each call says how many texts it embeds, and ends after so many
#: seconds, or once a file exists.
EMBED = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from kinj.corpus import read_chunks
from kinj.retrieval import build_index
from kinj.retrieval.embedding import embedder
from kinj.retrieval.embedding import shards
shards.SHARD = 4

def embed(self, texts):
    print("embedding", len(texts), flush=True)
    while sys.argv[5:] and not Path(sys.argv[5]).exists():
        time.sleep(0.02)
    time.sleep(float(sys.argv[4]))
    rows = [np.frombuffer(hashlib.sha256(text.encode()).digest(), "uint8").astype("float32") for text in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows])

embedder.Embedder.embed_passages = embed
embedder.Embedder.count_cut = lambda self, texts: 0
embedder.Embedder.window = 48
build_index(read_chunks([Path(sys.argv[1])]), Path(sys.argv[2]), sys.argv[3])
"""


def start(script: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def test_processes_that_start_at_once_build_one_index_and_all_read_it(collection, tmp_path):
    running = [start(BUILD, collection, KINJ_CACHE=str(tmp_path)) for _ in range(4)]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 4, ended
    [said] = {out.strip() for out, _ in ended}
    assert said.endswith("d1.1")
    assert len(list((tmp_path / "indexes").glob("towers-*"))) == 1
    assert not list((tmp_path / "indexes").glob(".*.building"))


@pytest.fixture
def twenty(tmp_path: Path) -> Path:
    texts = [f"The tower number {i} was painted." for i in range(20)]
    path = tmp_path / "chunks.jsonl"
    rows = [
        {"id": f"c{i:02d}", "document_id": "d", "text": text, "start": 0, "end": len(text)}
        for i, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_build_killed_while_embedding_resumes_with_what_is_missing(twenty, tiny_embedder, tmp_path):
    process = start(EMBED, twenty, tmp_path / "index", tiny_embedder, 0.5)
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lines == ["embedding 4\n"] * 3
    assert not (tmp_path / "index").exists()
    kept = len(list((tmp_path / ".index.building/shards").glob("*.npy")))
    assert kept == 2

    out, errors = start(EMBED, twenty, tmp_path / "index", tiny_embedder, 0).communicate(timeout=60)
    assert out.splitlines() == ["embedding 4"] * (5 - kept), errors
    whole, errors = start(EMBED, twenty, tmp_path / "whole", tiny_embedder, 0).communicate(timeout=60)
    assert whole.splitlines() == ["embedding 4"] * 5, errors
    assert (tmp_path / "index/vectors.faiss").read_bytes() == (tmp_path / "whole/vectors.faiss").read_bytes()
    assert len(open_index(tmp_path / "index")) == 20
    assert not (tmp_path / ".index.building").exists()


def test_a_build_killed_before_it_is_complete_is_not_opened_and_the_next_one_succeeds(twenty, tiny_embedder, tmp_path):
    process = start(EMBED, twenty, tmp_path / "index", tiny_embedder, 30)
    assert process.stdout.readline() == "embedding 4\n"
    process.kill()
    process.wait()
    assert not (tmp_path / "index").exists()
    _, errors = start(EMBED, twenty, tmp_path / "index", tiny_embedder, 0).communicate(timeout=60)
    assert open_retriever("bm25", index=tmp_path / "index").search([Query("number 7")], 1)[0][0].chunk_id == "c07", (
        errors
    )


def test_a_second_build_of_one_folder_waits_and_says_so(twenty, tiny_embedder, tmp_path):
    first = start(EMBED, twenty, tmp_path / "index", tiny_embedder, 0, tmp_path / "go on")
    assert first.stdout.readline() == "embedding 4\n"
    script = "import logging; logging.basicConfig(level='INFO', format='%(message)s')\n" + EMBED
    second = start(script, twenty, tmp_path / "index", tiny_embedder, 0)
    assert any("another process is building" in line for line in second.stderr)
    assert (first.poll(), second.poll()) == (None, None)
    (tmp_path / "go on").touch()
    out, errors = second.communicate(timeout=60)
    assert first.wait(timeout=60) == 0
    assert out == ""
    assert "reused" in errors
