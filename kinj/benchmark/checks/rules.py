"""All rules over a benchmark: what each refuses, which language it knows, and whether it is anybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kinj.benchmark.checks import (
    alike,
    alone,
    asking,
    balance,
    baselines,
    forms,
    options,
    orders,
    repeats,
    structure,
    wording,
)
from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.repeats import Embed
from kinj.benchmark.collection import Benchmark
from kinj.benchmark.place import FORM_FILES
from kinj.progress import progress
from kinj.records import Chunk, Pair, Paraphrase, Question

Check = Callable[[Benchmark], Iterable[Fault]]
#: Faults of a split as a whole mean something from so many questions of one form on.
LEAST_OF_SPLIT = baselines.LEAST


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as it is run over a benchmark."""

    #: the function's
    name: str
    #: one sentence
    refuses: str
    check: Check
    #: ISO 639-1 of the language whose words or spelling it goes by; empty: any
    language: str = ""
    #: whether it is about a split as a whole
    is_of_split: bool = False
    #: whether it holds the make-up of the shipped collection, which a folder of one's own need not have
    is_of_shipped: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that did not run, or not over all rows."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What the rules found."""

    #: every rule that ran, in its order, with its faults
    faults: Mapping[Rule, list[Fault]]
    skipped: tuple[Skipped, ...]

    @property
    def count(self) -> int:
        """Faults in all."""
        return sum(map(len, self.faults.values()))


def check_benchmark(
    benchmark: Benchmark, languages: Mapping[str, str], *, is_shipped: bool, embed: Embed | None = None
) -> Checked:
    """What every rule finds that is made for this folder; where one is not, it is in `skipped` with the reason.

    Args:
        benchmark: whole.
        languages: of questions, paraphrases and pairs by their id, ISO 639-1; one that is not there counts as English.
        is_shipped: whether the rules about the shipped collection's make-up run too, and those about splits on small
            ones.
        embed: for the rules by meaning; None: they do not run.
    """
    foreign = {row_id for row_id, language in languages.items() if language != "en"}
    large = benchmark if is_shipped else _large_parts(benchmark)
    faults: dict[Rule, list[Fault]] = {}
    skipped: list[Skipped] = []
    rules = (*RULES, *(_by_meaning(embed) if embed is not None else ()))
    for rule in _counted(rules):
        part = large if rule.is_of_split else benchmark
        if rule.is_of_shipped and not is_shipped:
            skipped.append(Skipped(rule, "of the shipped collection's make-up alone"))
            continue
        if rule.is_of_split and not part.questions:
            skipped.append(Skipped(rule, f"no split has {LEAST_OF_SPLIT} questions of one form with options"))
            continue
        if rule.language and foreign:
            part = _without(part, foreign)
            skipped.append(Skipped(rule, f"knows English alone: {len(foreign):,} rows in other languages left out"))
            if not (part.questions or part.paraphrases or part.pairs):
                continue
        faults[rule] = list(rule.check(part))
    if embed is None:
        skipped += [Skipped(rule, "by meaning: --embedder NAME") for rule in _by_meaning(None)]
    return Checked(faults, tuple(skipped))


def _counted(rules: Sequence[Rule]) -> Iterator[Rule]:
    """Yields the rules, and shows how many have run."""
    with progress("checking", len(rules)) as advance:
        for rule in rules:
            yield rule
            advance(1, rule.name)


def row_faults(benchmark: Benchmark) -> list[Fault]:
    """What is wrong with single rows, by every rule, to be mended or left out row by row."""
    return [fault for rule in RULES if not rule.is_of_split for fault in rule.check(benchmark)]


def collection_faults(benchmark: Benchmark) -> list[Fault]:
    """What is wrong with the collection as a whole, by every rule."""
    return [fault for rule in RULES if rule.is_of_split for fault in rule.check(benchmark)]


def _large_parts(benchmark: Benchmark) -> Benchmark:
    """The benchmark with those questions with options alone whose split and form has enough of them."""
    kept: list[Question] = []
    for split in ("test", "dev"):
        part = benchmark.part(split)
        for form in FORM_FILES:
            questions = [question for question in part.asked(form) if question.choices]
            kept += questions if len(questions) >= LEAST_OF_SPLIT else ()
    return replace(benchmark, questions=tuple(kept))


def _without(benchmark: Benchmark, ids: set[str]) -> Benchmark:
    return replace(
        benchmark,
        questions=tuple(row for row in benchmark.questions if row.id not in ids),
        paraphrases=tuple(row for row in benchmark.paraphrases if row.id not in ids),
        pairs=tuple(row for row in benchmark.pairs if row.id not in ids),
    )


# ---- rules about one row, over all rows


def _each_question(check: Callable[[Question], Iterable[Fault]]) -> Check:
    return lambda benchmark: (fault for question in benchmark.questions for fault in check(question))


def _each_keyed(check: Callable[[Question], Iterable[Fault]]) -> Check:
    """Over the questions that have a right option among others."""
    return lambda benchmark: (f for q in benchmark.questions if q.answerable and q.choices for f in check(q))


def _each_sourced(check: Callable[[Question, str], Iterable[Fault]]) -> Check:
    """Over the questions that one chunk answers: two chunks' answer may be their sum or a comparison."""

    def faults(benchmark: Benchmark) -> Iterator[Fault]:
        texts = {chunk.id: chunk.text for chunk in benchmark.chunks}
        for question in benchmark.questions:
            if question.answerable and question.form != "two" and question.chunk_ids:
                yield from check(question, "\n".join(texts[chunk_id] for chunk_id in question.chunk_ids))

    return faults


def _indirect_names(benchmark: Benchmark) -> Iterator[Fault]:
    texts = {chunk.id: chunk.text for chunk in benchmark.chunks}
    for question in benchmark.asked("indirect"):
        yield from forms.indirect_names(question, "\n".join(texts[chunk_id] for chunk_id in question.chunk_ids))


def _two_chunks(benchmark: Benchmark) -> Iterator[Fault]:
    documents = {chunk.id: chunk.document_id for chunk in benchmark.chunks}
    for split in ("test", "dev"):
        yield from forms.two_chunks(split, benchmark.part(split).asked("two"), documents)


def _each_paraphrase(check: Callable[[Paraphrase, Chunk], Iterable[Fault]]) -> Check:
    def faults(benchmark: Benchmark) -> Iterator[Fault]:
        chunks = {chunk.id: chunk for chunk in benchmark.chunks}
        for paraphrase in benchmark.paraphrases:
            if paraphrase.style in wording.PART_STYLES:
                continue
            yield from check(paraphrase, chunks[paraphrase.chunk_id])

    return faults


def _near_copies(benchmark: Benchmark) -> Iterator[Fault]:
    by_chunk: dict[str, list[Paraphrase]] = {}
    for paraphrase in benchmark.paraphrases:
        by_chunk.setdefault(paraphrase.chunk_id, []).append(paraphrase)
    for chunk in benchmark.chunks:
        yield from wording.near_copies(by_chunk.get(chunk.id, ()), chunk)


def _pair_like_question(benchmark: Benchmark) -> Iterator[Fault]:
    by_chunk: dict[str, list[Question]] = {}
    for question in benchmark.questions:
        for chunk_id in question.chunk_ids:
            by_chunk.setdefault(chunk_id, []).append(question)
    for pair in benchmark.pairs:
        yield from wording.pair_like_question(pair, by_chunk.get(pair.chunk_id, ()))


def _pair_answer_numbers(benchmark: Benchmark) -> Iterator[Fault]:
    chunks = {chunk.id: chunk for chunk in benchmark.chunks}
    for pair in benchmark.pairs:
        yield from wording.pair_answer_numbers(pair, chunks[pair.chunk_id])


def _asks_by_words(benchmark: Benchmark) -> Iterator[Fault]:
    return asking.asks_by_words((*benchmark.paraphrases, *benchmark.pairs), benchmark.questions)


# ---- rules about a split


def _each_split(check: Callable[[str, Sequence[Question]], Iterable[Fault]]) -> Check:
    """Over the answerable questions of each form in test and dev."""

    def faults(benchmark: Benchmark) -> Iterator[Fault]:
        for split in ("test", "dev"):
            part = benchmark.part(split)
            for form in FORM_FILES:
                if questions := part.asked(form):
                    yield from check(split, questions)

    return faults


def _baseline_limits(benchmark: Benchmark) -> Iterator[Fault]:
    for split in ("test", "dev"):
        yield from baselines.baseline_limits(benchmark, split)


def _empty_splits(benchmark: Benchmark) -> Iterator[Fault]:
    for split in ("test", "dev"):
        if not benchmark.part(split).asked():
            yield Fault(split, "no question")


# ---- the rules


def _rule(
    function: Callable[..., Iterable[Fault]], check: Check | None = None, language: str = "", *, split: bool = False,
    shipped: bool = False,
) -> Rule:  # fmt: skip
    refuses = str(function.__doc__).splitlines()[0]
    return Rule(function.__name__, refuses, check or function, language, split, shipped)


RULES: tuple[Rule, ...] = (
    _rule(options.repeated_option, _each_question(options.repeated_option)),
    _rule(options.option_in_question, _each_question(options.option_in_question)),
    _rule(options.catch_all_option, _each_question(options.catch_all_option), "en"),
    _rule(options.reference_to_text, _each_question(options.reference_to_text), "en"),
    _rule(options.unsupported_right_option, _each_sourced(options.unsupported_right_option), "en"),
    _rule(options.wrong_option_stated, _each_sourced(options.wrong_option_stated)),
    _rule(alike.options_of_one_kind, _each_keyed(alike.options_of_one_kind)),
    _rule(alike.nested_options, _each_keyed(alike.nested_options)),
    _rule(alike.longest_option, _each_keyed(alike.longest_option)),
    _rule(alike.question_words, _each_keyed(alike.question_words)),
    _rule(alike.option_about_text, _each_question(alike.option_about_text), "en"),
    _rule(alone.stands_alone, _each_question(alone.stands_alone), "en"),
    _rule(orders.obeys_orders, orders.obeyed_in, "en"),
    _rule(repeats.repeated_questions, lambda benchmark: repeats.repeated_questions(benchmark.questions)),
    _rule(forms.evidence, _each_sourced(forms.evidence)),
    _rule(forms.indirect_names, _indirect_names, "en"),
    _rule(forms.two_chunks, _two_chunks),
    _rule(wording.paraphrase_numbers, _each_paraphrase(wording.paraphrase_numbers)),
    _rule(wording.paraphrase_names, _each_paraphrase(wording.paraphrase_names), "en"),
    _rule(wording.text_about_text, _each_paraphrase(wording.text_about_text), "en"),
    _rule(wording.paraphrase_length, _each_paraphrase(wording.paraphrase_length)),
    _rule(wording.near_copies, _near_copies),
    _rule(wording.pair_like_question, _pair_like_question),
    _rule(wording.pair_answer_numbers, _pair_answer_numbers),
    _rule(asking.asks_by_words, _asks_by_words),
    _rule(balance.answer_places, _each_split(balance.answer_places), split=True),
    _rule(balance.right_option_length, _each_split(balance.right_option_length), split=True),
    _rule(baselines.baseline_limits, _baseline_limits, split=True),
    _rule(balance.opening_prepositions, _each_split(balance.opening_prepositions), "en", split=True, shipped=True),
    _rule(structure.kinds, lambda benchmark: structure.kinds(benchmark.questions), shipped=True),
    _rule(structure.questions_per_chunk, shipped=True),
    _rule(structure.paraphrases_per_chunk, shipped=True),
    _rule(structure.pairs_per_chunk, shipped=True),
    _rule(structure.shared_facts, shipped=True),
    _rule(structure.fewshot_rows, split=True, shipped=True),
    Rule("empty_splits", "A split has no question.", _empty_splits, is_of_split=True, is_of_shipped=True),
    _rule(balance.known_before, _each_split(balance.known_before), split=True, shipped=True),
)


def _by_meaning(embed: Embed | None) -> tuple[Rule, ...]:
    """The rules that need an embedding model; they are only named where it is None."""

    def similar(benchmark: Benchmark) -> Iterator[Fault]:
        for form in FORM_FILES:
            if (questions := benchmark.asked(form)) and embed is not None:
                yield from repeats.similar_questions(questions, embed)

    def asked(benchmark: Benchmark) -> Iterator[Fault]:
        if embed is not None:
            texts: list[Paraphrase | Pair] = [*benchmark.paraphrases, *benchmark.pairs]
            yield from asking.asks_by_meaning(texts, benchmark.questions, embed)

    return _rule(repeats.similar_questions, similar), _rule(asking.asks_by_meaning, asked)
