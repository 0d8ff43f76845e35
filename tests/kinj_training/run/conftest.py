"""`kinj train` in processes of their own that can be killed, without eight seconds of imports each."""

import hashlib
import json
import multiprocessing
import os
import runpy
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess as Process
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    output: str


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Runs a command in a process forked from one that made the slow imports: `fork(["kinj", …], hook="step:3")`."""
    context = multiprocessing.get_context("forkserver")
    preload = ["kinj.cli.app", "kinj_training.run.search", "peft", "lm_eval.__main__", "kinj_models"]
    context.set_forkserver_preload(preload)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    multiprocessing.forkserver.ensure_running()
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    logs = tmp_path_factory.mktemp("logs")
    script = Path(__file__).with_name("child.py")

    def start(number: int, words: list[object], hook: str, environment: dict[str, str]) -> Process:
        names = {"WORDS": [str(word) for word in words], "HOOK": hook, "ENVIRONMENT": json.dumps(environment)}
        names["LOG"] = str(logs / f"{number}.txt")
        process = context.Process(target=runpy.run_path, args=(str(script), names))
        process.start()
        return process

    def run(words: list[object], hook: str = "", world: int = 1, hook_rank: int = 0) -> Done:
        """With `world` above 1 as many processes as a launcher would start; the one `hook_rank` has the hook."""
        first, several = len(list(logs.iterdir())), {}
        if world > 1:
            several = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        processes = []
        for rank in range(world):
            ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if world > 1 else {}
            processes.append(start(first + rank, words, hook if rank == hook_rank else "", several | ranks))
        for process in processes:
            process.join(timeout=120)
            if process.exitcode is None:
                process.kill()
        output = "".join((logs / f"{first + rank}.txt").read_text() for rank in range(world))
        assert all(process.exitcode is not None for process in processes), output
        return Done(processes[hook_rank].exitcode, output)

    return run


@pytest.fixture(scope="session")
def kinj_train(fork: Callable[..., Done]) -> Callable[..., Done]:
    """Runs `kinj train WORDS`: `kinj_train(recipe, "--key", "value", hook="step:3")`."""
    return lambda *words, **more: fork(["kinj", "train", *words], **more)


@pytest.fixture
def log_likelihoods(
    fork: Callable[..., Done], training_collection: Path, samples: Callable[[Path, str], list[dict]], tmp_path: Path
) -> Callable[..., list[float]]:
    """Those of every option of the test questions under `lm_eval --model kinj_rag --model_args ARGUMENTS`."""

    def run(arguments: str, *more: str) -> list[float]:
        output = tmp_path / f"results-{len(list(tmp_path.iterdir()))}"
        words = [
            "lm_eval",
            "run",
            "--model",
            "kinj_rag",
            "--model_args",
            f"{arguments},retriever=none",
            "--device",
            "cpu",
        ]
        words += ["--tasks", "kinj_benchmark_option", "--log_samples", "--output_path", str(output), *more]
        done = fork([*words, "--metadata", json.dumps({"benchmark": str(training_collection)})])
        assert done.code == 0, done.output
        rows = samples(output, "kinj_benchmark_option")
        return [float(option[0][0]) for row in rows for option in row["resps"]]

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
