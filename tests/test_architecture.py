"""Who may import whom, and what is heavy stays in one module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"kinj": ROOT / "kinj", "kinj_tasks": ROOT / "kinj_tasks", "kinj_models": ROOT / "kinj_models",
            "kinj_training": ROOT / "training" / "kinj_training"}  # fmt: skip
NEVER = {
    "kinj": {"kinj_tasks", "kinj_models", "kinj_training", "lm_eval", "trl"},
    "kinj_tasks": {"kinj_models", "kinj_training", "kinj.retrieval", "lm_eval"},
    "kinj_models": {"kinj_tasks", "kinj_training"},
    "kinj_training": {"kinj_tasks", "kinj_models", "lm_eval"},
}
#: library -> (package, the one module that imports it)
ONE_MODULE = {
    ("kinj", "tantivy"): {"retrieval/local/bm25.py"},
    ("kinj", "faiss"): {"retrieval/local/vectors.py"},
    ("kinj", "sentence_transformers"): {"retrieval/embedding/embedder.py"},
    ("kinj", "elasticsearch"): {"retrieval/elastic/connection.py"},
    ("kinj", "semantic_text_splitter"): {"corpus/cutting.py"},
    ("kinj", "transformers"): {"hub/install.py"},
    ("kinj_models", "torch"): {"prefix_sharing/scorer.py"},
    ("kinj_models", "transformers"): {"prefix_sharing/scorer.py"},
}


def imports(package):
    """(file inside the package, imported name with its parents) for every import statement."""
    for file in sorted(PACKAGES[package].rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            yield from ((file.relative_to(PACKAGES[package]).as_posix(), name) for name in names)


def is_in(name, parent):
    return name == parent or name.startswith(parent + ".")


@pytest.mark.parametrize("package", NEVER)
def test_no_package_imports_what_it_must_not(package):
    wrong = [(file, name) for file, name in imports(package) for parent in NEVER[package] if is_in(name, parent)]
    assert wrong == []


def test_in_the_core_only_the_command_line_reaches_for_training_and_late():
    files = [file for file in (ROOT / "kinj").rglob("*.py") if "kinj_training" in file.read_text()]
    naming = {file.relative_to(ROOT).as_posix() for file in files}
    assert naming == {"kinj/cli/app.py", "kinj/cli/train.py"}


@pytest.mark.parametrize(("package", "library"), ONE_MODULE)
def test_a_heavy_library_is_imported_in_one_module(package, library):
    assert {file for file, name in imports(package) if is_in(name, library)} == ONE_MODULE[package, library]


def test_importing_kinj_pulls_in_nothing_heavy():
    heavy = ("torch", "transformers", "datasets", "lm_eval", "tantivy", "faiss", "rich")
    code = f"import sys, kinj; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
