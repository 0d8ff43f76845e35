"""A packed comparison: the same numbers as its folder, no text, and nothing of a broken one."""

import contextlib
import gzip
import json
import random

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.errors import UserError
from kinj.report.comparison import find, read_comparison
from kinj.report.comparison.packing import pack
from kinj.report.comparison.writers import Writers, writer_warnings
from kinj.report.exchange import write_pack


def report(*words, catch=False):
    return CliRunner().invoke(build_app(), ["report", *map(str, words)], catch_exceptions=catch)


def numbers(folder):
    """All of a report but its title, its command, and those of the cells."""
    made = json.loads((folder / "report.json").read_text())
    cells = made["tables"]["cells"]
    at = [column["name"] for column in cells["columns"]].index("command")
    for row in cells["rows"]:
        row[at] = None
    return {name: value for name, value in made.items() if name not in ("title", "command")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_drawn):
    """With two trainings, several k, dev, controls, forgetting, other orders of options, and a missing cell."""
    drawn = make_drawn(
        tmp_path_factory.mktemp("pack") / "out",
        questions=90, seeds=(0, 1), ks=(1, 3), splits=("dev", "test"), controls=True, forgetting=True,
    )  # fmt: skip
    for order in range(1, 5):
        drawn.add("m", "none", None, "test", f"none, order {order}", "none", None, role="orders")
    drawn.write_cells()
    drawn.remove(lambda cell: cell.injection == "raw" and cell.k == 3 and cell.seed == 1 and cell.split == "dev")
    return drawn.folder


def test_a_packed_comparison_gives_the_numbers_of_its_folder(folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())  # slow, and of the same tables
    file = tmp_path / "p.jsonl.gz"
    assert report(folder, "--output_dir", tmp_path / "r", "--pack", file).exit_code == 0
    assert report(file, "--output_dir", tmp_path / "again").exit_code == 0
    whole, packed = numbers(tmp_path / "r"), numbers(tmp_path / "again")
    assert packed.keys() == whole.keys()
    for name in whole:
        assert packed[name] == whole[name], name
    groups = {row[4] for row in whole["tables"]["groups"]["rows"]}
    assert {"known before", "passage found", "kind: who"} <= groups
    assert whole["missing"] is not None
    assert not list((tmp_path / "again").glob("questions-*.html"))


def test_a_pack_beside_its_plan_is_read_as_the_folder_that_it_was(folder, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "plan.yaml").write_bytes((folder / "plan.yaml").read_bytes())
    write_pack(tmp_path / "published" / "answers.jsonl.gz", (), pack(read_comparison([folder])))
    assert len(read_comparison([tmp_path / "published"]).cells) == len(read_comparison([folder]).cells)
    write_pack(tmp_path / "published" / "other.jsonl.gz", (), pack(read_comparison([folder])))
    with pytest.raises(UserError, match="half a folder"):
        read_comparison([tmp_path / "published"])


def test_a_pack_holds_no_text_and_is_the_same_bytes_again(folder, tmp_path):
    for name in "ab":
        write_pack(tmp_path / f"{name}.jsonl.gz", (), pack(read_comparison([folder])))
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    text = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).decode()
    for part in ("tower", "painted", "lm_eval --tasks", str(tmp_path), str(folder)):
        assert part not in text


def test_equal_questions_stand_in_a_pack_as_often_as_they_were_asked(make_drawn, tmp_path):
    drawn = make_drawn(tmp_path / "out", questions=60)
    for cell in drawn.cells:
        drawn.rewrite(cell, lambda row: {**row, "doc_hash": f"h{row['doc_id'] // 2}", "doc": {"question": "What?"}})
    whole = read_comparison([drawn.folder])
    write_pack(tmp_path / "p.jsonl.gz", (), pack(whole))
    assert find(read_comparison([tmp_path / "p.jsonl.gz"])).judged[0] == find(whole).judged[0]


def test_writers_at_paths_are_told_apart_in_a_pack_and_known_as_the_model(folder, tmp_path):
    comparison = read_comparison([folder])
    comparison.models = {"m": {"pretrained": "/models/own.gguf"}}
    comparison.writers = {"m": Writers(("org/Own",), ("/models/other.gguf",))}
    write_pack(tmp_path / "p.jsonl.gz", (), pack(comparison))
    packed = read_comparison([tmp_path / "p.jsonl.gz"])
    assert packed.models == {"m": {"pretrained": "own"}}
    assert packed.writers == {"m": Writers(("org/Own",), ("other",))}
    said, again = (list(writer_warnings(one.writers["m"], ["m", one.models["m"]["pretrained"]], [{"arm": "qa"}]))
                   for one in (comparison, packed))  # fmt: skip
    assert again == said
    assert len(said) == 1


@pytest.mark.parametrize(
    ("part", "odd"),
    [
        ("manifest", {"tokens": "many"}), ("manifest", {"seconds": [1]}), ("manifest", {"memory": "x"}),
        ("manifest", {"rows": {"questions": 1e-300}}), ("training", {"tokens": "x"}), ("training", {"files": [1]}),
        ("training", {"files": {"all": "x"}}), ("training", {"stages": 3}), ("training", {"data": 3}),
        ("training", {"settings": []}), ("training", {"held_out_losses": [3]}), ("retrieval", {"recall@1": "x"}),
    ],
)  # fmt: skip
def test_an_odd_number_in_a_packs_facts_is_refused(folder, tmp_path, part, odd):
    changed = []
    for one in pack(read_comparison([folder])):
        if "cell" in one.facts and (part != "training" or one.facts["training"]):
            one.facts[part] |= odd
        changed.append(one)
    write_pack(tmp_path / "p.jsonl.gz", (), changed)
    with pytest.raises(UserError, match="not as `kinj report --pack` writes packs"):
        read_comparison([tmp_path / "p.jsonl.gz"])


def test_of_a_pack_that_holds_what_no_report_may_it_is_left_out_and_an_odd_name_is_refused(folder, tmp_path):
    parts = list(pack(read_comparison([folder])))
    about = parts[0].facts["comparison"]
    about["notes"] = ["\ud800 in /somewhere/else"]
    with (tmp_path / "p.jsonl.gz").open("wb") as file:
        lines = [{"kinj_pack": 1}]
        for one in parts:
            rows = list(one.rows)
            lines += [{"cell": one.facts, "rows": len(rows)}, *rows]
        file.write(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    assert read_comparison([tmp_path / "p.jsonl.gz"]).notes == ["\N{REPLACEMENT CHARACTER} in [path]"]
    about |= {"models": {"m": {"pretrained": ["x"]}}, "notes": []}
    write_pack(tmp_path / "q.jsonl.gz", (), parts)
    with pytest.raises(UserError, match="not as `kinj report --pack` writes packs"):
        read_comparison([tmp_path / "q.jsonl.gz"])


def test_broken_packs_are_refused_by_name_and_end_in_no_traceback(folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("kinj.report.writing.figures", lambda *_: ())  # slow, and of the same tables
    from kinj.report.writing import make_report

    whole = tmp_path / "p.jsonl.gz"
    write_pack(whole, (), pack(read_comparison([folder])))
    lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    draw, broken, taken = random.Random(0), tmp_path / "b.jsonl.gz", 0
    for _ in range(25):
        changed = list(lines)
        at = draw.randrange(len(lines)) if draw.random() < 0.5 else draw.randrange(2)
        old, new = draw.choice([(b":1", b':"x"'), (b"[", b"{"), (b"null", b"[]"), (b"0", b"-7"), (b'"q"', b'"r"')])
        changed[at] = changed[at].replace(old, new) if draw.random() < 0.8 else b""
        broken.write_bytes(gzip.compress(b"".join(changed), 1))
        with contextlib.suppress(UserError):
            make_report([broken], None, 10_000)
            taken += 1
    assert 0 < taken < 15


def test_a_pack_of_an_export_is_no_comparison(folder, tmp_path):
    write_pack(tmp_path / "e.jsonl.gz", ())
    with pytest.raises(UserError, match="a pack of `kinj export`, for `kinj leaderboard`"):
        read_comparison([tmp_path / "e.jsonl.gz"])


def test_a_pack_is_refused_beside_another_and_by_another_name(folder, tmp_path):
    file = tmp_path / "p.jsonl.gz"
    write_pack(file, (), pack(read_comparison([folder])))
    with pytest.raises(UserError, match="stands in a report of its own"):
        read_comparison([file, folder])
    with pytest.raises(UserError, match=r"the name of a pack ends in \.jsonl\.gz"):
        report(folder, "--pack", tmp_path / "p.json")


def test_a_file_that_is_no_pack_is_not_written_over(folder, tmp_path):
    file = tmp_path / "data.jsonl.gz"
    for mine in (gzip.compress(b'{"a": 1}\n'), b"mine", b""):
        file.write_bytes(mine)
        with pytest.raises(UserError, match="is there, and no pack"):
            report(folder, "--pack", file)
        assert file.read_bytes() == mine
    file.unlink()
    for _ in "ab":  # a pack is
        assert report(folder, "--pack", file).exit_code == 0


@pytest.fixture
def results(tmp_path, log_answers):
    """Two folders of lm-eval's results, the newer one worse; and a pack of the older."""
    old = log_answers(tmp_path / "old" / "a", [1.0, 1.0, 1.0, 0.0] * 40).parents[1]
    new = log_answers(tmp_path / "new" / "a", [1.0, 0.0, 0.0, 0.0] * 40).parents[1]
    report(old, "--pack", tmp_path / "old.jsonl.gz")
    return old, new, tmp_path / "old.jsonl.gz"


def test_a_leaderboard_reads_the_same_pack(results):
    old, _, file = results
    boards = [CliRunner().invoke(build_app(), ["leaderboard", str(one), "--json"]).stdout for one in (old, file)]
    whole, packed = map(json.loads, boards)
    assert packed["columns"] == whole["columns"]
    assert len(packed["rows"]) == 1


def test_against_an_older_run_or_its_pack_the_exit_code_says_worse(results):
    old, new, file = results
    for earlier in (old, file):
        done = report(new, "--against", earlier, "--json", catch=True)
        assert [one["word"] for one in json.loads(done.stdout)["changes"]] == ["worse"]
        assert done.exit_code == 1
        assert report(old, "--against", earlier).exit_code == 0


def test_a_report_needs_something_to_do(folder):
    with pytest.raises(UserError, match="--output_dir: name the folder of the report; or --pack FILE, or --against"):
        report(folder)
