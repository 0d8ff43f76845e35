"""What a run will ask of each server, as far as one can tell before: were every answer good."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from kinj.records import Chunk
from kinj.writing.asking import TRIES
from kinj.writing.candidate import HELD_OUT, kept_before
from kinj.writing.journal import Key
from kinj.writing.material import sha256_of
from kinj.writing.questions import KEPT, QuestionWriter
from kinj.writing.reading import MOST_TITLES
from kinj.writing.server import about_tokens
from kinj.writing.session import Estimate, Session, Where
from kinj.writing.texts import TextWriter

#: Tokens that answers take, roughly.
_DRAFTS, _RANKING, _LETTER, _FRAME = 500, 20, 10, 100
#: Of one question: its document, at most four orders without the chunk, and two with it.
_FIND, _UNSEEN, _READ = 1, 4, 2


class _Sums:
    """Requests and their tokens, added up for each server."""

    def __init__(self) -> None:
        self._sums: defaultdict[Where, Counter[str]] = defaultdict(Counter)
        self._documents: defaultdict[Where, set[str]] = defaultdict(set)

    def add(self, where: Where, chunks: Sequence[Chunk], prompt: int, answer: int, requests: int) -> None:
        """So many requests, each with these chunks, so many tokens around them, and an answer."""
        texts = sum(about_tokens(chunk.text) for chunk in chunks)
        counts = {"requests": 1, "prompt_tokens": prompt + texts, "completion_tokens": answer, "document_tokens": texts}
        self._sums[where].update({name: requests * count for name, count in counts.items()})
        self._documents[where].update(chunk.document_id for chunk in chunks if requests)

    def estimates(self) -> dict[Where, Estimate]:
        """All of it, by server."""
        return {
            where: Estimate(**sums, documents=len(self._documents[where]))
            for where, sums in self._sums.items()
            if sums["requests"]
        }


class _Known:
    """What the folder has already."""

    def __init__(self, session: Session, rounds: int) -> None:
        self._session, self._rounds = session, rounds
        self._kept = kept_before(session.settings.out)
        entries = list(session.journal.all_entries())
        self._asked = Counter((key.task, key.chunk, key.number) for key in {entry.key for entry in entries})
        self._readers = {(entry.by, entry.key.task) for entry in entries}

    def missing(self, chunks: Sequence[Chunk], task: str, styles: Sequence[str], sort: str, wanted: int) -> int:
        """How many requests it takes: the first time one a style, in later rounds one for what was not kept."""
        name = " ".join(chunk.id for chunk in chunks)
        first = sum(not self._is_answered(Key(name, task, style), chunks) for style in styles)
        if first:
            return first
        return self.anew(name, task, sort, wanted, len(styles))

    def anew(self, name: str, task: str, sort: str, wanted: int, most: int) -> int:
        """Of later rounds: one for what was not kept, at most so many a round."""
        short = min(max(0, wanted - self._kept[sort, name]), most)
        return sum(max(0, short - self._asked[task, name, number]) for number in range(2, self._rounds + 1))

    def _is_answered(self, key: Key, chunks: Sequence[Chunk]) -> bool:
        entries = self._session.journal.entries(key, sha256_of(*chunks))
        return len(entries) >= TRIES or any(entry.answer is not None for entry in entries)

    def to_read(self, new: int, model: str, task: str) -> int:
        """Of new questions all; where a model has read none here, those that the journal has too."""
        return new if new or (model, task) in self._readers else 1


def estimate_questions(
    session: Session,
    writer: QuestionWriter,
    chunks: Sequence[Chunk],
    pairs: Sequence[tuple[Chunk, Chunk]],
    forms: Sequence[str],
) -> dict[Where, Estimate]:
    """For the questions of these chunks and pairs of chunks; what the journal has is not counted."""
    sums, known, where = _Sums(), _Known(session, writer.rounds), session.writer_place
    titles = min(MOST_TITLES, len(session.material.documents)) * 10

    def read(about: Sequence[Chunk], new: int, questions: int, told: int) -> None:
        # Of each new set of questions so many, and so many told without names, which nobody has to find.
        if session.reader_model is not None:
            count = known.to_read(new, session.reader_model[0], "read")
            sums.add(session.reader_model, (), titles + _FRAME, _LETTER, _FIND * count * questions)
            sums.add(session.reader_model, (), _FRAME, _LETTER, _UNSEEN * count * (questions + told))
            sums.add(session.reader_model, about, _FRAME, _LETTER, _READ * count * (questions + told))
            if session.closed_book_model is not None:
                count = known.to_read(new, session.closed_book_model[0], "closed_book")
                sums.add(session.closed_book_model, (), _FRAME, _LETTER, _UNSEEN * count * (questions + told))

    for chunk in chunks if "direct" in forms else ():
        new = known.missing((chunk,), "questions", ("direct",), "direct", KEPT)
        around = about_tokens(writer.direct_prompt(chunk)) - about_tokens(chunk.text)
        sums.add(where, (chunk,), around, _DRAFTS, new)
        sums.add(where, (), _FRAME, _RANKING, new)
        told = KEPT if "indirect" in forms else 0
        sums.add(where, (chunk,), 2 * _FRAME, _FRAME, new * told)
        read((chunk,), new, KEPT, told)
    for pair in pairs if "two" in forms else ():
        new = known.missing(pair, "two", ("",), "two", 1)
        sums.add(where, pair, 2 * _FRAME, _FRAME, new)
        read(pair, new, 1, 0)
    return sums.estimates()


def estimate_texts(
    session: Session, writer: TextWriter, kind: str, chunks: Sequence[Chunk], held_out: Sequence[Chunk]
) -> dict[Where, Estimate]:
    """For one kind of training texts about these chunks, and a paraphrase more about those of which one is held out."""
    sums, known, where = _Sums(), _Known(session, writer.rounds), session.writer_place
    for chunk in held_out:
        new = known.missing((chunk,), "paraphrase", (writer.held_out_key(chunk),), HELD_OUT, 1)
        prompt = about_tokens(writer.prompt(kind, chunk))
        text = about_tokens(chunk.text)
        sums.add(where, (chunk,), prompt - text, text + _LETTER, new)
    for chunk in chunks:
        text = about_tokens(chunk.text)
        around = about_tokens(writer.prompt(kind, chunk)) - text
        if kind == "paraphrases":
            keys = writer.style_keys(chunk)
            new = known.missing((chunk,), "paraphrase", keys, kind, len(keys))
        elif kind == "relations":
            new = (1 + writer.per_chunk) * known.missing((chunk,), "entities", ("",), kind, 0)
            new = new or known.anew(chunk.id, "relation", kind, writer.per_chunk, writer.per_chunk)
        else:
            new = known.missing((chunk,), kind, ("",), kind, 1 if kind == "facts" else writer.per_chunk)
        sums.add(where, (chunk,), around, text + _LETTER, new)
    return sums.estimates()
