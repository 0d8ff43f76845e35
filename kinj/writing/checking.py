"""The checks that need no model, over what was written: each reason begins with the name of its rule."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from kinj.benchmark.checks import alike, alone, asking, forms, options, orders, repeats, wording
from kinj.benchmark.checks.fault import Fault
from kinj.benchmark.checks.words import content, names, numbers, plain
from kinj.corpus.language import find_language
from kinj.records import Chunk, Pair, Paraphrase, Question
from kinj.writing.candidate import Candidate

#: What these know: words of English; that a capital makes a name.
WORDING_LANGUAGES = ("en",)
NAME_LANGUAGES = ("en", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "no", "fi", "ro", "hu", "ca", "ru", "uk")
#: Share of two questions' words, with one right option, above which they ask the same.
SAME_QUESTION = 0.7
#: An option of more words is a sentence.
_MOST_NAME_WORDS = 3

log = logging.getLogger(__name__)

#: Of a quote; signs of scripts that have no spaces between words.
_LEAST_WORDS, _LEAST_SIGNS = 2, 4
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_QUOTED = re.compile(r"[\"'\u2018\u201c](.{8,})[\"'\u2019\u201d]", re.S)
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_ALIKE = {"'": "['\u2018\u2019]", '"': '["\u201c\u201d]', "-": "[-\u2010-\u2015]"}


def say_languages(languages: Iterable[str]) -> None:
    """Says, before anything is asked, what the checks do not know of the languages of the chunks."""
    unknown = sorted({*languages} - {"", *WORDING_LANGUAGES})
    nameless = [name for name in unknown if name not in NAME_LANGUAGES]
    if unknown:
        also = f"; names are not compared in {', '.join(nameless)}" if nameless else ""
        log.info("the checks of wording know English: they are left out for %s%s", ", ".join(unknown), also)


def exact_slice(text: str, quote: str) -> str | None:
    """The slice of a text that a quote means: other white space, quotes and dashes are taken for those of the text.

    Models put a quote into quotes, with words of their own around it ("It says '…'"): then what is inside counts. None
    where it is not in the text, cuts a word of it, or is a single word: that quotes nothing.
    """
    inner = _QUOTED.search(quote)
    for said in (part.strip("\u2026. \n\t") for part in (quote, inner[1] if inner else "")):
        words = [_spelled(word) for word in said.split()]
        if not words or (match := re.search(_whole(r"\s+".join(words), said), text)) is None:
            continue
        if len(words) >= _LEAST_WORDS or len(_UNSPACED.findall(said)) >= _LEAST_SIGNS:
            return match[0]
    return None


def _whole(pattern: str, said: str) -> str:
    """The pattern held to whole words, at an end where the script has spaces between them."""
    first, last = (r"\b" if re.match(r"\w", sign) and not _UNSPACED.match(sign) else "" for sign in (said[0], said[-1]))
    return f"{first}{pattern}{last}"


def _spelled(word: str) -> str:
    """A pattern for a word, whichever quotes and dashes it is written with."""
    straight = word.translate(_STRAIGHT)
    return "".join(_ALIKE.get(character, re.escape(character)) for character in straight)


def question_reasons(question: Question, chunks: Sequence[Chunk], language: str, quotes: Sequence[str]) -> list[str]:
    """Why a question is refused, `rule: why` each; empty where it is not.

    Args:
        question: with the exact slices of its chunks as evidence.
        chunks: that it is about.
        language: of the chunks, or empty.
        quotes: what its writer quoted.
    """
    text = "\n".join(chunk.text for chunk in chunks)
    right = question.choices[question.answer]
    found: list[str] = []
    if len(question.evidence) < len(quotes):
        found.append(f"evidence: the quote is not in the chunk, or a single word: {' … '.join(quotes)[:200]!r}")
    rules: list[tuple[str, Iterable[Fault]]] = [
        ("repeated_option", options.repeated_option(question)),
        ("option_in_question", options.option_in_question(question)),
        ("obeys_orders", orders.obeys_orders(question.id, [question.question, right, *quotes], text)),
        ("options_of_one_kind", alike.options_of_one_kind(question)),
        ("nested_options", alike.nested_options(question)),
        ("longest_option", alike.longest_option(question)),
        ("question_words", alike.question_words(question)),
    ]
    if question.form != "two":
        rules += [
            ("unsupported_right_option", options.unsupported_right_option(_without_capitals(question, language), text)),
            ("wrong_option_stated", options.wrong_option_stated(question, text)),
            ("evidence", forms.evidence(question, text)),
        ]
    if question.form == "indirect" and language in ("", *NAME_LANGUAGES):
        rules.append(("indirect_names", forms.indirect_names(question, text)))
    if language in ("", *WORDING_LANGUAGES):
        rules += [
            ("catch_all_option", options.catch_all_option(question)),
            ("reference_to_text", options.reference_to_text(question)),
            ("option_about_text", alike.option_about_text(question)),
            ("stands_alone", alone.stands_alone(question)),
        ]
    found += _reasons(rules)
    found += _language_reasons(question.question, language)
    return found


def _without_capitals(question: Question, language: str) -> Question:
    """Its right option without capitals that make no name of a word.

    That is a sentence's, where a name is one of a few words; and all where every noun has one.
    """
    right = question.choices[question.answer]
    has_names = language in ("", *NAME_LANGUAGES)
    if has_names and (len(right.split()) <= _MOST_NAME_WORDS or right[1:2].isupper()):
        return question
    choices = [*question.choices]
    choices[question.answer] = right[:1].lower() + right[1:] if has_names else right.lower()
    return replace(question, choices=tuple(choices))


def repeated(candidates: Sequence[Candidate], embed: repeats.Embed | None = None) -> dict[str, str]:
    """Id -> reason of each question that an earlier one asks already: by its words, or by meaning.

    Args:
        candidates: kept questions, the first first.
        embed: texts to vectors; None: by words alone.
    """
    questions = [candidate.row for candidate in candidates if isinstance(candidate.row, Question)]
    found = {fault.row: f"repeated: {fault.why}" for fault in repeats.repeated_questions(questions)}
    by_answer: dict[str, list[tuple[str, set[str]]]] = {}
    for question in questions:
        ours = set(content(question.question))
        earlier = by_answer.setdefault(plain(question.choices[question.answer]), [])
        for other, theirs in earlier:
            if len(ours & theirs) >= SAME_QUESTION * min(len(ours), len(theirs)):
                found.setdefault(question.id, f"repeated: asks nearly the same as {other}, with one answer")
        if question.id not in found:
            earlier.append((question.id, ours))
    if embed is not None:
        left = [question for question in questions if question.id not in found]
        for fault in repeats.similar_questions(left, embed):
            found.setdefault(fault.row, f"repeated: {fault.why}")
    return found


def paraphrase_reasons(
    paraphrase: Paraphrase, chunk: Chunk, language: str, earlier: Sequence[Paraphrase], asked: Sequence[Question]
) -> list[str]:
    """Why a paraphrase is refused; see `question_reasons`.

    Args:
        paraphrase: as it would stand in its file.
        chunk: that it says in other words.
        language: of the chunk, or empty.
        earlier: kept paraphrases of the chunk.
        asked: evaluation questions, of any chunk.
    """
    rules: list[tuple[str, Iterable[Fault]]] = [("numbers", wording.paraphrase_numbers(paraphrase, chunk))]
    if language in ("", *NAME_LANGUAGES):
        rules.append(("names", wording.paraphrase_names(paraphrase, chunk)))
    rules += [
        ("length", wording.paraphrase_length(paraphrase, chunk)),
        *_text_rules(paraphrase, chunk, language, earlier, asked),
    ]
    return [*_reasons(rules), *_language_reasons(paraphrase.text, language)]


def free_text_reasons(
    text: Paraphrase, chunk: Chunk, language: str, earlier: Sequence[Paraphrase], asked: Sequence[Question]
) -> list[str]:
    """Why a text that says a part of its chunk (a fact, a relation) is refused: it may leave out, and add nothing."""
    rules: list[tuple[str, Iterable[Fault]]] = [
        ("numbers", _added_numbers(text.id, text.text, chunk)),
        *_text_rules(text, chunk, language, earlier, asked),
    ]
    return [*_reasons(rules), *_language_reasons(text.text, language)]


def pair_reasons(
    pair: Pair, chunk: Chunk, language: str, earlier: Sequence[Pair], asked: Sequence[Question]
) -> list[str]:
    """Why a question with its answer, for training, is refused; see `question_reasons`."""
    ours = [question for question in asked if chunk.id in question.chunk_ids]
    same = [other.id for other in earlier if plain(other.question) == plain(pair.question)]
    rules: list[tuple[str, Iterable[Fault]]] = [
        ("like_question", wording.pair_like_question(pair, ours)),
        ("asks", asking.asks_by_words([pair], ours)),
        ("numbers", wording.pair_answer_numbers(pair, chunk)),
        ("text_about_text", wording.text_about_text(pair, chunk)),
        ("repeated", (Fault(pair.id, f"asks the same as {other}") for other in same[:1])),
        ("obeys_orders", orders.obeys_orders(pair.id, [pair.question, pair.answer], chunk.text)),
    ]
    return [*_reasons(rules), *_language_reasons(f"{pair.question} {pair.answer}", language)]


def _text_rules(
    text: Paraphrase, chunk: Chunk, language: str, earlier: Sequence[Paraphrase], asked: Sequence[Question]
) -> list[tuple[str, Iterable[Fault]]]:
    near = (fault for fault in wording.near_copies([*earlier, text], chunk) if fault.row == text.id)
    rules: list[tuple[str, Callable[[], Iterable[Fault]]]] = [
        ("near_copy", lambda: near),
        ("asks", lambda: asking.asks_by_words([text], asked)),
        ("obeys_orders", lambda: orders.obeys_orders(text.id, [text.text], chunk.text)),
    ]
    if language in ("", *NAME_LANGUAGES):
        rules.append(("names", lambda: _added_names(text, chunk)))
    if language in ("", *WORDING_LANGUAGES):
        rules.append(("text_about_text", lambda: wording.text_about_text(text, chunk)))
    return [(name, rule()) for name, rule in rules]


def _added_numbers(row: str, text: str, chunk: Chunk) -> Iterator[Fault]:
    if added := sorted(numbers(text) - numbers(f"{chunk.title} {chunk.text}")):
        yield Fault(row, f"has the numbers {', '.join(added)}, which its chunk has not")


def _added_names(text: Paraphrase, chunk: Chunk) -> Iterator[Fault]:
    """A name that neither the chunk nor what stands above it has."""
    known = f"{chunk.title} {' '.join(chunk.headings)} {chunk.text}".casefold()
    if added := [name for name in sorted(names(text.text)) if name.casefold() not in known]:
        yield Fault(text.id, f"has the names {', '.join(added)}, which its chunk has not")


def _language_reasons(text: str, language: str) -> list[str]:
    written = find_language(text)
    if language and written and written != language:
        return [f"language: written in {written}, the chunk in {language}"]
    return []


def _reasons(rules: Iterable[tuple[str, Iterable[Fault]]]) -> list[str]:
    return list(dict.fromkeys(f"{name}: {fault.why}" for name, faults in rules for fault in faults))
