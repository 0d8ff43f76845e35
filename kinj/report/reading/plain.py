"""Texts out of other people's files, made fit to be shown: no control characters, no absolute path, no key."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping

from kinj.report.page.redact import redactor

MOST = 160
#: Arguments of a model that are never shown, not even shortened.
SECRET = re.compile(r"(key|token|secret|password|auth|header|credential|cookie)s?$", re.IGNORECASE)
_NOT_SECRET = {"max_tokens", "eos_token", "bos_token", "pad_token", "add_bos_token", "prefix_token", "num_tokens"}
_KEY = re.compile(
    r"\b(hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{8,}|github_pat_\w{8,}|AKIA[A-Z0-9]{12,}"
    r"|xox[a-z]-[\w-]{8,}|eyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*|Bearer\s+[\w.~+/-]{8,}=*)"
)
_NAMED_KEY = re.compile(r"\b([\w-]*(?:api_?key|token|secret|password)\b\s*[=:]\s*)[^\s,;&\"']+", re.IGNORECASE)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@]*@)?([^\s/,;\"'>]+)[^\s,;\"'>]*", re.IGNORECASE)
#: lm-eval's name of the folder of a model that lies at an absolute path
_FLAT_PATH = re.compile(r"(?<![\w-])__(?:[\w.-]*?__)+(?=[^_])")
_PATH = re.compile(r"(?<![\w.:/~-])(?:~[\\/]|/|[A-Za-z]:[\\/]|\\\\)(?:[^\s\\/,;:\"'<>|]+[\\/])+([^\s\\/,;:\"'<>|]*)")


def plain(text: object) -> str:
    """The text in at most `MOST` characters, without what must not be shown.

    Control characters, half characters and marks that turn the reading direction become U+FFFD; an absolute path
    becomes `…/` and its last part, an address its scheme and a hash of its host; keys become `…`, and what else no
    report may hold what `redactor` puts there.
    """
    shown = str(text)[: 20 * MOST]
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _is_unseen(c) else c for c in shown)
    shown = _URL.sub(lambda m: f"{m[1]}://#{short_hash(m[2])}", shown)
    shown = _FLAT_PATH.sub("…__", without_secrets(shown))
    return shown if len(shown) <= MOST else shown[: MOST - 1] + "…"


def without_secrets(text: str) -> str:
    """A text of any length, a prompt say, without what no report may hold; of absolute paths the last part stays."""
    shown = _KEY.sub("…", _NAMED_KEY.sub(r"\1…", text))
    return str(_redactor()(_PATH.sub(r"…/\1", shown)))


@functools.cache
def _redactor() -> Callable[[str], str]:
    """What takes out of a text what no report may hold; it looks through the environment once."""
    return redactor()


def plain_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """Arguments as texts that may be shown; secret ones are left out, paths of equal name are told apart by a hash."""
    kept = {}
    for name, value in settings.items():
        if value is None or value == "" or (SECRET.search(name) and name not in _NOT_SECRET):
            continue
        shown = plain(value)
        kept[plain(name)] = shown if shown == str(value) else f"{shown} #{short_hash(str(value))}"
    return kept


def path_setting(model: object) -> dict[str, str]:
    """What tells models apart whose names are cut alike when they are shown: a hash, where the name had to be cut."""
    return {} if plain(model) == str(model) else {"path": f"#{short_hash(str(model))}"}


def short_hash(text: str) -> str:
    """Eight hex digits that tell texts apart without saying them."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
