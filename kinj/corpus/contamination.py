"""Questions of benchmarks that stand in documents: whoever learns or retrieves these has seen the test."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.benchmark import shipped_collections
from kinj.corpus.sources.rows import read_rows
from kinj.errors import UserError

#: Words in a row, as GPT-3 was checked (Brown et al. 2020, appendix C); a shorter question counts whole, from 8 on.
_WORDS, _FEWEST = 13, 8
_WORD = re.compile(r"[^\W_]+")
_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
_LETTERS = frozenset("ABCD")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that must not stand in the texts."""

    #: file, and its id or the number of its row
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class QuestionFound:
    """A question that stands in a document."""

    document_id: str
    question: str
    #: the words in a row that both have
    words: str


class QuestionFinder:
    """Finds a set of questions in texts."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._runs: dict[int, dict[tuple[str, ...], str]] = defaultdict(dict)
        self._starts: set[str] = set()
        #: questions in all
        self.count = 0
        digest = hashlib.sha256()
        for question in questions:
            digest.update(f"{question.place}\n{question.text}\n".encode())
            words = _words(question.text)
            self.count += 1
            size = min(_WORDS, len(words))
            if size < _FEWEST:
                continue
            for at in range(len(words) - size + 1):
                self._runs[size].setdefault(tuple(words[at : at + size]), question.place)
                self._starts.add(" ".join(words[at : at + 3]))
        #: over all questions and their places, 64 hex digits
        self.sha256 = digest.hexdigest()

    def find(self, document_id: str, text: str) -> list[QuestionFound]:
        """The questions that stand in the text, each once, in the order of their places in it."""
        if not self._runs:
            return []
        words = _words(text)
        found: dict[str, QuestionFound] = {}
        for at in range(len(words) - _FEWEST + 1):
            # Three words are looked up before thirteen are put together: most places end here.
            if f"{words[at]} {words[at + 1]} {words[at + 2]}" not in self._starts:
                continue
            for size, runs in self._runs.items():
                run = tuple(words[at : at + size])
                place = runs.get(run)
                if place is not None and place not in found:
                    found[place] = QuestionFound(document_id, place, " ".join(run))
        return list(found.values())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def read_questions(paths: Sequence[Path]) -> Iterator[Question]:
    """Yields the questions of benchmarks and of files of rows with a column `question` (MMLU's CSV has no header).

    A benchmark is a folder, or the name of one that ships.

    Raises:
        UserError: no such path, or no questions in it.
    """
    for given in paths:
        path = shipped_collections().get(str(given), given)
        if not path.exists():
            raise UserError(f"--questions {path}: no such file or folder")
        count = 0
        for file in _files(path):
            for question in _of_file(file):
                count += 1
                yield question
        if not count:
            raise UserError(f"--questions {path}: holds no questions: rows ({', '.join(_SUFFIXES)}) with a `question`")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / "questions.jsonl").is_file():
        return [path / "questions.jsonl"]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


def _of_file(path: Path) -> Iterator[Question]:
    if path.suffix.lower() == ".csv" and _is_mmlu(path):
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from (Question(f"{path}:{n}", row[0]) for n, row in enumerate(csv.reader(lines), 1) if row)
        return
    for row in read_rows(path):
        text = (row.values or {}).get("question")
        if isinstance(text, str):
            yield Question(f"{path}:{(row.values or {}).get('id', row.number)}", text)


def _is_mmlu(path: Path) -> bool:
    """The original form: question, four options, letter, and no header."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        first = next(csv.reader(lines), [])
    return len(first) == 6 and first[-1] in _LETTERS
