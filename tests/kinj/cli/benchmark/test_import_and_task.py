"""`kinj benchmark import` and `task`: from a person's file to a folder and a task of lm-eval."""

import json
import shlex

import pytest
from lm_eval.tasks import TaskManager

from kinj.benchmark import open_benchmark

HEADER = "question,A,B,C,answer,note\n"


@pytest.fixture
def quiz(tmp_path):
    path = tmp_path / "quiz.csv"
    path.write_text(
        HEADER
        + "Which letter is first?,a,b,c,A,easy\n"
        + "Which is none?,x,y,z,Q,\n"
        + "Which of two?,left,right,,B,\n"
    )
    return path


def test_what_was_taken_refused_and_left_out_is_said(kinj, quiz):
    code, out, errors = kinj("benchmark", "import", quiz, "out")
    assert code == 0
    shown = {line[:15].strip(): line[15:] for line in out.splitlines()}
    assert shown["columns"] == "question 'question', options 'A', 'B', 'C', answer 'answer', an option by its label"
    assert shown["left out"] == "'note' (1 rows)"
    assert shown["questions"] == "2: 1 of 2 options, 1 of 3 options; ids by number"
    assert shown["refused"] == "1: out/refused.jsonl"
    assert shown["source chunks"] == "not looked for: --collection DIR"
    assert f"refused: {quiz}:3: the answer 'Q' is not one of A, B, C" in errors
    next_line = errors.splitlines()[-1]
    assert next_line.startswith("next: lm_eval --tasks kinj_benchmark --model kinj_rag --model_args retriever=none")
    refused = json.loads((quiz.parent / "out/refused.jsonl").read_text())
    assert (refused["why"], refused["row"]["question"]) == ("the answer 'Q' is not one of A, B, C", "Which is none?")


def test_json_says_the_same_and_a_folder_is_not_overwritten_unasked(kinj, quiz):
    _, out, _ = kinj("benchmark", "import", quiz, "out", "--json")
    said = json.loads(out)
    assert (said["questions"], said["options"], said["left_out"]) == (2, {"2": 1, "3": 1}, {"note": 1})
    assert [one["place"] for one in said["refused"]] == [f"{quiz}:3"]
    code, _, errors = kinj("benchmark", "import", quiz, "out")
    assert (code, "out holds a benchmark: add --overwrite" in errors) == (2, True)
    assert kinj("benchmark", "import", quiz, "out", "--overwrite")[0] == 0
    code, _, errors = kinj("benchmark", "import", quiz, ".")
    assert (code, "is not empty and no benchmark" in errors) == (2, True)


def test_indexes_that_fit_both_ways_are_asked_for(kinj, tmp_path):
    (tmp_path / "q.jsonl").write_text(
        json.dumps({"question": "Which?", "choices": ["x", "y", "z"], "answer": 1}) + "\n"
    )
    code, _, errors = kinj("benchmark", "import", "q.jsonl", "out")
    assert (code, "--answer-from 0 or --answer-from 1" in errors) == (2, True)
    for start, right in (("0", "y"), ("1", "x")):
        assert kinj("benchmark", "import", "q.jsonl", f"out{start}", "--answer-from", start)[0] == 0
        assert open_benchmark(tmp_path / f"out{start}").questions[0].right_answer == right
    code, _, errors = kinj("benchmark", "import", "q.jsonl", "o", "--answer-from", "1", "--answer-is", "letter")
    assert (code, "--answer-from 1: only of an index" in errors) == (2, True)


def test_what_the_answer_is_can_be_said(kinj, tmp_path):
    def right(name, way):
        code, _, errors = kinj("benchmark", "import", name, "out", "--overwrite", "--answer-is", way)
        assert code == 0, errors
        return open_benchmark(tmp_path / "out").questions[0].right_answer

    numbers = [{"question": f"How many {n}?", "choices": ["3", "1", "2"], "answer": n} for n in (3, 1)]
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in numbers))
    assert (right("n.jsonl", "index"), right("n.jsonl", "text")) == ("2", "3")
    labelled = {"question": "Which?", "choices": {"text": ["x", "y"], "label": ["P", "Q"]}, "answer": "Q"}
    (tmp_path / "l.jsonl").write_text(json.dumps(labelled) + "\n")
    assert right("l.jsonl", "letter") == "y"


def test_a_file_without_a_question_is_one_line(kinj, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "Which?", "choices": ["x"], "answer": "x"}\n{"question": "x"}\n')
    code, _, errors = kinj("benchmark", "import", "q.jsonl", "out")
    assert (code, errors.count("\n")) == (2, 1)
    assert "q.jsonl: none of 2 rows is a question; q.jsonl:1: 1 options, expected 2 to 10" in errors
    assert not (tmp_path / "out").exists()


def test_the_review_of_the_questions_before_does_not_outlive_them(kinj, quiz, tmp_path):
    kinj("benchmark", "import", quiz, "out")
    kinj("benchmark", "review", "out")
    (tmp_path / "d.jsonl").write_text('{"id": "q000001", "decision": "strike"}\n')
    assert kinj("benchmark", "decide", "out", "d.jsonl")[0] == 0
    kept = {"review.html", "review.jsonl", "decisions.jsonl"}
    assert kept <= {path.name for path in (tmp_path / "out").iterdir()}
    assert kinj("benchmark", "import", quiz, "out", "--overwrite")[0] == 0
    assert kept.isdisjoint(path.name for path in (tmp_path / "out").iterdir())
    assert len(open_benchmark(tmp_path / "out").questions) == 2


def test_the_next_command_asks_what_there_is_in_any_folder(kinj, quiz, tmp_path):
    _, _, errors = kinj("benchmark", "import", quiz, "Ann's", "--dev-share", "1")
    words = shlex.split(errors.splitlines()[-1].removeprefix("next: "))
    assert json.loads(words[words.index("--metadata") + 1]) == {"benchmark": "Ann's", "split": "dev"}
    _, _, errors = kinj("benchmark", "import", quiz, "out", "--fewshot", "9")
    assert errors.splitlines()[-1].startswith("next: import them again with fewer --fewshot")


@pytest.fixture
def about_towers(tmp_path, collection):
    """Four questions about the towers of the tests' collection, one about nothing there."""
    rows = [json.loads(line) for line in (collection / "questions.jsonl").read_text().splitlines()][:4]
    mine = [{"question": r["question"], "options": r["choices"], "answer": r["choices"][r["answer"]]} for r in rows]
    mine.append({"question": "Who wrote Hamlet?", "options": ["Marlowe", "Shakespeare"], "answer": "Shakespeare"})
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    return tmp_path / "mine.jsonl"


def test_with_a_collection_each_question_finds_its_chunk_and_takes_its_documents_split(kinj, collection, about_towers):
    code, out, errors = kinj("benchmark", "import", about_towers, "out", "--collection", collection)
    assert code == 0
    assert f"left out: 9 questions that {collection} holds itself" in errors
    assert "source chunks  found of 4, 1 stand alone" in out
    benchmark = open_benchmark(about_towers.parent / "out")
    assert [question.chunk_ids for question in benchmark.questions] == [(f"d{n}.1",) for n in range(4)] + [()]
    assert [document.split for document in benchmark.documents] == ["test"] * 6 + ["dev"] * 2 + ["fewshot"]
    assert "next: lm_eval --tasks kinj_benchmark --model kinj_rag --metadata" in errors


def test_the_collection_itself_is_not_written_into(kinj, collection, about_towers):
    code, _, errors = kinj("benchmark", "import", about_towers, collection, "--collection", collection)
    assert (code, "is the collection itself" in errors) == (2, True)


def test_a_collection_without_chunks_names_the_command_that_makes_one(kinj, about_towers, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, errors = kinj("benchmark", "import", about_towers, "out", "--collection", "empty")
    assert (code, "kinj corpus files" in errors) == (2, True)


# ---- a task of its own name


@pytest.fixture
def load(tmp_path):
    def loaded(name):
        folder = tmp_path / "tasks"
        return TaskManager(include_path=str(folder), include_defaults=False).load([name])["tasks"][name]

    return loaded


@pytest.fixture
def written(kinj, tmp_path):
    def write(*words):
        code, out, errors = kinj("benchmark", "task", *words)
        assert code == 0, errors
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / f"{words[1]}.yaml").write_text(out)
        return out

    return write


def test_a_task_has_its_name_and_folder_and_asks_as_many_letters_as_options(kinj, quiz, load, written):
    kinj("benchmark", "import", quiz, "out", "--dev-share", "0")
    text = written("out", "my_quiz")
    assert text.startswith("# lm_eval --include_path FOLDER_OF_THIS_FILE --tasks my_quiz --model kinj_rag\n")
    task = load("my_quiz")
    task.build_all_requests()
    asked = [(request.args[0].partition("(with answers).\n\n")[2], request.args[1]) for request in task.instances]
    assert asked == [
        *(("Which letter is first?\nA. a\nB. b\nC. c\nAnswer:", f" {letter}") for letter in "ABC"),
        *(("Which of two?\nA. left\nB. right\nAnswer:", f" {letter}") for letter in "AB"),
    ]
    assert set(task.aggregation()) == {"acc", "acc_calibrated"}


def test_a_folder_of_open_questions_gives_an_open_task(kinj, tmp_path, load, written):
    (tmp_path / "q.jsonl").write_text('{"question": "Which colour?", "answer": ["blue", "azure"]}\n')
    kinj("benchmark", "import", "q.jsonl", "out", "--dev-share", "0")
    written("out", "colours")
    task = load("colours")
    assert task.process_results(task.task_docs[0], ["Azure."])["exact_match"] == 1
    code, _, errors = kinj("benchmark", "task", "out", "colours", "--scored", "letter")
    assert (code, "--scored letter: no question of out can be asked so" in errors) == (2, True)


@pytest.mark.parametrize(
    ("name", "why"), [("my task", "is no name of a task"), ("kinj_benchmark", "is a task of kinj already")]
)
def test_a_name_that_cannot_be_one_is_refused(kinj, collection, name, why):
    code, _, errors = kinj("benchmark", "task", collection, name)
    assert (code, why in errors) == (2, True)
