"""The folder that a training writes: begun, interrupted and finished states that cannot be mistaken for each other."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from kinj import claims
from kinj.checkpoint import fingerprint
from kinj.errors import UserError
from kinj.manifest import NAME as MANIFEST
from kinj.manifest import read_manifest, sha256_files, sync_to_disk, write_manifest, write_whole
from kinj_training.recipe.settings import Json
from kinj_training.run.checkpoints import remove_incomplete

log = logging.getLogger(__name__)

#: written before anything else, removed after everything else
START = "training.json"
_CONFIG = "config.json"
_LOCK = ".kinj_train.lock"
#: what is kept in the same folder, but not by one training
_NOT_OURS = ("search", "search.json", _LOCK)


@dataclass(frozen=True, slots=True)
class Start:
    """What must stay the same when a training goes on after an interruption."""

    #: SHA-256 of all that shapes the training
    plan: str
    world_size: int
    #: of torch, in each process; sums of floats depend on it
    threads: int
    #: the day that its chats print; None: they print none
    chat_date: str | None = None
    #: what goes on with it; no part of what must stay the same
    command: str | None = None

    def is_same(self, other: Start) -> bool:
        """Whether one can go on with what the other began."""
        return (self.plan, self.world_size) == (other.plan, other.world_size)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps every other training out of `folder`, until this one has ended in whatever way.

    Raises:
        UserError: another is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"{folder}: another kinj train is at work there: wait for it, or choose another --output_dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def prepare(folder: Path, start: Start, *, overwrite: bool) -> None:
    """Makes `folder`, which exists, ready for this training: to begin, to go on, or to be found finished.

    Args:
        folder: of the lock that `alone` holds.
        start: of this training.
        overwrite: replace another training, or one whose files were changed; never this one, finished or not.

    Raises:
        UserError: it belongs to another training or to nobody we know, or was begun with another number of processes.
    """
    first = read_start(folder)
    if first is None and _ours(folder):
        raise UserError(f"{folder} is not empty and was not made by kinj train: choose another --output_dir")
    if first is not None and overwrite and (not first.is_same(start) or _changed(folder) is not None):
        _clear(folder)
        first = None
    # A start that failed, on a wrong target for example, left nothing else: the corrected command may begin here.
    if first is None or _ours(folder) == [folder / START]:
        write_whole(folder / START, json.dumps(asdict(start), indent=1) + "\n")
        return
    _refuse_another(folder, first, start)
    for name in remove_incomplete(folder):
        log.info("%s: its saving was interrupted; passed over", folder / name)


def _refuse_another(folder: Path, first: Start, start: Start) -> None:
    if first.world_size != start.world_size:
        raise UserError(
            f"{folder} was begun by {first.world_size} processes, now there are {start.world_size}, which would give "
            f"other weights: start {first.world_size}, or add --overwrite to begin anew"
        )
    if first.plan != start.plan:
        raise UserError(
            f"{folder} holds another training (other texts, settings or base model): choose another --output_dir, or "
            "add --overwrite to begin anew there"
        )


def read_start(folder: Path) -> Start | None:
    """How the training in `folder` was begun; None if none was."""
    path = folder / START
    return Start(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def keep_threads(folder: Path) -> None:
    """Computes with as many threads as the first run in `folder`: sums of floats depend on their number."""
    first, threads = read_start(folder), torch.get_num_threads()
    if first is not None and first.threads != threads:
        log.info("begun with %d threads, not %d: going on with %d", first.threads, threads, first.threads)
        torch.set_num_threads(first.threads)


def finished(folder: Path) -> Json | None:
    """The manifest of a finished training; None if it is not finished.

    Raises:
        UserError: a file that the manifest lists is absent or was changed.
    """
    if not (folder / MANIFEST).is_file():
        return None
    if (path := _changed(folder)) is not None:
        raise UserError(f"{path} is missing or was changed since training ended: add --overwrite to train anew")
    return read_manifest(folder, "add --overwrite to train anew")


def _changed(folder: Path) -> Path | None:
    """A file that a finished training's manifest lists, and that is absent or of another size; None: all are whole."""
    if not (folder / MANIFEST).is_file():
        return None
    files: dict[str, int] = read_manifest(folder, "remove it to train anew")["files"]
    sizes = [(folder / name, size) for name, size in files.items()]
    return next((path for path, size in sizes if not path.is_file() or path.stat().st_size != size), None)


def publish(final: Path, folder: Path, manifest: Json) -> None:
    """Moves what a training made from `final` to `folder` and writes the manifest, which says that it is finished.

    `config.json`, without which nothing loads a model, comes after the weights.

    Raises:
        ClaimLostError: somebody else has taken over the claim under which this process works; nothing is moved.
    """
    claims.refuse_lost()
    (folder / _CONFIG).unlink(missing_ok=True)
    files = {path.relative_to(final).as_posix(): path.stat().st_size for path in final.rglob("*") if path.is_file()}
    for name in sorted(files, key=lambda name: name == _CONFIG):
        (folder / name).parent.mkdir(exist_ok=True)
        sync_to_disk(final / name)
        (final / name).replace(folder / name)
        # safetensors makes files for their owner alone, which would shut out those who share the folder.
        (folder / name).chmod((folder / START).stat().st_mode)
    shutil.rmtree(final)
    weights = [name for name in files if name.endswith(".safetensors") and "/" not in name]
    sums = {"fingerprint": fingerprint(folder), "weights_sha256": sha256_files(folder, weights)}
    write_manifest(folder, {**manifest, **sums, "files": files})


def wait_until_published(folder: Path) -> None:
    """Returns once the first process has published: after minutes of scoring, longer than a collective call waits.

    Raises:
        UserError: that process ended without.
    """
    lock = FileLock(folder / _LOCK)
    while not (folder / MANIFEST).is_file():
        try:
            lock.acquire(timeout=0.2)
        except Timeout:  # it is still at work
            continue
        lock.release()
        if not (folder / MANIFEST).is_file():
            raise UserError(f"{folder}: the first process ended before it had published; what it said stands above")


def _ours(folder: Path) -> list[Path]:
    """Everything in the folder that this training, not a search or an earlier stage, would have written."""
    others = [folder / name for name in _NOT_OURS]
    return [path for path in folder.iterdir() if path not in others and not path.name.startswith("stage-")]


def clear(folder: Path) -> None:
    """Empties a folder that a training of ours began, so that it can be done anew; leaves any other as it is.

    Raises:
        UserError: a training is at work there.
    """
    if read_start(folder) is not None:
        with alone(folder):
            _clear(folder)


def _clear(folder: Path) -> None:
    """Empties a folder of ours, its manifest first and its start last: killed in between, it is still known as ours."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in sorted(_ours(folder), key=lambda path: path.name == START):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
