"""Who may import whom (DESIGN.md, section 4), what is heavy stays in one module, and how large rooms may grow."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
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
#: Floors of a package, the lowest first: a module imports from its own floor and from those below. Modules on two sides
#: of a bar never import each other. Rooms that are not built yet have their place here.
FLOORS = {
    "kinj": (
        "records errors jsonl manifest cache claims passages progress hardware settings_file",
        "hub checkpoint lm_eval_command statistics",
        "corpus benchmark",
        "retrieval",
        "writing",
        "report | compare",
        "decide",
        "cli",
    ),
    "kinj.retrieval": (
        "retriever index ranked fusion controls filters analysis languages changes chunkfile scratch spool progress",
        "embedding",
        "making",
        "local | elastic",
        "opening recall source_chunks",
    ),
    "kinj_training": ("recipe", "base texts", "blocks", "plan memory", "dry_run | run", "__main__"),
}
#: (package, library) -> the one module, or folder, that imports it; tantivy's analysers serve the other back end too
ONE_PLACE = {
    ("kinj", "tantivy"): ("retrieval/local/bm25.py", "retrieval/analysis.py"),
    ("kinj", "faiss"): "retrieval/local/vectors.py",
    ("kinj", "sentence_transformers"): "retrieval/embedding/embedder.py",
    ("kinj", "elasticsearch"): "retrieval/elastic/connection.py",
    ("kinj", "semantic_text_splitter"): "corpus/cutting.py",
    ("kinj", "trafilatura"): "corpus/readers/html.py",
    ("kinj", "markdownify"): "corpus/readers/html.py",
    ("kinj", "pypdfium2"): "corpus/readers/pdf/read.py",
    ("kinj", "mammoth"): "corpus/readers/docx.py",
    ("kinj", "docutils"): "corpus/readers/rst/parsing.py",
    ("kinj", "py3langid"): "corpus/language.py",
    ("kinj", "rensa"): "corpus/duplicates.py",
    ("kinj", "pyarrow"): "corpus/sources/rows.py",
    ("kinj", "mwparserfromhell"): "corpus/wiki/nodes.py",
    ("kinj", "mwxml"): "corpus/sources/dump.py",
    ("kinj", "requests"): "corpus/wiki/api.py",
    ("kinj", "openai"): "writing/server.py",
    ("kinj", "json_repair"): "writing/answer.py",
    ("kinj", "ray"): "compare/launching/ray_cluster.py",
    ("kinj", "transformers"): "hub/install.py",
    ("kinj", "matplotlib"): "report/page/figures.py",
    ("kinj_models", "torch"): "prefix_sharing/",
    ("kinj_models", "transformers"): ("prefix_sharing/", "asking/fitting.py"),
}
SHORT, MOST_SHORT, LONGEST, MOST_IN_A_FOLDER, MOST_OF_ONE_PREFIX = 40, 18, 320, 20, 4


class Code:
    """The modules of packages by dotted name, a package's own name for its `__init__`, and what they import.

    Every import statement counts: at the top, inside a function, for type checking alone.
    """

    def __init__(self, packages: Mapping[str, Path]) -> None:
        self.files: dict[str, Path] = {}
        for name, folder in packages.items():
            for file in sorted(folder.rglob("*.py")):
                parts = [name, *file.relative_to(folder).with_suffix("").parts]
                self.files[".".join(parts).removesuffix(".__init__")] = file
        self._trees = {module: ast.parse(file.read_text()) for module, file in self.files.items()}

    def imports(self, module: str) -> Iterator[tuple[str, str]]:
        """(module as it is written, imported name or nothing) for every import statement of a module."""
        for node in ast.walk(self._trees[module]):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((str(node.module), alias.name) for alias in node.names)

    def targets(self, module: str) -> set[str]:
        """The modules of ours that a module imports; a name that a package passes on counts as where it is defined."""
        found = {self._home(*imported) for imported in self.imports(module)}
        return {target for target in found if target in self.files}

    def runs(self, module: str) -> set[str]:
        """What importing a module makes Python run besides it: `targets`, and the packages that these lie in."""
        found = {parent for written, _ in self.imports(module) for parent in _with_parents(written)}
        found |= {parent for target in self.targets(module) for parent in _with_parents(target)}
        # The packages that the module itself lies in have begun to run before it.
        return {target for target in found if target in self.files} - set(_with_parents(module))

    def _home(self, written: str, name: str) -> str:
        if f"{written}.{name}" in self.files:
            return f"{written}.{name}"
        if name and written in self.files and self.files[written].name == "__init__.py":
            for node in ast.walk(self._trees[written]):
                for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                    if name == (alias.asname or alias.name):
                        return self._home(str(node.module), alias.name)
        return written


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def is_in(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def circle(code: Code) -> list[str]:
    """Modules of which each makes the next one run, the last being the first again; empty where there are none."""
    try:
        graphlib.TopologicalSorter({module: code.runs(module) for module in code.files}).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def arrows_back(code: Code, package: str) -> list[str]:
    """Imports that lead to a higher floor or across a bar, and modules that have no floor."""
    places = {
        f"{package}.{room}": (floor, side)
        for floor, rooms in enumerate(FLOORS[package])
        for side, names in enumerate(rooms.split("|"))
        for room in names.split()
    }

    def place(module: str) -> tuple[int, int] | None:
        return next((where for room, where in places.items() if is_in(module, room)), None)

    faults = []
    for module in (m for m in code.files if m.startswith(package + ".")):  # not the package's own `__init__`
        here = place(module)
        if here is None:
            faults.append(f"{module} has no floor")
            continue
        for target in sorted(code.targets(module)):
            there = place(target)
            if there is not None and (there[0] > here[0] or (there[0] == here[0] and there[1] != here[1])):
                faults.append(f"{module} -> {target}")
    return faults


@pytest.fixture(scope="module")
def code() -> Code:
    return Code(PACKAGES)


@pytest.mark.parametrize("package", NEVER)
def test_no_package_imports_what_it_must_not(code, package):
    wrong = [
        f"{module} -> {written}.{name}"
        for module in code.files
        if is_in(module, package)
        for written, name in code.imports(module)
        for parent in NEVER[package]
        if is_in(f"{written}.{name}", parent)
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle(code):
    assert " -> ".join(circle(code)) == ""


@pytest.mark.parametrize("package", FLOORS)
def test_imports_lead_down_and_never_back(code, package):
    assert arrows_back(code, package) == []


def test_in_the_core_only_the_command_line_reaches_for_training_and_late():
    files = [file for file in (ROOT / "kinj").rglob("*.py") if "kinj_training" in file.read_text()]
    naming = {file.relative_to(ROOT).as_posix() for file in files}
    assert naming == {"kinj/cli/app.py", "kinj/cli/train.py"}


@pytest.mark.parametrize(("package", "library"), ONE_PLACE)
def test_a_heavy_library_is_imported_in_one_place(code, package, library):
    naming = {
        code.files[module].relative_to(PACKAGES[package]).as_posix()
        for module in code.files
        if is_in(module, package)
        for written, name in code.imports(module)
        if is_in(f"{written}.{name}", library)
    }
    place = ONE_PLACE[package, library]
    assert naming
    assert {file for file in naming if not file.startswith(place)} == set()


def test_importing_kinj_pulls_in_nothing_heavy():
    heavy = ("torch", "transformers", "datasets", "lm_eval", "tantivy", "faiss", "rich")
    code = f"import sys, kinj; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- size


def lengths(code: Code) -> dict[Path, int]:
    """Lines of each module, without `__init__` and `__main__`, of which a package needs one whatever its size."""
    files = [file for file in code.files.values() if file.stem not in ("__init__", "__main__")]
    return {file.relative_to(ROOT): len(file.read_text().splitlines()) for file in files}


def test_few_modules_are_too_short_to_be_turned_to(code):
    short = sorted(str(file) for file, lines in lengths(code).items() if lines < SHORT)
    assert len(short) <= MOST_SHORT, short


def test_no_module_is_too_long_to_be_read_at_once(code):
    assert {str(file): lines for file, lines in lengths(code).items() if lines > LONGEST} == {}


def test_no_folder_holds_more_modules_than_a_person_can_survey(code):
    folders = Counter(str(file.parent) for file in lengths(code))
    assert {folder: count for folder, count in folders.items() if count > MOST_IN_A_FOLDER} == {}


def test_a_prefix_that_many_files_share_is_a_folder(code):
    prefixes = Counter((str(file.parent), file.stem.split("_")[0]) for file in lengths(code))
    assert {place: count for place, count in prefixes.items() if count > MOST_OF_ONE_PREFIX} == {}


# ---- the rules themselves, on small trees


def written(folder: Path, **modules: str) -> Code:
    """`kinj` with these modules; `retrieval__opening` is kinj/retrieval/opening.py. Every folder is a package."""
    for name, text in modules.items():
        file = (folder / "kinj").joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        if name.endswith("__PACKAGE"):
            file = file.with_name("__init__.py")
        file.write_text(text)
    (folder / "kinj" / "__init__.py").touch()
    return Code({"kinj": folder / "kinj"})


def test_a_late_import_is_an_arrow(tmp_path):
    code = written(tmp_path, errors="def f():\n    from kinj.cli.app import main\n", cli__app="")
    assert arrows_back(code, "kinj") == ["kinj.errors -> kinj.cli.app"]


def test_a_name_that_a_package_passes_on_counts_as_the_module_that_defines_it(tmp_path):
    opening, asking = "def open_index(): ...", "from kinj.retrieval import open_index"
    code = written(
        tmp_path,
        retrieval__PACKAGE="from kinj.retrieval.opening import open_index",
        retrieval__opening=opening,
        retrieval__local__index=asking,
    )
    assert arrows_back(code, "kinj.retrieval") == ["kinj.retrieval.local.index -> kinj.retrieval.opening"]


def test_two_sides_of_a_bar_never_import_each_other(tmp_path):
    code = written(tmp_path, report__page="import kinj.compare.plan", compare__plan="")
    assert arrows_back(code, "kinj") == ["kinj.report.page -> kinj.compare.plan"]


def test_a_module_outside_the_table_has_no_floor(tmp_path):
    assert arrows_back(written(tmp_path, helpers=""), "kinj") == ["kinj.helpers has no floor"]


def test_a_package_that_has_to_run_first_closes_a_circle(tmp_path):
    code = written(
        tmp_path,
        corpus__PACKAGE="from kinj.corpus.cutting import cut",
        corpus__cutting="from kinj.demo_model import DEMO\ndef cut(): ...",
        corpus__hub="",
        demo_model="DEMO = 1\ndef f():\n    from kinj.corpus.hub import errors",
    )
    found = circle(code)
    assert set(found) == {"kinj.corpus", "kinj.corpus.cutting", "kinj.demo_model"}
    assert found[0] == found[-1]
