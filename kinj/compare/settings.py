"""Parts of a plan that are neither models nor arms: what is assumed, and where its units run."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr, StringConstraints, model_validator


class Settings(BaseModel):
    """Settings of which a mistyped one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SpreadPrior(Settings):
    """What is taken for known of the spread between trainings of one recipe, before any is seen: a half-t."""

    #: accuracy points
    scale: Annotated[float, Field(gt=0)] = 3.0
    degrees_of_freedom: Annotated[int, Field(ge=1)] = 3


#: As Slurm takes a time: [DAYS-]HOURS:MINUTES:SECONDS and its shorter forms. YAML makes a number of one without quotes.
_Time = Annotated[StrictStr, StringConstraints(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")]


class SlurmSettings(Settings):
    """What Slurm is asked for, for each unit; what is null is the cluster's own default."""

    #: the time limit, in quotes: "24:00:00"
    time: _Time
    partition: StrictStr | None = None
    account: StrictStr | None = None
    #: of main memory, as Slurm takes it: 64G
    memory: StrictStr | None = None
    #: a number, or a kind with a number: a100:2
    gpus: Annotated[int, Field(ge=0)] | StrictStr | None = None
    #: a unit computes with as many threads
    cpus: Annotated[int, Field(ge=1)] | None = None
    #: seconds before the time limit at which a unit is asked to save and stop, to go on in another job
    stop_before: Annotated[int, Field(ge=60, le=65535)] = 300
    #: more for `sbatch`, a word each
    options: tuple[StrictStr, ...] = ()

    @model_validator(mode="after")
    def _has_time_to_stop(self) -> SlurmSettings:
        if seconds_of(self.time) < 2 * self.stop_before + 60:  # Slurm's signal may come a minute early
            raise ValueError(
                f"time {self.time} is less than twice stop_before, {self.stop_before} s, and a minute: give more "
                "time, or lower stop_before"
            )
        return self


def seconds_of(time: str) -> int:
    """What Slurm takes a time for: MINUTES[:SECONDS], HOURS:MINUTES:SECONDS, or DAYS-HOURS[:MINUTES[:SECONDS]]."""
    days, _, clock = time.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    seconds = int(days or 0) * 86_400
    for unit, part in zip((3600, 60, 1) if days or len(parts) == 3 else (60, 1), parts, strict=False):
        seconds += unit * part
    return seconds
