"""The pack: the same numbers back, no text in it, and nothing of a broken one."""

import gzip
import json
import random

import pytest

from kinj.errors import UserError
from kinj.report.board import as_csv, as_json, make_board
from kinj.report.exchange import READERS, PackedCell, read_cells, write_cells, write_pack
from kinj.report.reading import read_runs


@pytest.fixture
def folder(tmp_path, log_run, new_run, new_sample):
    for i in range(3):
        rows = [new_sample(j, float((i + j) % (i + 2) > 0), doc={"chunk_ids": [f"c{j // 2}"]}) for j in range(60)]
        run = new_run("t", sum(row["acc"] for row in rows) / 60, 60, model_args={"pretrained": f"org/m{i}"})
        log_run(tmp_path / "in" / str(i), run, {"t": rows})
    log_run(tmp_path / "in" / "unchecked", new_run("t", 0.5, 60, model_args={"pretrained": "org/none"}))
    return tmp_path / "in"


def test_a_pack_gives_the_same_leaderboard(folder, tmp_path):
    runs, _ = read_runs([folder])
    assert write_pack(tmp_path / "p.jsonl.gz", runs) == 180
    packed, problems = read_runs([tmp_path / "p.jsonl.gz"], READERS)
    assert problems == []
    assert as_csv(make_board(packed)) == as_csv(make_board(runs))
    columns = [json.loads(as_json(make_board(one)))["columns"] for one in (runs, packed)]
    assert columns[0] == columns[1]


def test_a_pack_holds_no_question_and_is_the_same_bytes_again(folder, tmp_path):
    runs, _ = read_runs([folder])
    for name in "ab":
        write_pack(tmp_path / f"{name}.jsonl.gz", runs)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    text = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).decode()
    assert "Question" not in text
    assert str(tmp_path) not in text


def test_cells_of_any_numbers_come_back(tmp_path):
    rows = [
        {"q": "ce-001.1.q1", "chunks": ["ce-001.1"], "acc": 1, "p": 0.25, "found": True, "kind": "how_many", "x": None}
    ]
    write_cells(tmp_path / "p.jsonl.gz", [PackedCell({"cell": {"model": "demo"}}, rows), PackedCell({}, [])])
    assert [(cell.facts, list(cell.rows)) for cell in read_cells(tmp_path / "p.jsonl.gz")] == [
        ({"cell": {"model": "demo"}}, rows),
        ({}, []),
    ]


def test_a_text_in_a_row_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(UserError, match="a pack holds no texts, and 'q' is one"):
        write_cells(tmp_path / "p.jsonl.gz", [PackedCell({}, [{"q": "What was painted?"}])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [10, 200, -10])
def test_a_cut_pack_is_named_and_gives_nothing(folder, tmp_path, cut):
    runs, _ = read_runs([folder])
    file = tmp_path / "p.jsonl.gz"
    write_pack(file, runs)
    file.write_bytes(file.read_bytes()[:cut])
    found, [problem] = read_runs([file], READERS)
    assert found == []
    assert str(problem).startswith("p.jsonl.gz: cut off, or no pack")


@pytest.mark.parametrize(
    "lines", [["[1]"], ['{"kinj_pack": 2}'], ['{"kinj_pack": 1}', '{"cell": 1, "rows": 1}'],
              ['{"kinj_pack": 1}', '{"cell": {"run": 0, "result": {}}, "rows": 0}'],
              ['{"kinj_pack": 1}', '{"cell": {"run": 0}, "rows": -5}'],
              ['{"kinj_pack": 1}', '{"cell": {"run": 0}, "rows": 9}', "{}"]],
)  # fmt: skip
def test_a_file_of_that_name_that_is_no_pack_is_named(tmp_path, lines):
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    found, problems = read_runs([tmp_path], READERS)
    assert (found, len(problems)) == ([], 1)


def test_a_score_that_its_rows_do_not_give_is_said(folder, tmp_path):
    runs, _ = read_runs([folder / "0"])
    file = tmp_path / "p.jsonl.gz"
    write_pack(file, runs)
    text = gzip.decompress(file.read_bytes()).decode()
    file.write_bytes(gzip.compress(text.replace('"value":0.5', '"value":0.9').encode()))
    [run], [problem] = read_runs([file], READERS)
    assert "the result says 0.9000, its rows give 0.5000" in problem.why
    assert run.results[0].checked == "contradicted"


def changed(folder, tmp_path, change):
    """A pack of one run whose lines, JSON values, were changed."""
    file = tmp_path / "p.jsonl.gz"
    write_pack(file, read_runs([folder / "0"])[0])
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    change(lines)
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    return read_runs([file], READERS)


def test_a_row_without_a_number_or_of_a_question_twice_gives_nothing(folder, tmp_path):
    for change in (
        lambda lines: lines[2].update(v=float("nan")),
        lambda lines: lines[2].update(q=lines[3]["q"]),
        lambda lines: lines[1].update(cell={**lines[1]["cell"], "marks": None}),
        lambda lines: lines[1].update(cell=lines[1]["cell"] | {"result": [1]}),
    ):
        runs, [problem] = changed(folder, tmp_path, change)
        assert (runs, problem.why.partition(" (")[0]) == ([], "not as kinj writes packs")


def test_rows_of_another_number_than_the_result_says_are_not_used(folder, tmp_path):
    [run], [problem] = changed(folder, tmp_path, lambda lines: lines[1]["cell"]["result"].update(n=4000))
    assert "60 rows, the result says 4000; they are not used" in problem.why
    assert (run.results[0].answers, run.results[0].checked) == (None, "unchecked")


def test_no_broken_pack_ends_in_an_error_of_ours(folder, tmp_path):
    """Lines with values of other kinds, and bytes turned over: read, or named, and a board of what is left."""
    draw = random.Random(0)
    odd = [None, -1, 2**70, 1e400, float("nan"), "", "x", [], [1], {}, {"a": {}}, True]

    def spoil(lines):
        value = lines[draw.randrange(4)]
        while (inner := [one for one in value.values() if isinstance(one, dict) and one]) and draw.random() < 0.7:
            value = draw.choice(inner)
        value[draw.choice(list(value))] = draw.choice(odd)

    for _ in range(150):
        runs, _ = changed(folder, tmp_path, spoil)
        as_json(make_board(runs))
    file = tmp_path / "p.jsonl.gz"
    write_pack(file, read_runs([folder / "0"])[0])
    whole = file.read_bytes()
    for _ in range(100):
        raw = bytearray(whole)
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        file.write_bytes(raw)
        runs, problems = read_runs([file], READERS)
        assert runs or problems
