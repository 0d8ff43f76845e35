"""People's own files of questions, in the forms that they come in."""

import csv
import json
import re

import pytest

from kinj.benchmark.importing import AnswerForm, Fields, import_questions, open_rows
from kinj.errors import MissingExtraError, UserError

USUAL = Fields()


def read(path, fields=USUAL, possible=tuple(AnswerForm), **options):
    return import_questions(open_rows(path, fields.is_header, **options), fields, possible)


def asked(imported):
    return [(q.question, q.choices, q.right_answer) for q in imported.questions]


def csv_file(folder, *rows, name="q.csv", **options):
    path = folder / name
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as sink:
        csv.writer(sink, **options).writerows(rows)
    return path


def json_file(folder, *rows):
    path = folder / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


EXPECTED = [("Which?", ("x", "y", "z"), "y")]


# ---- forms of files


def test_a_header_line_names_columns_in_any_case_and_order(tmp_path):
    path = csv_file(tmp_path, ["Answer", "c", "B", "a", "Question", "Topic"], ["b", "z", "y", "x", "Which?", "t"])
    imported = read(path)
    assert asked(imported) == EXPECTED
    assert (imported.has_header, imported.left_out) == (True, {"Topic": 1})


def test_of_columns_that_differ_in_case_alone_the_first_is_taken_and_the_other_listed(tmp_path):
    path = csv_file(tmp_path, ["Question", "A", "B", "answer", "question"], ["Which?", "x", "y", "B", "Other?"])
    imported = read(path)
    assert ([q.question for q in imported.questions], imported.left_out) == (["Which?"], {"question": 1})


def test_mmlus_form_has_no_header_line_and_any_number_of_options(tmp_path):
    path = csv_file(tmp_path, ["Which?", "x", "y", "z", "B"], ["Two?", "a", "b", "c", "d", "e", "E"], ["Open?", "yes"])
    path.write_text(path.read_text() + "Which of two?,x,y,,,A\n")  # as spreadsheets fill up rows
    imported = read(path)
    assert asked(imported) == [
        *EXPECTED,
        ("Two?", tuple("abcde"), "e"),
        ("Open?", (), "yes"),
        ("Which of two?", ("x", "y"), "x"),
    ]
    assert not imported.has_header


def test_columns_of_a_file_without_a_header_line_are_named_by_number(tmp_path):
    path = csv_file(tmp_path, ["B", "x", "y", "z", "Which?", "a note"])
    assert asked(read(path, Fields("5", ("2", "3", "4"), "1"))) == EXPECTED
    with pytest.raises(UserError, match="no header line, so columns are named by their number from 1"):
        read(path, Fields(answer="right"))


def test_a_header_line_in_another_language_is_told_by_its_answer_and_asks_for_the_question(tmp_path):
    path = csv_file(tmp_path, ["Nr", "Frage", "A", "B", "C", "Answer"], ["1", "Which?", "x", "y", "z", "B"])
    with pytest.raises(UserError, match=r"--question-field NAME; there are 'Nr', 'Frage', 'A', 'B', 'C', 'Answer'"):
        read(path)
    assert asked(read(path, Fields("Frage"))) == EXPECTED


@pytest.mark.parametrize("header", [["id", "Frage", "a", "b", "c", "Lösung"], ["Nr", "Frage", "a", "b", "c", "label"]])
def test_a_header_line_in_other_words_is_told_by_an_id_or_by_options_beside_an_answer(tmp_path, header):
    path = csv_file(tmp_path, header, *[[n, f"Which {n}?", "x", "y", "z", "B"] for n in range(3)])
    with pytest.raises(UserError, match=f"--question-field NAME; there are '{header[0]}', 'Frage', 'a'"):
        read(path)
    imported = read(path, Fields("Frage", answer=header[-1]))
    assert [(q.question, q.right_answer) for q in imported.questions] == [(f"Which {n}?", "y") for n in range(3)]


def test_a_first_column_of_numbers_is_no_column_of_questions(tmp_path):
    path = csv_file(tmp_path, ["Nr", "Frage", "x1", "x2", "Lösung"], ["1", "Which?", "x", "y", "B"])
    with pytest.raises(
        UserError, match=r"which column is the question\? The first holds numbers alone: --question-field"
    ):
        read(path)


def test_a_header_line_that_is_taken_for_a_question_says_how_columns_are_named(tmp_path):
    path = csv_file(tmp_path, ["Frage", "A", "B", "Antwort"], ["Wer kam?", "x", "y", "B"], ["Wer ging?", "x", "y", "C"])
    first, other = read(path).refused
    assert first.why.endswith("say which by --question-field, --options-field and --answer-field")
    assert other.why == "the answer 'C' is not a letter from A to B"


def test_a_first_row_that_looks_like_a_header_line_is_one_where_columns_are_named_by_number(tmp_path):
    path = csv_file(tmp_path, ["Which part?", "stem", "leaf", "B"], ["Which?", "x", "y", "A"])
    with pytest.raises(UserError, match="which column is the answer"):
        read(path)
    assert [q.right_answer for q in read(path, Fields("1")).questions] == ["leaf", "x"]


def test_a_header_line_that_names_a_column_twice_is_refused(tmp_path):
    path = csv_file(tmp_path, ["question", "choice", "choice", "answer"], ["Which?", "x", "y", "x"])
    with pytest.raises(UserError, match="the header line names 'choice' more than once"):
        read(path)


@pytest.mark.parametrize("write", [json_file, lambda folder, row: csv_file(folder, row, row.values())])
def test_a_column_may_be_called_more(tmp_path, write):
    imported = read(write(tmp_path, {"question": "Which?", "A": "x", "B": "y", "answer": "B", "more": "abc"}))
    assert ([q.right_answer for q in imported.questions], imported.refused) == (["y"], ())


def test_files_with_and_without_a_header_line_are_not_mixed(tmp_path):
    csv_file(tmp_path, ["question", "A", "B", "answer"], ["Which?", "x", "y", "B"], name="a.csv")
    csv_file(tmp_path, ["Which?", "x", "y", "B"], name="b.csv")
    with pytest.raises(UserError, match=r"b.csv:1 is of a file without a header line, .*a.csv:. of one with named col"):
        read(tmp_path)


def test_a_tsv_file_is_cut_at_its_tabs_whatever_commas_stand_in_it(tmp_path):
    path = csv_file(tmp_path, ["Of red, blue, green, grey, pink, tall?", "x", "y", "B"], delimiter="\t", name="q.tsv")
    assert asked(read(path)) == [("Of red, blue, green, grey, pink, tall?", ("x", "y"), "y")]


def test_semicolons_tabs_a_byte_order_mark_and_another_encoding_are_read(tmp_path):
    rows = ["question", "A", "B", "answer"], ["Größe, wessen?", "ä", "ö", "B"]
    expected = [("Größe, wessen?", ("ä", "ö"), "ö")]
    assert asked(read(csv_file(tmp_path, *rows, delimiter=";", encoding="utf-8-sig"))) == expected
    assert asked(read(csv_file(tmp_path, *rows, delimiter="\t", name="q.tsv"))) == expected
    path = csv_file(tmp_path, *rows, encoding="cp1252")
    with pytest.raises(UserError, match="--encoding"):
        read(path)
    assert asked(read(path, encoding="cp1252")) == expected


@pytest.mark.parametrize("name", ["q.tsv", "q.jsonl"])
def test_utf_16_is_read_where_it_is_named(tmp_path, name):
    text = "question\tA\tB\tanswer\nGröße Ċ?\tä\tö\tB\nZwei?\tx\ty\tA\n"  # Ċ holds the byte of a line end
    if name == "q.jsonl":
        keys, *rows = [line.split("\t") for line in text.splitlines()]
        text = "".join(json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / name).write_text(text, encoding="utf-16")
    imported = read(tmp_path / name, encoding="utf-16")
    assert asked(imported) == [("Größe Ċ?", ("ä", "ö"), "ö"), ("Zwei?", ("x", "y"), "x")]
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="neither UTF-8 nor utf-16"):
        read(tmp_path / name, encoding="utf-16")


def test_lines_may_end_in_cr_alone_and_cells_be_long(tmp_path):
    long = "x" * 200_000
    (tmp_path / "q.csv").write_bytes(f"Which {long}?,x,y,B\rTwo?,a,b,A\r".encode())
    assert asked(read(tmp_path / "q.csv")) == [(f"Which {long}?", ("x", "y"), "y"), ("Two?", ("a", "b"), "a")]


def test_a_json_file_with_a_fault_says_where_it_is(tmp_path):
    path = tmp_path / "q.json"
    path.write_text(json.dumps([GOOD, GOOD], indent=1).replace("},", "}"))
    with pytest.raises(UserError, match=r"q.json: not JSON \(Expecting ',' delimiter: line 11"):
        read(path)
    path.write_text(f"{json.dumps(GOOD)}\n{{\n{json.dumps(OTHER)}\n")
    assert (len(read(path).questions), len(read(path).refused)) == (2, 1)


def test_where_no_row_can_be_read_the_first_reason_is_said(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text("{\n{\n")
    with pytest.raises(UserError, match=r"none of 2 rows can be read; .*q.jsonl:1: not JSON"):
        read(path)


OPTIONS = {
    "a list": {"choices": ["x", "y", "z"], "answer": "B"},
    "a dictionary by letter in any order": {"options": {"C": "z", "A": "x", "B": "y"}, "answer": "B"},
    "a dictionary by number": {"options": {"2": "z", "0": "x", "1": "y"}, "answer": "1"},
    "ARC's": {"choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, "answerKey": "2"},
    "a list of objects": {
        "options": [{"label": m, "text": t} for m, t in zip("ABC", "xyz", strict=True)],
        "answer": "b",
    },
    "a column each": {"option_a": "x", "option_b": "y", "option_c": "z", "answer": "B."},
    "the right option's text": {"choices": ["x", "y", "z"], "answer": "Y"},
    "a list spelt in a text": {"choices": "['x', 'y', 'z']", "answer": "(b)"},
    "a dictionary by number as Python spells it": {"options": "{1: 'x', 2: 'y', 3: 'z'}", "answer": 2},
    "a dictionary with letters that it does not use": {
        "options": {"A": "x", "B": "y", "C": "z", "D": None},
        "answer": "B",
    },
}


@pytest.mark.parametrize("form", OPTIONS)
def test_options_and_answers_are_read_in_every_form(tmp_path, form):
    assert asked(read(json_file(tmp_path, {"question": "Which?", **OPTIONS[form]}))) == EXPECTED


def test_arcs_own_file_keeps_the_options_inside_the_question(tmp_path):
    choices = [{"text": text, "label": label} for text, label in zip("xyz", "ABC", strict=True)]
    row = {"id": "a1", "question": {"stem": "Which?", "choices": choices}, "answerKey": "B"}
    imported = read(json_file(tmp_path, row))
    assert asked(imported) == EXPECTED
    assert imported.questions[0].id == "a1"


@pytest.mark.parametrize(
    "rows", [[{"question": "Which?", **OPTIONS["a list"]}], {"data": [{"question": "Which?", **OPTIONS["ARC's"]}]}]
)
def test_a_json_file_may_be_a_list_or_hold_one(tmp_path, rows):
    path = tmp_path / "q.json"
    path.write_text(json.dumps(rows))
    assert asked(read(path)) == EXPECTED


def test_other_columns_are_named_by_hand(tmp_path):
    path = json_file(tmp_path, {"ctx": "Which?", "r": "y", "w1": "x", "w2": "z"})
    with pytest.raises(UserError, match=r"which column is the question\? --question-field NAME; there are 'ctx', 'r'"):
        read(path)
    with pytest.raises(UserError, match=r"which column is the answer\? --answer-field NAME"):
        read(path, Fields("ctx"))
    with pytest.raises(UserError, match="no row has a column 'w3'; there are 'ctx', 'r', 'w1', 'w2'"):
        read(path, Fields("ctx", ("w1", "w3"), "r"))
    assert asked(read(path, Fields("ctx", ("w1", "r", "w2"), "r"))) == EXPECTED


# ---- data sets' folders


def test_data_sets_that_were_saved_or_copied_from_the_hub_are_read_one_split_at_a_time(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [{"question": "Which?", "choices": {"text": ["x", "y", "z"], "label": list("ABC")}, "answerKey": "B"}]
    made = datasets.Dataset.from_list(rows)
    made.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "several")
    (tmp_path / "hub/data").mkdir(parents=True)
    for split in ("train", "test"):
        made.to_parquet(tmp_path / f"hub/data/{split}-00000-of-00001.parquet")
    assert asked(read(tmp_path / "one")) == EXPECTED
    for name in ("several", "hub"):
        with pytest.raises(UserError, match=r"holds the splits t\w+, t\w+: which\? --from test"):
            read(tmp_path / name)
        assert asked(read(tmp_path / name, split="test")) == EXPECTED
        with pytest.raises(UserError, match="no split 'dev'; it holds"):
            read(tmp_path / name, split="dev")


def test_a_file_is_of_the_split_that_its_path_names_last_and_what_describes_a_data_set_is_no_rows(tmp_path):
    for name in ("dataset_info.json", ".hidden.json"):
        (tmp_path / name).write_text("{}")
    for folder, row in (("dev_data/test", GOOD), ("dev_data", OTHER), ("rest", GOOD | {"question": "Who?"})):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        json_file(tmp_path / folder, row)
    with pytest.raises(UserError, match=r"holds the splits dev, test, all: which\? --from test"):
        read(tmp_path)
    assert [read(tmp_path, split=name).questions[0].question for name in ("dev", "test", "all")] == [
        "What?",
        "Which?",
        "Who?",
    ]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("state.json", "{", "state.json: not as `datasets` saves it"),
        ("state.json", '{"x": 1}', "state.json: not as `datasets` saves it"),
        ("state.json", '{"_data_files": [{"filename": "gone.arrow"}]}', "names gone.arrow, which is not there"),
        ("dataset_dict.json", "[]", "dataset_dict.json: not as `datasets` saves it"),
    ],
)
def test_half_a_saved_data_set_is_one_line(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=why):
        read(tmp_path)


def test_a_split_is_not_taken_of_what_has_none(tmp_path):
    path = json_file(tmp_path, GOOD)
    with pytest.raises(UserError, match=r"--from test: .*q.jsonl is one list of questions without splits"):
        read(path, split="test")
    path.rename(tmp_path / "questions.jsonl")
    with pytest.raises(UserError, match="--from test: "):
        read(tmp_path, split="test")


def test_names_with_half_a_character_can_be_said(tmp_path):
    path = json_file(tmp_path, GOOD | {"\ud83d": 1})
    assert read(path).left_out == {"?": 1}
    with pytest.raises(UserError, match="its name is not in UTF-8"):
        read(path.rename(tmp_path / "caf\udce9.jsonl"))


@pytest.mark.parametrize(("name", "why"), [("no.csv", "no such file"), ("q.docx", "no form of rows that is known")])
def test_what_is_no_file_of_rows_is_refused(tmp_path, name, why):
    (tmp_path / "q.docx").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=why):
        read(tmp_path / name)
    with pytest.raises(UserError, match="empty: no rows in it"):
        read(tmp_path / "empty")


# ---- which option is meant


def indexed(*answers, options=4):
    return [{"question": f"Q{n}?", "choices": list("wxyz")[:options], "answer": a} for n, a in enumerate(answers)]


@pytest.mark.parametrize(("answers", "right"), [((0, 1, 3), "wxz"), ((1, 2, 4), "wxz"), (("1", "2.0", "4"), "wxz")])
def test_an_index_counts_from_where_all_of_them_fit(tmp_path, answers, right):
    assert "".join(q.right_answer for q in read(json_file(tmp_path, *indexed(*answers))).questions) == right


def test_where_indexes_from_0_and_from_1_both_fit_it_is_asked(tmp_path):
    path = json_file(tmp_path, *indexed(1, 2, 3))
    with pytest.raises(UserError, match=r"answers \(1, 2, 3\) are indexes .* --answer-from 0 or --answer-from 1"):
        read(path)
    for form, right in ((AnswerForm.FROM_0, "xyz"), (AnswerForm.FROM_1, "wxy")):
        assert "".join(q.right_answer for q in read(path, possible=(form,)).questions) == right


def test_where_indexes_neither_all_count_from_0_nor_from_1_it_is_asked(tmp_path):
    path = json_file(tmp_path, *indexed(1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0))
    with pytest.raises(UserError, match=r"answers \(0, 1, 2, 3, 4\) are indexes .* --answer-from 0 or --answer-from 1"):
        read(path)
    imported = read(path, possible=(AnswerForm.FROM_0,))
    assert [refused.why for refused in imported.refused] == ["the answer '4' is not an index from 0 to 3"] * 2


def test_numbers_of_columns_are_no_labels_so_that_indexes_count_from_where_they_fit(tmp_path):
    def numbered(*answers):
        return json_file(
            tmp_path,
            *[{"question": f"Q{n}?", "choice1": "x", "choice2": "y", "answer": a} for n, a in enumerate(answers)],
        )

    assert [q.right_answer for q in read(numbered(0, 1, 1)).questions] == ["x", "y", "y"]
    assert [q.right_answer for q in read(numbered(1, 2, 1)).questions] == ["x", "y", "x"]
    with pytest.raises(UserError, match=r"answers \(1\) are indexes .* --answer-from 0 or --answer-from 1"):
        read(numbered(1, 1))


def test_one_bad_index_among_many_does_not_change_where_the_others_count_from(tmp_path):
    imported = read(json_file(tmp_path, *indexed(*[0, 1, 2, 3] * 5, 7)))
    assert imported.form is AnswerForm.FROM_0
    assert [refused.why for refused in imported.refused] == ["the answer '7' is not an index from 0 to 3"]


def test_signs_and_digits_of_a_text_count(tmp_path):
    words = {"question": "Which?", "choices": ["alpha", "beta"], "answer": "Beta."}
    imported = read(
        json_file(
            tmp_path,
            words,
            words | {"question": "What?"},
            {"question": "5 - 6?", "choices": ["-1", "2", "3"], "answer": "1"},
        )
    )
    assert imported.form is AnswerForm.TEXT
    assert [q.right_answer for q in imported.questions] == ["beta", "beta"]
    assert [refused.why for refused in imported.refused] == ["the answer '1' is not the text of one option"]


def test_a_truth_value_is_the_option_that_says_it_and_no_index(tmp_path):
    rows = [
        {"question": f"Is {n}?", "choices": c, "answer": True} for n, c in enumerate((["false", "true"], ["x", "y"]))
    ]
    imported = read(json_file(tmp_path, *rows))
    assert [q.right_answer for q in imported.questions] == ["true"]
    assert [refused.why for refused in imported.refused] == ["the answer 'True' is not the text of one option"]


def test_a_text_that_two_options_have_but_for_case_is_neither_of_them(tmp_path):
    rows = [{"question": f"Which {n}?", "choices": ["Mg", "MG", "Co"], "answer": a} for n, a in enumerate(("MG", "mg"))]
    imported = read(json_file(tmp_path, *rows))
    assert [q.right_answer for q in imported.questions] == ["MG"]
    assert [refused.why for refused in imported.refused] == ["the answer 'mg' is not the text of one option"]


@pytest.mark.parametrize("write", [json_file, lambda folder, *rows: csv_file(folder, rows[0], *map(dict.values, rows))])
def test_an_answer_that_looks_like_a_list_is_compared_as_it_is_written(tmp_path, write):
    row = {"question": "What does print([3]) show?", "choices": '["3", "[3]", "x"]', "answer": "[3]"}
    assert [q.right_answer for q in read(write(tmp_path, row)).questions] == ["[3]"]


def test_an_open_answer_that_looks_like_a_list_is_one_only_in_csv(tmp_path):
    row = {"question": "Which list?", "answer": "['x', 'y']"}
    assert read(json_file(tmp_path, row)).questions[0].accepted_answers == ("['x', 'y']",)
    assert read(csv_file(tmp_path, row, row.values())).questions[0].accepted_answers == ("x", "y")


def test_where_text_and_index_both_fit_and_differ_it_is_asked(tmp_path):
    row = {"question": "How many?", "choices": ["2", "1", "0"], "answer": "2"}
    path = json_file(tmp_path, row)
    with pytest.raises(UserError, match=re.escape("the answer '2' to 'How many?'")) as refused:
        read(path)
    assert "say which by --answer-is letter, text or index" in str(refused.value)
    assert read(path, possible=(AnswerForm.TEXT,)).questions[0].answer == 0


def test_letters_that_are_texts_too_are_no_question_where_both_mean_the_same(tmp_path):
    row = {"question": "Which group?", "choices": ["A", "B", "AB"], "answer": "B"}
    assert read(json_file(tmp_path, row)).questions[0].right_answer == "B"
    with pytest.raises(UserError, match="may be a letter or an option's text"):
        read(json_file(tmp_path, row | {"choices": ["B", "A", "AB"]}))


# ---- open questions


OPEN = {
    "a text": {"answer": "blue"},
    "a list": {"answer": ["blue", "azure", "blue"]},
    "SQuAD's": {"answers": {"text": ["blue", "azure"], "answer_start": [3, 9]}},
    "TriviaQA's": {"answer": {"value": "blue", "aliases": ["azure"]}},
    "a number": {"answer": 1969},
}


@pytest.mark.parametrize("form", OPEN)
def test_a_question_without_options_goes_to_the_open_form(tmp_path, form):
    [question] = read(json_file(tmp_path, {"question": "Which colour?", **OPEN[form]})).questions
    expected = {"a text": ("blue",), "a number": ("1969",)}.get(form, ("blue", "azure"))
    assert (question.choices, question.answer, question.accepted_answers) == ((), -1, expected)


def test_options_and_accepted_answers_may_stand_in_one_row(tmp_path):
    row = {
        "question": "Which?",
        "choices": ["x", "y", "z"],
        "answer": "B",
        "accepted_answers": ["y", "why"],
        "kind": "what",
    }
    [question] = read(json_file(tmp_path, row)).questions
    assert (question.right_answer, question.accepted_answers, question.kind) == ("y", ("y", "why"), "what")


def test_options_that_were_not_found_make_no_open_questions_of_letters_and_indexes(tmp_path):
    rows = [{"ctx": f"A man {n}", "endings": list("wxyz"), "label": str(n % 4)} for n in range(6)]
    path = json_file(tmp_path, *rows)
    with pytest.raises(
        UserError, match=r"no options were found, and the answers \(0, 1, 2, 3\) look like .* --options-f"
    ):
        read(path, Fields("ctx"))
    assert len(read(path, Fields("ctx", ("endings",)), (AnswerForm.FROM_0,)).questions) == 6
    numbers = json_file(tmp_path, {"question": "How many?", "answer": 3})
    assert read(numbers, possible=(AnswerForm.TEXT,)).questions[0].accepted_answers == ("3",)
    accepted = json_file(tmp_path, {"question": "How many?", "accepted_answers": ["3"]})
    assert read(accepted).questions[0].accepted_answers == ("3",)


def test_most_answers_that_look_like_options_are_enough_to_ask_for_them(tmp_path):
    path = json_file(tmp_path, *[{"question": f"Q{n}?", "first": "x", "answer": a} for n, a in enumerate("ABCD")])
    path.write_text(path.read_text() + '{"question": "Q5?", "first": "x", "answer": "A, C"}\n')
    with pytest.raises(UserError, match=r"no options were found, and the answers \(A, B, C, D\) look like"):
        read(path)
    few = json_file(
        tmp_path, *[{"question": f"How many {n}?", "answer": a} for n, a in enumerate(["3", "blue", "red"])]
    )
    assert len(read(few).questions) == 3


def test_answers_that_are_said_to_name_options_want_some(tmp_path):
    path = json_file(tmp_path, {"question": "Which colour?", "answer": "blue"})
    with pytest.raises(UserError, match="no options were found that the answers could name"):
        read(path, possible=(AnswerForm.LABEL, AnswerForm.LETTER))


def test_a_row_without_options_is_no_open_question_with_a_letter_for_an_answer(tmp_path):
    imported = read(
        csv_file(
            tmp_path,
            ["question", "A", "B", "answer"],
            ["Which?", "x", "y", "B"],
            ["Lost?", "", "", "B"],
            ["Open?", "", "", "blue"],
        )
    )
    assert [(q.question, q.accepted_answers) for q in imported.questions] == [("Which?", ()), ("Open?", ("blue",))]
    assert [one.why for one in imported.refused] == ["no options, and the answer 'B' looks like that of one"]


def test_kinds_that_are_none_of_ours_are_listed_as_left_out(tmp_path):
    imported = read(json_file(tmp_path, GOOD | {"kind": "easy"}, OTHER | {"kind": "what"}))
    assert ([q.kind for q in imported.questions], imported.left_out) == (["", "what"], {"kind": 1})


# ---- rows that are none


GOOD = {"question": "Which?", "choices": ["x", "y", "z"], "answer": "B"}
OTHER = GOOD | {"question": "What?"}
BAD = [
    ({"question": " "}, "no question"),
    ({"choices": ["x"]}, "1 options, expected 2 to 10"),
    ({"choices": list("abcdefghijk")}, "11 options, expected 2 to 10"),
    ({"choices": ["x", "", "z"]}, "option 2 of 3 is empty"),
    ({"choices": ["x", float("nan"), "z"]}, "option 2 of 3 is empty"),
    ({"choices": ["x", "y", "x "]}, "the option 'x' comes twice"),
    ({"choices": [["x", "y"], ["z"]]}, "expected a text, got \"['x', 'y']\""),
    ({"choices": {"²": "x", "1": ["y"]}}, "expected a text, got \"['y']\""),
    ({"choices": {"text": ["x", "x"], "label": 5}}, "the option 'x' comes twice"),
    ({"question": ["Which?"]}, "expected a text, got \"['Which?']\""),
    ({"choices": "x, y"}, "the options are neither a list nor a dictionary: 'x, y'"),
    ({"choices": {"text": ["x", "y"], "label": ["A"]}}, "2 options with 1 labels"),
    ({"answer": "D"}, "the answer 'D' is not a letter from A to C"),
    ({"answer": ["A", "B"]}, "the answer \"['A', 'B']\" is not a letter from A to C"),
    ({"answer": None}, "no answer"),
    ({"choices": ["x", "\ud83d", "z"]}, "a text holds half a character: write the whole one, or remove it"),
    ({"answer": True, "choices": None}, "no options, and no answer that could be compared with a model's"),
]


@pytest.mark.parametrize(("changes", "why"), BAD)
def test_one_bad_row_is_refused_with_its_place_and_the_others_are_taken(tmp_path, changes, why):
    good = [GOOD | {"question": f"Which of {n}?"} for n in range(40)]
    path = json_file(tmp_path, *good[:20], GOOD | changes, *good[20:])
    imported = read(path)
    assert len(imported.questions) == 40
    assert [(one.place, one.why) for one in imported.refused] == [(f"{path}:21", why)]
    json.dumps(imported.refused[0].row, ensure_ascii=False).encode()  # as it is written


def test_lines_that_are_no_rows_are_refused_too(tmp_path):
    path = json_file(tmp_path, GOOD)
    path.write_text(path.read_text() + '{"question": \n[]\n' + json.dumps(OTHER) + "\n")
    imported = read(path)
    assert len(imported.questions) == 2
    assert [one.place for one in imported.refused] == [f"{path}:2", f"{path}:3"]
    table = csv_file(
        tmp_path, ["question", "A", "B", "answer"], ["Which?", "x", "y", "B", "more"], ["Which?", "x", "y", "A"]
    )
    assert [one.why for one in read(table).refused] == ["1 cells more than the header line has"]


def test_ids_are_kept_unless_one_is_repeated(tmp_path):
    rows = [GOOD | {"id": 7}, OTHER | {"id": "b"}]
    assert [q.id for q in read(json_file(tmp_path, *rows)).questions] == ["7", "b"]
    repeated = read(json_file(tmp_path, *rows, GOOD | {"question": "Who?", "id": 7}))
    assert ([q.id for q in repeated.questions], repeated.keeps_ids) == (["q000001", "q000002", "q000003"], False)


def test_a_row_that_comes_again_is_refused_and_one_with_other_options_is_not(tmp_path):
    again = GOOD | {"choices": ["z", "x", "y"], "answer": "C"}
    path = json_file(tmp_path, GOOD, GOOD | {"choices": ["x", "y", "w"]}, GOOD | {"answer": "C"}, again)
    imported = read(path)
    assert len(imported.questions) == 3
    assert [(one.place, one.why) for one in imported.refused] == [
        (f"{path}:4", f"the same question, options and answer as {path}:1")
    ]


def test_where_a_row_lacks_an_id_all_get_numbers(tmp_path):
    imported = read(json_file(tmp_path, GOOD | {"id": "a"}, OTHER))
    assert ([q.id for q in imported.questions], imported.keeps_ids) == (["q000001", "q000002"], False)


def test_refused_rows_are_listed_in_the_order_of_the_file(tmp_path):
    path = json_file(tmp_path, GOOD, OTHER, GOOD | {"answer": "D"}, GOOD | {"choices": ["x"]})
    assert [one.place for one in read(path).refused] == [f"{path}:3", f"{path}:4"]


def test_parquet_without_its_library_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "q.parquet").touch()
    with pytest.raises(MissingExtraError, match=r"pip install 'kinj\[corpus\]'"):
        read(tmp_path / "q.parquet")
