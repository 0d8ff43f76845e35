"""Word documents: headings, paragraphs, lists, tables and notes as Markdown."""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.parsers.expat import ExpatError

from kinj.corpus.readers.html import html_to_markdown
from kinj.corpus.readers.reading import Reading, UnreadableError
from kinj.errors import MissingExtraError

#: What a document may unpack to, and how many times its size: texts shrink to a tenth, a bomb to a thousandth.
_MOST_BYTES = 500_000_000
_MOST_TIMES = 200
#: Below this no ratio is looked at: a short document of blanks is no bomb.
_SMALL = 20_000_000
#: Before 2007, and around a document with a password, Word writes this format.
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
#: What mammoth meets in a document that is not as it should be; it has no error of its own.
_BROKEN = (LookupError, ValueError, TypeError, AttributeError, RecursionError, ExpatError, zlib.error,
           zipfile.BadZipFile, NotImplementedError, EOFError, OSError)  # fmt: skip


def read_docx(data: bytes, encoding: str | None) -> Reading:  # XML says its own encoding
    """A .docx file's text as Markdown; page headers and footers, comments and pictures are no part of it."""
    try:
        import mammoth  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("mammoth", "corpus", "reading .docx") from error
    _refuse_what_is_no_document(data)
    try:
        html = mammoth.convert_to_html(io.BytesIO(data), convert_image=mammoth.images.img_element(lambda _: {})).value
    except _BROKEN as error:
        raise UnreadableError(f"broken .docx ({type(error).__name__}: {' '.join(str(error).split())[:100]})") from error
    return Reading(html_to_markdown(html), markup="markdown")


def _refuse_what_is_no_document(data: bytes) -> None:
    if data.startswith(_OLE):
        raise UnreadableError("encrypted, or a .doc of before 2007: save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableError(f"no .docx: {error}") from error
    # Reading ends at the size that an entry states, so a false one unpacks no more than this.
    if sum(sizes) > _MOST_BYTES or sum(sizes) > max(_SMALL, _MOST_TIMES * len(data)):
        raise UnreadableError(
            f"{len(data):,} bytes unpack to {sum(sizes):,}: taken for a zip bomb (at most {_MOST_BYTES:,}, and "
            f"{_MOST_TIMES} times its size)"
        )
