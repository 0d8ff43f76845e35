"""The source of a wiki's pages, on what a real MediaWiki answered."""

from __future__ import annotations

import pytest

from kinj.corpus.sources.source import Item, Unread
from kinj.corpus.sources.wikipedia import WikipediaSource
from kinj.corpus.wiki.listing import Months, Wanted, read_titles
from kinj.errors import UserError
from kinj.records import Document


def read(wiki, known=lambda key: None, **wanted) -> tuple[list[Item], dict[str, int]]:
    source = WikipediaSource(wiki, Wanted(**wanted), [])
    return list(source.items(known)), source.passed_over()


def titles(items: list[Item]) -> list[str]:
    return [item.content.title for item in items if isinstance(item.content, Document)]


def test_a_page_becomes_a_document_that_says_where_it_is_from(wiki):
    [item] = read(wiki, pages=("Mars",))[0]
    document = item.content
    assert (document.id, document.version, document.title) == ("wiki:9", "9", "Mars")
    assert document.date == "2026-08-01T12:01:10Z"
    assert document.source == "http://wiki.example/index.php/Mars"
    assert (document.license, document.language, document.markup) == ("CC BY-SA 4.0", "en", "markdown")
    assert item.key == "wiki:9"


def test_figures_in_sentences_are_what_the_wiki_makes_of_their_templates(wiki):
    [item] = read(wiki, pages=("Mars",))[0]
    assert "Phobos is 22 km (13.7 mi) wide; its year has 687 days." in item.content.text
    assert "| Olympus Mons | 21.9 km (13.6 mi) |" in item.content.text
    assert "infobox" not in item.content.text


def test_a_template_that_the_wiki_lacks_falls_to_the_table_and_is_counted(wiki):
    [item] = read(wiki, pages=("Venus",))[0]
    assert item.content.text == "Venus is the second planet, 10 km (6.2 mi) off."
    assert item.removed == {"templates without a text here": 1, "categories": 1}


def test_templates_of_many_pages_are_expanded_in_one_request(wiki, replay):
    read(wiki, pages=("Mars", "Venus"))
    assert replay.actions == ["info|pageprops", "siteinfo", "revisions", "wikitext"]


def test_a_redirect_leads_to_its_page_and_a_page_comes_once(wiki):
    items, passed_over = read(wiki, around=("Sky",), depth=1)
    assert titles(items) == ["Sky", "Mars", "Venus"]
    assert passed_over == {
        "no page of that title: deleted, or never written": 1,
        "leads to a page that was read already": 1,
        "disambiguation pages": 1,
    }


def test_a_named_page_that_cannot_be_read_is_said(wiki):
    items, passed_over = read(wiki, pages=("Nibiru", "Mercury", "a<b", "sun"))
    assert [(item.content.place, item.content.reason) for item in items if isinstance(item.content, Unread)] == [
        ("Nibiru", "no page of that title: deleted, or never written"),
        ("a<b", "no title that a page can have"),
        ("Mercury", "a disambiguation page: a list of pages of like names"),
    ]
    assert titles(items) == ["Sun"]
    assert passed_over == {}


def test_what_is_known_in_its_revision_is_not_asked_for_again(wiki, replay):
    known = {item.key: item.version for item in read(wiki, pages=("Mars", "Sun"))[0]}
    replay.asked.clear()
    items, _ = read(wiki, known.get, pages=("Mars", "Sun"))
    assert [(item.key, item.content) for item in items] == [("wiki:9", None), ("wiki:15", None)]
    assert replay.actions == ["info|pageprops"]


def test_another_revision_or_another_cleaning_is_another_version(wiki, monkeypatch):
    [before] = read(wiki, pages=("Sun",))[0]
    monkeypatch.setattr("kinj.corpus.wiki.document.FORMAT", 99)
    [after] = read(wiki, pages=("Sun",))[0]
    assert before.version.startswith("15 ")
    assert before.version != after.version


def test_links_are_followed_as_deep_as_asked_and_the_most_linked_come_first(wiki):
    assert titles(read(wiki, around=("Moon",), depth=0)[0]) == ["Moon"]
    assert titles(read(wiki, around=("Moon",), depth=1)[0]) == ["Moon", "Mars", "Sun", "Venus"]
    assert "Vega" not in titles(read(wiki, around=("Moon",), depth=2)[0])


def test_of_too_many_pages_the_first_are_taken_and_it_is_said(wiki, caplog):
    assert titles(read(wiki, around=("Moon",), depth=1, limit=2)[0]) == ["Moon", "Mars"]
    assert "more than 2 pages were found, and the first of them taken: --limit takes more" in caplog.text
    caplog.clear()
    assert titles(read(wiki, around=("Moon",), depth=0, limit=1)[0]) == ["Moon"]
    assert caplog.text == ""


def test_a_title_that_looks_like_the_number_of_a_page_is_not_taken_for_it(wiki):
    [missing, page] = read(wiki, pages=("Mars", "9"))[0]
    assert page.key == "wiki:9"
    assert missing.key == "wiki:[[9]]"


def test_a_category_gives_its_articles_and_those_below_as_deep_as_asked(wiki):
    assert titles(read(wiki, categories=("Sky",))[0]) == ["Sky"]
    for name in ("Sky", "Category:Sky"):
        assert titles(read(wiki, categories=(name,), depth=1)[0]) == ["Sky", "Mars", "Venus"]


def test_a_title_that_a_page_around_lacks_is_refused(wiki):
    with pytest.raises(UserError, match=r"--around 'Nibiru': .* has no page of that title"):
        read(wiki, around=("Nibiru",))


def test_categories_without_an_article_are_refused(wiki, caplog):
    with pytest.raises(UserError, match="no article in 'September 2026 events'; are the names right"):
        read(wiki, categories=("September 2026 events",))
    assert "category 'September 2026 events' holds no article" in caplog.text


def test_a_page_of_a_day_s_events_is_of_that_day(wiki):
    [item] = read(wiki, pages=("Current events/2026 August 1",))[0]
    assert (item.content.date, item.content.text) == ("2026-08-01", "Elections\n- People vote.")


def test_months_fill_names_of_categories_and_of_days():
    months = Months.parse("2026-11", "2027-01")
    assert months.names("{month} {year} events") == [
        "November 2026 events",
        "December 2026 events",
        "January 2027 events",
    ]
    assert months.names("{year}-{mm}")[0] == "2026-11"
    days = months.days("Day {year} {month} {day}")
    assert (days[0], days[-1], len(days)) == ("Day 2026 November 1", "Day 2027 January 31", 92)


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        ("2026-13", None, "--from 2026-13: a month, 2026-08 for example"),
        ("2026-08", "August", "--to August: a month"),
        ("2026-08", "2026-07", "the first month comes after the last"),
    ],
)
def test_months_that_are_none_are_refused(first, last, why):
    with pytest.raises(UserError, match=why):
        Months.parse(first, last)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({}, "which pages"),
        ({"around": ("a|b",)}, "the title of one page"),
        ({"pages": ("a",), "limit": 0}, "a limit from 1"),
        ({"pages": ("a",), "depth": -1}, "a depth from 0"),
    ],
)
def test_what_cannot_be_listed_is_refused(wanted, why):
    with pytest.raises(UserError, match=why):
        Wanted(**wanted)


def test_titles_are_read_from_a_file(tmp_path):
    file = tmp_path / "titles.txt"
    file.write_bytes("\ufeffMars\n\n  Red_planet \n".encode())
    assert read_titles(file) == ("Mars", "Red planet")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\n", "no title in it"), (b"a|b\n", "is no title"), (b"\xff", "not UTF-8"), (None, "no such file")],
)
def test_a_file_of_titles_that_is_none_is_refused(tmp_path, content, why):
    file = tmp_path / "titles.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=why):
        read_titles(file)
