"""Documents into chunks: exact slices of at most so many tokens, cut at sentences, or by the structure of Markdown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from kinj.corpus.markdown import Slice, cut_markdown
from kinj.corpus.tokenizer import load_tokenizer
from kinj.errors import UserError
from kinj.records import Chunk, Document

#: The size of the paper's chunks.
CHUNK_TOKENS = 256
#: Digits of a chunk's number. Ids are sorted as text everywhere, so numbers are as wide for a short document as for a
#: long one: with `#001` and `#1000` the order of a document's chunks would not be that of their ids.
_DIGITS = 6
#: Characters that the splitter sees at a time, and the margin at their end, for each token of a chunk: English has four
#: or five characters a token. At the end itself a word may be cut, and half a word may have more tokens than a whole.
_WINDOW, _MARGIN = 32, 8
#: The pieces that Markdown's chunks are made of are so many times smaller than a chunk.
_PIECES = 8


class Cutter:
    """Cuts documents by one tokenizer and size; making one costs more than using it."""

    def __init__(self, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> None:
        if tokens < 1:
            raise UserError(f"--chunk-tokens {tokens}: a chunk holds at least one token")
        self._tokens = tokens
        self._tokenizer = tokenizer or load_tokenizer()
        self._text = _Splitter(self._tokenizer, tokens)
        self._pieces = _Splitter(self._tokenizer, max(1, tokens // _PIECES))

    def cut(self, document: Document) -> list[Chunk]:
        """The document's chunks in order; what lies between them is white space only.

        A chunk has as many tokens as fit (special tokens not counted) and ends at the best boundary that it can: blank
        lines before line ends, sentences before words. It holds more than that only where one character does. Markdown
        is cut by its structure: see `cut_markdown`.

        Raises:
            UserError: the document has more chunks than their numbers can count.
        """
        slices = self._slices(document)
        if len(slices) >= 10**_DIGITS:
            raise UserError(
                f"document {document.id!r} has {len(slices)} chunks, more than the {10**_DIGITS - 1} that can be "
                "numbered: split it into several documents, or make chunks larger with --chunk-tokens"
            )
        return [
            Chunk(
                id=f"{document.id}#{number:0{_DIGITS}d}",
                document_id=document.id,
                text=document.text[one.start : one.end],
                start=one.start,
                end=one.end,
                title=document.title,
                date=document.date,
                subject=document.subject,
                source=document.source,
                license=document.license,
                headings=one.headings,
                table_header=one.table_header,
                page=_pages(document.pages, one.start, one.end),
                language=document.language,
            )
            for number, one in enumerate(slices, 1)
        ]

    def _slices(self, document: Document) -> list[Slice]:
        if document.markup == "markdown" or document.source.lower().endswith(".md"):
            return cut_markdown(document.text, self._tokens, self._count, self._pieces.split)
        return [Slice(start, start + len(text)) for start, text in self._text.split(document.text)]

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


class _Splitter:
    """`TextSplitter` in time that grows with the text, whatever it holds.

    At each cut the library counts the tokens of the next paragraph, sentence and word as a whole: one word of 3 MB did
    not end, 400,000 words without a full stop took 45 s. So it is shown a window at a time. A slice that begins well
    before the window's end, where more is left than fits into a slice, depends on nothing behind the window: it is one
    of the whole text's. The others are cut again in the next window.
    """

    def __init__(self, tokenizer: Tokenizer, tokens: int) -> None:
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer, tokens)
        self._window, self._margin = _WINDOW * tokens, _MARGIN * tokens

    def split(self, text: str) -> Iterator[tuple[int, str]]:
        """Yields where each slice begins, and the slice; none is white space alone."""
        start, size = 0, self._window
        while start < len(text):
            slices = [one for one in self._splitter.chunk_indices(text[start : start + size]) if one[1].strip()]
            if start + size >= len(text):
                yield from ((start + at, part) for at, part in slices)
                return
            if len(slices) == 1:
                size *= 2
                continue
            kept = [one for one in slices[:-1] if one[0] <= size - self._margin]
            yield from ((start + at, part) for at, part in kept)
            start += slices[len(kept)][0] if slices else size
            size = self._window


def _pages(pages: Sequence[int], start: int, end: int) -> str:
    """The pages that a slice lies on, from 1: `3`, or `3-4`; empty where the document has none."""
    if not pages:
        return ""
    first, last = (max(1, bisect_right(pages, at)) for at in (start, end - 1))
    return str(first) if first == last else f"{first}-{last}"


def cut(document: Document, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> list[Chunk]:
    """The chunks of one document; see `Cutter`, which serves many."""
    return Cutter(tokens, tokenizer).cut(document)
