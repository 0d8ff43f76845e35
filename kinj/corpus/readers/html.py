"""HTML: the main text of a page from the web, and clean Markdown of HTML that other readers make."""

from __future__ import annotations

import logging
import re
from typing import Any

from kinj.corpus.readers.markdown import outside_code
from kinj.corpus.readers.reading import Reading, UnreadableError, decode
from kinj.errors import MissingExtraError

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
#: A browser looks for the charset this far.
_CHARSET_WITHIN = 1024
#: As trafilatura's settings have it; it says nothing of a page that is larger.
_MOST_BYTES = 20_000_000
#: Emphasis says nothing to an index, and stars around words are in a model's way.
_EMPHASIS = ("em", "i", "b", "strong", "u")
#: The signs that documentation puts behind a heading, to link to it.
_LINKS_TO_HEADINGS = ["//a[contains(@class, 'headerlink') or normalize-space(.) = '\u00b6']"]
#: Not those that keep a line from being a heading or a list.
_ESCAPED = re.compile(r"\\([*_`~\[\]\\])")
_BLANK_LINES = re.compile(r"\n{3,}")


def read_html(data: bytes, encoding: str | None) -> Reading:
    """An HTML page's main text as Markdown, by trafilatura: menus, headers, footers and scripts go.

    The characters are those of UTF-8, else of the charset that the page declares, else of `encoding`.
    """
    trafilatura = _trafilatura()
    if len(data) > _MOST_BYTES:
        raise UnreadableError(f"{len(data):,} bytes, more than the {_MOST_BYTES:,} that trafilatura takes: split it")
    from lxml.etree import strip_tags  # type: ignore[import-untyped]

    source = _DECLARATION.sub("", decode(data, _declared(data) or encoding))
    tree = trafilatura.load_html(source)
    if tree is None:
        raise UnreadableError("no HTML that can be parsed: no element in it, or elements nested too deeply")
    title = " ".join((tree.findtext(".//title") or "").split())
    language = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    strip_tags(tree, *_EMPHASIS)
    text = trafilatura.extract(
        tree, output_format="markdown", include_comments=False, favor_recall=True, prune_xpath=_LINKS_TO_HEADINGS
    )
    if not text:
        raise UnreadableError("no main text in the page: it has menus, links or scripts alone")
    # Its escapes are for a renderer; an index and a model read the letters.
    text = outside_code(text, lambda prose: _ESCAPED.sub(r"\1", prose))
    return Reading(text=_tidy(text), markup="markdown", title=title, language=language)


def _declared(data: bytes) -> str | None:
    """The charset in the page's head, where Python knows it."""
    match = _CHARSET.search(data[:_CHARSET_WITHIN])
    name = match[1].decode("ascii", "replace") if match else ""
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return None
    return name or None


def html_to_markdown(html: str) -> str:
    """All text of a piece of HTML as Markdown: headings, lists and tables stay, emphasis, links and pictures go."""
    try:
        from markdownify import MarkdownConverter
    except ImportError as error:
        raise MissingExtraError("markdownify", "corpus", "reading documents with headings") from error
    converter = MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        strip=["a", "img", *_EMPHASIS],
        table_infer_header=True,
        escape_asterisks=False,
        escape_underscores=False,
    )
    return _tidy(converter.convert(html))


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _trafilatura() -> Any:  # Any: imported late
    try:
        import trafilatura
    except ImportError as error:
        raise MissingExtraError("trafilatura", "corpus", "reading HTML") from error
    # What it could not read is said by us, once and with the file's name.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return trafilatura
