"""Errors that the user can mend, shown as one line."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from types import TracebackType


class UserError(Exception):
    """Something the user can mend: the message names the value, the rule and the way out, in one line."""


class MissingExtraError(UserError, ImportError):
    """A feature needs a library that is not installed."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed: pip install 'kinj[{extra}]'")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped word most likely means; None where none is alike.

    Alike by `difflib`'s ratio of at least 0.6: a word of four letters may have one wrong.
    """
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def show_user_errors_plainly() -> None:
    """Makes an uncaught `UserError` end the process with its message alone, exit code 1; others keep their traceback.

    Inside `lm_eval` we are a guest and cannot catch what we raise, so the interpreter's last handler does it.
    """
    if getattr(sys.excepthook, "shows_user_errors", False):
        return
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, UserError):
            sys.stderr.write(f"kinj: {error}\n")
        else:
            previous(kind, error, trace)

    hook.shows_user_errors = True  # type: ignore[attr-defined]  # a function may carry a mark; typeshed does not know
    sys.excepthook = hook
