"""Documents into chunks: exact slices of at most so many tokens, cut at sentences."""

from __future__ import annotations

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from kinj.corpus.tokenizer import load_tokenizer
from kinj.errors import UserError
from kinj.records import Chunk, Document

#: The size of the paper's chunks.
CHUNK_TOKENS = 256
#: Digits of a chunk's number. Ids are sorted as text everywhere, so numbers are as wide for a short document as for a
#: long one: with `#001` and `#1000` the order of a document's chunks would not be that of their ids.
_DIGITS = 6


class Cutter:
    """Cuts documents by one tokenizer and size; making one costs more than using it."""

    def __init__(self, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> None:
        if tokens < 1:
            raise UserError(f"--chunk-tokens {tokens}: a chunk holds at least one token")
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer or load_tokenizer(), tokens)

    def cut(self, document: Document) -> list[Chunk]:
        """The document's chunks in order; what lies between them is white space only.

        A chunk has as many tokens as fit (special tokens not counted) and ends at the best boundary that it can: blank
        lines before line ends, sentences before words. It holds more than that only where one character does.

        Raises:
            UserError: the document has more chunks than their numbers can count.
        """
        slices = [(start, text) for start, text in self._splitter.chunk_indices(document.text) if text.strip()]
        if len(slices) >= 10**_DIGITS:
            raise UserError(
                f"document {document.id!r} has {len(slices)} chunks, more than the {10**_DIGITS - 1} that can be "
                "numbered: split it into several documents, or make chunks larger with --chunk-tokens"
            )
        return [
            Chunk(
                id=f"{document.id}#{number:0{_DIGITS}d}",
                document_id=document.id,
                text=text,
                start=start,
                end=start + len(text),
                title=document.title,
                date=document.date,
                subject=document.subject,
                source=document.source,
                license=document.license,
            )
            for number, (start, text) in enumerate(slices, 1)
        ]


def cut(document: Document, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> list[Chunk]:
    """The chunks of one document; see `Cutter`, which serves many."""
    return Cutter(tokens, tokenizer).cut(document)
