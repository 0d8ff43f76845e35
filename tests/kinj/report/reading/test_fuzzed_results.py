"""Files that were damaged at random: whatever is in them, nothing but a line comes of it."""

import json
import random

import pytest

from kinj.errors import UserError
from kinj.report.board import as_csv, as_html, as_json, as_markdown, make_board
from kinj.report.exchange import READERS, write_every_eval_ever, write_pack
from kinj.report.reading import read_runs

ODD = (None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**30, "", "NaN", "<b>", "\ud800", "../x", [], {}, [[]],
       {"a": None}, "x" * 3000)  # fmt: skip


def change(value, draw):
    """The value with one odd thing somewhere inside it."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        what = draw.random()
        if what < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if what < 0.2:
            return {**value, draw.choice(["", "x,none", "a,b,c", "\u202e", key + "\0", "__proto__"]): draw.choice(ODD)}
        return {**value, key: change(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        i = draw.randrange(len(value))
        return [*value[:i], change(value[i], draw), *value[i + 1 :]]
    return draw.choice(ODD)


def damaged(text, draw):
    """Bytes cut, doubled, overwritten or left, after one to four odd values have been put in."""
    value = json.loads(text)
    for _ in range(draw.randint(1, 4)):
        value = change(value, draw)
    raw = json.dumps(value).encode()
    what = draw.random()
    if what < 0.1:
        return raw[: draw.randrange(len(raw) + 1)]
    if what < 0.2 and raw:
        at = draw.randrange(len(raw))
        return raw[:at] + bytes(draw.randrange(256) for _ in range(4)) + raw[at:]
    return raw


def fuzz(folder, count, log_answers, new_run, seed):
    draw = random.Random(seed)
    source = log_answers(folder / "source", [1.0, 0.0] * 3)
    [samples] = (folder / "source").glob("samples*")
    texts = [source.read_text(), json.dumps(LIGHTEVAL), json.dumps(OLD), json.dumps(INSPECT), json.dumps(EVERY)]
    lines = samples.read_text().splitlines()
    for i in range(count):
        own = folder / "fuzzed" / str(i)
        own.mkdir(parents=True)
        if i % 3 == 0:
            (own / source.name).write_text(source.read_text())
            rows = [damaged(line, draw) if draw.random() < 0.3 else line.encode() for line in lines]
            (own / samples.name).write_bytes(b"\n".join(rows))
        else:
            (own / source.name).write_bytes(damaged(draw.choice(texts), draw))
            (own / samples.name).write_text(samples.read_text())
        if i % 4 == 0:
            asked = [{"task": "arc_easy", "question_id": f"arc_easy:{n}", "prompts": ["P"]} for n in range(6)]
            rows = [
                damaged(json.dumps(row), draw) if draw.random() < 0.1 else json.dumps(row).encode() for row in asked
            ]
            (own / "trace.jsonl").write_bytes(b"\n".join(rows))
        if i % 10 == 0:
            sealed = {"made_by": "kinj compare", "cell": {"model": "m"}, "files": {source.name: 1}, "sha256": {}}
            (own / "manifest.json").write_bytes(damaged(json.dumps(sealed), draw))
    runs, problems = read_runs([folder / "fuzzed"], READERS)
    try:
        board = make_board(runs, problems)
    except UserError as error:
        raise AssertionError(f"nothing was asked for: {error}") from error
    for text in (as_html(board), as_markdown(board), as_csv(board), as_json(board)):
        text.encode()
    assert write_pack(folder / "all.jsonl.gz", runs)
    assert write_every_eval_ever(runs, folder / "exported")
    return runs, problems


OLD = {
    "results": {"t": {"acc": 0.3, "acc_stderr": 0.04}},
    "versions": {"t": 1},
    "config": {"model_args": "pretrained=o"},
}
LIGHTEVAL = {
    "config_general": {"model_name": "l"},
    "results": {"s|t|5": {"acc": 0.3, "acc_stderr": 0.1}, "all": {"acc": 1}},
}
SCORES = [{"name": "c", "metrics": {"accuracy": {"value": 0.5}}}]
INSPECT = {
    "status": "success",
    "eval": {"task": "t", "model": "m"},
    "results": {"total_samples": 5, "scores": SCORES},
}
EVERY = {"schema_version": "0.3.0", "model_info": {"id": "a/b", "name": "b"}, "evaluation_results": [
    {"evaluation_name": "t", "metric_config": {"lower_is_better": False, "metric_id": "acc"},
     "score_details": {"score": 0.5, "uncertainty": {"num_samples": 5}}}]}  # fmt: skip


def test_sixty_damaged_files_give_lines_and_no_traceback(tmp_path, log_answers, new_run):
    runs, problems = fuzz(tmp_path, 60, log_answers, new_run, seed=0)
    assert runs
    assert problems


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_thousand_damaged_files_give_lines_and_no_traceback(tmp_path, log_answers, new_run, seed):
    runs, problems = fuzz(tmp_path, 1000, log_answers, new_run, seed)
    assert len(runs) > 300
    assert len(problems) > 100
