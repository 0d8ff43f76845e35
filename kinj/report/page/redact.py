"""What no report may hold: keys, addresses with credentials, paths of a machine, and who ran it where."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Callable
from typing import Any

#: Names that tell nothing of a person or a machine.
_COMMON = {
    "root",
    "user",
    "admin",
    "ubuntu",
    "debian",
    "runner",
    "jovyan",
    "localhost",
    "nobody",
    "home",
    "host",
    "test",
}

#: Halves of a character, which JSON may hold and no file of UTF-8 may.
_HALVES = re.compile("[\ud800-\udfff]")

_RULES = (
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"<>]+@"), r"\1[removed]@"),
    (re.compile(r"\bfile://\S+"), "[path]"),
    (
        re.compile(
            r"\b(sk-[\w-]{16,}|sk_[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
            r"|glpat-[\w-]{16,}|nvapi-[\w-]{16,}|gsk_\w{16,}|npm_\w{16,}"
            r"|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,})"
        ),
        "[key removed]",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=-]{16,}"), r"\1 [key removed]"),
    (
        re.compile(
            r"(?i)\b(api[_-]?key|auth[_-]?token|access[_-]?token|secret|password|passwd)(\s*[=:]\s*)[^\s,;'\"]{6,}"
        ),
        r"\1\2[key removed]",
    ),
    # An absolute path: at least two parts, not within an address, a fraction or a closing tag.
    (re.compile(r"(?<![\w:/.<~\]])/(?:[\w.@+~-]+/)+[\w.@+~-]*"), "[path]"),
    (re.compile(r"\b[A-Za-z]:\\(?:[^\\\s'\"<>|]+\\)*[^\\\s'\"<>|]*"), "[path]"),
)


def redactor() -> Callable[[Any], Any]:  # Any: JSON values
    """A function that gives a JSON value again with all of that left out of its texts, keys of mappings included.

    Besides patterns it knows this machine's name, the user's, and the values of environment variables that are called
    a key, token, secret or password.
    """
    secrets = sorted(
        {
            value
            for name, value in os.environ.items()
            if re.search(r"(?i)(key|token|secret|password|passwd)$", name) and len(value) >= 8 and "/" not in value[:1]
        },
        key=len,
        reverse=True,
    )
    names = {socket.gethostname(), socket.gethostname().partition(".")[0], _user()}
    known = sorted((name for name in names if len(name) > 2 and name.lower() not in _COMMON), key=len, reverse=True)
    people = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, known)) + r")(?!\w)") if known else None

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return clean_text(value)
        if isinstance(value, dict):
            return {clean(key): clean(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(one) for one in value]
        return value

    def clean_text(text: str) -> str:
        text = _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)
        for secret in secrets:
            text = text.replace(secret, "[key removed]")
        for pattern, put in _RULES:
            text = pattern.sub(put, text)
        return people.sub("[name]", text) if people else text

    return clean


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
