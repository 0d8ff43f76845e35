"""Files of questions as they should not be, drawn by seed: what a person's spreadsheet, export or script may give."""

import csv
import io
import json
import random
from collections.abc import Callable

import pytest

WORDS = ("tower", "river", "Größe", "naïve", "塔", "it's", "3.5", "-1", "C++", "[3]", "null", "NaN", "e\u0301", "🗼")
NAMES = {
    "question": ("question", "Question", "query", "stem", "Frage", "prompt", "text"),
    "options": ("choices", "options", "Antworten", "endings", "more"),
    "answer": ("answer", "label", "answerKey", "correct", "Lösung", "answers", "target"),
    "id": ("id", "Nr", "qid", "_id"),
}


@pytest.fixture
def strange_file() -> Callable[[int], tuple[str, bytes, list[str]]]:
    """`drawn_file`."""
    return drawn_file


def drawn_file(seed: int) -> tuple[str, bytes, list[str]]:
    """Name, content and further words of the command of one file."""
    draw = random.Random(seed)
    form = draw.choice(("csv", "tsv", "jsonl", "json"))
    rows = [_row(draw, number) for number in range(draw.choice((0, 2, 5, *[12] * 6, 20, 40)))]
    names = {key: draw.choice(values[: draw.choice((*[1] * 9, len(values)))]) for key, values in NAMES.items()}
    text = (_table if form in ("csv", "tsv") else _json)(draw, form, rows, names)
    for change in draw.sample(_CHANGES, draw.choice((0, 0, 1, 1, 2))):
        text = change(draw, text)
    data = _encoded(draw, text)
    for spoil in draw.sample(_SPOILS, draw.choice((0,) * 9 + (1,))):
        data = spoil(draw, data)
    return f"q.{form}", data, draw.choice(_OPTIONS)


_OPTIONS: list[list[str]] = [
    *([] for _ in range(80)),
    ["--answer-is", "text"],
    ["--answer-is", "letter"],
    ["--answer-from", "0"],
    ["--answer-from", "1"],
    ["--encoding", "utf-16"],
    ["--encoding", "cp1252"],
    ["--question-field", "2"],
    ["--question-field", "²"],
    ["--options-field", "A,B"],
    ["--answer-field", "answer", "--options-field", "choices"],
    ["--from", "test"],
]


def _text(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 6)))


def _row(draw: random.Random, number: int) -> dict[str, object]:
    options: list[object] = [f"{_text(draw)} {place}" for place in range(draw.choice((2, 3, *[4] * 20, 10, 0, 1, 11)))]
    place = draw.randrange(len(options)) if options else 0
    right = options[place] if options else _text(draw)
    answers = ["ABCDEFGHIJK"[place], str(right), place, place + 1, "ABCDEFGHIJK"[place]]
    row: dict[str, object] = {
        "question": f"Which {_text(draw)} {number}?",
        "options": options,
        "answer": answers[0] if draw.random() < 0.6 else draw.choice(answers),
        "id": number,
    }
    if draw.random() < 0.15:
        row[draw.choice(list(row))] = draw.choice(_STRANGE)
    if options and draw.random() < 0.1:
        options[draw.randrange(len(options))] = draw.choice((*_STRANGE, options[0]))
    return row


_STRANGE: tuple[object, ...] = (
    None, "", " ", True, False, 0, -1, 10**30, 1.0, 1e300, float("nan"), float("inf"), [], {}, [[]], [["a"], ["b"]],
    {"text": "x"}, {"text": ["x", "y"], "label": 5}, {"text": ["x", "y"], "label": "AB"}, {"²": "x", "1": "y"},
    {"A": "x", "B": ["y"]}, {"stem": "Which?", "choices": [{"text": "x", "label": "A"}, {"text": "y"}]}, ["x", None],
    [{"text": "x"}, {"option": 3}], {"value": {"value": []}}, "\ud83d", "\x00", "²", "x" * 10**5, "A" * 300, "(a",
    "[" * 300, "{'a': " * 120, "['a', 'b'", "[1, 2", "\u2028", "\u202e", "</script>", "=cmd()", "'", '"', "a\nb",
    "a\rb", "1.0",
)  # fmt: skip


def _table(draw: random.Random, form: str, rows: list[dict[str, object]], names: dict[str, str]) -> str:
    sink = io.StringIO()
    delimiter = draw.choice(("\t", ",", ";")) if draw.random() < 0.2 else "\t" if form == "tsv" else ","
    table = csv.writer(sink, delimiter=delimiter, lineterminator=draw.choice(("\n", "\r\n")))
    most = max((len(row["options"]) for row in rows if isinstance(row["options"], list)), default=2)
    in_one, has_header = draw.random() < 0.3, draw.random() < 0.7
    letters = draw.choice(("ABCDEFGHIJK", [f"choice{n}" for n in range(1, 12)], [f"opt_{n}" for n in range(11)]))
    if has_header:
        columns = [names["options"]] if in_one else letters[:most]
        table.writerow([names["question"], *columns, names["answer"], "note"])
    for row in rows:
        options = row["options"] if isinstance(row["options"], list) else [row["options"]]
        if in_one:
            cells = [draw.choice((json.dumps, repr))(row["options"])]
        else:
            cells = [str(option) for option in options] + [""] * (most - len(options) if has_header else 0)
        table.writerow([row["question"], *cells, row["answer"], *(["n"] if has_header else [])])
    return sink.getvalue()


def _json(draw: random.Random, form: str, rows: list[dict[str, object]], names: dict[str, str]) -> str:
    values = []
    for row in rows:
        options = row["options"]
        if isinstance(options, list) and draw.random() < 0.3:
            letters = "ABCDEFGHIJK"[: len(options)]
            options = draw.choice(
                (dict(zip(letters, options, strict=True)), {"text": options, "label": list(letters)}, str(options))
            )
        values.append(
            {names[key]: value for key, value in (row | {"options": options}).items()}
            | {draw.choice(("note", "note", "\ud83d")): "n"}
        )
    ascii_only = draw.random() < 0.5
    if form == "json":
        forms = (values, {"data": values}, {"questions": values}, values[0] if values else None, {"x": values})
        return json.dumps(draw.choice(forms), ensure_ascii=ascii_only, indent=draw.choice((None, 2)))
    return "".join(json.dumps(value, ensure_ascii=ascii_only) + "\n" for value in values)


# ---- the whole file


def _put(draw: random.Random, text: str, part: str) -> str:
    place = draw.randint(0, len(text))
    return text[:place] + part + text[place:]


_CHANGES: list[Callable[[random.Random, str], str]] = [
    lambda draw, text: _put(draw, text, '"'),
    lambda draw, text: _put(draw, _put(draw, text, '"'), '"'),
    lambda draw, text: text.replace('"', "", draw.randint(1, 9)),
    lambda draw, text: text.replace("\n", "\r\n"),
    lambda draw, text: text.replace("\n", "\r"),
    lambda draw, text: _put(draw, text, "\n\n\n"),
    lambda draw, text: text[: draw.randint(0, len(text))],
    lambda draw, text: "\n" + text,
    lambda draw, text: _put(draw, text, "\0"),
    lambda draw, text: _put(draw, text, "x" * 10**6) if draw.random() < 0.3 else _put(draw, text, "x" * 10**5),
    lambda draw, text: _put(draw, text, draw.choice(("[", '{"a":')) * draw.choice((500, 100_000))),
    lambda draw, text: _put(draw, text, draw.choice(",;\t") * draw.randint(1, 30)),
    lambda draw, text: "\n".join(draw.sample(lines := text.split("\n"), len(lines))),
    lambda draw, text: draw.choice(("", "\n", " ", "\ufeff", "\ufeff\ufeff" + text, "null", "[]", "{}", "7", '""')),
    lambda draw, text: text.replace("?", draw.choice(("?\u2028", "?\x85", "?\x0b", "?\x1c"))),
    lambda draw, text: text + text,
]


def _encoded(draw: random.Random, text: str) -> bytes:
    name = draw.choice(("utf-8",) * 20 + ("utf-8-sig", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-32"))
    return text.encode(name, "surrogatepass" if draw.random() < 0.2 and name.startswith("utf") else "replace")


_SPOILS: list[Callable[[random.Random, bytes], bytes]] = [
    lambda draw, data: data[: len(data) // 2] + draw.randbytes(5) + data[len(data) // 2 :],
    lambda draw, data: draw.randbytes(draw.choice((1, 50, 3000))),
    lambda draw, data: data + b"\xff\xfe",
    lambda draw, data: b"",
    lambda draw, data: b"\0" * 50,
    lambda draw, data: b"PK\x03\x04" + draw.randbytes(200),
]
