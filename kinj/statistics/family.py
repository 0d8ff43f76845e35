"""Several comparisons at once: Holm's correction, and which word a comparison has earned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinj.statistics.paired import Difference

Word = Literal["better", "worse", "the same", "can't tell", "too few to tell"]

#: of a family: the chance of a single false better or worse
ALPHA = 0.05
#: Effective clusters below which no word is earned, and clusters that must differ.
FEWEST_CLUSTERS, FEWEST_DIFFERING = 20, 10


def holm(p: Sequence[float] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """P of each comparison as Holm (1979) corrects it for all: at most `ALPHA` exactly where his procedure rejects.

    Shape (comparisons,), 0 to 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    steps = values[order] * (len(values) - np.arange(len(values)))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def word_for(difference: Difference, adjusted_p: float, margin: float, noise: float | None = None) -> Word:
    """Better, worse, the same within the margin, or that nothing can be told.

    Args:
        difference: of two arms.
        adjusted_p: of it, as its family corrects it.
        margin: within which two arms are the same, as a share of 1.
        noise: share of answers that flip where nothing changed; None: not measured.
    """
    if difference.effective_clusters < FEWEST_CLUSTERS or difference.differing < FEWEST_DIFFERING:
        return "too few to tell"
    if adjusted_p <= ALPHA and abs(difference.mean) > (noise or 0.0):
        return "better" if difference.centre > 0 else "worse"
    low, high = difference.interval
    if -margin < low and high < margin and (noise is None or noise < margin):
        return "the same"
    return "can't tell"
