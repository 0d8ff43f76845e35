"""Plain text, and Markdown without what a site's generator put into it."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import yaml  # type: ignore[import-untyped]

from kinj.corpus.readers.reading import Reading, decode

_FRONT = re.compile(r"\A(?P<fence>---|\+\+\+)[ \t]*\n(?P<body>.*?)^(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
#: Hugo's {{< … >}} and {{% … %}}, Liquid's {% … %} and {{ … }}: one line each.
_SHORT_CODE = re.compile(r"\{\{[<%].*?[>%]\}\}|\{%.*?%\}|\{\{(?![<%]).*?\}\}")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE_SPAN = re.compile(r"`+[^`\n]*`+")
#: A line of = or - under a line of text makes that a heading.
_UNDERLINED = re.compile(r"^(?! {4}|[ \t]*(?:[-*+>#|]|\d+[.)]))([^\n]*\S[^\n]*)\n(=+|-+)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def read_text(data: bytes, encoding: str | None) -> Reading:
    """A .txt file: its characters as they are."""
    return Reading(decode(data, encoding))


def read_markdown(data: bytes, encoding: str | None) -> Reading:
    """A .md file: front matter, short codes and comments go, except in code; headings become `# …`.

    Title, date, language and licence are those of the front matter; the title is else the first heading.
    """
    text, values = _without_front_matter(decode(data, encoding))
    removed = Counter({"front matters": 1} if values is not None else {})
    text = outside_code(text, lambda prose: _clean(prose, removed)).strip("\n")
    known = {str(key).lower(): value for key, value in (values or {}).items()}
    heading = _HEADING.search(text)
    return Reading(
        text=text,
        markup="markdown",
        title=_word(known.get("title")) or (heading[1] if heading else ""),
        date=_day(known.get("date")),
        license=_word(known.get("license") or known.get("licence")),
        language=_word(known.get("lang") or known.get("language")),
        removed=dict(removed),
    )


def _without_front_matter(text: str) -> tuple[str, dict[str, Any] | None]:  # Any: YAML values
    """The text after its front matter, and what that says; a mapping alone is one, not two lines of dashes."""
    match = _FRONT.match(text)
    if match is None:
        return text, None
    try:
        values = yaml.safe_load(match["body"]) if match["fence"] == "---" else tomllib.loads(match["body"])
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError):
        return text, None
    return (text[match.end() :], values) if isinstance(values, dict) else (text, None)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Markdown with `change` applied to what is neither fenced code nor a code span."""
    return "".join(_outside_spans(part, change) if is_prose else part for is_prose, part in _parts(text))


def _parts(text: str) -> list[tuple[bool, str]]:
    """The text cut at its fenced code: (is it prose, the part)."""
    parts: list[tuple[bool, list[str]]] = [(True, [])]
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            parts[-1][1].append(line)
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
                parts.append((True, []))
        elif mark:
            fence = mark[1]
            parts.append((False, [line]))
        else:
            parts[-1][1].append(line)
    return [(is_prose, "".join(lines)) for is_prose, lines in parts]


def _outside_spans(prose: str, change: Callable[[str], str]) -> str:
    pieces, end = [], 0
    for span in _CODE_SPAN.finditer(prose):
        pieces += [change(prose[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*pieces, change(prose[end:])])


def _clean(prose: str, removed: Counter[str]) -> str:
    for what, pattern in (("comments", _COMMENT), ("short codes", _SHORT_CODE)):
        prose, count = pattern.subn("", prose)
        if count:
            removed[what] += count
    prose = _UNDERLINED.sub(lambda found: f"{'#' if found[2][0] == '=' else '##'} {found[1].strip()}", prose)
    return re.sub(r"\n{3,}", "\n\n", prose)


def _word(value: Any) -> str:  # Any: a YAML value
    return " ".join(value.split()) if isinstance(value, str) else ""


def _day(value: Any) -> str:  # Any: a YAML value
    """An ISO date; YAML and TOML give dates as such."""
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()[:10]
    match = re.match(r"\d{4}-\d\d-\d\d", value) if isinstance(value, str) else None
    return match[0] if match else ""
