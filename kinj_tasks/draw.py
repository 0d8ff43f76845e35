"""A sample of a task's questions, drawn by seed: `--metadata '{"sample": 48, "seed": 0}'`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from kinj.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draw:
    """How many rows are asked, and what draws them."""

    #: None: all
    sample: int | None
    seed: int

    def from_rows(self, rows: Sequence[T]) -> list[T]:
        """The drawn rows, in the order in which they came; the same seed draws the same.

        Raises:
            UserError: not a whole number of at least 1, or more than there are.
        """
        for name, value in (("sample", self.sample), ("seed", self.seed)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise UserError(f"{name}={value!r}: must be a whole number")
        if self.sample is None:
            return list(rows)
        if not 1 <= self.sample <= len(rows):
            raise UserError(f"sample={self.sample}: must be from 1 to {len(rows)}, which is how many questions there are")
        chosen = random.Random(self.seed).sample(range(len(rows)), self.sample)  # noqa: S311  # an experiment's seed
        return [rows[place] for place in sorted(chosen)]
