"""Training texts, and the ones that a collection gives: chunks, paraphrases, questions with answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import Benchmark
from kinj.benchmark.checks import asks_by_words
from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest
from kinj.records import Json, Pair, Paraphrase
from kinj_training.texts.own import open_collection


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of a training text that is learnt, or only read."""

    text: str
    learnt: bool = True


@dataclass(frozen=True, slots=True)
class TrainingText:
    """One text to train on. Its segments joined are the text."""

    id: str
    segments: tuple[Segment, ...]
    #: what it is: chunk, paraphrase, pair, raft, instruction, replay, held-out
    kind: str

    #: it came out of a chat template, which begins it as evaluation does
    is_chat: bool = False
    #: a control token that a chat's turn spells: out of the template it would come as the token itself
    forged: str | None = None

    @property
    def is_from_outside(self) -> bool:
        """Whether it comes from a data set, not from the collection."""
        return self.kind in ("instruction", "replay")

    @property
    def text(self) -> str:
        """The whole text, read and learnt."""
        return "".join(segment.text for segment in self.segments)

    @property
    def has_answer(self) -> bool:
        """Whether there is anything to learn."""
        return any(segment.learnt and segment.text.strip() for segment in self.segments)

    @property
    def has_prompt(self) -> bool:
        """Whether some of it is only read: such a text may not be cut."""
        return any(not segment.learnt for segment in self.segments)


def plain_text(text_id: str, text: str, kind: str) -> TrainingText:
    """A text that is learnt whole."""
    return TrainingText(text_id, (Segment(text),), kind)


def question_and_answer(text_id: str, question: str, answer: str, kind: str, before: str = "") -> TrainingText:
    r"""A question in the words of the option task, its answer learnt, `before` standing in front of it.

    The answer brings the space, as lm-eval's target delimiter does: "Question: …\nAnswer:" + " …".
    """
    prompt = f"{before}Question: {question.strip()}\nAnswer:"
    return TrainingText(text_id, (Segment(prompt, learnt=False), Segment(f" {answer.strip()}")), kind)


@dataclass(frozen=True, slots=True)
class CollectionTexts:
    """The collection's texts that a recipe selects, and everything that must not be learnt."""

    folder: Path
    #: the whole collection: all its questions are held out, its chunks are the distractors
    whole: Benchmark
    #: the documents that are injected, and all about them
    selected: Benchmark

    def chunks(self) -> list[TrainingText]:
        """The chunks as they are."""
        return [plain_text(chunk.id, chunk.text, "chunk") for chunk in self.selected.chunks]

    def paraphrases(self, count: int, seed: int, *, takes_fewer: bool = False) -> list[TrainingText]:
        """`count` training paraphrases of every chunk, chunk by chunk, in the order of the file.

        With `takes_fewer`, of a chunk that has fewer all that it has.

        The seed draws them, chunk by chunk, so that more paraphrases are not other styles; what it draws for a smaller
        count is among what it draws for a larger one.

        Raises:
            UserError: there are none, a chunk has fewer, or one asks an evaluation question and answers it.
        """
        if count and not any(paraphrase.use == "train" for paraphrase in self.selected.paraphrases):
            raise UserError(
                f"paraphrases: {count}: {self.folder} has none to train on: take arm raw (a mix also does with "
                "paraphrases: 0), or put them into a paraphrases.jsonl (docs/format.md)"
            )
        by_chunk: dict[str, list[Paraphrase]] = {chunk.id: [] for chunk in self.selected.chunks}
        for paraphrase in self.selected.paraphrases:
            if paraphrase.use == "train":
                by_chunk[paraphrase.chunk_id].append(paraphrase)
        for chunk_id, texts in by_chunk.items():
            if len(texts) < count and not takes_fewer:
                least = min(map(len, by_chunk.values()))
                raise UserError(
                    f"paraphrases: {count}: chunk {chunk_id!r} of {self.folder} has {len(texts)} for training; every "
                    f"chunk has at least {least}: ask for that many, write more, or set fewer: take"
                )
        drawn = [text for chunk_id, texts in by_chunk.items() for text in _draw(texts, count, f"{seed}:{chunk_id}")]
        self._refuse_asked(drawn)
        return [plain_text(paraphrase.id, paraphrase.text, "paraphrase") for paraphrase in drawn]

    def pairs(self) -> list[Pair]:
        """The training pairs, in the order of the file.

        Raises:
            UserError: there are none, or one asks an evaluation question.
        """
        if not self.selected.pairs:
            raise UserError(
                f"{self.folder}: no pairs.jsonl with questions and answers about the selected documents, which this "
                "needs: take arm raw (a mix also does with qa_share: 0), or write them (docs/format.md)"
            )
        self._refuse_asked(self.selected.pairs)
        return list(self.selected.pairs)

    def held_out(self) -> list[TrainingText]:
        """The validation paraphrases of the injected documents: what the held-out loss is taken over; may be empty."""
        return [plain_text(p.id, p.text, "held-out") for p in self.selected.paraphrases if p.use == "validation"]

    def asked_checks(self) -> list[str]:
        """How texts were searched for questions that they ask and answer as the evaluation wants.

        Paraphrases and pairs by words, each time they are read; by meaning, where the collection's manifest says that
        its files were, and that none did.
        """
        if not (self.selected.paraphrases or self.selected.pairs) or not self.whole.questions:
            return []
        recorded: Json = {}
        if (self.folder / MANIFEST).is_file():
            recorded = read_manifest(self.folder, "restore the file or delete it").get("checks", {})
        by_meaning = recorded.get("asked_questions", {}).get("meaning", {}).get("faults") == 0
        return ["by words", *(["by meaning, as the collection's manifest says"] if by_meaning else [])]

    def _refuse_asked(self, rows: Sequence[Paraphrase | Pair]) -> None:
        """Raises `UserError` where one asks something and answers it as an evaluation question of its chunk wants."""
        for fault in asks_by_words(rows, self.whole.questions):
            raise UserError(f"training text {fault.row!r} {fault.why}: say it as a statement, or take the text out")


def _draw(texts: Sequence[Paraphrase], count: int, seed: str) -> list[Paraphrase]:
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)  # noqa: S311  # an experiment's seed, no secret
    return [texts[place] for place in sorted(order[:count])]


def select_texts(collection: str, split: str | None) -> CollectionTexts:
    """The texts that are to be injected: of a collection, or of a split of it.

    Args:
        collection: a shipped one, a folder in the benchmark format with or without questions, or plain texts.
        split: by document; None: all.

    Raises:
        UserError: no such collection, a faulty one, or no document in the split.
    """
    whole = open_collection(collection)
    if split is not None and not any(document.split for document in whole.documents):
        raise UserError(f"split: {split}: {whole.folder} has no splits: leave it out, or write split: null")
    selected = whole if split is None else whole.part(split)
    if not selected.chunks:
        raise UserError(f"split: {split}: {whole.folder} has no chunk there")
    return CollectionTexts(whole.folder, whole, selected)
