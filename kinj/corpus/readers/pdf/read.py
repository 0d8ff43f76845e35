"""The pages of a PDF as one text, with the offset of each page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from kinj.corpus.readers.pdf.columns import reading_order
from kinj.corpus.readers.pdf.edges import drop_running_lines
from kinj.corpus.readers.pdf.lines import Line, Page, lines_of
from kinj.corpus.readers.pdf.paragraphs import flow
from kinj.corpus.readers.reading import Reading, UnreadableError
from kinj.errors import MissingExtraError

log = logging.getLogger(__name__)

#: A gap as wide as this many heights of a letter parts two columns or cells; words lie within a third of one.
_GAP = 1.5
#: PDFium's sign for a hyphen at the end of a line.
_HYPHEN = "\x02"


def read_pdf(data: bytes, encoding: str | None) -> Reading:  # a PDF says its own encoding
    """A PDF's text: running heads and feet, page numbers and hyphens at line ends go, columns follow one another.

    By PDFium, which says where each letter stands: 196 pages of a manual take 1.8 s, pypdf's bare text 3.1 s.

    Raises:
        UnreadableError: encrypted, broken, or without any text: scanned.
    """
    pages, title = _pages(data)
    if not any(page.pieces for page in pages):
        raise UnreadableError(_without_text(pages))
    ordered = [reading_order(page) for page in pages]
    as_read = [lines_of(page, pieces) for page, (pieces, _) in zip(pages, ordered, strict=True)]
    lines, removed = drop_running_lines(as_read)
    text, offsets, hyphens = flow(lines)
    return Reading(
        text=text,
        title=title,
        pages=offsets,
        removed={**removed, **({"hyphens at line ends": hyphens} if hyphens else {})},
        doubt=_doubt(pages, [number for number, (_, is_clear) in enumerate(ordered, 1) if not is_clear]),
    )


def _without_text(pages: list[Page]) -> str:
    if not any(page.has_picture for page in pages):
        return "no text and no pictures on any page"
    count = f"{len(pages)} page{'' if len(pages) == 1 else 's'}"
    return f"scanned: pictures and no text on its {count}; read it by OCR first (ocrmypdf, for example)"


def _doubt(pages: list[Page], unclear: list[int]) -> str:
    scanned = [number for number, page in enumerate(pages, 1) if page.has_picture and not page.pieces]
    doubts = []
    if scanned:
        doubts.append(f"scanned, without text: {_numbers(scanned)}")
    if unclear:
        doubts.append(f"columns or tables that may be read across: {_numbers(unclear)}")
    return "; ".join(doubts)


def _numbers(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:10]))
    return f"page{'' if len(pages) == 1 else 's'} {shown}{f' and {len(pages) - 10} more' if len(pages) > 10 else ''}"


def _pages(data: bytes) -> tuple[list[Page], str]:
    """What stands on each page, and the title that the file gives itself."""
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("pypdfium2", "corpus", "reading PDF") from error
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        is_locked = "password" in str(error).lower()
        why = "encrypted: it asks for a password" if is_locked else f"no PDF, or broken ({error})"
        raise UnreadableError(why) from error
    try:
        return [_page(pypdfium2, document, number) for number in range(len(document))], _title(document)
    except pypdfium2.PdfiumError as error:
        raise UnreadableError(f"broken PDF ({error})") from error
    finally:
        document.close()


def _title(document: Any) -> str:  # Any: pypdfium2 ships no types
    try:
        return " ".join(document.get_metadata_value("Title").split())
    except UnicodeDecodeError:  # half a character; the text may be whole
        return ""


def _page(pypdfium2: Any, document: Any, number: int) -> Page:  # Any: pypdfium2 ships no types
    page = document[number]
    text = page.get_textpage()
    try:
        pieces = tuple(_pieces(pypdfium2.raw, text))
        has_picture = any(True for _ in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))
        return Page(number, page.get_width(), page.get_height(), pieces, has_picture)
    finally:
        text.close()
        page.close()


def _pieces(raw: Any, text: Any) -> Iterator[Line]:  # Any: pypdfium2 ships no types
    """Yields runs of letters of one line without a wide gap, in the order of the file."""
    letters: list[str] = []
    box = [0.0, 0.0, 0.0, 0.0]
    for index in range(text.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(text.raw, index))
        if letter in "\r\n":
            yield from _finished(letters, box)
            letters = []
        elif letter.isspace() or letter == "\0":
            letters.append(" ")
        else:
            left, bottom, right, top = text.get_charbox(index, loose=True)
            if letters and _is_apart(box, left, bottom, top):
                yield from _finished(letters, box)
                letters = []
            if not "".join(letters).strip():
                box = [left, bottom, right, top]
            box = [min(box[0], left), min(box[1], bottom), max(box[2], right), max(box[3], top)]
            letters.append("-" if letter == _HYPHEN else letter)
            if letter == _HYPHEN:
                yield from _finished(letters, box)
                letters = []
    yield from _finished(letters, box)


def _is_apart(box: list[float], left: float, bottom: float, top: float) -> bool:
    """Whether a letter begins something new: far to the right, back to the left, or on another line."""
    height = max(top - bottom, 1.0)
    middle = (top + bottom) / 2
    return left - box[2] > _GAP * height or left < box[0] - height or not box[1] - height < middle < box[3] + height


def _finished(letters: list[str], box: list[float]) -> Iterator[Line]:
    # A letter beyond the first 65,536 can come in two halves.
    whole = "".join(letters).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = " ".join(whole.split())
    if text:
        yield Line(text, *box)
