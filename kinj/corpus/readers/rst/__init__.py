"""reStructuredText: headings, paragraphs, lists and tables as Markdown."""

from __future__ import annotations

import re

from kinj.corpus.readers.html import html_to_markdown
from kinj.corpus.readers.reading import Reading, UnreadableError, decode
from kinj.errors import MissingExtraError

__all__ = ["read_rst"]


def read_rst(data: bytes, encoding: str | None) -> Reading:
    """A .rst file's text as Markdown, docutils' dialect and Sphinx's; unknown roles and directives leave their text."""
    try:
        from kinj.corpus.readers.rst.parsing import rst_to_html
    except ImportError as error:
        raise MissingExtraError("docutils", "corpus", "reading .rst") from error
    try:
        html = rst_to_html(decode(data, encoding))
    # What docutils meets in markup that nobody tried before; its own errors are reported in the text.
    except (RecursionError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise UnreadableError(f"docutils cannot read it ({type(error).__name__}: {str(error)[:100]})") from error
    text = html_to_markdown(html)
    heading = re.search(r"^#+ (.+)$", text, re.MULTILINE)
    return Reading(text, markup="markdown", title=heading[1] if heading else "")
