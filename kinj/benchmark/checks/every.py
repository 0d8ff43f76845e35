"""All rules that need nothing but the benchmark itself."""

from __future__ import annotations

from collections.abc import Iterator

from kinj.benchmark.checks import asking, balance, baselines, forms, options, repeats, structure, wording
from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.collection import Benchmark
from kinj.benchmark.place import FORM_FILES


def row_faults(benchmark: Benchmark) -> list[Fault]:
    """What is wrong with single rows, to be mended or left out row by row."""
    return [
        *_question_faults(benchmark),
        *_paraphrase_faults(benchmark),
        *_pair_faults(benchmark),
        *structure.kinds(benchmark.questions),
        *structure.questions_per_chunk(benchmark),
        *structure.paraphrases_per_chunk(benchmark),
        *structure.pairs_per_chunk(benchmark),
        *structure.shared_facts(benchmark),
        *repeats.repeated_questions(benchmark.questions),
        *forms.form_faults(benchmark),
        *asking.asks_by_words(benchmark.paraphrases, benchmark.questions),
        *asking.asks_by_words(benchmark.pairs, benchmark.questions),
    ]


def collection_faults(benchmark: Benchmark) -> list[Fault]:
    """What is wrong with the collection as a whole."""
    faults = list(structure.fewshot_rows(benchmark))
    for split in ("test", "dev"):
        part = benchmark.part(split)
        if not part.asked():
            faults.append(Fault(split, "no question"))
        faults += baselines.baseline_limits(benchmark, split)
        for form in FORM_FILES:
            if questions := part.asked(form):
                faults += balance.answer_places(split, questions)
                faults += balance.right_option_length(split, questions)
                faults += balance.opening_prepositions(split, questions)
                faults += balance.known_before(split, questions)
    return faults


def _question_faults(benchmark: Benchmark) -> Iterator[Fault]:
    texts = {chunk.id: chunk.text for chunk in benchmark.chunks}
    for question in benchmark.questions:
        chunk_text = "\n".join(texts[chunk_id] for chunk_id in question.chunk_ids)
        yield from options.repeated_option(question)
        yield from options.option_in_question(question)
        yield from options.catch_all_option(question)
        yield from options.reference_to_text(question)
        # Two chunks' answer may be their sum or a comparison, and no choice of an unanswerable question is right.
        if question.answerable and question.form != "two":
            yield from options.unsupported_right_option(question, chunk_text)
            yield from options.wrong_option_stated(question, chunk_text)


def _paraphrase_faults(benchmark: Benchmark) -> Iterator[Fault]:
    for chunk in benchmark.chunks:
        ours = [paraphrase for paraphrase in benchmark.paraphrases if paraphrase.chunk_id == chunk.id]
        for paraphrase in ours:
            yield from wording.paraphrase_numbers(paraphrase, chunk)
            yield from wording.paraphrase_names(paraphrase, chunk)
            yield from wording.paraphrase_length(paraphrase, chunk)
        yield from wording.near_copies(ours, chunk)


def _pair_faults(benchmark: Benchmark) -> Iterator[Fault]:
    chunks = {chunk.id: chunk for chunk in benchmark.chunks}
    for pair in benchmark.pairs:
        asked = [question for question in benchmark.questions if pair.chunk_id in question.chunk_ids]
        yield from wording.pair_like_question(pair, asked)
        yield from wording.pair_answer_numbers(pair, chunks[pair.chunk_id])
