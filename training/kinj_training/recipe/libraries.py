"""What TRL, transformers and PEFT refuse only once something is made of a setting, said as a line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kinj.errors import UserError

log = logging.getLogger(__name__)

#: Whose refusals are about settings. Torch and numpy are not among them: what they refuse we handed to them.
_LIBRARIES = ("accelerate", "bitsandbytes", "peft", "transformers", "trl")


@contextmanager
def refused_by_libraries(place: str, *kinds: type[Exception]) -> Iterator[None]:
    """Makes a line of an error that one of these libraries raised on purpose; any other keeps its traceback.

    On purpose means that its own code has the `raise`: where it calls something wrongly, or a library that it imports
    is broken, the error comes from further down.

    Args:
        place: what begins the line, the setting say.
        kinds: of the errors; a wrong value and an absent library where none is given.

    Raises:
        UserError: the place, and what the library said.
    """
    refusals = kinds or (ValueError, ImportError)
    try:
        yield
    except refusals as error:
        if _raised_in(error) not in _LIBRARIES:
            raise
        log.debug("refused", exc_info=error)
        raise UserError(f"{place}: {' '.join(str(error).split())}") from error


def _raised_in(error: Exception) -> str:
    """The name of the package whose code raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", "")).split(".")[0]
