"""The shipped collection passes every check of its kind."""

import json
import os
from pathlib import Path

import pytest

from kinj.benchmark import checks, collection_folder, open_benchmark

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
MODELS = Path(os.environ.get("KINJ_TEST_MODELS", Path.home() / ".cache" / "kinj-models"))


@pytest.fixture(scope="module")
def shipped():
    return open_benchmark(collection_folder("current_events"))


def said(faults):
    return [str(fault) for fault in faults]


def test_no_row_breaks_a_rule(shipped):
    assert said(checks.row_faults(shipped)) == []


def test_no_split_as_a_whole_breaks_a_rule(shipped):
    assert said(checks.collection_faults(shipped)) == []


def test_it_is_large_enough(shipped):
    assert len(shipped.part("test").questions) >= 120
    assert len(shipped.part("test").questions) <= 910
    assert len(shipped.part("dev").questions) >= 24
    assert all(any(q.accepted_answers for q in shipped.part(split).questions) for split in ("test", "dev"))
    assert all(q.accepted_answers for q in shipped.part("fewshot").questions)


def test_the_first_five_shots_come_from_as_many_documents_as_there_are_up_to_five(shipped):
    shots = shipped.part("fewshot")
    assert len({q.chunk_ids[0] for q in shots.questions[:5]}) == min(5, len(shots.chunks))


def test_every_event_is_of_its_four_months(shipped):
    strange = [chunk.id for chunk in shipped.chunks if not "2023-08-01" <= chunk.date <= "2023-11-30"]
    assert strange == []


def test_its_manifest_counts_and_seals_every_file(shipped):
    manifest = json.loads((shipped.folder / "manifest.json").read_text())
    assert (manifest["name"], manifest["license"]) == ("current_events", "CC-BY-4.0")
    assert manifest["counts"]["questions"]["test"] == len(shipped.part("test").questions)
    present = {path.name for path in shipped.folder.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == present


def test_every_fact_is_one_of_the_sourced_ones(shipped):
    path = SHARED / "data" / "current_events" / "facts.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path}")
    facts = {row["id"]: row for row in map(json.loads, path.open(encoding="utf-8"))}
    for source in shipped.sources:
        assert (source.event, " ; ".join(source.sources)) == (facts[source.id]["event"], facts[source.id]["source"])


def test_nothing_is_copied_from_the_portal(shipped):
    path = SHARED / "data" / "wikipedia_portal_2023" / "days.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path}")
    texts = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    assert said(checks.shared_runs([*shipped.chunks, *shipped.paraphrases], texts)) == []


def test_every_chunk_has_60_to_256_tokens(shipped):
    path = MODELS / "smollm2-135m" / "tokenizer.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(str(path))

    def count(text):
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    assert said(checks.chunk_lengths(shipped.chunks, count)) == []


@pytest.mark.real_model
def test_no_two_questions_mean_the_same(shipped):
    folder = MODELS / "minilm"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    model = pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")

    def embed(texts):
        return model.encode(list(texts), normalize_embeddings=True)

    assert said(checks.similar_questions(shipped.questions, embed)) == []
