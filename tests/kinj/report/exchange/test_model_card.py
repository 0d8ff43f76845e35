"""A card beside each checkpoint, with the scores of its cells alone."""

import json

import pytest
from huggingface_hub import ModelCard

from kinj.errors import UserError
from kinj.jsonl import record_line
from kinj.records import Cell
from kinj.report.exchange import write_model_cards


@pytest.fixture
def comparison(tmp_path, log_answers):
    """A base and one training, each closed book and with BM25."""
    lines = []
    for i, (injection, reading) in enumerate((("none", "none"), ("raw", "none"), ("raw", "bm25 k=3"))):
        unit = "u" + injection
        cell = Cell(
            f"c{i}", unit, "demo", injection, reading, "t", seed=1 if injection == "raw" else None, split="test"
        )
        lines.append(record_line(cell))
        folder = tmp_path / "cells" / cell.id
        log_answers(folder, [1.0] * (10 + 10 * i) + [0.0] * (30 - 10 * i), task="t")
        files = {path.name: path.stat().st_size for path in folder.iterdir()}
        manifest = {"made_by": "kinj compare", "cell": json.loads(record_line(cell)), "files": files}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "cells.jsonl").write_text("".join(lines))
    (tmp_path / "units" / "uraw" / "checkpoint").mkdir(parents=True)
    (tmp_path / "units" / "uraw" / "checkpoint" / "manifest.json").write_text('{"steps": 7, "tokens": 900}')
    return tmp_path


def test_the_card_has_the_scores_of_its_own_cells(comparison):
    [card] = write_model_cards(comparison)
    assert card == comparison / "units" / "uraw" / "checkpoint" / "README.md"
    read = ModelCard.load(card)
    results = [(one.metric_name, one.metric_value, one.dataset_split) for one in read.data.eval_results]
    assert results == [("acc (closed book)", 0.5, "test"), ("acc (bm25 k=3)", 0.75, "test")]
    assert read.data.model_name == "demo, raw, seed 1"
    assert "7 steps, 900 tokens" in read.text
    assert "| t | acc | bm25 k=3 | 0.7500 | 40 |" in read.text


def test_written_again_it_is_the_same_and_of_a_card_of_others_the_text_stays(comparison):
    [card] = write_model_cards(comparison)
    first = card.read_text()
    assert write_model_cards(comparison) == [card]
    assert card.read_text() == first
    card.write_text("---\nlicense: mit\n---\n\n# Mine\n")
    write_model_cards(comparison)
    read = ModelCard.load(card)
    assert "# Mine" in read.text
    assert (read.data.license, len(read.data.eval_results)) == ("mit", 2)


def test_without_weights_it_lies_in_the_units_folder(comparison):
    (comparison / "units" / "uraw" / "checkpoint" / "manifest.json").unlink()
    assert write_model_cards(comparison) == [comparison / "units" / "uraw" / "README.md"]


def test_a_readme_that_the_training_sealed_is_left_as_it_is(comparison):
    checkpoint = comparison / "units" / "uraw" / "checkpoint"
    (checkpoint / "README.md").write_text("# PEFT's")
    (checkpoint / "manifest.json").write_text(json.dumps({"files": {"README.md": 8}}))
    assert write_model_cards(comparison) == [comparison / "units" / "uraw" / "README.md"]
    assert (checkpoint / "README.md").read_text() == "# PEFT's"


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(UserError, match="no folder of `kinj compare`"):
        write_model_cards(tmp_path)


def test_a_second_export_into_a_card_of_somebody_has_the_new_scores_alone(comparison, log_answers):
    card = comparison / "units" / "uraw" / "checkpoint" / "README.md"
    card.write_text("---\nlicense: mit\n---\n\n# Mine\n")
    write_model_cards(comparison)
    folder = comparison / "cells" / "c1"
    log_answers(folder, [1.0] * 38 + [0.0] * 2, task="t")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: (folder / name).stat().st_size for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_model_cards(comparison)
    read = ModelCard.load(card)
    assert [one.metric_value for one in read.data.eval_results] == [0.95, 0.75]
    assert (read.data.license, "# Mine" in read.text) == ("mit", True)


def test_a_card_whose_head_is_no_yaml_is_the_users_to_mend(comparison):
    card = comparison / "units" / "uraw" / "checkpoint" / "README.md"
    for head in ("license: [mit", "- a"):
        card.write_text(f"---\n{head}\n---\n# Mine\n")
        with pytest.raises(UserError, match="its head cannot be read") as found:
            write_model_cards(comparison)
        assert "\n" not in str(found.value)
    card.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="its head cannot be read"):
        write_model_cards(comparison)


def test_a_cell_that_cannot_be_read_is_said_and_alone_makes_no_card(comparison, caplog):
    [card] = write_model_cards(comparison)
    for number, cards in ((1, 1), (2, 0)):
        [file] = (comparison / "cells" / f"c{number}").glob("results*")
        file.write_text(file.read_text() + " ")
        assert len(write_model_cards(comparison)) == cards
    assert "not in the model card of uraw: c1/results" in caplog.text
    assert f"{card}: as it was; no cell of this training can be read now" in caplog.text
