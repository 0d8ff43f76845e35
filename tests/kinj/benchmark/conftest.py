"""A benchmark of one document a split, to be broken in one place by each test."""

import copy
import json

import pytest

TEXT = "On August 1, 2023, Fitch cut the rating of the United States to AA+. Janet Yellen rejected it."


def rows_of(split, number):
    document = f"ce-{number}"
    return {
        "documents": [
            {"id": document, "text": f"Intro. {TEXT}", "split": split, "date": "2023-08-01", "facts": [document]}
        ],
        "chunks": [
            {
                "id": f"{document}.1",
                "document_id": document,
                "text": TEXT,
                "start": 7,
                "end": 7 + len(TEXT),
                "subject": "economy",
            }
        ],
        "questions": [
            {
                "id": f"{document}.1.q1",
                "chunk_ids": [f"{document}.1"],
                "question": f"Who rejected the rating of case {number}?",
                "choices": ["Jerome Powell", "Janet Yellen", "Lael Brainard", "Gina Raimondo"],
                "answer": 1,
                "kind": "who",
                "accepted_answers": ["Janet Yellen", "Yellen"],
            }
        ],
        "paraphrases": [{"id": f"{document}.1.p01", "chunk_id": f"{document}.1", "text": TEXT[::-1], "use": "train"}],
        "pairs": [{"id": f"{document}.1.a1", "chunk_id": f"{document}.1", "question": "To what?", "answer": "AA+"}],
        "sources": [{"id": document, "event": "Fitch", "date": "2023-08-01", "sources": ["https://example.org"]}],
    }


@pytest.fixture
def rows():
    parts = [rows_of(split, number) for number, split in enumerate(("test", "dev", "fewshot"))]
    return {name: [copy.deepcopy(row) for part in parts for row in part[name]] for name in parts[0]}


@pytest.fixture
def write(tmp_path):
    """Writes rows as a benchmark folder and gives its path."""

    def writer(rows):
        folder = tmp_path / "benchmark"
        folder.mkdir(exist_ok=True)
        for name, values in rows.items():
            lines = "".join(json.dumps(value) + "\n" for value in values)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        return folder

    return writer
