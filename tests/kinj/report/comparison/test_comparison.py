"""A comparison's folder read to arms, contrasts and what is missing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kinj.errors import UserError
from kinj.manifest import sha256_file
from kinj.report.comparison import find, read_comparison
from kinj.report.comparison.arms import arms_of, judged_arms
from kinj.report.comparison.packing import pack, unpack
from kinj.report.costs import cost_of
from kinj.report.exchange import write_cells
from kinj.report.page.beside import search_table
from kinj.report.verdict import Arm
from kinj.statistics import Prior, paired_difference

TASK = "kinj_benchmark_option"


def arm(injection="none", reading="none", task=TASK, model="m"):
    return Arm(model, task, injection, reading)


def found_in(folder):
    return find(read_comparison([folder.folder]))


def raw_scores(folder):
    [found] = [one for one in arms_of(read_comparison([folder.folder])) if one.arm == arm("raw")]
    return found


def word(found, declared):
    [one] = [one for one in found.judged if one.contrast.declared == declared]
    return one


def test_arms_have_a_column_a_training_and_the_accuracy_of_their_samples(drawn):
    folder = drawn(seeds=(0, 1, 2))
    arms, _ = judged_arms(arms_of(read_comparison([folder.folder])))
    by_arm = {one.arm: one for one in arms}
    assert {one: scores.right.shape for one, scores in by_arm.items()} == {
        arm(): (60, 1), arm("none", "bm25"): (60, 1), arm("raw"): (60, 3), arm("raw", "bm25"): (60, 3),
    }  # fmt: skip
    cell = folder.cell(injection="raw", seed=1, reading="none")
    [results] = (folder.folder / "cells" / cell.id).glob("results*")
    assert np.mean(by_arm[arm("raw")].right[:, 1]) == json.loads(results.read_text())["results"][TASK]["acc,none"]


def test_a_clear_gain_is_better_and_every_default_contrast_is_judged(drawn):
    found = found_in(drawn(questions=400, seeds=(0, 1, 2)))
    assert [one.contrast.declared for one in found.judged] == list(found.comparison.contrasts)
    assert word(found, "RAG - base").word == "better"
    assert word(found, "FT - RAG").word == "worse"
    assert word(found, "FT - base").contrast.difference.trainings == 3
    assert word(found, "RAG - base").contrast.difference.trainings == 0


def test_the_probability_of_the_right_option_is_the_softmax_of_what_was_scored(drawn):
    folder = drawn()
    [base] = [one for one in arms_of(read_comparison([folder.folder])) if one.arm == arm()]
    shares = np.exp([-1.0, -3.1, -3.2, -3.3])
    assert base.probability[base.right[:, 0] == 1].min() >= 0.6
    assert base.probability[0, 0] == pytest.approx(
        shares[0] / shares.sum() if base.right[0, 0] else np.exp(-3.0) / np.exp([-3, -1, -3.2, -3.3]).sum()
    )


def test_a_planned_seed_that_is_missing_takes_the_word_away(drawn):
    folder = drawn(questions=400, seeds=(0, 1, 2))
    folder.remove(lambda cell: cell.seed == 2 and cell.reading == "none")
    found = found_in(folder)
    assert word(found, "FT - base").word is None
    assert "misses the planned seed 2" in word(found, "FT - base").contrast.withheld
    assert word(found, "RAG - base").word == "better"
    assert word(found, "FT - base").adjusted_p is not None  # told, but no word
    assert [one.cell.seed for one in found.comparison.missing] == [2]


def test_an_arm_of_which_nothing_is_there_keeps_its_contrasts(drawn):
    folder = drawn(questions=400)
    folder.remove(lambda cell: cell.injection == "raw")
    found = found_in(folder)
    assert [one.contrast.declared for one in found.judged] == list(found.comparison.contrasts)
    assert word(found, "FT - base").contrast.withheld == "no answers of raw are there"
    assert word(found, "RAG - base").adjusted_p == pytest.approx(5 * word(found, "RAG - base").contrast.difference.p)


def test_arms_that_answered_other_questions_are_not_judged(drawn):
    folder = drawn(questions=400)
    folder.rewrite(folder.cell(reading="bm25 k=1", injection="none"), lambda row: row if row["doc_id"] else None)
    one = word(found_in(folder), "RAG - base")
    assert (one.word, one.contrast.withheld) == (None, "the arms answered different questions: 399 and 400")
    assert one.contrast.difference.questions == 399


def test_rows_are_joined_by_their_hash_and_never_by_their_place(drawn):
    plain, shuffled = drawn("plain"), drawn("shuffled")
    cell = shuffled.cell(reading="bm25 k=1", injection="none")
    [file] = (shuffled.folder / "cells" / cell.id).glob("samples*")
    lines = [json.loads(line) for line in file.read_text().splitlines()][::-1]
    file.write_text("".join(json.dumps({**row, "doc_id": n}) + "\n" for n, row in enumerate(lines)))
    one, other = (word(found_in(folder), "RAG - base").contrast.difference for folder in (plain, shuffled))
    assert (one.mean, one.variance) == (other.mean, other.variance)


def test_trainings_of_the_same_weights_count_once(drawn):
    folder = drawn(seeds=(0, 1, 2))
    units = {cell.unit for cell in folder.cells if cell.seed in (1, 2)}
    for unit in units:
        file = folder.folder / "units" / unit / "training.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "weights_sha256": "one"}))
    [tuned] = [one for one in arms_of(read_comparison([folder.folder])) if one.arm == arm("raw")]
    assert (len(tuned.cells), tuned.copies) == (2, 1)


def test_what_a_search_tried_is_told_and_its_cost_is_the_arms(drawn, tmp_path):
    folder = drawn(seeds=(0, 1))
    units = {cell.seed: cell.unit for cell in folder.cells}
    place = folder.folder / "units" / units[0]
    told = json.loads((place / "training.json").read_text())["tokens"]
    before = cost_of(raw_scores(folder)).training_tokens
    runs = [
        {"settings": {"learning_rate": rate}, "held_out_loss": loss, "tokens": told, "seconds": 3.0, "folder": "x"}
        for rate, loss in ((1e-4, 2.5), (1e-3, 2.25), (1e-5, 3.0))
    ]
    (place / "search.json").write_text(json.dumps({"runs": runs, "chosen": runs[1]}))
    other = folder.folder / "units" / units[1]
    (other / "search.json").write_text((place / "search.json").read_text())
    assert cost_of(raw_scores(folder)).training_tokens == before + 2 * told
    table = search_table(found_in(folder))
    assert [row[2:] for row in table.rows] == [
        ["learning_rate 0.001", 2.25, "yes", told],
        ["learning_rate 0.0001", 2.5, "", told],
        ["learning_rate 1e-05", 3.0, "", told],
    ]
    write_cells(tmp_path / "pack.jsonl.gz", pack(read_comparison([folder.folder])))
    assert search_table(find(unpack(tmp_path / "pack.jsonl.gz"))) == table
    folder.remove(lambda cell: cell.seed == 0)  # the one that searched
    assert cost_of(raw_scores(folder)).training_tokens == before + 2 * told


def test_k_is_the_best_on_dev_and_the_oracle_stands_beside_it(drawn):
    folder = drawn(ks=(1, 3), splits=("dev", "test"))
    for split, k, right in (("dev", 3, 1.0), ("dev", 1, 0.0), ("test", 3, 0.0), ("test", 1, 1.0)):
        folder.rewrite(folder.cell(injection="none", split=split, k=k), lambda row, right=right: {**row, "acc": right})
    found = found_in(folder)
    [chosen] = [one for one in found.ks if one.arm == arm("none", "bm25")]
    assert (chosen.k, chosen.by, chosen.oracle_k) == (3, "dev", 1)
    assert found.judged_arms[arm("none", "bm25")].k == 3
    assert found.judged_arms[arm("none", "bm25")].split == "test"


def test_without_dev_the_plans_first_k_is_taken(drawn):
    found = found_in(drawn(ks=(3, 1)))
    assert {one.k for one in found.ks} == {3}
    assert {one.by for one in found.ks} == {"plan"}


def test_noise_is_the_share_of_answers_that_flip(drawn):
    folder = drawn(controls=True)
    again = folder.cell(role="noise")

    def flip(row):
        if row["doc_id"] < 6:
            row["filtered_resps"] = row["filtered_resps"][::-1]
        return row

    folder.rewrite(again, flip)
    [noise] = found_in(folder).noise
    assert (noise.flipped, noise.questions) == (6, 60)


def test_groups_below_twenty_clusters_are_counted_and_not_compared(drawn):
    found = found_in(drawn(questions=90))
    groups = {one.group: one for one in found.groups if one.contrast == "RAG - base"}
    assert groups["passage found"].questions == 72
    assert groups["passage not found"].clusters == 18
    assert groups["passage not found"].difference is None
    assert groups["kind: who"].difference is not None


def test_the_interaction_is_the_difference_of_two_gains(drawn):
    found = found_in(drawn(questions=200, gains={"FT": 1.0, "FT+RAG": 1.5}))
    [one] = found.interactions
    accuracy = {name: scores.accuracy for name, scores in found.judged_arms.items()}
    gain = accuracy[arm("raw", "bm25")] - accuracy[arm("none", "bm25")] - (accuracy[arm("raw")] - accuracy[arm()])
    assert one.difference.mean == pytest.approx(gain)
    logits = {name: np.log((200 * a + 0.5) / (200 * (1 - a) + 0.5)) for name, a in accuracy.items()}
    expected = logits[arm("raw", "bm25")] - logits[arm("none", "bm25")] - logits[arm("raw")] + logits[arm()]
    assert one.logit == pytest.approx(expected)
    assert one.logit_interval[0] < one.logit < one.logit_interval[1]


def test_what_nothing_answers_is_a_measure_of_forgetting_of_its_own(drawn):
    folder = drawn(forgetting=True, seeds=(0, 1))
    for cell in folder.cells:
        if cell.role == "forgetting":  # half of the rows ask what is known, half what nothing says
            abstains = {"none": 1.0, "raw": 0.0}[cell.injection]
            folder.rewrite(cell, lambda row, value=abstains: halved(row, value))
    told = {one.metric: one.difference for one in found_in(folder).forgetting}
    assert set(told) == {"right", "abstained_unanswerable"}
    assert (told["abstained_unanswerable"].mean, told["abstained_unanswerable"].questions) == (-1.0, 30)
    assert told["right"].questions == 30


def halved(row, abstains):
    plain = {name: value for name, value in row.items() if name not in row["metrics"]}
    if row["doc_id"] % 2:
        return {**plain, "metrics": ["abstained_unanswerable"], "abstained_unanswerable": abstains}
    return {**plain, "metrics": ["right"], "right": row["acc"]}


def test_forgetting_is_a_pair_outside_the_family(drawn):
    found = found_in(drawn(forgetting=True))
    [one] = found.forgetting
    assert (one.arm, one.other) == (arm("raw", task="mmlu_anatomy"), arm(task="mmlu_anatomy"))
    assert {judged.contrast.arm.task for judged in found.judged} == {TASK}


def test_reading_everything_adds_two_contrasts_to_the_family(drawn):
    folder = drawn(questions=400, plan={"contrasts": None})
    folder.add("m", "none", None, "test", "everything", "all", None, role="everything")
    folder.write_cells()
    found = found_in(folder)
    assert [one.contrast.declared for one in found.judged][-2:] == ["everything - base", "everything - RAG"]
    assert {one.family for one in found.judged} == {7}
    assert word(found, "everything - base").word == "better"
    assert word(found, "everything - base").contrast.arm.side == "everything"


def test_known_is_right_in_four_other_orders_and_never_by_the_answers_compared(drawn):
    folder = drawn(questions=200)
    known = folder.base_right.copy()
    for order in range(1, 5):
        folder.add("m", "none", None, "test", f"none, order {order}", "none", None, role="orders")
    folder.write_cells()
    found = found_in(folder)
    groups = {one.group: one for one in found.groups if one.contrast == "FT - base"}
    assert groups["known before"].questions == known.sum()
    assert groups["not known before"].questions == (~known).sum()
    assert groups["known before"].shares[1] == 1  # the same answers here, which real orders are not
    assert {judged.contrast.other.side for judged in found.judged} == {"base", "RAG", "FT"}
    folder.remove(lambda cell: cell.reading == "none, order 4")
    assert not [one for one in found_in(folder).groups if "known before" in one.group]


def test_cells_of_a_role_nobody_knows_are_passed_over_and_named(drawn):
    folder = drawn()
    folder.cells.append(replace(folder.cells[0], id="f" * 16, role="telepathy"))
    folder.write_cells()
    comparison = read_comparison([folder.folder])
    assert comparison.notes == ["1 cells of role 'telepathy' are not read: this report does not know the role"]
    assert len(comparison.cells) == len(folder.cells) - 1


def test_a_score_that_the_samples_do_not_give_is_named(drawn):
    folder = drawn()
    cell = folder.cell(reading="none", injection="none")
    folder.rewrite(cell, lambda row: {**row, "acc": 1.0})
    [note] = read_comparison([folder.folder]).notes
    assert note.startswith(f"cell {cell.id}: results say acc 0.")
    assert "its samples give 1.0000" in note


def test_a_broken_samples_file_is_a_missing_cell_with_its_line(drawn):
    folder = drawn()
    cell = folder.cell(reading="none", injection="none")
    folder.rewrite(cell, lambda row: {"doc": 1} if row["doc_id"] == 3 else row)
    [missing] = read_comparison([folder.folder]).missing
    assert missing.cell == cell
    assert ":4: no sample of lm-eval's (KeyError: 'filter')" in missing.why
    assert str(folder.folder) not in missing.why


def test_several_folders_are_one_family_and_never_pooled(drawn):
    one, other = drawn("one", questions=400), drawn("other", questions=400, seed=1)
    found = find(read_comparison([one.folder, other.folder]))
    assert {judged.contrast.arm.model for judged in found.judged} == {"m (one)", "m (other)"}
    assert {judged.family for judged in found.judged} == {10}


def test_plans_of_another_margin_are_not_one_family(drawn):
    one, other = drawn("one"), drawn("other", plan={"same_within": 5.0})
    with pytest.raises(UserError, match=r"other and .*one state different contrasts, same_within or spread_prior"):
        read_comparison([one.folder, other.folder])


def test_a_folder_with_neither_a_plan_nor_results_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no plan\.yaml and cells\.jsonl of `kinj compare`, and no results of lm-eval"):
        read_comparison([tmp_path])


def test_a_folder_named_twice_is_refused(drawn):
    folder = drawn()
    with pytest.raises(UserError, match="named twice"):
        read_comparison([folder.folder, folder.folder])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("manifest.json", "{}", "not what kinj compare writes (KeyError: 'rows')"),
        ("manifest.json", "{", "is not JSON"),
        ("results_2026-01-01T00-00-00.json", "{", "not JSON"),
        ("results_2026-01-01T00-00-00.json", '{"config": []}', "not what kinj compare writes"),
        (
            "results_2026-01-01T00-00-00.json",
            '{"config": {"kinj": {"tasks": {"kinj_benchmark_option": []}}}}',
            "what its results say of kinj_benchmark_option is no object",
        ),
    ],
)
def test_a_cell_of_broken_files_is_missing_and_the_others_are_judged(drawn, name, text, says):
    folder = drawn()
    cell = folder.cell(reading="bm25 k=1", injection="raw")
    (folder.folder / "cells" / cell.id / name).write_text(text)
    found = found_in(folder)
    [missing] = found.comparison.missing
    assert missing.cell == cell
    assert says in missing.why
    assert word(found, "RAG - base").contrast.difference is not None
    assert word(found, "FT+RAG - RAG").contrast.withheld == "no answers of raw + bm25 are there"


def test_a_cell_that_stopped_early_is_noise_of_the_questions_it_answered(drawn):
    folder = drawn(controls=True)
    folder.rewrite(folder.cell(role="noise"), lambda row: row if row["doc_id"] < 50 else None)
    [noise] = found_in(folder).noise
    assert (noise.flipped, noise.questions) == (0, 50)


def samples_of(folder, cell):
    [file] = (folder.folder / "cells" / cell.id).glob("samples*")
    return file


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:30], "30 rows, its manifest says 60"),
        (lambda lines: lines * 2, "120 rows, its manifest says 60"),
        (lambda lines: [*lines[:59], lines[59].replace("test59", "test99")], "other questions than its manifest's"),
    ],
)
def test_samples_that_are_not_those_of_their_manifest_are_missing_and_bring_no_question(drawn, change, says):
    folder = drawn()
    for cell in folder.cells[:2]:
        file = samples_of(folder, cell)
        file.write_text("".join(change(file.read_text().splitlines(keepends=True))))
    found = found_in(folder)
    assert [one.cell for one in found.comparison.missing] == folder.cells[:2]
    assert all(says in one.why for one in found.comparison.missing)
    assert {len(one.questions) for one in found.arms} == {60}
    assert word(found, "RAG - base").contrast.withheld.startswith("no answers of ")


def test_every_change_of_a_sealed_file_is_found(drawn):
    folder = drawn()
    cells = folder.cells[:2]
    for cell in cells:
        place = folder.folder / "cells" / cell.id
        sums = {file.name: sha256_file(file) for file in place.iterdir() if file.name != "manifest.json"}
        manifest = place / "manifest.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "sha256": sums}))
    assert read_comparison([folder.folder]).missing == []
    folder.rewrite(cells[0], lambda row: {**row, "acc": 1.0}, sealed=False)
    (folder.folder / "cells" / cells[1].id / "trace.jsonl").write_text("{}\n")
    comparison = read_comparison([folder.folder])
    assert [one.cell for one in comparison.missing] == [cells[0]]
    assert "not the file that its manifest seals" in comparison.missing[0].why
    assert comparison.notes == [f"cells/{cells[1].id}/trace.jsonl: changed since its manifest sealed it"]


def test_folders_that_ask_other_questions_by_one_name_are_not_pooled(drawn):
    one, other = drawn("one"), drawn("other", models=("n",))
    for cell in other.cells:
        other.rewrite(cell, lambda row: {**row, "doc_hash": f"B{row['doc_hash']}"})
    found = find(read_comparison([one.folder, other.folder]))
    assert {(scores.arm.model, len(scores.questions)) for scores in found.arms} == {("m", 60), ("n", 60)}


def test_a_cell_that_stands_in_two_folders_has_two_names(drawn):
    one, other = drawn("one"), drawn("other", seed=1)
    names = [cell.name for cell in read_comparison([one.folder, other.folder]).cells]
    assert len(set(names)) == 8
    assert names[4:] == [f"{name}-2" for name in names[:4]]


def test_a_noise_cell_of_other_questions_is_no_noise(drawn):
    folder = drawn(controls=True)
    folder.rewrite(folder.cell(role="noise"), lambda row: {**row, "doc_hash": f"x{row['doc_hash']}"})
    assert found_in(folder).noise == []


def test_what_pages_cannot_show_is_noted(drawn):
    folder = drawn()
    (folder.folder / "cells" / folder.cells[0].id / "trace.jsonl").unlink()
    [file] = folder.folder.glob("passages/*/passages.jsonl")
    file.unlink()
    assert read_comparison([folder.folder]).notes == [
        "1 of 4 cells have no trace.jsonl: their passages and prompts are not shown",
        "passages/: no passages.jsonl is there: the texts of passages are not shown",
    ]


def test_broken_notes_of_the_comparison_are_named_and_passed_over(drawn):
    folder = drawn()
    (folder.folder / "not_measured.json").write_text("{")
    (folder.folder / "unchanged.json").write_text('[{"cell": "x"}]')
    assert read_comparison([folder.folder]).notes == [
        "cell x: every response is that of cell unknown: its unknown changed nothing",
        "not_measured.json: not JSON, and not read",
    ]


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"contrasts": ["RAG-base"]}, r"contrasts: 'RAG-base': write it as `RAG - base`"),
        ({"spread_prior": {"scale": "wide"}}, r"plan\.yaml: contrasts, same_within or spread_prior are not as"),
        ({"spread_prior": {"scale": 0}}, "a number is not above 0"),
        ({"spread_prior": {"scale": float("nan")}}, "a number is not above 0"),
        ({"spread_prior": {"scale": 1e308}}, "over 100 points"),
        ({"spread_prior": {"degrees_of_freedom": float("inf")}}, "OverflowError"),
        ({"same_within": None}, r"plan\.yaml: contrasts, same_within or spread_prior are not as"),
    ],
)
def test_a_plan_that_states_no_family_is_refused(drawn, plan, says):
    with pytest.raises(UserError, match=says):
        read_comparison([drawn(plan=plan).folder])


def test_an_empty_prior_is_the_default_one(drawn):
    assert read_comparison([drawn(plan={"spread_prior": None}).folder]).prior == Prior()


def test_a_k_that_one_training_lacks_on_dev_is_not_chosen(drawn):
    folder = drawn(questions=200, ks=(1, 3), splits=("dev", "test"))
    for injection, k, share in (("none", 1, 0.9), ("none", 3, 0.8), ("raw", 1, 0.5), ("raw", 3, 0.4)):
        cell = folder.cell(injection=injection, split="dev", k=k)
        folder.rewrite(cell, lambda row, share=share: {**row, "acc": float(row["doc_id"] < 200 * share)})
    assert {(one.k, one.by) for one in found_in(folder).ks} == {(1, "dev")}
    folder.remove(lambda cell: (cell.injection, cell.split, cell.k) == ("raw", "dev", 3))
    assert {(one.k, one.by) for one in found_in(folder).ks} == {(1, "dev")}
    folder.remove(lambda cell: (cell.injection, cell.split, cell.k) == ("none", "dev", 1))
    assert {(one.k, one.by) for one in found_in(folder).ks} == {(1, "plan")}


def test_the_plans_first_k_is_the_plans_also_where_an_arm_lacks_it(drawn):
    folder = drawn(ks=(1, 3))
    folder.remove(lambda cell: (cell.injection, cell.k) == ("none", 1))
    found = found_in(folder)
    assert {(one.k, one.by) for one in found.ks} == {(1, "plan")}
    withheld = word(found, "RAG - base").contrast.withheld
    assert withheld == "no answers of bm25 are there with the k and on the split that are judged"
    assert word(found, "FT+RAG - FT").contrast.difference is not None


def test_an_arm_whose_trainings_share_no_question_keeps_its_contrasts(drawn):
    folder = drawn(questions=400, seeds=(0, 1, 2))
    cell = folder.cell(injection="raw", reading="none", seed=1)
    folder.rewrite(cell, lambda row: {**row, "acc": None, "exact_match": 1.0, "metrics": ["acc", "exact_match"]})
    found = found_in(folder)
    assert [one.contrast.declared for one in found.judged] == list(found.comparison.contrasts)
    assert {one.family for one in found.judged} == {5}
    assert word(found, "FT - base").contrast.withheld == (
        "the trainings of raw share no question that is answered by acc"
    )
    assert word(found, "RAG - base").word == "better"


def test_a_question_that_an_order_was_not_asked_is_neither_known_nor_unknown(drawn):
    folder = drawn(questions=200)
    orders = [folder.add("m", "none", None, "test", f"none, order {n}", "none", None, role="orders") for n in range(4)]
    folder.write_cells()
    folder.rewrite(orders[0], lambda row: row if row["doc_id"] < 100 else None)
    groups = {one.group: one.questions for one in found_in(folder).groups if one.contrast == "FT - base"}
    known = int(folder.base_right[:100].sum())
    assert (groups["known before"], groups["not known before"]) == (known, 100 - known)


def test_arms_of_different_metrics_are_not_judged(drawn):
    folder = drawn(questions=400)
    cell = folder.cell(injection="none", reading="bm25 k=1")
    folder.rewrite(cell, lambda row: {**row, "exact_match": row["acc"], "metrics": ["exact_match"]})
    one = word(found_in(folder), "RAG - base")
    assert (one.word, one.contrast.withheld) == (None, "bm25 has exact_match, base has acc")


def test_two_recipes_have_a_spread_each_in_what_they_differ_by(drawn):
    folder = drawn(questions=400, seeds=(0, 1))
    for seed in (0, 1):
        folder.add("m", "para", seed, "test", "none", "none", None)
    folder.write_cells()
    found = found_in(folder)
    one, two = (found.judged_arms[arm(name)] for name in ("para", "raw"))
    [pair] = [pair for pair in found.recipes if pair.arm.reading == "none"]
    expected = paired_difference(one.right, two.right, one.clusters, prior=Prior(), own_trainings=True)
    assert pair.difference.interval == pytest.approx(expected.interval)
    assert expected.interval != pytest.approx(
        paired_difference(one.right, two.right, one.clusters, prior=Prior()).interval
    )
