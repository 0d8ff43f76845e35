import json
import subprocess
import sys
from pathlib import Path


def kinj(*arguments):
    command = [sys.executable, "-c", "from kinj.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_printed_template_is_the_one_in_the_readme():
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert f"```jinja\n{kinj('template').stdout.rstrip()}\n```" in readme


def test_table_gives_json_with_intervals(tmp_path):
    run = {
        "results": {"t": {"acc,none": 0.5}},
        "n-samples": {"t": {"effective": 4}},
        "n-shot": {},
        "config": {"model": "hf", "model_args": {"pretrained": "m"}},
    }
    (tmp_path / "results_x.json").write_text(json.dumps(run))
    [score] = json.loads(kinj("table", tmp_path, "--json").stdout)
    assert (score["retriever"], score["n"], score["model"]) == ("hf", 4, "m")
    assert score["interval_95"][0] < 0.5 < score["interval_95"][1]


def test_a_mistake_ends_in_one_line_and_exit_code_2(tmp_path):
    done = kinj("table", tmp_path / "nowhere")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_every_option_of_the_adapter_is_in_the_readmes_table():
    from kinj_models.settings import Settings

    readme = (Path(__file__).parents[3] / "README.md").read_text()
    for name in Settings.names():
        assert f"| `{name}` |" in readme
