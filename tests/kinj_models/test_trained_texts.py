import json
import logging
import shutil

import pytest

from kinj.benchmark import register
from kinj_models import RagLM
from kinj_models.trained_texts import TrainingMatch, trained_texts


def sources(folder, **splits):
    benchmark = register(folder)
    told = {"name": benchmark.name, "version": None, "sha256": benchmark.sha256}
    return {task: {"benchmark": told, "split": split} for task, split in splits.items()}


def matched(manifest, asked, caplog):
    """(what results say, the lines of the log)."""
    match = TrainingMatch(trained_texts(manifest))
    with caplog.at_level(logging.WARNING, "lm_eval.kinj"):
        match.check(asked)
        match.check(asked)
    return match.is_match, [record.getMessage() for record in caplog.records]


def manifest_on(collection, split, arm="raw", **more):
    return {"arm": arm, "collection": str(collection), "split": split, **more}


@pytest.mark.parametrize("split", ["test", None])
def test_questions_about_trained_texts_are_said_to_be_and_nothing_is_logged(collection, caplog, split):
    assert matched(manifest_on(collection, split), sources(collection, one="test"), caplog) == (True, [])


def test_another_split_gives_one_line_with_both_and_the_way_out(collection, caplog):
    asked = sources(collection, one="test", two="test")
    is_match, lines = matched(manifest_on(collection, "dev"), asked, caplog)
    assert is_match is False
    [line] = lines
    assert "one asks about towers, split test, but the checkpoint was trained on" in line
    metadata = json.dumps({"benchmark": str(collection), "split": "dev"})
    assert line.endswith(f"to ask about those: --tasks kinj_benchmark_option --metadata '{metadata}'")


def test_another_benchmark_gives_the_line_and_a_shipped_one_is_asked_by_its_own_tasks(collection, caplog):
    is_match, lines = matched(manifest_on("current_events", "dev"), sources(collection, one="dev"), caplog)
    assert is_match is False
    assert "asks about towers, split dev, but the checkpoint was trained on current_events, split dev" in lines[0]
    assert lines[0].endswith("""--tasks kinj_current_events_option --metadata '{"split": "dev"}'""")


def test_of_a_checkpoint_trained_on_plain_texts_no_command_is_said_that_could_not_work(collection, caplog, tmp_path):
    (tmp_path / "notes.txt").write_text("The tower is red.")
    asked = sources(collection, one="test")
    is_match, [line] = matched(manifest_on(tmp_path, None), asked, caplog)
    assert is_match is False
    assert line.endswith(f"was trained on {tmp_path}, all splits, so not on the texts asked about")


def test_a_copy_of_the_folder_is_the_same_benchmark_and_a_changed_one_is_not(collection, caplog, tmp_path):
    copied = shutil.copytree(collection, tmp_path / "towers")
    asked = sources(collection, one="test")
    assert matched(manifest_on(copied, "test"), asked, caplog)[0] is True
    lines = (copied / "questions.jsonl").read_text().splitlines(keepends=True)
    (copied / "questions.jsonl").write_text("".join(lines[1:]))
    assert matched(manifest_on(copied, "test"), asked, caplog)[0] is False


@pytest.mark.parametrize(("folder", "is_match"), [("/gone/towers", True), ("/gone/bridges", False)])
def test_where_the_folder_is_gone_the_name_decides(collection, caplog, folder, is_match):
    assert matched(manifest_on(folder, "test"), sources(collection, one="test"), caplog)[0] is is_match


def test_controls_and_untrained_models_are_neither(collection, caplog):
    assert matched(manifest_on(collection, "dev"), {"mmlu": {}}, caplog) == (None, [])
    assert matched(None, sources(collection, one="test"), caplog) == (None, [])


def test_texts_of_an_earlier_stage_count_and_an_instruction_stage_teaches_none(collection, caplog):
    last = manifest_on("current_events", None, arm="instruct", stages=[manifest_on(collection, "test")])
    assert matched(last, sources(collection, one="test"), caplog) == (True, [])
    alone = manifest_on(collection, "dev", arm="instruct")
    assert matched(alone, sources(collection, one="test"), caplog) == (None, [])


def test_kinj_rag_reads_the_checkpoints_manifest(tiny_model, collection, request_for, tmp_path, caplog):
    folder = shutil.copytree(tiny_model, tmp_path / "trained")
    (folder / "manifest.json").write_text(json.dumps({"made_by": "kinj train", **manifest_on(collection, "dev")}))
    lm = RagLM(pretrained=str(folder), device="cpu", retriever="none")
    with caplog.at_level(logging.WARNING, "lm_eval.kinj"):
        lm.loglikelihood(request_for(split="test"))
    assert lm.get_model_info()["kinj"]["questions_about_trained_texts"] is False
    assert sum("was trained on" in record.getMessage() for record in caplog.records) == 1
