"""Checks that refuse bad questions, paraphrases and pairs, one rule a function; each yields faults with the row's id.

They stand above `open_benchmark`, which refuses only what cannot be evaluated at all: a folder of one's own need not
pass them, the collections that ship with the project do.
"""

from kinj.benchmark.checks.alike import (
    longest_option,
    nested_options,
    option_about_text,
    options_of_one_kind,
    question_words,
)
from kinj.benchmark.checks.alone import stands_alone
from kinj.benchmark.checks.asking import asks_by_meaning, asks_by_words
from kinj.benchmark.checks.balance import answer_places, known_before, opening_prepositions, right_option_length
from kinj.benchmark.checks.baselines import Baselines, Readers, baseline_limits
from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.forms import evidence, indirect_names, two_chunks
from kinj.benchmark.checks.languages import languages_of
from kinj.benchmark.checks.options import (
    catch_all_option,
    option_in_question,
    reference_to_text,
    repeated_option,
    unsupported_right_option,
    wrong_option_stated,
)
from kinj.benchmark.checks.orders import obeys_orders
from kinj.benchmark.checks.repeats import repeated_questions, shared_runs, similar_questions
from kinj.benchmark.checks.rules import (
    RULES,
    Checked,
    Rule,
    check_benchmark,
    collection_faults,
    row_faults,
)
from kinj.benchmark.checks.structure import (
    chunk_lengths,
    fewshot_rows,
    kinds,
    pairs_per_chunk,
    paraphrases_per_chunk,
    questions_per_chunk,
    shared_facts,
)
from kinj.benchmark.checks.wording import (
    near_copies,
    pair_answer_numbers,
    pair_like_question,
    paraphrase_length,
    paraphrase_names,
    paraphrase_numbers,
    text_about_text,
)

__all__ = [
    "RULES",
    "Baselines",
    "Checked",
    "Fault",
    "Readers",
    "Rule",
    "answer_places",
    "asks_by_meaning",
    "asks_by_words",
    "baseline_limits",
    "catch_all_option",
    "check_benchmark",
    "chunk_lengths",
    "collection_faults",
    "evidence",
    "fewshot_rows",
    "indirect_names",
    "kinds",
    "known_before",
    "languages_of",
    "longest_option",
    "near_copies",
    "nested_options",
    "obeys_orders",
    "opening_prepositions",
    "option_about_text",
    "option_in_question",
    "options_of_one_kind",
    "pair_answer_numbers",
    "pair_like_question",
    "pairs_per_chunk",
    "paraphrase_length",
    "paraphrase_names",
    "paraphrase_numbers",
    "paraphrases_per_chunk",
    "question_words",
    "questions_per_chunk",
    "reference_to_text",
    "repeated_option",
    "repeated_questions",
    "right_option_length",
    "row_faults",
    "shared_facts",
    "shared_runs",
    "similar_questions",
    "stands_alone",
    "text_about_text",
    "two_chunks",
    "unsupported_right_option",
    "wrong_option_stated",
]
