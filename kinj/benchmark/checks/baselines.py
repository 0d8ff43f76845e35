"""How many questions a reader answers who does not understand: by strings, by words, by looks.

Each reader gives an option a number and takes the largest; where several share it, it is right by the chance that a
draw among them is. What a benchmark lets these readers reach, a model's score does not show reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import contains, content, plain
from kinj.benchmark.collection import Benchmark
from kinj.records import Question

#: a kind with fewer questions is reported, but held to no limit
LEAST = 100


@dataclass(frozen=True, slots=True)
class Baselines:
    """Shares of right answers, 0 to 1, over some questions with options."""

    questions: int
    #: of a draw among the options
    chance: float
    #: takes the option whose words stand in a row in the source chunks; none found: chance
    string_chunk: float
    #: takes the option with the largest share of its words in the source chunks
    words_chunk: float
    #: as `string_chunk`, in all chunks of the collection
    string_collection: float
    #: takes the option with most words of the question
    question_words: float
    longest_option: float


#: The most above chance that the shipped collection lets them reach; `dev` is smaller and may have five points more.
LIMITS = {
    "string_chunk": 0.35,
    "words_chunk": 0.35,
    "string_collection": 0.10,
    "question_words": 0.05,
    "longest_option": 0.05,
}
DEV_SLACK = 0.05


class Readers:
    """The readers over one benchmark's chunks."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._texts: Mapping[str, str] = {chunk.id: chunk.text for chunk in benchmark.chunks}
        # One text, with a mark between chunks that no run of words crosses.
        self._all = " | ".join(f" {plain(chunk.text)} " for chunk in benchmark.chunks)

    def over(self, asked: Sequence[Question]) -> Baselines | None:
        """What each reaches over those of these questions that have options; None where none has."""
        questions = [question for question in asked if question.choices]
        if not questions:
            return None

        def mean(score: Callable[[Question], Callable[[str], float]]) -> float:
            return sum(_chance(question, score(question)) for question in questions) / len(questions)

        return Baselines(
            questions=len(questions),
            chance=mean(lambda _: lambda _: 0.0),
            string_chunk=mean(lambda question: self._stands_in(self._source(question))),
            words_chunk=mean(lambda question: _share_in(self._source(question))),
            string_collection=mean(lambda _: self.stands_anywhere),
            question_words=mean(lambda question: _words_of(question.question)),
            longest_option=mean(lambda _: len),
        )

    def _source(self, question: Question) -> str:
        return "\n".join(self._texts[chunk_id] for chunk_id in question.chunk_ids)

    @staticmethod
    def _stands_in(text: str) -> Callable[[str], float]:
        return lambda option: float(contains(text, option))

    def stands_anywhere(self, option: str) -> bool:
        """Whether the option's words stand in a row in some chunk."""
        return f" {plain(option)} " in self._all


def baseline_limits(benchmark: Benchmark, split: str) -> Iterator[Fault]:
    """A reader that does not understand answers more than `LIMITS`: of the direct questions, or of a kind of them."""
    readers = Readers(benchmark)
    for name, questions in parts_of(benchmark.part(split)).items():
        if not name.startswith("direct") or ("," in name and len(questions) < LEAST):
            continue
        reached = readers.over(questions)
        if reached is None:
            continue
        for reader, margin in LIMITS.items():
            most = reached.chance + margin + (DEV_SLACK if split == "dev" else 0)
            if (share := getattr(reached, reader)) > most:
                why = f"{reader} answers {share:.1%} of {reached.questions}, expected {most:.0%} at most"
                yield Fault(split, f"{name}: {why}")


def parts_of(part: Benchmark) -> dict[str, list[Question]]:
    """The answerable questions by form ("direct"), then by form and kind ("direct, who")."""
    parts: dict[str, list[Question]] = {}
    for question in part.questions:
        if question.answerable:
            parts.setdefault(question.form, []).append(question)
    for question in part.questions:
        if question.answerable and question.kind:
            parts.setdefault(f"{question.form}, {question.kind}", []).append(question)
    return parts


def _chance(question: Question, score: Callable[[str], float]) -> float:
    """The chance that a reader by this score answers right; a score of 0 for all options is a guess."""
    scores = [float(score(choice)) for choice in question.choices]
    best = [place for place, value in enumerate(scores) if value == max(scores)]
    return (question.answer in best) / len(best)


def _share_in(text: str) -> Callable[[str], float]:
    present = set(plain(text).split())

    def share(option: str) -> float:
        words = content(option)
        return sum(word in present for word in words) / len(words)

    return share


def _words_of(question: str) -> Callable[[str], float]:
    asked = set(content(question))
    return lambda option: float(sum(word in asked for word in content(option)))
