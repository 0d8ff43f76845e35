"""Which reader reads a file, by its suffix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from kinj.corpus.readers.docx import read_docx
from kinj.corpus.readers.html import read_html
from kinj.corpus.readers.markdown import read_markdown, read_text
from kinj.corpus.readers.pdf import read_pdf
from kinj.corpus.readers.reading import Reading
from kinj.corpus.readers.rst import read_rst


@dataclass(frozen=True, slots=True)
class Format:
    """How the files of a suffix are read."""

    read: Callable[[bytes, str | None], Reading]
    #: whose version decides the text too
    libraries: tuple[str, ...] = ()

    def identity(self) -> str:
        """Changes when the same file may give another text."""
        return " ".join([self.read.__name__, str(_READERS), *(f"{name}={_version(name)}" for name in self.libraries)])


#: Counted up when a reader gives other texts than before: everything is then read again.
_READERS = 1
_HTML = Format(read_html, ("trafilatura", "lxml"))
_MARKDOWN = Format(read_markdown)
FORMATS = {
    ".txt": Format(read_text),
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".html": _HTML,
    ".htm": _HTML,
    ".xhtml": _HTML,
    ".pdf": Format(read_pdf, ("pypdfium2",)),
    ".docx": Format(read_docx, ("mammoth", "markdownify")),
    ".rst": Format(read_rst, ("docutils", "markdownify")),
}
#: Files of rows, each row a document; `kinj.corpus.sources.rows` reads them.
ROW_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
SUFFIXES = (*FORMATS, *ROW_SUFFIXES)


def library_versions() -> dict[str, str]:
    """Name to version of the installed libraries that texts depend on."""
    names = {name for one in FORMATS.values() for name in one.libraries} | {"py3langid", "rensa"}
    return {name: found for name in sorted(names) if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
