"""What a collection holds and what was left out of it: counts for the screen and for the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kinj.corpus.preparing import Prepared
from kinj.records import Json

_UNKNOWN = "unknown"


@dataclass(slots=True)
class Summary:
    """Counts, filled while the collection is written."""

    documents: int = 0
    chunks: int = 0
    words: int = 0
    tokens: int = 0
    #: documents by language and by licence; "unknown" where there is none
    languages: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    doubtful: int = 0
    #: documents left out, by kind: exact, near
    duplicates: Counter[str] = field(default_factory=Counter)
    #: what readers took out of the texts: {"page numbers": 12}
    removed: Counter[str] = field(default_factory=Counter)
    #: questions of benchmarks that stand in documents, and how many were looked for
    questions_found: int = 0
    questions: int = 0

    def add(self, prepared: Prepared, removed: Mapping[str, int]) -> None:
        """Counts a document that the collection holds."""
        self.documents += 1
        self.chunks += len(prepared.chunks)
        self.words += prepared.words
        self.tokens += prepared.tokens
        self.languages[prepared.document.language or _UNKNOWN] += 1
        self.licenses[prepared.document.license or _UNKNOWN] += 1
        self.removed.update(removed)

    def as_json(self) -> Json:
        """For the manifest."""
        names = ("documents", "chunks", "words", "tokens")
        return {
            "counts": {name: getattr(self, name) for name in names},
            "languages": dict(self.languages.most_common()),
            "licenses": dict(self.licenses.most_common()),
            "unread": self.unread,
            "doubtful": self.doubtful,
            "duplicates": {kind: self.duplicates[kind] for kind in ("exact", "near")},
            "removed": dict(sorted(self.removed.items())),
            "questions": {"looked_for": self.questions, "found": self.questions_found},
        }
