"""Files as they should not be: each refused in one line, or imported with its refused rows listed."""

from collections import Counter

from kinj.benchmark import Benchmark, open_benchmark
from kinj.benchmark.importing import AnswerForm, Fields, Shares, import_questions, open_rows, split_questions
from kinj.benchmark.sealing import write_benchmark
from kinj.errors import UserError


def imported(path, words):
    """Rows read, questions and refused rows, as the command takes them; the folder is written and opens."""
    said = dict(zip(words[::2], words[1::2], strict=True))
    fields = Fields(
        said.get("--question-field"),
        tuple(said.get("--options-field", "").split(",")) if "--options-field" in said else (),
        said.get("--answer-field"),
    )
    possible = tuple(AnswerForm(said[name]) for name in ("--answer-is", "--answer-from") if name in said)
    rows = open_rows(path, fields.is_header, split=said.get("--from"), encoding=said.get("--encoding"))
    found = import_questions(rows, fields, possible or tuple(AnswerForm))
    if found.questions:
        placed, _ = split_questions(found.questions, (), (), Shares())
        write_benchmark(
            Benchmark(path.parent, (), (), tuple(placed)), path.parent, {}, {"refused.jsonl": found.refused}
        )
    return rows, found


def test_no_file_ends_in_a_traceback_and_no_row_is_lost(tmp_path, strange_file):
    lines, counts = [], Counter()
    for seed in range(200):
        name, content, words = strange_file(seed)
        path = tmp_path / str(seed) / name
        path.parent.mkdir()
        path.write_bytes(content)
        try:
            rows, found = imported(path, words)
        except UserError as error:
            lines.append(str(error))
            continue
        assert len(rows) == len(found.questions) + len(found.refused), seed
        assert all(one.why and "\n" not in one.why for one in found.refused), seed
        counts["imported" if found.questions else "without a question"] += 1
        if found.questions:
            benchmark = open_benchmark(path.parent)
            assert benchmark.questions
            assert all(len(set(question.choices)) == len(question.choices) for question in benchmark.questions), seed
    assert all(len(line) < 1000 and "\n" not in line for line in lines)
    assert min(len(lines), counts["imported"]) > 50
