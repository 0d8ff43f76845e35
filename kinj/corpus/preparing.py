"""One document made ready for the collection: its language, its chunks, its counts, and what tells it from others."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenizers import Tokenizer

from kinj.corpus.cutting import Cutter
from kinj.corpus.duplicates import Fingerprint, fingerprint
from kinj.corpus.language import find_language
from kinj.corpus.readers.formats import library_versions
from kinj.jsonl import to_object
from kinj.manifest import sha256_json
from kinj.records import Chunk, Document, Json

#: Counted up when the same document gives other chunks or fingerprints than before: all are then made again.
_FORMAT = 1
_WORD = re.compile(r"\S+")
#: Chunks whose tokens are counted together.
_AT_A_TIME = 256
#: Fields that a chunk has of its document, or that a slice gives back.
_OF_DOCUMENT = frozenset({"document_id", "text", "title", "date", "subject", "source", "license"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document with its chunks and what the summary counts."""

    document: Document
    chunks: tuple[Chunk, ...]
    words: int
    #: of the chunks, without special tokens
    tokens: int
    mark: Fingerprint

    def notes(self) -> Json:
        """What the journal holds beside the texts."""
        signature = base64.b85encode(self.mark.signature).decode()
        return {"words": self.words, "tokens": self.tokens, "digest": self.mark.words_sha256, "signature": signature}

    def body(self) -> str:
        """Document and chunks as one text: a chunk is a slice, so its text is not written again."""
        cuts = [{k: v for k, v in to_object(chunk).items() if k not in _OF_DOCUMENT} for chunk in self.chunks]
        return json.dumps({"document": to_object(self.document), "chunks": cuts}, ensure_ascii=False)


def unpacked(notes: Json, body: str) -> Prepared:
    """What `Prepared.notes` and `Prepared.body` made of it."""
    values = json.loads(body)
    document = Document(**{name: _tuple(value) for name, value in values["document"].items()})
    mark = Fingerprint(notes["digest"], base64.b85decode(notes["signature"]))
    chunks = tuple(_chunk(document, cut) for cut in values["chunks"])
    return Prepared(document, chunks, notes["words"], notes["tokens"], mark)


def _chunk(document: Document, cut: Json) -> Chunk:
    return Chunk(
        document_id=document.id,
        text=document.text[cut["start"] : cut["end"]],
        title=document.title,
        date=document.date,
        subject=document.subject,
        source=document.source,
        license=document.license,
        **{name: _tuple(value) for name, value in cut.items()},
    )


def _tuple(value: Any) -> Any:  # Any: a JSON value
    return tuple(value) if isinstance(value, list) else value


class Preparer:
    """Prepares documents by one tokenizer and size."""

    def __init__(self, tokens: int, tokenizer: Tokenizer) -> None:
        self._cutter = Cutter(tokens, tokenizer)
        self._tokenizer = tokenizer
        libraries = library_versions()
        by = [_FORMAT, tokens, tokenizer.to_str(), libraries.get("rensa"), libraries.get("py3langid")]
        #: changes when a document would be prepared otherwise
        self.identity = sha256_json(by)
        self.tokenizer_sha256 = sha256_json(tokenizer.to_str())

    def prepare(self, document: Document) -> Prepared:
        """The document with its language where it named none, and its chunks."""
        if not document.language:
            document = replace(document, language=find_language(document.text))
        chunks = tuple(self._cutter.cut(document))
        words = sum(1 for _ in _WORD.finditer(document.text))  # a list of them takes ten times the text
        return Prepared(document, chunks, words, self._count(chunks), fingerprint(document.text))

    def _count(self, chunks: Sequence[Chunk]) -> int:
        """Tokens of the chunks; what the tokenizer says of a token takes a hundred bytes, so a few at a time."""
        count = 0
        for start in range(0, len(chunks), _AT_A_TIME):
            texts = [chunk.text for chunk in chunks[start : start + _AT_A_TIME]]
            count += sum(map(len, self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)))
        return count
