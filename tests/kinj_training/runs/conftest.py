"""`kinj train` in processes of their own that can be killed, without eight seconds of imports each."""

import hashlib
import json
import multiprocessing
import os
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    said: str


@pytest.fixture(scope="session")
def kinj_train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Runs `kinj train WORDS` in a forked process: `kinj_train(recipe, "--key", "value", kill="step:3")`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kinj.cli.app", "kinj_training.running", "kinj_training.dry_run", "peft"])
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    multiprocessing.forkserver.ensure_running()
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    logs = tmp_path_factory.mktemp("logs")
    script = Path(__file__).with_name("child.py")

    def run(*words: object, kill: str = "", **environment: str) -> Done:
        log = logs / f"{len(list(logs.iterdir()))}.txt"
        given = {"WORDS": ["train", *map(str, words)], "KILL": kill, "LOG": str(log)}
        given["ENVIRONMENT"] = json.dumps(environment)
        process = context.Process(target=runpy.run_path, args=(str(script), given))
        process.start()
        process.join(timeout=120)
        assert process.exitcode is not None, log.read_text()
        return Done(process.exitcode, log.read_text())

    return run


@pytest.fixture(scope="session")
def weights() -> Callable[[Path], str]:
    """SHA-256 of a folder's weights."""

    def of(folder: Path) -> str:
        return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    return of


@pytest.fixture(scope="session")
def manifest() -> Callable[[Path], dict]:
    """A finished folder's manifest."""

    def of(folder: Path) -> dict:
        return json.loads((folder / "manifest.json").read_text())

    return of
