"""Which rules run on which folder, and what they make of other numbers of options."""

from dataclasses import replace

import numpy as np
import pytest

from kinj.benchmark import Benchmark, checks, open_benchmark
from kinj.benchmark.checks.balance import answer_counts
from kinj.records import Question


@pytest.fixture
def benchmark(rows, write):
    return open_benchmark(write(rows))


def names(faults):
    return {rule.name: [fault.row for fault in found] for rule, found in faults.items() if found}


def test_every_rule_has_a_name_of_its_own_and_a_sentence():
    assert len({rule.name for rule in checks.RULES}) == len(checks.RULES)
    assert all(rule.refuses.endswith(".") for rule in checks.RULES)


def test_the_make_up_of_the_shipped_collection_is_no_fault_of_another_folder(benchmark):
    theirs = checks.check_benchmark(benchmark, {}, is_shipped=False)
    ours = checks.check_benchmark(benchmark, {}, is_shipped=True)
    assert "paraphrases_per_chunk" in names(ours.faults)
    assert "paraphrases_per_chunk" not in {rule.name for rule in theirs.faults}
    assert ours.count > theirs.count


def test_all_rules_together_are_row_faults_and_collection_faults(benchmark):
    checked = checks.check_benchmark(benchmark, {}, is_shipped=True)
    found = [fault for faults in checked.faults.values() for fault in faults]
    assert sorted(map(str, found)) == sorted(
        map(str, [*checks.row_faults(benchmark), *checks.collection_faults(benchmark)])
    )


def test_a_split_is_held_to_rules_about_the_whole_from_a_hundred_questions_on(tmp_path):
    def folder(count):
        questions = [
            Question(f"q{n}", (), f"What is {n}?", ("right", "w1", "w2", "w3"), 0, split="test") for n in range(count)
        ]
        return Benchmark(tmp_path, (), (), tuple(questions))

    small, large = (checks.check_benchmark(folder(n), {}, is_shipped=False) for n in (99, 100))
    assert "answer_places" not in names(small.faults)
    assert names(large.faults)["answer_places"] == ["test"]


def test_english_rules_pass_over_rows_in_other_languages(benchmark):
    strange = replace(benchmark.questions[0], question="What does the passage say?")
    changed = replace(benchmark, questions=(strange, *benchmark.questions[1:]))
    english, german = (
        checks.check_benchmark(changed, {strange.id: language}, is_shipped=False) for language in ("en", "de")
    )
    assert names(english.faults)["reference_to_text"] == [strange.id]
    assert "reference_to_text" not in names(german.faults)
    assert "knows English alone: 1 rows" in next(s.why for s in german.skipped if s.rule.name == "reference_to_text")


def test_a_rows_language_is_its_documents_else_its_own_else_that_of_most(benchmark):
    alone = Question("alone", (), "Wer hat das geschrieben?", ("Max", "Ute"), 0, split="test")
    short = replace(alone, id="short", question="2 + 2?")
    documents = tuple(replace(document, language="fr") for document in benchmark.documents)
    changed = replace(benchmark, documents=documents, questions=(*benchmark.questions, alone, short))
    found = checks.languages_of(changed, lambda text: "de" if "Wer" in text else "")
    assert (found["ce-0.1.q1"], found["alone"], found["short"], found["ce-0.1.p01"]) == ("fr", "de", "fr", "fr")


def test_rules_by_meaning_run_with_an_embedder(benchmark):
    def embed(texts):
        return np.array([[1.0, 0.0]] * len(texts))

    checked = checks.check_benchmark(benchmark, {}, is_shipped=False, embed=embed)
    assert names(checked.faults)["similar_questions"] == ["ce-1.1.q1", "ce-2.1.q1", "ce-2.1.q1"]


def test_many_questions_are_compared_block_by_block_to_the_same_end(monkeypatch):
    questions = [Question(f"q{n}", (), f"What is {n}?", ("a", "b"), 0) for n in range(7)]
    vectors = np.eye(7)[[0, 1, 0, 2, 1, 3, 0]]
    whole = list(map(str, checks.similar_questions(questions, lambda _: vectors)))
    monkeypatch.setattr("kinj.benchmark.checks.repeats._BLOCK", 2)
    assert list(map(str, checks.similar_questions(questions, lambda _: vectors))) == whole
    assert [line.split(":")[0] for line in whole] == ["q2", "q6", "q4", "q6"]


# ---- other numbers of options than four, and none


def with_options(count, answer):
    return Question(f"q{count}.{answer}", (), "What?", tuple("abcdefghij"[:count]), answer, split="test")


def test_places_are_counted_by_the_number_of_options():
    questions = [with_options(2, 1), with_options(2, 1), with_options(5, 4), Question("o", (), "Who?", ())]
    assert answer_counts(questions) == {2: [0, 2], 5: [0, 0, 0, 0, 1]}
    even = [with_options(size, place) for size in (2, 10) for place in range(size)] * 10
    assert list(checks.answer_places("test", even)) == []


def test_limits_are_above_the_chance_of_a_draw_among_the_options(benchmark):
    questions = tuple(with_options(2, n % 2) for n in range(100))
    reached = checks.Readers(benchmark).over(questions)
    assert (reached.chance, reached.longest_option) == (0.5, 0.5)
    two = replace(benchmark, documents=(), chunks=(), questions=questions)
    assert list(checks.baseline_limits(two, "test")) == []


def test_open_questions_are_no_readers_business_and_pass_the_rules_about_options(benchmark):
    questions = tuple(
        replace(q, choices=(), answer=-1, accepted_answers=("Janet Yellen",)) for q in benchmark.questions
    )
    assert checks.Readers(benchmark).over(questions) is None
    checked = checks.check_benchmark(replace(benchmark, questions=questions), {}, is_shipped=True)
    assert {"repeated_option", "answer_places", "baseline_limits"}.isdisjoint(names(checked.faults))
