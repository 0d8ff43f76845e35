"""The lines of a cleaned wiki page: lists, headings, and the gaps where something was taken out."""

# ruff: noqa: RUF001  # signs that wikis write
from __future__ import annotations

import re

#: Stands before each sign of a list: `*`, `#`, `:` or `;`.
MARK = "\ue000"
#: Stands where something was taken out.
DROPPED = "\ue001"


def names(text: str) -> tuple[str, ...]:
    """The names between bars and line ends; one with a space at its end says so by `_`."""
    return tuple(name.replace("_", " ") for name in re.split(r"\s*[|\n]\s*", text.strip()))


_LIST = re.compile(rf"[ \t]*((?:{MARK}[*#:;])+)[ \t]*(.*)")
_HEADING = re.compile(r"(#{1,6}) (.*)")
_SPACES = re.compile("[\u00a0\u2007\u2009\u200a\u202f]")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u2060\ufeff]")
#: Around a gap: brackets with nothing in them, what separated it from its neighbours, the space before it.
_GAPS = (
    (re.compile(rf"[ \t]?[(（][\s;,]{{0,9}}{DROPPED}[\s;,{DROPPED}]*[)）]"), ""),
    (re.compile(rf"([(（])[\s;,]{{0,9}}{DROPPED}[\s;,{DROPPED}]*"), r"\1"),
    (re.compile(rf"[\s;,]{{0,9}}{DROPPED}[ \t;,{DROPPED}]{{0,9}}([)）])"), r"\1"),
    (re.compile(rf"[ \t]{DROPPED}+(?=[ \t.,;:!?]|$)", re.MULTILINE), ""),
    (re.compile(DROPPED), ""),
)
_MID_LINE = re.compile(rf"[ \t]?{MARK}[:;]")
#: Sections of references and links, in the languages of the largest wikis; all below such a heading goes.
_LISTS_OF_REFERENCES = frozenset(
    names("""
    references | notes | notes and references | references and notes | footnotes
    citations | sources | bibliography | further reading | external links | see also
    works cited | general references | einzelnachweise | weblinks | literatur
    siehe auch | anmerkungen | quellen | notes et références | références
    liens externes | voir aussi | bibliographie | articles connexes | referencias
    notas | enlaces externos | véase también | bibliografía | note | bibliografia
    collegamenti esterni | voci correlate | altri progetti | referências
    ligações externas | ver também | примечания | ссылки | литература | см. также
    脚注 | 出典 | 参考文献 | 外部リンク | 関連項目 | 注釈 | 参考资料 | 外部链接 | 外部連結 | 参见 | 參見 | 参考資料
    각주 | 외부 링크 | 같이 보기 | 참고 문헌 | المراجع | مراجع | وصلات خارجية | انظر أيضا | przypisy
    linki zewnętrzne | zobacz też | referenties | externe links | zie ook | bronnen
    सन्दर्भ | बाहरी कड़ियाँ | इन्हें भी देखें | อ้างอิง | แหล่งข้อมูลอื่น | ดูเพิ่ม
""")
)


def to_lines(text: str) -> str:
    """Rendered wikitext as the lines of a document: no marks left, one blank line at most, no heading without text."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    for pattern, by in _GAPS:
        text = pattern.sub(by, text)
    return "\n".join(_without_empty_sections(_lists(text.split("\n")))).strip()


def _lists(lines: list[str]) -> list[str]:
    """Markdown lists of wiki lists, other lines without the spaces at their ends; fenced code as it is."""
    before = ""
    numbers: list[int] = []
    made: list[str] = []
    is_code = False
    for line in lines:
        if line.startswith("```"):
            is_code = not is_code
        found = _LIST.fullmatch(line)
        if found is None or is_code:
            before = ""
            line = _MID_LINE.sub(":", line).replace(MARK, "")
            made.append(line.rstrip() if is_code else " ".join(line.split()))
            continue
        signs = found[1].replace(MARK, "")
        if found[2].strip():
            # An item goes on with the list whose signs it begins with.
            shared = _shared(before, signs)
            numbers = (numbers[:shared] + [0] * len(signs))[: len(signs)]
            numbers[-1] += 1
            before = signs
            made.append(_item(signs, numbers[-1], " ".join(found[2].split())))
    return made


def _item(signs: str, number: int, text: str) -> str:
    text = _MID_LINE.sub(":", text).replace(MARK, "")
    if signs[-1] in ":;":
        return text
    indent = "  " * sum(sign in "*#" for sign in signs[:-1])
    return f"{indent}{'-' if signs[-1] == '*' else f'{number}.'} {text}"


def _without_empty_sections(lines: list[str]) -> list[str]:
    kept: list[str] = []
    skipped_level = 0
    is_code = False
    for line in lines:
        is_code ^= line.startswith("```")
        heading = None if is_code else _HEADING.fullmatch(line)
        if heading is not None and not (skipped_level and len(heading[1]) > skipped_level):
            _drop_empty(kept, len(heading[1]))
            skipped_level = len(heading[1]) if heading[2].strip(" :").lower() in _LISTS_OF_REFERENCES else 0
        is_second_blank = not line and not is_code and (not kept or not kept[-1])
        if not skipped_level and not is_second_blank:
            kept.append(line)
    _drop_empty(kept, 1)
    return kept


def _drop_empty(kept: list[str], level: int) -> None:
    """Takes headings of that level, or of a lower one, off the end: nothing came below them."""
    while True:
        end = len(kept)
        while end and not kept[end - 1]:
            end -= 1
        heading = _HEADING.fullmatch(kept[end - 1]) if end else None
        if heading is None or len(heading[1]) < level:
            return
        del kept[end - 1 :]


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
