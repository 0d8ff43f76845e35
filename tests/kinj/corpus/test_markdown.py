from __future__ import annotations

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from kinj.corpus import Cutter, load_tokenizer
from kinj.records import Chunk, Document

SENTENCE = "The water tower of Ithaca was painted blue. "


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return load_tokenizer(str(tiny_tokenizer))


def cut(tokenizer: Tokenizer, text: str, tokens: int) -> list[Chunk]:
    document = Document("d", text, title="Towers", markup="markdown")
    chunks = Cutter(tokens, tokenizer).cut(document)
    end = 0
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert text[end : chunk.start].strip() == ""
        end = chunk.end
        assert len(tokenizer.encode(chunk.text, add_special_tokens=False)) <= tokens
    assert text[end:].strip() == ""
    return chunks


def is_heading(line: str) -> bool:
    return line.lstrip().startswith("#")


def test_a_text_that_fits_is_one_chunk(tokenizer):
    [chunk] = cut(tokenizer, "# Towers\n\nBlue.\n\n## Ithaca\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", 400)
    assert (chunk.headings, chunk.table_header) == ((), "")


def test_a_chunk_ends_before_the_highest_heading_that_it_can(tokenizer):
    text = f"# A\n\n{SENTENCE}\n\n## A1\n\n{SENTENCE}\n\n# B\n\n{SENTENCE}\n\n## B1\n\n{SENTENCE * 4}\n"
    chunks = cut(tokenizer, text, 70)
    assert [chunk.text.partition("\n")[0] for chunk in chunks[:2]] == ["# A", "# B"]


def test_a_chunk_knows_the_headings_above_it_and_not_those_inside(tokenizer):
    text = f"# A\n\n{SENTENCE * 2}\n\n## A1\n\n{SENTENCE * 6}\n\n## A2\n\n{SENTENCE * 5}\n\n# B\n\n{SENTENCE * 5}"
    chunks = cut(tokenizer, text, 60)
    above = {chunk.text.partition("\n")[0]: chunk.headings for chunk in chunks if is_heading(chunk.text)}
    assert above == {"# A": (), "## A1": ("A",), "## A2": ("A",), "# B": ()}
    inside = [chunk.headings for chunk in chunks if not is_heading(chunk.text)]
    assert ("A", "A1") in inside


def test_a_setext_heading_and_the_headings_of_a_level_in_between_are_known(tokenizer):
    text = f"Top\n===\n\n### Deep *one* ###\n\n{SENTENCE * 8}\n\nNext\n----\n\n{SENTENCE * 8}"
    chunks = cut(tokenizer, text, 60)
    assert {chunk.headings for chunk in chunks} == {(), ("Top", "Deep *one*"), ("Top",), ("Top", "Next")}


def test_what_looks_like_a_heading_in_code_is_none(tokenizer):
    text = f"# A\n\n```sh\n# no heading\necho\n```\n\n{SENTENCE * 8}"
    assert {chunk.headings for chunk in cut(tokenizer, text, 60)} == {(), ("A",)}


@pytest.mark.parametrize("seed", range(60))
def test_a_heading_is_never_a_chunk_of_its_own_nor_the_end_of_one(tokenizer, seed):
    draw = random.Random(seed)  # texts, no secrets
    parts = [
        *("# One\n", "## Two\n\n", "### Three\n", "\n## Four\n\n"),
        *(SENTENCE, SENTENCE * 5 + "\n\n", "tower " * 40 + "\n\n", "- blue\n- gold\n\n", "> quoted\n\n"),
        *("| a | b |\n|---|---|\n" + "| blue | gold |\n" * 12 + "\n", "```\n# code\n```\n\n"),
    ]
    text = "\n".join(draw.choices(parts, k=draw.randint(2, 25))) + "\n\n" + SENTENCE
    chunks = cut(tokenizer, text, draw.choice([60, 90, 120]))
    code = "```"
    for chunk in chunks:
        last = chunk.text.rstrip().splitlines()[-1]
        assert not is_heading(last) or chunk.text.count(code) % 2, chunk.text


def test_headings_at_the_end_of_a_document_stay_with_what_is_before_them(tokenizer):
    chunks = cut(tokenizer, SENTENCE * 12 + "\n\n# See also\n\n## Links\n", 60)
    assert chunks[-1].text.endswith("# See also\n\n## Links")
    assert chunks[-1].text.startswith("The")


def test_a_heading_longer_than_a_chunk_is_cut_like_text(tokenizer):
    chunks = cut(tokenizer, f"# {SENTENCE * 10}\n\n{SENTENCE}", 40)
    assert len(chunks) > 3
    assert {chunk.headings for chunk in chunks} == {()}


def test_a_long_table_is_cut_between_rows_and_its_header_goes_with_each_part(tokenizer):
    rows = "".join(f"| city {i} | {i} blue towers |\n" for i in range(40))
    text = f"# A\n\n{SENTENCE}\n\n| city | towers |\n|---|---|\n{rows}\n{SENTENCE}\n"
    chunks = cut(tokenizer, text, 90)
    first, *rest = [chunk for chunk in chunks if "blue towers" in chunk.text]
    assert "| city | towers |\n|---|---|\n| city 0" in first.text
    assert first.table_header == ""
    assert len(rest) > 3
    for chunk in rest:
        assert chunk.table_header == "| city | towers |"
        assert chunk.headings == ("A",)
        assert chunk.text.startswith("| city ")
        assert all(line.startswith("| ") and line.endswith(" |") for line in chunk.text.split("\n\n")[0].splitlines())
        with_header = f"{chunk.table_header}\n{chunk.text}"
        assert len(tokenizer.encode(with_header, add_special_tokens=False)) <= 90


def test_a_table_that_does_not_fit_into_what_is_left_of_a_chunk_is_not_torn(tokenizer):
    table = "| city | towers |\n|---|---|\n| Ithaca | 1 |\n| Fresno | 2 |\n"
    chunks = cut(tokenizer, f"{SENTENCE * 2}\n\n{table}\n{SENTENCE * 6}", 70)
    assert [table.strip() in chunk.text for chunk in chunks].count(True) == 1


def test_a_row_longer_than_a_chunk_is_cut_and_keeps_its_header(tokenizer):
    text = f"| city | story |\n|---|---|\n| Ithaca | {SENTENCE * 20}|\n| Fresno | gold |\n"
    chunks = cut(tokenizer, text, 60)
    assert len(chunks) > 4
    assert chunks[0].text.startswith("| city | story |\n|---|---|\n| Ithaca | The")
    assert [chunk.table_header for chunk in chunks] == ["", *["| city | story |"] * (len(chunks) - 1)]


def test_a_header_row_of_more_than_half_a_chunk_goes_with_none(tokenizer):
    rows = "| Ithaca | blue |\n" * 30
    chunks = cut(tokenizer, f"| city | {SENTENCE * 3}|\n|---|---|\n{rows}", 60)
    assert len(chunks) > 3
    assert {chunk.table_header for chunk in chunks} == {""}


def test_a_file_that_ends_in_md_is_markdown(tokenizer):
    text = f"# A\n\n{SENTENCE * 10}"
    plain = Cutter(60, tokenizer).cut(Document("d", text, source="notes/a.txt"))
    markdown = Cutter(60, tokenizer).cut(Document("d", text, source="notes/a.MD"))
    assert {chunk.headings for chunk in plain} == {()}
    assert {chunk.headings for chunk in markdown} == {(), ("A",)}


def test_a_word_of_any_length_ends_in_markdown_too(tokenizer):
    assert len(cut(tokenizer, "# A\n\n" + "a" * 100_000, 64)) > 100


@pytest.mark.parametrize("seed", range(200))
def test_whatever_the_text_holds_chunks_and_the_white_space_between_them_give_it_back(tokenizer, seed):
    draw = random.Random(seed)  # texts, no secrets
    pieces = [
        *("# ", "## ", "\n# A\n", "\n\n## B #\n", "===\n", "---\n", "```\n", "~~~", "> ", "- ", "1. ", "    ", "\t"),
        *("| a | b |\n", "|---|---|\n", "| 1 ", "|", "<div>\n", "[x]: y\n", "\\", "*", "`"),
        *("tower ", "Ithaca. ", "é", "e\u0301", "中文。", "🏳️\u200d🌈", "\ufeff", "\u0000", "a" * 90),
        *("\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2028", "\u0085", "\x0c", "\u3000", " "),
    ]
    text = "".join(draw.choices(pieces, k=draw.randint(0, 80)))
    end = 0
    for chunk in Cutter(draw.randint(1, 40), tokenizer).cut(Document("d", text, markup="markdown")):
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        assert chunk.start >= end
        assert text[end : chunk.start].strip() == ""
        end = chunk.end
    assert text[end:].strip() == ""
