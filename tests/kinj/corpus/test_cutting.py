from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from kinj.corpus import Cutter, cut, cutting, load_tokenizer
from kinj.errors import UserError
from kinj.hub.packaged import DEMO
from kinj.records import Document

#: What breaks naive slicing: letters of several code units, marks that combine, white space of every kind.
PIECES = [
    *"aZ9.,;!?…—“”'-_/",
    *("the ", "tower ", "Ithaca. ", "1,000.50 ", "e.g. "),
    *("é", "e\u0301", "ß", "İ", "中", "文", "🏳️\u200d🌈", "👩\u200d🚒", "\u200b", "\ufeff", "\u0000", "\U0001d518"),
    *(" ", "  ", "\t", "\n", "\n\n", "\r\n", "\r\n\r\n", "\u00a0", "\u2003", "\u2028", "\u0085", "\x1c", "\u3000"),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return load_tokenizer(str(tiny_tokenizer))


def assert_nothing_but_white_space_is_lost(text: str, chunks: list) -> None:
    end = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert text[end : chunk.start].strip() == ""
        assert chunk.start >= end
        end = chunk.end
    assert text[end:].strip() == ""


@pytest.mark.parametrize("seed", range(150))
def test_chunks_and_the_white_space_between_them_give_the_document_back(tokenizer, seed):
    draw = random.Random(seed)  # texts, no secrets
    text = "".join(draw.choices(PIECES, k=draw.randint(0, 120)))
    chunks = Cutter(draw.randint(1, 30), tokenizer).cut(Document("d", text))
    assert_nothing_but_white_space_is_lost(text, chunks)


def test_a_chunk_holds_no_more_tokens_than_asked(tokenizer):
    text = " ".join(f"The water tower of Ithaca was painted blue {i} times." for i in range(60))
    for tokens in (8, 30, 100):
        sizes = [
            len(tokenizer.encode(chunk.text, add_special_tokens=False))
            for chunk in Cutter(tokens, tokenizer).cut(Document("d", text))
        ]
        assert max(sizes) <= tokens
        assert len(sizes) > 1


def test_chunks_end_at_sentences_where_they_fit(tokenizer):
    sentences = [f"The water tower of Ithaca was painted blue {i} times." for i in range(20)]
    chunks = cut(Document("d", " ".join(sentences)), 80, tokenizer)
    assert len(chunks) > 3
    assert all(chunk.text.endswith("times.") for chunk in chunks)


def test_a_short_document_is_one_chunk_with_what_is_known_of_it(tokenizer):
    known = {"title": "Towers", "date": "2031-05-01", "subject": "towns", "source": "https://x.org"}
    document = Document("d", " The tower. ", license="CC0-1.0", **known)
    [chunk] = cut(document, 256, tokenizer)
    assert (chunk.id, chunk.document_id, chunk.text, chunk.start, chunk.end) == ("d#000001", "d", "The tower.", 1, 11)
    assert (chunk.title, chunk.date, chunk.subject, chunk.source) == ("Towers", "2031-05-01", "towns", "https://x.org")
    assert chunk.license == "CC0-1.0"


def test_ids_number_the_chunks_of_a_document_in_order(tokenizer):
    chunks = cut(Document("d", "The tower. " * 20), 10, tokenizer)
    assert [chunk.id for chunk in chunks[:3]] == ["d#000001", "d#000002", "d#000003"]
    assert chunks == cut(Document("d", "The tower. " * 20), 10, tokenizer)


def test_the_ids_of_a_long_documents_chunks_sort_as_its_chunks_do(tokenizer):
    chunks = cut(Document("d", "The tower. " * 2500), 10, tokenizer)
    assert len(chunks) > 1000
    assert [chunk.id for chunk in chunks] == sorted(chunk.id for chunk in chunks)
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)


def test_a_document_of_more_chunks_than_can_be_numbered_is_refused(tokenizer, monkeypatch):
    monkeypatch.setattr(cutting, "_DIGITS", 1)
    assert [chunk.id for chunk in cut(Document("d", "The tower. " * 18), 10, tokenizer)][-1] == "d#9"
    with pytest.raises(UserError, match=r"document 'd' has 10 chunks, more than the 9 that can be numbered: split it"):
        cut(Document("d", "The tower. " * 20), 10, tokenizer)


def test_a_tokenizer_file_that_truncates_and_pads_counts_all_tokens(tokenizer, tmp_path):
    limited = Tokenizer.from_str(tokenizer.to_str())
    limited.enable_truncation(8)
    limited.enable_padding(length=512)
    limited.save(str(tmp_path / "tokenizer.json"))
    text = "The water tower of Ithaca was painted blue. " * 20
    by_limited = cut(Document("d", text), 60, load_tokenizer(str(tmp_path / "tokenizer.json")))
    assert by_limited == cut(Document("d", text), 60, tokenizer)


def test_a_chunk_of_no_tokens_is_refused(tokenizer):
    with pytest.raises(UserError, match="--chunk-tokens 0: a chunk holds at least one token"):
        Cutter(0, tokenizer)


def test_the_default_tokenizer_is_the_demo_models(tiny_tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "models/SmolLM2-135M-Instruct"
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_bytes((tiny_tokenizer / "tokenizer.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({"wheel_sha256": DEMO.wheel_sha256}))
    assert load_tokenizer().get_vocab_size() == load_tokenizer(str(tiny_tokenizer)).get_vocab_size()


def test_without_it_and_without_a_hub_one_line_names_the_ways_out(monkeypatch, tmp_path):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(
        UserError, match=r"connect to huggingface\.co, or give --tokenizer .*, or type `kinj demo-model`"
    ):
        load_tokenizer()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "the folder holds no tokenizer.json"),
        ("broken.json", "is not the tokenizer.json of a Hugging Face tokenizer"),
        ("other.json", "is not the tokenizer.json of a Hugging Face tokenizer"),
        ("nobody/nothing", "the tokenizer of nobody/nothing is not here"),
        ("no/such/file", "neither a file, nor a folder, nor a model name"),
    ],
)
def test_what_is_no_tokenizer_is_refused(name, why, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"model": {}}')
    with pytest.raises(UserError, match=why):
        load_tokenizer(name)


# ---- long texts


def test_a_text_longer_than_the_splitters_window_is_cut_as_one_that_it_sees_whole(tokenizer, monkeypatch):
    draw = random.Random(7)  # texts, no secrets
    words = ["The", "tower", "of", "Ithaca", "was", "blue.", "Why?", "“Indeed”,", "1,000.50", "\n", "\n\n", "é"]
    texts = [" ".join(draw.choices(words, k=draw.randint(300, 900))) for _ in range(30)]
    by_window = [Cutter(20, tokenizer).cut(Document("d", text)) for text in texts]
    assert all(len(text) > 20 * cutting._WINDOW for text in texts)
    monkeypatch.setattr(cutting, "_WINDOW", 10_000)
    assert by_window == [Cutter(20, tokenizer).cut(Document("d", text)) for text in texts]


@pytest.mark.parametrize("text", ["a" * 300_000, "tower blue " * 30_000, "租金" * 50_000, " " * 300_000 + "x"])
def test_a_text_without_any_boundary_is_shown_to_the_splitter_in_parts_of_bounded_length(tokenizer, monkeypatch, text):
    """What makes the time linear; before, each cut of such a text counted the tokens of all that was left."""
    seen: list[int] = []

    class Spy:
        def __init__(self, splitter):
            self.splitter = splitter

        def chunk_indices(self, text):
            seen.append(len(text))
            return self.splitter.chunk_indices(text)

    cutter = Cutter(64, tokenizer)
    monkeypatch.setattr(cutter._text, "_splitter", Spy(cutter._text._splitter))
    chunks = cutter.cut(Document("d", text))
    assert_nothing_but_white_space_is_lost(text, chunks)
    assert max(seen) <= 4 * 64 * cutting._WINDOW
    assert sum(seen) < 4 * len(text)


def test_a_chunk_of_a_pdf_says_on_which_pages_it_lies(tokenizer):
    pages = ["The first page. " * 3, "The second page. " * 8, "The third."]
    starts = (0, len(pages[0]), len(pages[0] + pages[1]))
    chunks = cut(Document("d", "".join(pages), pages=starts), 30, tokenizer)
    assert chunks[0].page == "1"
    assert chunks[-1].page == "2-3"
    assert "2" in {chunk.page for chunk in chunks}
    for chunk in chunks:
        first, _, last = chunk.page.partition("-")
        assert starts[int(first) - 1] <= chunk.start
        assert chunk.end <= [*starts[1:], 10**6][int(last or first) - 1]


def test_a_chunk_says_the_language_of_its_document(tokenizer):
    assert cut(Document("d", "Der Turm.", language="de"), 30, tokenizer)[0].language == "de"
