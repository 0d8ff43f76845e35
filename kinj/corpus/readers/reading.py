"""What a reader gives of a file, and how bytes become characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kinj.errors import UserError


@dataclass(frozen=True, slots=True)
class Reading:
    """A file's text, cleaned, and what the file says of itself."""

    text: str
    #: as `kinj.records.Document`
    markup: str = ""
    title: str = ""
    date: str = ""
    license: str = ""
    #: any spelling: `en-US`, `de`
    language: str = ""
    pages: tuple[int, ...] = ()
    #: what was taken out, and how often
    removed: Mapping[str, int] = field(default_factory=dict)
    #: why a person should look at the text; empty: no doubt
    doubt: str = ""


class UnreadableError(Exception):
    """A file that cannot be read; the message says why in half a sentence. It never ends the work."""


def check_encoding(name: str | None) -> None:
    """Raises `UserError` where Python knows no character encoding of that name."""
    try:
        codecs.lookup(name or "utf-8").encode("")
    except (LookupError, UnicodeError) as error:
        raise UserError(f"--encoding {name}: no such character encoding; try cp1252, latin-1 or utf-16") from error


def is_wide(encoding: str | None) -> bool:
    """Whether a file of that encoding cannot be read by the line as it is: a line's end has other bytes there."""
    return encoding is not None and "\n".encode(encoding) != b"\n"


def decode(data: bytes, encoding: str | None = None) -> str:
    r"""The bytes as text: UTF-8 with or without a byte-order mark, else by `encoding`; lines end in `\n`.

    Raises:
        UnreadableError: neither of them, or no text at all.
    """
    text = _decoded(data, encoding)
    if "\0" in text:
        raise UnreadableError("binary: it holds the character NUL, which no text has")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, encoding: str | None) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if encoding is None:
            raise UnreadableError(_not_utf8(data, error)) from error
    else:
        # UTF-16 without its mark is UTF-8 full of NUL.
        if encoding is None or "\0" not in text:
            return text
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise UnreadableError(f"neither UTF-8 nor {encoding} ({error})") from error


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "not UTF-8 but UTF-16, says its byte-order mark: give --encoding utf-16"
    if b"\0" in data[:1024]:
        return "binary: it holds bytes that no text has"
    return f"not UTF-8 ({error.reason} at byte {error.start}): give its --encoding, cp1252 for example"


_LANGUAGE = re.compile(r"([a-z]{2})(?:[-_].*)?", re.IGNORECASE)


def language_code(name: str) -> str:
    """The two letters of a language tag (`en-US`: en); empty where it is none."""
    match = _LANGUAGE.fullmatch(name.strip())
    return match[1].lower() if match else ""
