"""`kinj benchmark stats`: what it measures, and as what it prints it."""

import json

import pytest

from kinj.cli import main
from kinj.cli.benchmark import stats

SHOWN = ("answered without understanding", "source chunks found", "bm25 recall@1")


def run(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["benchmark", "stats", *words])
    return end.value.code, capsys.readouterr()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The shipped collection, measured once."""
    import contextlib
    import io
    import os

    os.environ.setdefault("KINJ_CACHE", str(tmp_path_factory.mktemp("cache")))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        stats("current_events", as_json=True)
    return {(part["split"], part["name"]): part for part in json.loads(out.getvalue())}


def test_parts_are_forms_and_kinds_of_each_split(parts):
    for split in ("test", "dev"):
        whole = parts[split, "direct"]
        kinds = [part for (one, name), part in parts.items() if one == split and name.startswith("direct, ")]
        assert sum(part["questions"] for part in kinds) == whole["questions"] == sum(whole["places"])


def test_recall_and_baselines_are_shares(parts):
    for part in parts.values():
        shares = [value for name, value in part["baselines"].items() if name != "questions"]
        shares += [part["recall"]["bm25"]["at_1"], part["recall"]["bm25"]["at_5"]]
        assert all(0 <= share <= 1 for share in shares)
        assert part["recall"]["bm25"]["at_1"] <= part["recall"]["bm25"]["at_5"]


def test_no_folder_is_one_line(capsys):
    code, out = run(capsys, "nowhere")
    assert code == 2
    assert out.err.count("\n") == 1
    assert "nowhere" in out.err
