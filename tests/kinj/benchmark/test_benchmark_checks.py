"""Each rule of kinj.benchmark.checks finds its fault and lets good rows pass."""

from dataclasses import replace

import numpy as np
import pytest

from kinj.benchmark import checks, open_benchmark
from kinj.benchmark.checks.words import names, numbers
from kinj.records import Chunk, Pair, Paraphrase, Question
from kinj.statistics import evenness_p

CHUNK = Chunk(
    "c", "d", "On August 1, 2023, Fitch cut the rating to AA+. Then Janet Yellen called it unwarranted.", 0, 87
)
GOOD = Question(
    "q", ("c",), "Who called the cut unfair?", ("Jerome Powell", "Janet Yellen", "Lael Brainard", "Ann Lee"), 1, "who"
)


def said(faults):
    return [str(fault) for fault in faults]


def changed(**values):
    return replace(GOOD, **values)


def test_numbers_and_names_are_read_as_written():
    assert numbers("At 10:45, 1,200 people paid $3.5.") == {"10:45", "1,200", "3.5"}
    assert names("The city of Duluth thanked Biden's aide. Nobody left.") == {"Duluth", "Biden"}


def test_a_good_question_has_no_fault():
    for rule in (checks.repeated_option, checks.option_in_question, checks.catch_all_option, checks.reference_to_text):
        assert said(rule(GOOD)) == []
    assert said(checks.unsupported_right_option(GOOD, CHUNK.text)) == []
    assert said(checks.wrong_option_stated(GOOD, CHUNK.text)) == []
    assert said(checks.kinds([GOOD])) == []


def test_options_that_differ_only_in_case_and_punctuation_are_found():
    found = said(checks.repeated_option(changed(choices=("AA", "aa.", "B", "C"))))
    assert found == ["q: two options are the same: ['AA', 'aa.', 'B', 'C']"]


def test_an_option_in_the_question_is_found():
    found = checks.option_in_question(changed(question="Did Janet Yellen or another call it unfair?"))
    assert said(found) == ["q: the option 'Janet Yellen' occurs in the question"]


@pytest.mark.parametrize("option", ["All of the above", "None of these", "both of them"])
def test_an_option_about_other_options_is_found(option):
    found = checks.catch_all_option(changed(choices=(option, "a", "b", "c")))
    assert said(found) == [f"q: the option {option!r} speaks of other options"]


@pytest.mark.parametrize("words", ["the passage", "recently", "the above", "The article"])
def test_a_question_that_needs_its_text_is_found(words):
    assert said(checks.reference_to_text(changed(question=f"What, in {words}, was cut?"))) == [
        f"q: the question says {words!r}"
    ]


def test_a_right_option_with_a_number_or_name_that_the_chunk_lacks_is_found():
    found = said(checks.unsupported_right_option(changed(choices=("x", "Paul Yellen in 2022", "y", "z")), CHUNK.text))
    assert found == [
        "q: the number 2022 of the right option 'Paul Yellen in 2022' is not in the chunk",
        "q: the word 'Paul' of the right option 'Paul Yellen in 2022' is not in the chunk",
    ]


def test_a_wrong_option_that_stands_in_the_chunk_instead_of_the_right_one_is_found():
    found = said(checks.wrong_option_stated(changed(choices=("fitch", "the Treasury", "x", "y")), CHUNK.text))
    assert found == ["q: the wrong option 'fitch' stands in the chunk, the right one does not"]
    assert said(checks.wrong_option_stated(changed(choices=("Fitch", "Janet Yellen", "x", "y")), CHUNK.text)) == []


def test_an_unknown_kind_is_found():
    assert said(checks.kinds([changed(kind="how")])) == [
        "q: kind 'how', expected one of who, what, where, when, how_many, why"
    ]


def paraphrase(text, number=1):
    return Paraphrase(f"p{number}", "c", text, "train")


def test_a_paraphrase_that_loses_or_adds_a_number_is_found():
    found = said(checks.paraphrase_numbers(paraphrase("In August 2024 Fitch cut it."), CHUNK))
    assert found == ["p1: lacks the numbers 1, 2023 of its chunk", "p1: has the numbers 2024, which its chunk has not"]


def test_a_paraphrase_that_loses_a_name_is_found():
    found = said(checks.paraphrase_names(paraphrase("Fitch cut it to AA+ in August, to Yellen's anger."), CHUNK))
    assert found == ["p1: lacks the names Janet of its chunk"]


def test_capitals_of_headings_and_of_what_follows_them_make_no_names():
    chunk = replace(
        CHUNK, text="# Masses of Galaxies\n\nWith spectra one measures them. So did Vera Rubin.\n\nToday is said so."
    )
    assert said(checks.paraphrase_names(paraphrase("Spectra measure it, as Vera Rubin did."), chunk)) == []
    assert said(checks.paraphrase_names(paraphrase("Spectra measure it, as Vera did."), chunk)) == [
        "p1: lacks the names Rubin of its chunk"
    ]


def test_a_training_text_that_tells_of_the_passage_is_found():
    about = "The passage also describes how Fitch cut the rating."
    assert said(checks.text_about_text(paraphrase(about), CHUNK)) == ["p1: says 'The passage also describes'"]
    assert said(checks.text_about_text(paraphrase("The passage of the storm took an hour."), CHUNK)) == []
    assert said(checks.text_about_text(paraphrase(about), replace(CHUNK, text=f"{about} So it did."))) == []


def test_a_paraphrase_of_another_length_is_found():
    assert said(checks.paraphrase_length(paraphrase("Short."), CHUNK)) == [
        "p1: has 7% of its chunk's length, expected 70% to 140%"
    ]


def test_near_copies_of_the_chunk_and_of_each_other_are_found():
    other = "Unwarranted was the word of Janet Yellen for what Fitch did to the rating on August 1, 2023: AA+."
    found = said(checks.near_copies([paraphrase(CHUNK.text), paraphrase(other, 2), paraphrase(other, 3)], CHUNK))
    assert found == [
        "p1: near copy of its chunk (100% of four-word runs)",
        "p3: near copy of p2 (100% of four-word runs)",
    ]


def test_a_pair_that_asks_an_evaluation_question_is_found():
    found = said(checks.pair_like_question(Pair("a", "c", "Who called the cut unfair?", "Yellen"), [GOOD]))
    assert found == ["a: asks nearly as q (100% of three-word runs)"]


def test_a_pair_whose_answer_has_a_strange_number_is_found():
    assert said(checks.pair_answer_numbers(Pair("a", "c", "When?", "August 3, 2023"), CHUNK)) == [
        "a: the numbers 3 of the answer are not in the chunk"
    ]


def test_the_uniform_test_gives_the_chi_square_distributions_values():
    # scipy.stats.chisquare([10, 20, 30, 40]).pvalue and ([25, 25, 25, 26]); an even count is certain
    assert evenness_p([10, 20, 30, 40]) == pytest.approx(0.00016974, rel=1e-4)
    assert evenness_p([25, 25, 25, 26]) == pytest.approx(0.99866, rel=1e-4)
    assert evenness_p([5, 5, 5, 5]) == 1.0


def test_uneven_answer_places_are_found():
    questions = [changed(answer=place) for place, number in enumerate((10, 20, 30, 40)) for _ in range(number)]
    assert said(checks.answer_places("test", questions)) == [
        "test: answer places [10, 20, 30, 40] are not even (chi-square p = 0.000, expected above 0.05)"
    ]
    assert said(checks.answer_places("test", questions[:5] * 4 + [changed(answer=a) for a in (1, 2, 3)] * 20)) == []


@pytest.mark.parametrize("choices", [("-1", "1"), ("C", "C++", "C#"), ("1.5", "15"), ("?", "!")])
def test_options_that_signs_tell_apart_are_two(choices):
    assert said(checks.repeated_option(changed(choices=choices, answer=0))) == []
    assert said(checks.repeated_option(changed(choices=("1 May 2023", "1 may 2023."), answer=0))) != []


def test_places_of_a_number_of_options_that_few_questions_have_are_no_fault():
    few = [changed(choices=("a", "b"), answer=0)] * 9
    assert said(checks.answer_places("test", few)) == []
    assert said(checks.answer_places("test", few * 2)) != []


@pytest.mark.parametrize(("right", "faults"), [("a" * 20, 0), ("a" * 21, 0), ("a" * 22, 1), ("a" * 18, 1)])
def test_right_options_of_another_length_are_found(right, faults):
    question = changed(choices=("b" * 20, right, "c" * 20, "d" * 20))
    assert len(said(checks.right_option_length("test", [question]))) == faults


def test_a_question_asked_twice_is_found():
    again = changed(id="q2", question="who called the cut unfair")
    assert said(checks.repeated_questions([GOOD, again])) == ["q2: asks the same as q"]


def test_questions_that_mean_the_same_are_found_sooner_when_their_answer_is_the_same():
    vectors = np.array([[1.0, 0.0], [0.9, np.sqrt(1 - 0.81)], [0.99, -np.sqrt(1 - 0.9801)]])
    same = changed(id="q2", choices=("x", "janet yellen", "y", "z"))
    other = changed(id="q3", choices=("x", "Ann Lee", "y", "z"))
    found = said(checks.similar_questions([GOOD, same, other], lambda _: vectors))
    assert found == ["q2: asks nearly the same as q (cosine 0.90)", "q3: asks nearly the same as q (cosine 0.99)"]
    assert said(checks.similar_questions([GOOD, replace(other, id="q2")], lambda _: vectors[:2])) == []


def test_a_run_of_words_out_of_a_source_is_found():
    source = "They said: fitch cut the rating to aa then Janet Yellen called it names."
    assert said(checks.shared_runs([CHUNK], [source])) == [
        "c: 9 words in a row from a source: 'cut the rating to aa then janet yellen called'"
    ]
    assert said(checks.shared_runs([CHUNK], [source], length=12)) == []


def test_a_chunk_of_too_few_or_too_many_tokens_is_found():
    assert said(checks.chunk_lengths([CHUNK], lambda text: len(text.split()))) == [
        "c: has 16 tokens, expected 60 to 256"
    ]
    assert said(checks.chunk_lengths([CHUNK], lambda _: 257)) == ["c: has 257 tokens, expected 60 to 256"]
    assert said(checks.chunk_lengths([CHUNK], lambda _: 256)) == []


def test_what_belongs_to_a_chunk_is_counted(rows, write):
    rows["questions"].append({**rows["questions"][0], "id": "ce-0.1.q2"})
    rows["questions"] = [row for row in rows["questions"] if not row["id"].startswith("ce-2")]
    benchmark = open_benchmark(write(rows))
    assert said(checks.questions_per_chunk(benchmark)) == [
        "ce-0.1: two of its questions have the same answer",
        "ce-2.1: has 0 questions, expected 1 to 3",
    ]
    assert said(checks.paraphrases_per_chunk(benchmark, train=1)) == [
        "ce-1.1: has 0 validation paraphrases, expected 2"
    ]
    assert said(checks.pairs_per_chunk(benchmark))[0] == "ce-0.1: has 1 training pairs, expected 2"
    assert said(checks.fewshot_rows(benchmark)) == ["fewshot: 0 rows, expected 5 or more"]


def test_a_fact_of_two_documents_is_found(rows, write):
    rows["documents"][1]["facts"] = ["ce-0"]
    rows["documents"][2]["facts"] = []
    assert said(checks.shared_facts(open_benchmark(write(rows)))) == [
        "ce-1: rests on the fact ce-0, as ce-0 does",
        "ce-2: rests on no fact",
    ]


def test_all_rules_run_over_a_benchmark(rows, write):
    rows["questions"][0]["choices"] = ["Powell", "Ann Yellen", "powell", "x"]
    found = said(checks.row_faults(open_benchmark(write(rows))))
    assert "ce-0.1.q1: the word 'Ann' of the right option 'Ann Yellen' is not in the chunk" in found
    assert any(fault.startswith("ce-0.1.q1: two options are the same") for fault in found)
    assert any(fault.startswith("ce-1.1.p01: lacks the names") for fault in found)
    found = said(checks.collection_faults(open_benchmark(write({**rows, "questions": rows["questions"][:1]}))))
    for fault in (
        "fewshot: 0 rows, expected 5 or more",
        "test: direct: words_chunk answers 100.0% of 1, expected 60% at most",
        "test: right options have 10.0 characters, wrong ones 4.3, not within 5%",
        "test: 1 of 1 questions do not say whether they ask new knowledge",
        "dev: no question",
    ):
        assert fault in found


def test_rules_about_a_split_want_enough_questions_with_options(rows, write):
    benchmark = open_benchmark(write(rows))
    options = [replace(benchmark.questions[0], id=f"o{n}") for n in range(99)]
    openly = [replace(benchmark.questions[0], id=f"q{n}", choices=(), answer=-1) for n in range(100)]

    def ran(*questions):
        checked = checks.check_benchmark(replace(benchmark, questions=questions), {}, is_shipped=False)
        return {rule.name for rule in checked.faults if rule.is_of_split}

    assert ran(*options, *openly) == set()
    assert ran(*options, options[0]) == {"answer_places", "right_option_length", "baseline_limits"}


def test_a_quote_without_the_right_option_or_its_number_is_found():
    text = "Fitch cut it to AA+, said Janet Yellen, 77, on August 1."
    quoted = changed(evidence=("Fitch cut it to AA+",))
    assert said(checks.evidence(quoted, text)) == [
        "q: the right option 'Janet Yellen' stands in the chunk, but not in the evidence"
    ]
    old = changed(choices=("76", "77 years", "78", "79"), evidence=("said Janet Yellen",))
    assert said(checks.evidence(old, text)) == ["q: the number 77 of the right option is not in the evidence"]
    assert said(checks.evidence(changed(evidence=("said Janet Yellen",)), text)) == []


def test_an_indirect_question_that_says_a_name_of_its_chunk_is_found():
    text = "On Tuesday the agency Fitch was rebuked by Janet Yellen of the United States."
    found = said(checks.indirect_names(changed(question="Who rebuked the agency Fitch on a Tuesday?"), text))
    assert found == ["q: the indirect form says Fitch, as its chunk does"]
    assert said(checks.indirect_names(changed(question="Which official in the United States spoke up?"), text)) == []
    headed = "# Marie Curie\n\nShe was born in Warsaw in 1867."
    assert said(checks.indirect_names(changed(question="Where was Marie Curie born?"), headed)) != []


def test_two_chunk_questions_need_two_documents_and_share_no_chunk():
    documents = {"a.1": "a", "a.2": "a", "b.1": "b"}
    same = changed(id="x", chunk_ids=("a.1", "a.2"))
    good = changed(id="y", chunk_ids=("a.1", "b.1"))
    assert said(checks.two_chunks("dev", [same, good], documents)) == [
        "x: needs two chunks of two documents, has a.1, a.2",
        "dev: 2 two-chunk questions need the chunk a.1, expected one",
    ]
    assert said(checks.two_chunks("dev", [good], documents)) == []


def test_openings_and_old_knowledge_are_counted_over_a_split():
    questions = [changed(id=str(n), question="Who was it?", knowledge="new") for n in range(20)]
    assert said(checks.opening_prepositions("dev", questions)) == []
    assert said(checks.known_before("dev", questions)) == []
    odd = [changed(id=f"o{n}", question="In which city was it?", knowledge="known_before") for n in range(2)]
    assert said(checks.opening_prepositions("dev", [*questions, *odd])) == [
        "dev: questions that begin with a preposition: 9.1%, expected 8% at most: o0, o1"
    ]
    assert said(checks.known_before("dev", [*questions, *odd])) == [
        "dev: 2 of 22 questions ask old knowledge, expected 5% at most"
    ]
