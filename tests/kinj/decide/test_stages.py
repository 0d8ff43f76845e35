"""The commands of `kinj decide`, in order, and how they go on."""

import itertools
import json
import shlex
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from kinj.benchmark import open_benchmark
from kinj.cli.app import build_app
from kinj.decide import running
from kinj.decide.planning import Texts
from kinj.decide.stages import Request, stages
from kinj.errors import UserError
from kinj.manifest import sha256_file


def request(tmp_path, **more):
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "a.txt").write_text("The mill was sold in 1911. " * 400)
    return Request((tmp_path / "docs",), "org/model", tmp_path / "out", **more)


def test_with_a_writer_questions_come_first_so_that_no_training_text_asks_them(tmp_path):
    made = stages(request(tmp_path, writer="http://localhost:1/v1", writer_model="w"))
    assert [stage.name for stage in made] == ["collection", "questions", "paraphrases", "pairs", "compare", "report"]
    assert all("--base-url http://localhost:1/v1 --model w" in stage.typed for stage in made[1:4])
    assert "--send" not in made[1].words


def test_with_questions_alone_nothing_is_sent_anywhere(tmp_path):
    made = stages(request(tmp_path, questions=tmp_path / "q.csv"))
    assert [stage.name for stage in made] == ["collection", "questions", "compare", "report"]
    assert not any("--base-url" in stage.words for stage in made)


def test_files_that_are_not_utf_8_are_read_in_their_encoding(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_bytes(
        "Die Mühle wurde 1911 an einen Müller aus Köln verkauft. ".encode("cp1252") * 9
    )
    (tmp_path / "q.csv").write_bytes("question;A;B;answer\nWoher kam der Müller?;Köln;Düren;A\n".encode("cp1252"))
    out = tmp_path / "out"
    out.mkdir()
    asked = Request((tmp_path / "docs",), None, out, questions=tmp_path / "q.csv", encoding="cp1252")
    for stage in stages(asked)[:2]:
        done = CliRunner().invoke(build_app(), list(stage.words))
        assert done.exit_code == 0, (stage.typed, done.exception)
    made = open_benchmark(asked.benchmark)
    assert made.chunks[0].text.startswith("Die Mühle")
    assert made.chunks[0].language == "de"
    assert [question.choices for question in made.questions] == [("Köln", "Düren")]


def test_with_questions_and_a_writer_only_training_texts_are_written(tmp_path):
    made = stages(request(tmp_path, questions=tmp_path / "q.csv", writer="http://localhost:1/v1", writer_model="w"))
    assert made[1].words[:2] == ("benchmark", "import")
    assert [stage.name for stage in made[2:4]] == ["paraphrases", "pairs"]


def test_with_neither_it_says_what_each_way_takes(tmp_path):
    with pytest.raises(UserError, match=r"--writer URL .* \(about [\d,]+ tokens .*--questions FILE takes yours"):
        stages(request(tmp_path))


def test_every_stage_is_a_command_that_there_is(tmp_path):
    asked = request(tmp_path, writer="http://localhost:1/v1", writer_model="w", send=True)
    for stage in (*stages(asked), *stages(request(tmp_path, questions=tmp_path / "q.csv"))):
        words = shlex.split(stage.typed)[1:]
        group = 1 if words[0] in ("compare", "report") else 2
        done = CliRunner().invoke(build_app(), [*words[:group], "--help"])
        assert done.exit_code == 0, stage.typed
        options = {word for word in words[group:] if word.startswith("--")}
        assert all(option[:20] in done.stdout for option in options), (stage.typed, options)


def test_a_server_without_a_model_is_refused(tmp_path):
    words = ["decide", str(tmp_path), "--writer", "http://localhost:1/v1", "--output_dir", str(tmp_path / "out")]
    done = CliRunner().invoke(build_app(), words)
    assert isinstance(done.exception, UserError)
    assert "--writer-model NAME" in str(done.exception)


@pytest.fixture
def noted(collection, tmp_path, monkeypatch):
    """A request whose stages only note what was run; its benchmark is there."""
    asked = Request((tmp_path,), None, tmp_path / "out", questions=tmp_path / "q.csv")
    asked.questions.write_text("question,A,B,answer\nWhy?,a,b,A\n")
    ran = []

    def run(stage):
        ran.append(stage)
        stage.folder.mkdir(parents=True, exist_ok=True)
        (stage.folder / "manifest.json").write_text("{}")
        if stage.name == "collection":
            (stage.folder / "chunks.jsonl").write_text("{}\n")
        if stage.name == "questions":
            files = {"chunks.jsonl": sha256_file(asked.collection / "chunks.jsonl")}
            of_questions = {"sha256": sha256_file(asked.questions)}
            (stage.folder / "manifest.json").write_text(json.dumps({"imported": of_questions, "files": files}))
        if stage.name == "report":
            verdict = {"recommendation": ["Ask the model alone.", "It costs least."]}
            (stage.folder / "report.json").write_text(json.dumps({"verdicts": [verdict]}))

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(running, "open_benchmark", lambda *_, **__: open_benchmark(collection))
    return asked, ran


def estimates(monkeypatch, *values):
    given = iter(values)
    monkeypatch.setattr(running, "_estimate", lambda _: next(given))


def test_questions_are_imported_once_and_anew_when_they_changed(noted, monkeypatch):
    asked, ran = noted
    for _ in range(2):
        estimates(monkeypatch, 60.0)
        lines = running.decide(asked, None, print)
    assert [stage.name for stage in ran].count("questions") == 1
    assert lines[0] == "Ask the model alone. It costs least."
    asked.questions.write_text("question,A,B,answer\nWhen?,a,b,B\n")
    estimates(monkeypatch, 60.0)
    running.decide(asked, None, print)
    again = [stage for stage in ran if stage.name == "questions"][1]
    assert again.words[-1] == "--overwrite"


def test_an_import_that_failed_is_done_again(noted, monkeypatch):
    asked, ran = noted
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    running.decide(asked, None, print)
    works, asked_before = running.run, len(ran)

    def fails(stage):
        if stage.name == "questions":
            raise UserError("no such answer")
        works(stage)

    asked.questions.write_text("question,A,B,answer\nWhen?,a,b,B\n")
    monkeypatch.setattr(running, "run", fails)
    with pytest.raises(UserError, match="no such answer"):
        running.decide(asked, None, print)
    monkeypatch.setattr(running, "run", works)
    running.decide(asked, None, print)
    assert [stage.name for stage in ran[asked_before:]].count("questions") == 1


def test_questions_that_a_person_imported_with_options_of_their_own_are_taken(noted, monkeypatch):
    asked, ran = noted
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    asked.collection.mkdir(parents=True)
    (asked.collection / "chunks.jsonl").write_text("{}\n")
    asked.benchmark.mkdir()
    files = {"chunks.jsonl": sha256_file(asked.collection / "chunks.jsonl")}
    of_questions = {"sha256": sha256_file(asked.questions)}
    (asked.benchmark / "manifest.json").write_text(json.dumps({"imported": of_questions, "files": files}))
    running.decide(asked, None, print)
    assert "questions" not in [stage.name for stage in ran]
    asked.questions.write_text("question,A,B,answer\nWhen?,a,b,B\n")
    running.decide(asked, None, print)
    assert "questions" in [stage.name for stage in ran]


def test_training_texts_of_ones_own_outlive_a_new_import(noted, monkeypatch):
    asked, _ = noted
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    running.decide(asked, None, print)
    own, noting = asked.benchmark / "paraphrases.jsonl", running.run
    own.write_text('{"chunk_id": "c1"}\n')

    def imports(stage):
        noting(stage)
        if stage.name == "questions":  # as `kinj benchmark import --overwrite`
            own.unlink(missing_ok=True)
            (asked.benchmark / "chunks.jsonl").write_text(json.dumps({"id": chunk}) + "\n")

    monkeypatch.setattr(running, "run", imports)
    said = []
    for chunk in ("c1", "c2"):
        asked.questions.write_text(f"question,A,B,answer\nWhen?,{chunk},b,B\n")
        running.decide(asked, None, said.append)
        assert (own.is_file(), (asked.out / own.name).is_file()) == (chunk == "c1", chunk == "c2")
        assert any("about a chunk that is no longer there" in line for line in said) is (chunk == "c2")


@pytest.fixture
def mills(tmp_path, monkeypatch):
    """A request about documents that are read, and questions that are imported, in earnest; and what writes others."""
    (tmp_path / "docs").mkdir()
    for number in range(12):
        text = f"The mill number {number} was sold in {1900 + number} to a man called Berg{number}. " * 8
        (tmp_path / "docs" / f"d{number}.txt").write_text(text)
    asked = Request((tmp_path / "docs",), None, tmp_path / "out", questions=tmp_path / "q.csv")

    def ask(how, encoding="utf-8"):
        rows = (f"{how} {number}?,Berg{number},Ott{number},A\n" for number in range(12))
        asked.questions.write_bytes(f"question,A,B,answer\n{''.join(rows)}".encode(encoding))

    def run(stage):
        if stage.name in ("collection", "questions"):
            done = CliRunner().invoke(build_app(), list(stage.words))
            assert done.exit_code == 0, (stage.typed, done.exception)
        elif stage.name == "report":
            stage.folder.mkdir(parents=True, exist_ok=True)
            (stage.folder / "report.json").write_text(json.dumps({"verdicts": [{"recommendation": ["x"]}]}))

    ask("Who bought mill")
    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    return asked, ask


def first_question(asked):
    return open_benchmark(asked.benchmark).questions[0].question


def write_own(asked):
    """Puts a text of a person, and one with an id of `kinj write`, into the benchmark."""
    chunk = open_benchmark(asked.benchmark).chunks[0].id
    rows = [{"id": name, "chunk_id": chunk, "text": name, "use": "train"} for name in ("mine", f"{chunk}.w1.p01")]
    (asked.benchmark / "paraphrases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return chunk


def test_what_was_asked_for_before_is_not_taken_for_what_is_there_now(mills):
    asked, ask = mills
    running.decide(asked, None, print)
    first, other = asked.questions.read_bytes(), asked.questions.with_name("q2.csv")
    ask("To whom went mill")
    other.write_bytes(asked.questions.read_bytes())
    asked.questions.write_bytes(first)
    words = ["benchmark", "import", other, asked.benchmark, "--collection", asked.collection, "--overwrite"]
    assert CliRunner().invoke(build_app(), list(map(str, words))).exit_code == 0
    running.decide(replace(asked, questions=other), None, print)
    assert first_question(asked).startswith("To whom")
    running.decide(asked, None, print)
    assert first_question(asked).startswith("Who bought")


def test_questions_are_read_again_in_an_encoding_that_was_corrected(mills):
    asked, ask = mills
    ask("Wer war in Łódź", "cp1250")
    running.decide(replace(asked, encoding="cp1252"), None, print)
    assert not first_question(asked).startswith("Wer war in Łódź")
    running.decide(replace(asked, encoding="cp1250"), None, print)
    assert first_question(asked).startswith("Wer war in Łódź")


def test_with_a_writer_too_a_persons_texts_and_decisions_outlive_other_questions(mills):
    asked, ask = mills
    asked = replace(asked, writer="http://localhost:1/v1", writer_model="w")
    running.decide(asked, None, print)
    written = f"{write_own(asked)}.w1.p01"
    rows = [{"id": written}, {"id": "q000001", "what": "question"}]
    (asked.benchmark / "journal.jsonl").touch()
    decisions = asked.benchmark / "decisions.jsonl"
    decisions.write_text("".join(json.dumps({**row, "decision": "strike"}) + "\n" for row in rows))
    ask("To whom went mill")
    running.decide(asked, None, print)
    assert first_question(asked).startswith("To whom")
    # The writer writes its own anew, but for what was struck.
    assert [row.id for row in open_benchmark(asked.benchmark).paraphrases] == ["mine"]
    assert [json.loads(line)["id"] for line in decisions.read_text().splitlines()] == [written]
    assert not (asked.out / "paraphrases.jsonl").exists()


def test_texts_come_back_where_a_run_was_ended_right_after_its_import(mills, monkeypatch):
    asked, ask = mills
    running.decide(asked, None, print)
    write_own(asked)
    ask("To whom went mill")
    works = running.run

    def ends(stage):
        works(stage)
        if stage.name == "questions":
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "run", ends)
    with pytest.raises(KeyboardInterrupt):
        running.decide(asked, None, print)
    monkeypatch.setattr(running, "run", works)
    running.decide(asked, None, print)
    assert len(open_benchmark(asked.benchmark).paraphrases) == 2
    assert "arm: paraphrase" in asked.recipe.read_text()


def test_texts_that_wait_aside_wait_through_another_import_too(mills):
    asked, ask = mills
    running.decide(asked, None, print)
    write_own(asked)
    [chunk] = {row.chunk_id for row in open_benchmark(asked.benchmark).paraphrases[:1]}
    waiting = json.dumps({"id": "waits", "chunk_id": chunk, "text": "It waits.", "use": "train"})
    (asked.out / "paraphrases.jsonl").write_text(waiting + "\n")
    ask("To whom went mill")
    running.decide(asked, None, print)
    places = [folder / "paraphrases.jsonl" for folder in (asked.benchmark, asked.out)]
    assert sum(waiting in place.read_text().splitlines() for place in places if place.is_file()) == 1


def test_a_recipe_that_a_person_edited_stays_and_no_cut_is_said_of_it(noted, monkeypatch):
    asked, _ = noted
    estimates(monkeypatch, 60.0)
    running.decide(asked, None, print)
    edited = asked.recipe.read_text() + "warmup_steps: 3\n"
    asked.recipe.write_text(edited)
    said = []
    estimates(monkeypatch, 9000.0, 3000.0)
    lines = running.decide(asked, 3600, said.append)
    assert asked.recipe.read_text() == edited
    assert any("fine-tuned.yaml was edited and is taken as it is" in line for line in said)
    assert "left out for the budget: k=1" in lines


def test_the_same_budget_leaves_the_same_out_when_half_of_it_is_done(noted, monkeypatch):
    asked, _ = noted
    estimates(monkeypatch, 9000.0, 3000.0)
    running.decide(asked, 3600, print)
    plan = asked.plan.read_text()
    estimates(monkeypatch, 600.0)  # what is missing
    assert "left out for the budget: k=1" in running.decide(asked, 3600, print)
    assert asked.plan.read_text() == plan
    estimates(monkeypatch, 600.0)
    assert not any("left out" in line for line in running.decide(asked, 7200, print))
    assert asked.plan.read_text() != plan


def test_a_cut_plan_that_is_not_measured_does_not_count_as_no_time(noted, monkeypatch):
    asked, _ = noted
    measured = []
    monkeypatch.setattr(running.subprocess, "run", lambda words, **_: measured.append(words))
    estimates(monkeypatch, 9000.0, None, None)
    with pytest.raises(UserError, match="speed of this machine could not be measured"):
        running.decide(asked, 3600, print)
    assert measured[0][-1] == "--measure"


def notes_of(stage):
    return [word for before, word in itertools.pairwise(stage.words) if before == "--note"]


def test_what_the_recipe_had_to_do_without_is_said_and_stands_in_the_verdict(noted, monkeypatch):
    asked, ran = noted
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    for held_out in (False, True):
        monkeypatch.setattr(running.Texts, "of", lambda _, held=held_out: Texts((10, *[9] * 7), 0.05, held))
        said = []
        asked.recipe.unlink(missing_ok=True)
        running.decide(asked, None, said.append)
        few, unsearched = "7 chunks have fewer than 10 paraphrases", "5e-05 is taken unsearched"
        for lines in (said, notes_of(ran[-1])):
            assert any(few in line for line in lines)
            assert any(unsearched in line for line in lines) is not held_out
    asked.recipe.write_text(asked.recipe.read_text() + "warmup_steps: 3\n")
    running.decide(asked, None, print)
    assert notes_of(ran[-1]) == []


def test_chunks_with_few_paraphrases_are_counted_against_those_that_are_trained_on(noted, monkeypatch):
    asked, ran = noted
    monkeypatch.setattr(running.Texts, "of", lambda _: Texts((30, 12, 4, 3, 1), 0.0, held_out=True))
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    running.decide(asked, None, print)
    assert notes_of(ran[-1]) == ["3 chunks have fewer than 10 paraphrases: those that they have are trained on."]
    said = []
    estimates(monkeypatch, 9000.0, 9000.0, 9000.0, 60.0)
    running.decide(asked, 3600, said.append)
    few = "1 chunks have fewer than 2 paraphrases: those that they have are trained on."
    assert notes_of(ran[-1])[1:] == [few]
    assert [line for line in said if "have fewer" in line] == [f"plan: {few}"]


def test_where_all_paraphrases_are_held_out_it_is_said_that_raw_texts_are_trained_on(noted, monkeypatch):
    asked, ran = noted
    monkeypatch.setattr(running.Texts, "of", lambda _: Texts((0, 0), 0.0, held_out=True))
    monkeypatch.setattr(running, "_estimate", lambda _: 60.0)
    running.decide(asked, None, print)
    [note] = notes_of(ran[-1])
    assert note.startswith("All paraphrases are held out, so that the raw texts are trained on: 5e-05 is taken")


@pytest.mark.parametrize("lacking", ["test", "dev"])
def test_no_text_is_paid_for_where_no_question_was_kept(noted, monkeypatch, collection, lacking):
    asked, ran = noted
    found = open_benchmark(collection)
    left = found.part(lacking).questions
    kept = tuple(question for question in found.questions if question not in left)
    monkeypatch.setattr(running, "open_benchmark", lambda *_, **__: replace(found, questions=kept))
    writing = replace(asked, writer="http://127.0.0.1:1/v1", writer_model="w")
    for _ in range(2):
        with pytest.raises(UserError, match=f"is in split {lacking}, which .*refused.jsonl"):
            running.decide(writing, None, print)
    assert [stage.name for stage in ran] == ["collection", "questions", "collection"]


def test_what_a_budget_leaves_out_stands_in_the_verdict(noted, monkeypatch):
    asked, ran = noted
    estimates(monkeypatch, 9000.0, 6000.0, 3000.0)
    lines = running.decide(asked, 3600, print)
    assert "left out for the budget: k=1, training 3 of each recipe" in lines
    assert notes_of(ran[-1])[0] == "Left out for the budget: k=1, training 3 of each recipe."


def test_what_was_left_out_before_a_person_edited_the_plan_is_said_so(noted, monkeypatch):
    asked, ran = noted
    estimates(monkeypatch, 9000.0, 3000.0)
    running.decide(asked, 3600, print)
    asked.plan.write_text(asked.plan.read_text() + "limit: 5\n")
    said = []
    running.decide(asked, 3600, said.append)
    assert any("taken as it is, not cut to the budget" in line for line in said)
    assert notes_of(ran[-1])[0] == "Left out for the budget, before the plan was edited: k=1."


def test_a_budget_that_nothing_fits_stops_before_anything_is_trained(noted, monkeypatch):
    asked, ran = noted
    estimates(monkeypatch, *[9000.0] * 5)
    with pytest.raises(UserError, match=r"the least that can be compared takes 2\.5 hours, the budget is 10 minutes"):
        running.decide(asked, 600, print)
    assert [stage.name for stage in ran] == ["collection", "questions"]


def test_a_plan_that_a_person_edited_is_taken_as_it_is(noted, monkeypatch):
    asked, _ = noted
    estimates(monkeypatch, 60.0)
    running.decide(asked, None, print)
    edited = asked.plan.read_text() + "limit: 5\n"
    asked.plan.write_text(edited)
    said = []
    running.decide(asked, None, said.append)
    assert asked.plan.read_text() == edited
    assert any("was edited and is taken as it is" in line for line in said)


def test_minutes_of_all_runs_are_kept_for_each_stage(noted, monkeypatch):
    asked, _ = noted
    estimates(monkeypatch, 60.0)
    running.decide(asked, None, print)
    kept = json.loads((asked.out / "decide.json").read_text())
    assert set(kept["stages"]) == {"collection", "questions", "compare", "report"}
    assert all(entry["seconds"] >= 0 and entry["command"].startswith("kinj ") for entry in kept["stages"].values())
