from __future__ import annotations

import contextlib
import sys
from itertools import pairwise

import pytest

from kinj.corpus.readers.pdf import read_pdf
from kinj.corpus.readers.pdf.lines import Line, PageLines
from kinj.corpus.readers.pdf.paragraphs import flow
from kinj.corpus.readers.reading import UnreadableError
from kinj.errors import MissingExtraError

SENTENCE = "The tenant pays the rent of seven hundred within five days of each month."
WORDS = (
    *("fox", "den", "vole", "field", "hedge", "brook", "stone", "meadow", "birch", "path"),
    *("light", "rain", "wind", "snow", "cloud", "hill", "moor", "gate", "barn", "road"),
)


def block(*lines: str, left: float = 72, top: float = 720, step: float = 14, size: int = 11) -> list:
    return [(left, top - step * number, line, size) for number, line in enumerate(lines)]


def column(seed: int, count: int) -> list[str]:
    """Lines of words that tell one column from another."""
    words = [[WORDS[(seed + 3 * line + at) % len(WORDS)] for at in range(7)] for line in range(count)]
    return [f"{' '.join(line)} {seed}{number:02d}" for number, line in enumerate(words)]


def test_the_lines_of_a_paragraph_become_one_and_a_gap_parts_paragraphs(make_pdf):
    wide = "The fox sleeps in its den under the old birch on the hill"
    pieces = block(wide, "and hunts at night.") + block("The vole runs.", top=660)
    assert read_pdf(make_pdf([pieces]), None).text == f"{wide} and hunts at night.\n\nThe vole runs."


def test_a_larger_line_is_a_paragraph_of_its_own(make_pdf):
    pieces = [(72, 740, "1 Rent", 18), *block(SENTENCE, "Late rent costs more.")]
    assert read_pdf(make_pdf([pieces]), None).text.startswith(f"1 Rent\n\n{SENTENCE}")


def test_running_heads_feet_and_page_numbers_go_and_are_counted(make_pdf):
    pages = [
        [
            (72, 800, f"Lease agreement, part {number}", 9),
            *block(f"Clause {number} says what the tenant of house {number} must pay to the owner."),
            (290, 30, f"Page {number} of 5", 9),
        ]
        for number in range(1, 6)
    ]
    reading = read_pdf(make_pdf(pages), None)
    assert "Lease agreement" not in reading.text
    assert "Page" not in reading.text
    assert all(f"Clause {number} says" in reading.text for number in range(1, 6))
    assert reading.removed == {"page numbers": 5, "running heads and feet": 5}


def test_a_line_that_is_at_the_edge_of_two_pages_of_many_stays(make_pdf):
    heads = ["Notice", "Notice", *(f"Notice of {word}" for word in WORDS[:4])]
    pages = [[(72, 800, head, 9), *block(SENTENCE)] for head in heads]
    assert read_pdf(make_pdf(pages), None).text.count("Notice") == 6


def test_hyphens_at_line_ends_go_and_are_counted(make_pdf):
    lines = ("The owner asks for a guaran-", "tee of two months; the well-", "known rule on a well-known day holds.")
    reading = read_pdf(make_pdf([block(*lines)]), None)
    assert reading.text == (
        "The owner asks for a guarantee of two months; the well-known rule on a well-known day holds."
    )
    assert reading.removed == {"hyphens at line ends": 1}


def test_pages_begin_where_their_offsets_say(make_pdf):
    reading = read_pdf(make_pdf([block("One begins."), block("Two begins."), [], block("Last words.")]), None)
    spans = pairwise([*reading.pages, len(reading.text)])
    texts = [reading.text[start:end].strip() for start, end in spans]
    assert texts == ["One begins.", "Two begins.", "", "Last words."]
    assert reading.text[reading.pages[1] :].startswith("Two")


def test_a_sentence_that_goes_on_over_a_page_is_one(make_pdf):
    reading = read_pdf(make_pdf([block("The rent is due when"), block("the month begins.")]), None)
    assert reading.text == "The rent is due when the month begins."


@pytest.mark.parametrize("order", ["by columns", "across"])
def test_two_columns_are_read_one_after_the_other(make_pdf, order):
    left, right = column(1, 12), column(2, 12)
    sides = [block(*left, left=60, size=7), block(*right, left=310, size=7)]
    pieces = [*sides[0], *sides[1]] if order == "by columns" else [p for pair in zip(*sides, strict=True) for p in pair]
    title = [(60, 760, "A title that stands over both of the columns and is much wider than one of them is", 11)]
    reading = read_pdf(make_pdf([title + pieces]), None)
    flat = " ".join(reading.text.split())
    assert " ".join(left) in flat
    assert " ".join(right) in flat
    assert flat.index(left[-1]) < flat.index(right[0])
    assert reading.doubt == ""


def test_rows_of_words_in_three_columns_are_doubtful(make_pdf):
    rows = [
        (left, 700 - 14 * n, f"{WORDS[n]} {WORDS[n + 1]} {WORDS[n + 2]}", 8)
        for n in range(12)
        for left in (60, 230, 400)
    ]
    reading = read_pdf(make_pdf([rows]), None)
    assert reading.doubt == "columns or tables that may be read across: page 1"


def test_a_scanned_file_is_named(make_pdf):
    with pytest.raises(UnreadableError, match="scanned: pictures and no text on its 2 pages; read it by OCR"):
        read_pdf(make_pdf([[], []], pictures=[0, 1]), None)


def test_one_scanned_page_is_named_in_the_singular(make_pdf):
    with pytest.raises(UnreadableError, match="on its 1 page; read"):
        read_pdf(make_pdf([[]], pictures=[0]), None)


def test_a_scanned_page_among_others_is_named(make_pdf):
    reading = read_pdf(make_pdf([block(SENTENCE), [], block("End.")], pictures=[1]), None)
    assert reading.doubt == "scanned, without text: page 2"
    assert reading.text == f"{SENTENCE}\n\nEnd."


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "no PDF, or broken"), (b"%PDF-1.4 and nothing", "no PDF, or broken"), (b"GIF89a", "no PDF, or broken")],
)
def test_what_is_no_pdf_is_named(data, why):
    with pytest.raises(UnreadableError, match=why):
        read_pdf(data, None)


def test_a_pdf_of_empty_pages_is_named(make_pdf):
    with pytest.raises(UnreadableError, match="no text and no pictures on any page"):
        read_pdf(make_pdf([[]]), None)


def test_letters_without_any_width_are_read():
    lines = tuple(Line(text, 72, bottom, 72, bottom + 10) for text, bottom in (("One", 700), ("two", 686)))
    assert flow([PageLines(0, 842, lines)])[0] == "One two"


def test_a_title_of_half_a_character_is_left_out(make_pdf):
    half, whole = (read_pdf(make_pdf([block(SENTENCE)], title=title), None) for title in ("Fox \ud83d", " Red  fox"))
    assert (half.title, half.text) == ("", SENTENCE)
    assert whole.title == "Red fox"


def test_a_pdf_cut_anywhere_is_read_or_named(make_pdf):
    data = make_pdf([block(SENTENCE)] * 3)
    for end in range(0, len(data), 97):
        text = SENTENCE
        with contextlib.suppress(UnreadableError):
            text = read_pdf(data[:end], None).text
        assert SENTENCE in text


def test_without_pdfium_the_line_to_install_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingExtraError, match=r"reading PDF needs pypdfium2.*pip install 'kinj\[corpus\]'"):
        read_pdf(b"%PDF", None)
