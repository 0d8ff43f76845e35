"""Training texts, and the ones that a collection gives: chunks, paraphrases, questions with answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import Benchmark
from kinj.errors import UserError
from kinj.records import Pair
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

    def paraphrases(self, count: int) -> list[TrainingText]:
        """The first `count` training paraphrases of every chunk, chunk by chunk.

        Raises:
            UserError: there are none, or a chunk has fewer.
        """
        if count and not self.selected.paraphrases:
            raise UserError(
                f"paraphrases: {count}: {self.folder} has none: take arm raw (a mix also does with paraphrases: 0), or "
                "put them into a paraphrases.jsonl (docs/format.md)"
            )
        by_chunk: dict[str, list[TrainingText]] = {chunk.id: [] for chunk in self.selected.chunks}
        for paraphrase in self.selected.paraphrases:
            if paraphrase.use == "train":
                by_chunk[paraphrase.chunk_id].append(plain_text(paraphrase.id, paraphrase.text, "paraphrase"))
        for chunk_id, texts in by_chunk.items():
            if len(texts) < count:
                least = min(map(len, by_chunk.values()))
                raise UserError(
                    f"paraphrases: {count}: chunk {chunk_id!r} of {self.folder} has {len(texts)} for training; every "
                    f"chunk has at least {least}: ask for that many, or write more"
                )
        return [text for texts in by_chunk.values() for text in texts[:count]]

    def pairs(self) -> list[Pair]:
        """The training pairs, in the order of the file.

        Raises:
            UserError: there are none.
        """
        if not self.selected.pairs:
            raise UserError(
                f"{self.folder}: no pairs.jsonl with questions and answers about the selected documents, which this "
                "needs: take arm raw (a mix also does with qa_share: 0), or write them (docs/format.md)"
            )
        return list(self.selected.pairs)

    def held_out(self) -> list[TrainingText]:
        """The validation paraphrases of the injected documents: what the held-out loss is taken over; may be empty."""
        return [plain_text(p.id, p.text, "held-out") for p in self.selected.paraphrases if p.use == "validation"]


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
