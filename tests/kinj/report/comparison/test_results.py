"""Results that no plan made: which arm a file is, what is assumed, and what is not taken."""

import contextlib
import gzip
import json
import random

import numpy as np
import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.errors import UserError
from kinj.report.comparison import find, read_comparison
from kinj.report.comparison.packing import pack
from kinj.report.costs import Prices
from kinj.report.exchange import write_pack

TASK, COMMIT = "arc_easy", "a" * 40
STAMP = "2026-05-01T10-00-00.000000"


@pytest.fixture
def log(tmp_path, log_run, new_run, new_sample):
    """Writes a run of 120 questions of 60 chunks into a folder of its name; a higher gain is more often right."""
    latent = np.random.default_rng(0).standard_normal(120)
    noise = np.random.default_rng(1)

    def write(name, gain=0.0, *, kinj=None, root="runs", right=None, change=list, **more):
        if right is None:
            right = latent + gain + 0.3 * noise.standard_normal(120) > 0
        rows = [
            new_sample(
                i,
                float(value),
                doc={"chunk_ids": [f"c{i // 2}"], "question": f"Q{i}?", "choices": list("abcd")},
                filtered_resps=[["-1.0" if j == (i + 1 - value) % 4 else "-2.0", "False"] for j in range(4)],
            )
            for i, value in enumerate(map(int, right))
        ]
        more |= {"config": {"kinj": kinj}} if kinj else {}
        log_run(tmp_path / root / name, new_run(TASK, float(np.mean(right)), 120, **more), {TASK: change(rows)})
        return tmp_path / root

    return write


def asked(retriever="none", k=None, **more):
    """What kinj_rag says in its results."""
    base = {"base": "hf", "pretrained": "org/small", "commit": COMMIT}
    return {
        "retriever": retriever, "k": k, "base": base, "template": {"name": "default"},
        "tasks": {TASK: {"split": "test"}}, "tokens": {"computed": 12_000}, **more,
    }  # fmt: skip


def trained(seed, **more):
    """The same on a checkpoint of `kinj train`."""
    base = {"name": "org/small", "commit": COMMIT, "fingerprint": "f" * 64}
    checkpoint = {"recipe": "paraphrase", "arm": "paraphrase", "base": base, "seeds": {"seed": seed}, "steps": 9}
    weights = {"base": "hf", "pretrained": {"fingerprint": str(seed) * 64}}
    return asked(checkpoint={**checkpoint, **more}, base=weights)


def test_arms_are_told_by_adapter_checkpoint_and_retrieval(log):
    log("plain")
    log("bm25", 1.0, kinj=asked("bm25", 3))
    log("gold", 2.0, kinj=asked("gold", 1))
    log("first", 0.1, kinj=trained(0), model_args={"pretrained": "/somewhere/first"})
    log("second", 0.1, kinj=trained(1), model_args={"pretrained": "/somewhere/second"})
    root = log("adapter", 0.2, model_args={"pretrained": "org/small", "peft": "org/adapter"})
    comparison = read_comparison([root])
    cells = [one.cell for one in comparison.cells]
    assert {(cell.model, cell.task, cell.split) for cell in cells} == {("org/small", TASK, "test")}
    assert [(cell.injection, cell.seed, cell.reading, cell.role) for cell in cells] == [
        ("none", None, "none", "main"), ("org/adapter", None, "none", "main"),
        ("paraphrase", 0, "none", "main"), ("paraphrase", 1, "none", "main"),
        ("none", None, "bm25 k=3", "main"), ("none", None, "gold k=1", "control"),
    ]  # fmt: skip
    found = find(comparison)
    words = {(one.contrast.arm.name, one.contrast.other.name): one for one in found.judged}
    assert words["bm25", "base"].word == "better"
    assert words["paraphrase", "base"].contrast.difference.trainings == 2
    assert {one.family for one in found.judged} == {5}  # RAG - base, and two FT against base and RAG


def test_the_page_says_what_was_assumed_and_which_file_is_which_arm(log, tmp_path):
    pytest.importorskip("matplotlib")
    log("plain")
    root = log("bm25", 1.0, kinj=asked("bm25", 3))
    words = ["report", str(root), "--output_dir", str(tmp_path / "r"), "--margin", "5"]
    printed = CliRunner().invoke(build_app(), words, catch_exceptions=False).stdout
    made = json.loads((tmp_path / "r" / "report.json").read_text())
    assumed, page = made["assumed"], (tmp_path / "r" / "report.html").read_text()
    assert "judged are RAG - base, FT - base" in assumed[0]
    assert "the same is within 5 points" in assumed[0]
    arm = f"org/small, {TASK}, bm25 k=3: runs/bm25/results_{STAMP}.json"
    assert arm in made["files"]
    assert arm in page
    for text in (printed, page):
        assert assumed[0] in text
    assert "Q0?" in (tmp_path / "r" / "questions-1-1.html").read_text()


def test_settings_and_weights_that_differ_are_other_models_and_other_prompts_other_tasks(log):
    log("plain")
    log("half", model_args={"pretrained": "org/small", "dtype": "float16"})
    other = {"base": "hf", "pretrained": "org/small", "commit": "b" * 40}
    log("bm25", kinj=asked("bm25", 3))
    log("newer", kinj=asked("bm25", 3, base=other))
    root = log("chat", kinj=asked("bm25", 1), chat_template_sha="c" * 64)
    cells = [one.cell for one in read_comparison([root]).cells]
    # Of which weights the runs are that say a name alone, nobody knows.
    assert {cell.model for cell in cells} == {
        "org/small", "org/small · dtype=float16", "org/small #aaaaaaaa", "org/small #bbbbbbbb",
    }  # fmt: skip
    assert {cell.task for cell in cells if cell.k == 1} == {f"{TASK} (chat template=applied)"}


def test_a_recipe_of_another_length_is_another_arm(log):
    log("short", kinj=trained(0))
    root = log("long", kinj=trained(1, steps=900))
    assert len({one.cell.injection for one in read_comparison([root]).cells}) == 2


def test_what_came_from_a_cache_has_no_cost(log):
    log("plain", kinj=asked())
    root = log("bm25", kinj=asked("bm25", 1, answers={"from_cache": 300, "computed": 180}))
    tokens = {one.cell.reading: one.manifest.get("tokens") for one in read_comparison([root]).cells}
    assert tokens == {"none": 12_000, "bm25 k=1": None}


def test_files_of_one_cell_that_differ_are_both_left_out_and_equal_ones_count_once(log):
    log("plain", right=[1, 0] * 60)
    log("copy", right=[1, 0] * 60)
    log("one", 1.0, kinj=asked("bm25", 3))
    root = log("two", 0.9, kinj=asked("bm25", 3))
    comparison = read_comparison([root])
    assert [one.cell.reading for one in comparison.cells] == ["none"]
    [note] = [one for one in comparison.notes if "several files" in one]
    assert f"runs/one/results_{STAMP}.json, runs/two/results_{STAMP}.json" in note


def test_what_cannot_be_paired_is_named_and_the_rest_read(log, tmp_path):
    root = log("plain")
    log("bare", 1.0, kinj=asked("bm25", 3))
    (root / "bare" / f"samples_{TASK}_{STAMP}.jsonl").unlink()
    log("other", 1.0, kinj=asked("bm25", 1))
    file = root / "other" / f"results_{STAMP}.json"
    file.write_text(file.read_text().replace('"acc,none": 0.', '"acc,none": 0.0'))
    (root / "results_cut.json").write_text('{"results": ')
    comparison = read_comparison([root])
    assert [one.cell.reading for one in comparison.cells] == ["none"]
    said = "\n".join(comparison.notes)
    for part in (
        "runs/bare/results",
        "no whole samples beside it",
        "its samples give another score",
        "results_cut.json",
    ):
        assert part in said
    assert str(tmp_path) not in said


def test_a_metric_is_judged_only_where_its_own_samples_give_its_score(log):
    """`acc` is the one that is compared: that `acc_norm` holds says nothing of it."""
    root = log("plain")
    log("bm25", 1.0, kinj=asked("bm25", 3), change=lambda rows: [{**row, "acc_norm": row["acc"]} for row in rows])
    file = root / "bm25" / f"results_{STAMP}.json"
    run = json.loads(file.read_text())
    scores = run["results"][TASK]
    scores |= {"acc_norm,none": scores["acc,none"], "acc,none": scores["acc,none"] / 2}
    file.write_text(json.dumps(run))
    comparison = read_comparison([root])
    assert [one.cell.reading for one in comparison.cells] == ["none"]
    assert any("its samples give another score" in one for one in comparison.notes)


@pytest.mark.parametrize("first", ["other", "none"])
def test_of_several_filters_the_one_called_none_is_read_wherever_its_rows_stand(log, first):
    log("plain")

    def change(rows):
        others = [{**row, "filter": "a", "acc": 0.0} for row in rows]
        return [*others, *rows] if first == "other" else [*rows, *others]

    root = log("bm25", 1.0, kinj=asked("bm25", 3), change=change)
    arms = {one.arm.reading: one for one in find(read_comparison([root])).arms}
    assert [int(arm.asked.sum()) for arm in arms.values()] == [120, 120]
    assert len(arms["bm25"].questions) == 120
    assert arms["bm25"].accuracy > arms["none"].accuracy


def test_what_somebodys_task_calls_knowledge_is_shown_where_it_is_a_word_and_nowhere_where_it_is_a_text(log, tmp_path):
    def change(rows):
        for at, row in enumerate(rows):
            row["doc"] |= {"knowledge": f"Secret passage {at // 60}.", "kind": ("who", "what")[at % 2], "form": [at]}
        return rows

    log("plain", change=change)
    root = log("bm25", 1.0, kinj=asked("bm25", 3), change=change)
    comparison = read_comparison([root])
    assert {group.group for group in find(comparison).groups} == {"kind: who", "kind: what"}
    write_pack(tmp_path / "p.jsonl.gz", (), pack(comparison))
    assert b"Secret" not in gzip.decompress((tmp_path / "p.jsonl.gz").read_bytes())


def test_a_pack_that_lies_among_results_does_not_stand_in_for_them(log, tmp_path):
    root = log("plain")
    write_pack(root / "old.jsonl.gz", (), pack(read_comparison([root])))
    log("bm25", 1.0, kinj=asked("bm25", 3))
    assert len(read_comparison([root]).cells) == 2


def test_a_margin_given_beside_against_is_the_reports_too(log, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())
    root = log("plain")
    words = ["report", str(root), "--output_dir", str(tmp_path / "r"), "--against", str(root), "--margin", "5"]
    assert CliRunner().invoke(build_app(), words).exit_code == 0
    assert "within 5 points" in json.loads((tmp_path / "r" / "report.json").read_text())["assumed"][0]


def test_half_a_character_in_a_question_is_shown_as_unreadable(log, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())
    root = log("plain", change=lambda rows: [{**row, "doc": {**row["doc"], "question": "\ud800?"}} for row in rows])
    words = ["report", str(root), "--output_dir", str(tmp_path / "r")]
    assert CliRunner().invoke(build_app(), words, catch_exceptions=False).exit_code == 0
    assert "\N{REPLACEMENT CHARACTER}?" in (tmp_path / "r" / "questions-1-1.html").read_text()


def test_what_cannot_be_written_takes_no_earlier_report_away(log, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())
    words = ["report", str(log("plain")), "--output_dir", str(tmp_path / "r")]
    CliRunner().invoke(build_app(), words, catch_exceptions=False)
    monkeypatch.setattr("kinj.report.writing.to_latex", lambda _: 1 / 0)
    assert isinstance(CliRunner().invoke(build_app(), words).exception, ZeroDivisionError)
    assert (tmp_path / "r" / "report.html").is_file()


def test_models_of_results_have_prices_by_their_names(log, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())
    from kinj.report.writing import make_report

    log("plain", kinj=asked())
    root = log("bm25", 1.0, kinj=asked("bm25", 3))
    made, _ = make_report([root], Prices(answering=1, models={"org/small": {"answering": 2_000_000}}), 100)
    [costs] = [table for table in made.tables if table.id == "cost"]
    assert 20_000 in costs.rows[0]  # 100 questions of 100 tokens, 2 each


def test_a_run_that_names_no_benchmark_is_of_the_only_one_that_others_name(log):
    log("plain")
    tasks = {TASK: {"split": "test", "benchmark": {"name": "b", "sha256": "c" * 64}}}
    root = log("bm25", 1.0, kinj=asked("bm25", 3, tasks=tasks))
    comparison = read_comparison([root])
    assert {one.cell.task for one in comparison.cells} == {TASK}
    assert len(find(comparison).judged) == 1


def test_adapters_of_one_recipe_are_trainings_of_one_arm(log):
    log("plain")
    for seed in (0, 1):
        told = trained(seed)
        told["base"] = {"base": "hf", "pretrained": "org/small", "peft": {"fingerprint": str(seed) * 64}}
        root = log(f"adapter {seed}", 0.3, kinj=told, model_args={"pretrained": "org/small", "peft": f"/x/{seed}"})
    [arm] = [one for one in find(read_comparison([root])).arms if one.trained]
    assert (arm.arm.injection, arm.seeds, arm.copies) == ("paraphrase", (0, 1), 0)


def test_somebodys_manifest_beside_results_makes_them_no_cell_of_a_comparison(log):
    root = log("plain")
    (root / "plain" / "manifest.json").write_text('{"made_by": "a pipeline"}')
    assert len(read_comparison([root]).cells) == 1


def test_batches_that_differ_between_arms_are_said(log):
    log("plain")
    root = log("bm25", 1.0, kinj=asked("bm25", 3))
    assert not any("batches" in one for one in read_comparison([root]).notes)
    file = root / "bm25" / f"results_{STAMP}.json"
    file.write_text(file.read_text().replace('"batch_size": "8"', '"batch_size": "64"'))
    [note] = read_comparison([root]).notes
    assert note == f"org/small, {TASK}: asked in batches of 64, 8; that alone can move answers a little."


def test_results_beside_a_comparison_and_a_margin_over_a_plan_are_refused(log, drawn):
    folder = drawn()
    with pytest.raises(UserError, match="results without a plan beside"):
        read_comparison([folder.folder, log("plain")])
    with pytest.raises(UserError, match="--margin: the plan declares it"):
        read_comparison([folder.folder], 0.05)


def test_a_pack_of_results_without_a_plan_gives_the_same_verdicts(log, tmp_path):
    log("plain")
    root = log("bm25", 1.0, kinj=asked("bm25", 3))
    whole = read_comparison([root], 0.05)
    write_pack(tmp_path / "p.jsonl.gz", (), pack(whole))
    packed = read_comparison([tmp_path / "p.jsonl.gz"])
    assert find(packed).judged == find(whole).judged
    assert (packed.assumed, packed.files, packed.margin) == (whole.assumed, whole.files, 0.05)


def test_files_damaged_at_random_end_in_no_traceback(log, tmp_path):
    """Odd values of samples and of what results say of the run: read, or named."""
    log("plain")
    root = log("bm25", 1.0, kinj=trained(0))
    files = {file: file.read_text() for file in sorted(root.rglob("*_*.json*"))}
    draw, odd = random.Random(0), (None, True, -1, 1e308, 10**30, "", "<b>", "\ud800", [], {}, [[]], {"a": None})

    def change(value):
        where = list(value) if isinstance(value, dict) else range(len(value))
        inside = [one for one in where if isinstance(value[one], (dict, list)) and value[one]]
        if inside and draw.random() < 0.7:
            change(value[draw.choice(inside)])
        else:
            value[draw.choice(where)] = draw.choice(odd)

    for _ in range(40):
        for file, text in files.items():
            lines = text.splitlines()
            at = draw.randrange(len(lines))
            value = json.loads(lines[at])
            change(value)
            lines[at] = json.dumps(value)
            file.write_text("\n".join(lines) + "\n" if draw.random() < 0.6 else text)
        with contextlib.suppress(UserError):
            find(read_comparison([root]))
