"""What a run will ask, as far as one can tell before."""

from __future__ import annotations

from collections.abc import Sequence

from kinj.records import Chunk
from kinj.writing.journal import Journal, Key
from kinj.writing.material import sha256_of
from kinj.writing.questions import KEPT, QuestionWriter
from kinj.writing.reading import MOST_TITLES
from kinj.writing.server import about_tokens
from kinj.writing.session import Estimate, Session
from kinj.writing.texts import TextWriter

#: Tokens that answers take, roughly.
_DRAFTS, _RANKING, _LETTER, _FRAME = 500, 20, 10, 100
#: Of one question: its document, at most four orders without the chunk, and two with it.
_FIND, _UNSEEN, _READ = 1, 4, 2


class _Sum:
    """Requests and their tokens, added up."""

    def __init__(self) -> None:
        self.requests = self.prompts = self.answers = self.texts = 0
        self.documents: set[str] = set()

    def add(self, chunk: Chunk, prompt: int, answer: int, *, texts: int, requests: int = 1) -> None:
        """So many requests about a chunk, each of a prompt and an answer, with the chunk's text in some of them."""
        self.requests += requests
        self.prompts += requests * prompt
        self.answers += requests * answer
        self.texts += texts * about_tokens(chunk.text)
        self.documents.add(chunk.document_id)

    def estimate(self) -> Estimate:
        """All of it."""
        return Estimate(self.requests, self.prompts, self.answers, self.texts, len(self.documents))


def estimate_questions(
    session: Session, writer: QuestionWriter, chunks: Sequence[Chunk], forms: Sequence[str]
) -> Estimate:
    """For the questions of these chunks, at most, were every draft good; what the journal has is not counted."""
    total = _Sum()
    titles = min(MOST_TITLES, len(session.material.documents)) * 10
    for chunk in chunks:
        if _is_known(session.journal, chunk, "questions", "direct") or "direct" not in forms:
            continue
        text = about_tokens(chunk.text)
        total.add(chunk, about_tokens(writer.direct_prompt(chunk)), _DRAFTS, texts=1)
        total.add(chunk, _FRAME, _RANKING, texts=0)
        asked = KEPT * (2 if "indirect" in forms else 1)
        if "indirect" in forms:
            total.add(chunk, text + 2 * _FRAME, _FRAME, texts=KEPT, requests=KEPT)
        if writer.reader is not None:
            total.add(chunk, titles + _FRAME, _LETTER, texts=0, requests=_FIND * KEPT)
            closed_book = _UNSEEN if session.closed_book_model else 0
            total.add(chunk, _FRAME, _LETTER, texts=0, requests=(_UNSEEN + closed_book) * asked)
            total.add(chunk, text + _FRAME, _LETTER, texts=_READ * asked, requests=_READ * asked)
    if "two" in forms:
        for chunk in chunks:  # two chunks a question, and one question of two chunks
            total.add(chunk, (2 * about_tokens(chunk.text) + 2 * _FRAME) // 2, _FRAME, texts=1)
    return total.estimate()


def estimate_texts(session: Session, writer: TextWriter, kind: str, chunks: Sequence[Chunk]) -> Estimate:
    """For one kind of training texts about these chunks; what the journal has is not counted."""
    total = _Sum()
    for chunk in chunks:
        text, prompt = about_tokens(chunk.text), about_tokens(writer.prompt(kind, chunk))
        if kind == "paraphrases":
            styles = writer.styles(chunk)
            keys = [f"{style} {styles[:place].count(style) + 1}" for place, style in enumerate(styles)]
            new = sum(not _is_known(session.journal, chunk, "paraphrase", key) for key in keys)
            total.add(chunk, prompt, text + _LETTER, texts=new, requests=new)
        elif not _is_known(session.journal, chunk, "entities" if kind == "relations" else kind, ""):
            further = writer.per_chunk if kind == "relations" else 0
            total.add(chunk, prompt, text, texts=1 + further, requests=1 + further)
    return total.estimate()


def _is_known(journal: Journal, chunk: Chunk, task: str, style: str) -> bool:
    entries = journal.entries(Key(chunk.id, task, style), sha256_of(chunk))
    return any(entry.answer is not None for entry in entries)
