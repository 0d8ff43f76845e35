"""Who is at work in a folder, told to every machine that sees it, and asking it to stop.

A claim is a file `claim-N.json`, made exclusively and touched while its holder works. How long it has been quiet is
told by the file server's clock, as the age of the claim when another file is made beside it. Where that is too long, or
where the holder's process on this very machine is gone, the claim is taken over by making `claim-N+1.json`, which one
of several can. The former holder, should it wake up, finds its own claim gone.

What a holder starts has `KINJ_CLAIM` in its environment: it asks here whether that claim still holds, and whether it is
to stop.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.errors import UserError

log = logging.getLogger(__name__)

#: Seconds between two signs of life, and without one after which a claim may be taken over.
BEAT, QUIET = 10.0, 180.0
#: Exit code of what stopped because it was asked to, with its work saved: a temporary failure, as sysexits.h has it.
STOPPED = 75
_VARIABLE = "KINJ_CLAIM"


class ClaimLostError(UserError):
    """Somebody else has taken the work over: nothing more may be written."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a claim."""

    token: str
    host: str
    #: tells machines apart that share a name, and a machine from itself before it started anew
    machine: str
    pid: int
    #: seconds since its machine started, which tell its process from a later one of that number
    started: float
    #: when it began, for people
    since: str
    #: of a scheduler, as `17_3`; None: started by hand
    job: str | None

    def __str__(self) -> str:
        job = "" if self.job is None else f", job {self.job}"
        return f"{self.host} (process {self.pid}{job}) since {self.since}"


class Claim:
    """The claim of this process on a folder, from `take`. It is kept alive inside `with claim:`, and given up then."""

    def __init__(self, file: Path, holder: Holder) -> None:
        self._file = file
        self._holder = holder
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._last = time.monotonic()

    @property
    def environment(self) -> dict[str, str]:
        """For what works under this claim."""
        return {_VARIABLE: f"{self._holder.token} {self._file}"}

    def refuse_lost(self) -> None:
        """Returns while it holds.

        Raises:
            ClaimLostError: somebody has taken it over, or the folder could not be reached for too long.
        """
        with suppress(OSError):  # a server that does not answer for a moment, as in `_beat`
            _refuse_lost(self._file, self._holder.token)
        if time.monotonic() - self._last > QUIET:
            raise ClaimLostError(f"{self._file.parent}: not reached for {QUIET:.0f} s: somebody else may go on there")

    def ask_to_stop(self) -> None:
        """Asks all that works under this claim to end once what it does is saved."""
        _stop_file(self._file, self._holder.token).touch()

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether `ask_to_stop` was called."""
        return _stop_file(self._file, self._holder.token).is_file()

    def __enter__(self) -> Claim:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._heart.join()
        with suppress(OSError):
            _stop_file(self._file, self._holder.token).unlink(missing_ok=True)
            if _token_in(self._file) == self._holder.token:
                self._file.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            # The next look says that it is lost; a server that does not answer for a moment is no reason to end.
            with suppress(OSError):
                if _token_in(self._file) == self._holder.token:
                    os.utime(self._file)  # without a time: the server's own
                    self._last = time.monotonic()


def take(folder: Path) -> Claim | Holder:
    """A claim on the folder, which is there; or who has one.

    Raises:
        UserError: this machine cannot write there.
    """
    now, pid = datetime.now(UTC).isoformat(timespec="seconds"), os.getpid()
    me = Holder(secrets.token_hex(8), platform.node(), _machine(), pid, _started(pid), now, _scheduled_job())
    while True:
        number, file = _newest(folder)
        if file is not None and (holder := _living(file)) is not None:
            return holder
        mine = folder / f"claim-{number + 1}.json"
        try:
            _make(mine, me)
            others = [(old, one) for old, one in _all(folder) if one != mine]
            # What was seen of the folder was old: numbers begin anew once all have given theirs up.
            if any(old > number + 1 or _living(one) is not None for old, one in others):
                mine.unlink()
                continue
            for _, one in others:
                one.unlink(missing_ok=True)
            for asked in folder.glob("stop-*"):  # of those before
                asked.unlink(missing_ok=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"{folder}: {me.host} cannot write there: {error.strerror}") from error
        if file is not None:
            log.warning("%s: taken over from a process that is gone", folder)
        return Claim(mine, me)


def look(folder: Path) -> Holder | None:
    """Who is at work in a folder; None: nobody that gives a sign of life.

    Raises:
        UserError: this machine cannot write there, which it has to for the time.
    """
    try:
        _, file = _newest(folder)
        return None if file is None else _living(file)
    except OSError as error:
        raise UserError(f"{folder}: {platform.node()} cannot write there: {error.strerror}") from error


def last(folder: Path) -> Holder | None:
    """Who has a claim on a folder, alive or not; None: nobody, or all have given theirs up."""
    _, file = _newest(folder)
    return None if file is None else _read(file)


def token() -> str:
    """Of the claim under which this process works; empty where it works under none."""
    return os.environ.get(_VARIABLE, "").partition(" ")[0]


def refuse_lost() -> None:
    """Returns while the claim under which this process works holds, or where it works under none.

    Raises:
        ClaimLostError: somebody has taken it over.
    """
    if mine := token():
        _refuse_lost(_claim_file(), mine)


def is_asked_to_stop() -> bool:
    """Whether this process is to end once what it does is saved."""
    mine = token()
    return bool(mine) and _stop_file(_claim_file(), mine).is_file()


def _claim_file() -> Path:
    return Path(os.environ[_VARIABLE].partition(" ")[2])


def _refuse_lost(file: Path, mine: str) -> None:
    if _token_in(file) != mine:
        _, newest = _newest(file.parent)
        other = None if newest is None else _read(newest)
        by = "" if other is None else f" by {other}"
        raise ClaimLostError(f"{file.parent}: this process gave no sign of life, and was taken over{by}: it ends here")


def _stop_file(file: Path, of: str) -> Path:
    return file.with_name(f"stop-{of}")


def _newest(folder: Path) -> tuple[int, Path | None]:
    """The claim of the highest number, and that number; 0 and None where there is none."""
    return max(_all(folder), default=(0, None))


def _all(folder: Path) -> list[tuple[int, Path]]:
    return [(int(file.stem.partition("-")[2]), file) for file in folder.glob("claim-[0-9]*.json")]


def _make(file: Path, holder: Holder) -> None:
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as sink:
            json.dump(asdict(holder), sink)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def _read(file: Path) -> Holder | None:
    """Who made it; None: it is gone, or not written yet."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    return None


def _token_in(file: Path) -> str | None:
    holder = _read(file)
    return None if holder is None else holder.token


def _living(file: Path) -> Holder | None:
    holder = _read(file)
    if holder is not None and holder.machine == _machine() and not _runs(holder):
        return None
    try:
        quiet = _now(file.parent) - file.stat().st_mtime
    except FileNotFoundError:
        return None
    if quiet > QUIET:
        return None
    return holder or Holder("", "another process", "", 0, 0.0, "a moment ago", None)


def _now(folder: Path) -> float:
    """What the clock of the folder's file server says, in seconds since 1970."""
    # By the name of a claim without a number, which whoever asks whether the folder is empty passes over.
    probe = folder / f"claim-now-{secrets.token_hex(8)}.json"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _runs(holder: Holder) -> bool:
    try:
        is_same = abs(_started(holder.pid) - holder.started) < 2
        return is_same and str(psutil.Process(holder.pid).status()) != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(pid: int) -> float:
    """Seconds from the start of this machine to that of a process, which no setting of the clock changes."""
    since = float(psutil.boot_time())  # asked first: earlier versions of psutil add what this has said last
    return float(psutil.Process(pid).create_time()) - since


def _machine() -> str:
    """This machine since it started, and the processes that see each other's numbers on it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " " + os.readlink("/proc/self/ns/pid")
    except OSError:
        return platform.node()


def _scheduled_job() -> str | None:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID")
