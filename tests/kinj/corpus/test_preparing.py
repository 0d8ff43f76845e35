from __future__ import annotations

from pathlib import Path

from kinj.corpus import Cutter, load_tokenizer
from kinj.corpus.preparing import Preparer, unpacked
from kinj.records import Document

TEXT = "# Owls\n\n" + "The owl hunts at night over the fields of the valley. " * 20


def test_what_was_packed_comes_back_as_it_was(tiny_tokenizer: Path):
    preparer = Preparer(30, load_tokenizer(str(tiny_tokenizer)))
    document = Document("d", TEXT, title="Owl", source="owl.md", license="CC0-1.0", markup="markdown", pages=(0, 9))
    prepared = preparer.prepare(document)
    assert len(prepared.chunks) > 3
    assert unpacked(prepared.notes(), prepared.body()) == prepared


def test_the_chunks_are_those_of_the_cutter(tiny_tokenizer: Path):
    tokenizer = load_tokenizer(str(tiny_tokenizer))
    prepared = Preparer(30, tokenizer).prepare(Document("d", TEXT))
    assert list(prepared.chunks) == Cutter(30, tokenizer).cut(prepared.document)


def test_a_language_that_the_source_names_stays(tiny_tokenizer: Path):
    preparer = Preparer(30, load_tokenizer(str(tiny_tokenizer)))
    assert preparer.prepare(Document("d", TEXT, language="la")).document.language == "la"
    assert preparer.prepare(Document("d", TEXT)).document.language == "en"


def test_the_identity_depends_on_size_and_tokenizer(tiny_tokenizer: Path):
    tokenizer, other = load_tokenizer(str(tiny_tokenizer)), load_tokenizer(str(tiny_tokenizer))
    other.add_tokens(["owl"])
    assert Preparer(30, tokenizer).identity == Preparer(30, load_tokenizer(str(tiny_tokenizer))).identity
    assert len({Preparer(*given).identity for given in ((30, tokenizer), (31, tokenizer), (30, other))}) == 3
