"""Templates that stand in sentences, where no API expands them: the commonest of Wikipedia, and those without text.

An API's answer is always the better one. A dump has none, so this table keeps what a sentence cannot lose: figures,
units, names, foreign words. Units are not converted, only written out: `{{convert|5|km|mi}}` is "5 km".
"""

# ruff: noqa: RUF001, RUF002  # signs that wikis write
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from kinj.corpus.wiki.layout import names

#: How the names begin of notes, marks for editors, sounds, and of what stands beside a text.
_BEGINNINGS_WITHOUT_TEXT = names("""
    infobox | navbox | sidebar | taxobox | automatic taxobox | speciesbox | authority control | cite_ | cite-
    citation | citar_ | sfn | efn | harv | reflist | refn | notelist | notefoot | refbegin | refend | ipa
    audio | respell | pronunciation | short description | use_ | clarify | better source | page needed | pp-
    see also | about | other uses | redirect | hatnote | multiple image | commons | wiktionary | portal
    defaultsort | displaytitle | italic title | flagicon | flag icon | expand_ | needs_ | coord | featured
    good article | protected | original research | disputed | failed verification
""")
_WITHOUT_TEXT = frozenset(
    names("""
    - | according to whom | anchor | by whom | cite | clear | cn | decrease | distinguish | dubious | fact
    flagdeco | for | full citation needed | further | improve | increase | listen | main
    more citations needed | note | notoc | r | ref | ref label | rp | steady | stub | toc | tocleft
    tocright | unreferenced | unreliable source? | update inline | vague | verify source | when | where
    which | who | why
""")
)
_DISAMBIGUATION = re.compile(
    r"dab|disamb|disambig(?:uation)?(?:[ -].*)?|hndis|geodis|begriffsklärung|homonymie|desambiguaci[oó]n|aimai"
)
#: Templates that end a block or a paragraph of their own, whose text stays.
BLOCKS = frozenset(
    names("""
    block indent | blockquote | bulleted list | columns-list | cquote | current events | flatlist
    ordered list | plainlist | poemquote | quotation | quote | ubl | unbulleted list | verse translation
""")
)
_RANGES = {"to": " to ", "-": "–", "–": "–", "and": " and ", "or": " or ", "x": " × ", "by": " by ", "+/-": " ± ",
           "±": " ± ", "to(-)": " to "}  # fmt: skip
_UNITS = {"c": "°C", "f": "°F", "k": "K", "sqmi": "sq mi", "sqft": "sq ft", "acre": "acres", "cuft": "cu ft"}
_NUMBER = re.compile(r"[-+−]?[\d.,/+]+(?:e-?\d+)?")
Positional = Sequence[str]
Named = Mapping[str, str]


def template_name(written: str) -> str:
    """A template's name as it is compared: lower case, spaces for underscores, without a namespace."""
    name = " ".join(written.replace("_", " ").split()).lower()
    return name.removeprefix("template:").removeprefix("subst:").strip()


def is_without_text(name: str) -> bool:
    """Whether a template of that name leaves nothing in the sentence: a citation, a mark for editors, a box."""
    return name in _WITHOUT_TEXT or name.startswith(_BEGINNINGS_WITHOUT_TEXT)


def is_disambiguation(name: str) -> bool:
    """Whether a page with that template lists pages of like names."""
    return _DISAMBIGUATION.fullmatch(name) is not None


def text_of(name: str, positional: Positional, named: Named) -> str | None:
    """What a template leaves in a sentence; None where the table does not know it.

    Args:
        name: as `template_name` gives it.
        positional: the text of its parameters without names, in order.
        named: the text of those with names.
    """
    make = _first if name.startswith("lang-") else _TABLE.get(name)
    return None if make is None else make(positional, named)


def _first(positional: Positional, _: Named) -> str:
    return positional[0] if positional else ""


def _last(positional: Positional, _: Named) -> str:
    return positional[-1] if positional else ""


def _second(positional: Positional, _: Named) -> str:
    return positional[1] if len(positional) > 1 else ""


def _joined(with_: str) -> Callable[[Positional, Named], str]:
    return lambda positional, _: with_.join(word for word in positional if word)


def _constant(text: str) -> Callable[[Positional, Named], str]:
    return lambda *_: text


def _before(sign: str) -> Callable[[Positional, Named], str]:
    return lambda positional, _: sign + _first(positional, {})


def _convert(positional: Positional, named: Named) -> str:
    """The figures as they were given, with their unit: "5 to 10 km"."""
    words = []
    for at, word in enumerate(positional):
        word = word.strip()
        if _NUMBER.fullmatch(word):
            words.append(word.replace("+", " ") if "/" in word else word)
        elif word in _RANGES and at + 1 < len(positional):
            words.append(_RANGES[word])
        else:
            words += [" ", _unit(word)]
            following = "".join(positional[at + 1 : at + 2]).strip()
            if word not in ("ft", "lb", "st") or not _NUMBER.fullmatch(following):
                break
            words.append(" ")
    return "".join(words)


def _unit(code: str) -> str:
    return _UNITS.get(code.lower(), re.sub(r"(?<=[a-z])[23]$", lambda power: "²³"[int(power[0]) - 2], code))


def _value(positional: Positional, named: Named) -> str:
    """`{{val|5|0.1|e=3|u=kg}}`: 5 ± 0.1 × 10^3 kg."""
    number = " ± ".join(word for word in positional[:2] if word)
    power = f" × 10^{named['e']}" if named.get("e") else ""
    unit = named.get("u") or named.get("ul") or ""
    return f"{named.get('p', '')}{number}{power}{' ' if unit else ''}{unit}"


def _fraction(positional: Positional, _: Named) -> str:
    *whole, over, under = ("", *positional) if len(positional) > 1 else ("", "1", _first(positional, {}))
    return " ".join(word for word in (*whole, f"{over}/{under}") if word)


def _born(positional: Positional, _: Named) -> str:
    """A date in figures: `{{birth date|1879|3|14}}` is 1879-03-14."""
    numbers = [word.strip() for word in positional if word.strip().isdecimal()][:3]
    return "-".join(word.zfill(2) for word in numbers)


def _inline_list(positional: Positional, named: Named) -> str:
    return "\n" + "\n".join(f"- {' '.join(word.split())}" for word in positional if word.strip()) + "\n"


def _quotation(positional: Positional, named: Named) -> str:
    text = named.get("text") or named.get("quote") or _first(positional, {})
    by = named.get("author") or named.get("sign") or ""
    return f"\n{text.strip()}{f' ({by.strip()})' if by else ''}\n"


_TABLE: dict[str, Callable[[Positional, Named], str]] = {
    **dict.fromkeys(("convert", "cvt"), _convert),
    **dict.fromkeys(("val",), _value),
    **dict.fromkeys(("frac", "sfrac", "fraction"), _fraction),
    **dict.fromkeys(("nowrap", "nobr", "nobold", "small", "smaller", "big", "larger", "abbr", "tooltip", "math", "mvar",
                     "formatnum", "num", "sic", "em", "strong", "nbsp", "noitalic", "linktext", "angbr", "char", "mono",
                     "code", "not a typo", "proper name", "as written", "smallcaps", "sc", "avoid wrap",
                     "visible anchor", "vanchor"), _first),
    **dict.fromkeys(("transl", "transliteration", "translit", "color", "font color", "colored text"), _last),
    **dict.fromkeys(("lang", "flagathlete"), _second),
    **dict.fromkeys(("ill", "interlanguage link", "flag", "flagcountry", "flagu", "country", "ship"), _first),
    **dict.fromkeys(("chem", "chem2", "gaps", "ce"), _joined("")),
    **dict.fromkeys(("hlist", "flatlist"), _joined(", ")),
    **dict.fromkeys(("ubl", "unbulleted list", "bulleted list", "ordered list", "plainlist"), _inline_list),
    **dict.fromkeys(("blockquote", "quote", "cquote", "quotation", "poemquote", "block indent"), _quotation),
    **dict.fromkeys(("columns-list", "verse translation"), _quotation),
    **dict.fromkeys(("circa", "c.", "ca"), _before("c. ")),
    **dict.fromkeys(("us$", "usd"), _before("US$")),
    **dict.fromkeys(("gbp", "£", "pound sterling"), _before("£")),
    **dict.fromkeys(("eur", "€", "euro"), _before("€")),
    **dict.fromkeys(("inr", "indian rupee"), _before("₹")),
    "as of": lambda positional, _: "As of " + "-".join(word.zfill(2) for word in positional if word),
    **dict.fromkeys(("birth date", "birth date and age", "birth-date", "death date", "death date and age", "start date",
                     "end date", "dob", "start date and age"), _born),
    **dict.fromkeys(("e", "esp"), lambda positional, _: (" × 10^" if positional else "") + _first(positional, {})),
    **dict.fromkeys(("sup",), _before("^")),
    **dict.fromkeys(("sub",), _first),
    **dict.fromkeys(("snd", "spnd", "spaced ndash", "spaced en dash", "snds"), _constant(" – ")),
    **dict.fromkeys(("ndash", "en dash"), _constant("–")),
    **dict.fromkeys(("mdash", "em dash", "spaced em dash"), _constant("—")),
    **dict.fromkeys(("!", "pipe"), _constant("|")),
    **dict.fromkeys(("'", "`", "\""), _constant("'")),
    **dict.fromkeys(("degree", "deg"), _constant("°")),
    **dict.fromkeys(("±",), _before("± ")),
    "current events": lambda _, named: f"\n{named.get('content', '')}\n",
    "percentage": lambda positional, _: _percentage(positional),
}  # fmt: skip


def _percentage(positional: Positional) -> str:
    try:
        part, whole = float(positional[0]), float(positional[1])
        digits = int(positional[2]) if len(positional) > 2 else 0
        return f"{100 * part / whole:.{min(max(digits, 0), 9)}f}%"
    except (ValueError, IndexError, ZeroDivisionError):
        return " of ".join(positional[:2])
