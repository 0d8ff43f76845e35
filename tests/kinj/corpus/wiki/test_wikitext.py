from __future__ import annotations

import time

import pytest

from kinj.corpus.wiki.layout import DROPPED, MARK
from kinj.corpus.wiki.nodes import Namespaces
from kinj.corpus.wiki.wikitext import parse_wikitext


def cleaned(text: str, expanded: dict[str, str] | None = None, namespaces: Namespaces | None = None):
    return parse_wikitext(text, namespaces or Namespaces()).to_markdown(expanded)


def markdown(text: str, expanded: dict[str, str] | None = None) -> str:
    return cleaned(text, expanded).text


def test_a_page_keeps_headings_lists_tables_and_figures_and_loses_the_rest(pages):
    result = cleaned(pages["Mars"])
    assert result.text == (
        "Mars is the fourth planet from the sun.\n"
        "Its moon Phobos is 22 km wide; its year has 687 days.\n\n"
        "## Surface\n\n"
        "The highest mountain is 10^4 m high, H2O is ice.\n"
        "- Olympus Mons\n"
        "  - caldera\n"
        "- Valles Marineris\n\n"
        "### Heights\n\n"
        "Mountains\n\n"
        "| Name | Height |\n| --- | --- |\n| Olympus Mons | 21.9 km |"
    )
    assert result.removed == {
        "notes and boxes": 5,
        "references": 2,
        "pictures": 1,
        "categories": 1,
        "links to other languages": 1,
    }


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("{{convert|5|km|mi}}", "5 km"),
        ("{{convert|5|to|10|ft|m|abbr=on}}", "5 to 10 ft"),
        ("{{convert|5|-|10|km2|sqmi}}", "5–10 km²"),  # noqa: RUF001  # Wikipedia's dash
        ("{{convert|6|ft|2|in|m}}", "6 ft 2 in"),
        ("{{cvt|-40|C}}", "-40 °C"),
        ("{{val|5.97|0.01|e=24|u=kg}}", "5.97 ± 0.01 × 10^24 kg"),  # noqa: RUF001
        ("{{frac|1|2}} and {{frac|3|1|4}}", "1/2 and 3 1/4"),
        ("{{nowrap|12 {{abbr|km|kilometres}}}}", "12 km"),
        ("{{circa|1850}}", "c. 1850"),
        ("{{birth date|1879|3|14}}", "1879-03-14"),
        ("{{percentage|1|8|1}}", "12.5%"),
        ("{{lang|de|Weltanschauung}} ({{lang-la|mundus}})", "Weltanschauung (mundus)"),
        ("{{transl|ru|Moskva}}", "Moskva"),
        ("10{{e|6}}", "10 × 10^6"),  # noqa: RUF001
        ("{{chem|H|2|O}}", "H2O"),
        ("{{US$|5 million}}", "US$5 million"),
        ("{{nowrap|1=a = b}}", "a = b"),
    ],
)
def test_figures_of_common_templates_stay_without_an_api(wikitext, text):
    assert markdown(f"It was {wikitext} then.") == f"It was {text} then."


def test_what_the_wiki_expanded_wins_over_the_table_and_is_cleaned_too():
    expanded = {"{{convert|5|km|mi}}": '5&nbsp;kilometres (3.1&nbsp;mi)<sup class="noprint">[x]</sup>[[Category:X]]'}
    assert markdown("It is {{convert|5|km|mi}} long.", expanded) == "It is 5 kilometres (3.1 mi) long."


def test_a_template_inside_an_expansion_is_not_looked_up_again():
    assert markdown("a {{x}} b", {"{{x}}": "{{x}} c"}) == "a c b"


def test_templates_in_sentences_are_named_and_boxes_and_notes_are_not():
    boxes = "{{Box\n|a={{convert|1|km}}\n}}\n{{Hatnote|x}}\n"
    text = f"{boxes}It {{{{convert|2|km}}}}.{{{{cn}}}} {{{{new|a}}}}\n* {{{{item}}}}\n{{|\n|{{{{cell}}}}\n|}}"
    assert parse_wikitext(text, Namespaces()).templates_in_sentences() == [
        "{{convert|2|km}}",
        "{{new|a}}",
        "{{item}}",
        "{{cell}}",
    ]


def test_an_unknown_template_in_a_sentence_is_counted():
    result = cleaned("The sum ({{strange|a}}) is {{strange|b}}.")
    assert (result.text, result.removed) == ("The sum is.", {"templates without a text here": 2})


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a [[b|c d]] [[e]] [[f#g]] [[:Category:H]]", "a c d e f Category:H"),
        ("a [http://x.org b c] d [http://x.org] http://y.org", "a b c d http://y.org"),
        ("x[[File:a.jpg|thumb|A [[b]] ''c'' {{d}}]]y [[Image:b.png]]", "xy"),
        ("'''''a'' b''' c''' O'Neill", "a b c O'Neill"),
        ("a<!-- b -->c<ref>d</ref>e<ref name=f />g", "aceg"),
        ("a <span style='display:none'>b</span><div class=\"navbox\">c</div>d", "a d"),
        ("a<br>b <small>c</small> <nowiki>[[d]]</nowiki>", "a\nb c [[d]]"),
        ("<math>E = mc^2</math> 5&nbsp;km &lt; 6", "$E = mc^2$ 5 km < 6"),
        ("1<sup>st</sup> 10<sup>−3</sup> x<sub>2</sub>", "1st 10^−3 x2"),  # noqa: RUF001
        ("__NOTOC__a __FORCETOC__", "a"),
        ("{{DEFAULTSORT:a}}b", "b"),
        ("; term : meaning\n: more", "term: meaning\nmore"),
        ("# a\n# b\n## c\n# d\n* e\n# f", "1. a\n2. b\n  1. c\n3. d\n- e\n1. f"),
        ("{{blockquote|Said so.|author=A. B.}}", "Said so. (A. B.)"),
        ("{{Current events|day=1|content=\n;Law\n*A [[b]].\n}}", "Law\n- A b."),
        ("<h2>a</h2>b<ul><li>c</li><li>d</li></ul>", "## a\n\nb\n\n- c\n\n- d"),
        ("a &#xD800; b &eacute;", "a b é"),
    ],
)
def test_markup_becomes_text(wikitext, text):
    assert markdown(wikitext) == text


@pytest.mark.parametrize("name", ["References", "See also", "Einzelnachweise", "脚注"])
def test_lists_of_references_go_with_all_below_them(name):
    assert markdown(f"a\n== {name} ==\n* b\n=== c ===\nd\n== e ==\nf") == "a\n\n## e\n\nf"


def test_a_heading_without_text_goes():
    assert markdown("== a ==\n=== b ===\n{{Box}}\n== c ==\nd\n== e ==") == "## c\n\nd"


def test_code_keeps_its_lines():
    text = '<syntaxhighlight lang="python">\n# no heading\nif  x:\n    y\n</syntaxhighlight>'
    assert markdown(text) == "```\n# no heading\nif  x:\n    y\n```"


def test_a_cell_over_several_rows_and_columns_stands_in_each():
    table = '{| class="wikitable"\n! a !! b !! c\n|-\n| rowspan="2" | x || 1 || p{{!}}q\n|-\n| colspan=2 | 2\n|}'
    assert markdown(table) == "| a | b | c |\n| --- | --- | --- |\n| x | 1 | p\\|q |\n| x | 2 | 2 |"


def test_a_span_without_end_is_bounded():
    text = markdown('{|\n| colspan="9999" rowspan="9999" | x || y\n|-\n| z\n|}')
    assert len(text) < 2_000


def test_the_wiki_s_own_namespaces_are_known():
    namespaces = Namespaces.of([(6, "Datei"), (14, "Kategorie")])
    assert cleaned("a [[Datei:b.jpg|c]][[Kategorie:d]]", namespaces=namespaces).text == "a"


@pytest.mark.parametrize("text", ["{{disambiguation}}", "{{Dab}}", "{{hndis|a}}", "__DISAMBIG__"])
def test_a_page_of_like_names_is_told(text):
    assert parse_wikitext(f"'''A''' may be\n* [[B]]\n{text}", Namespaces()).is_disambiguation


def test_a_page_that_holds_our_marks_gains_nothing_by_it():
    assert markdown(f"a{DROPPED}b{MARK}*c") == "ab*c"


@pytest.mark.parametrize(
    "text",
    [
        *("{{a|b}}" * 3_000, "[[" * 900, "{{" * 900, "<div>" * 900, "{{a|" * 2_000 + "}}" * 2_000, " " * 100_000),
        *("<div>" * 2_000 + "</div>" * 2_000, "''" * 20_001, "(((" + "{{x}};" * 2_000),
        *(";," * 50_000 + "{{x}}", "(" * 20_000),
    ],
)
def test_strange_markup_is_read_in_little_time(text):
    began = time.process_time()
    assert markdown(f"before\n{text}\nafter").startswith("before")
    assert time.process_time() - began < 8  # a square of its size would take minutes


@pytest.mark.parametrize("text", ["{{a|" * 5_000, "[[" * 5_000, "{|\n" * 5_000, "<div>" * 5_000])
def test_markup_that_never_ends_is_named_and_not_parsed(text):
    assert parse_wikitext(text, Namespaces()).problem == "markup that begins and never ends, 5,000 times: not parsed"
