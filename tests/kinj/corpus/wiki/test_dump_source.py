"""The source of an export, on one that a real MediaWiki wrote of the pages in conftest.py."""

from __future__ import annotations

import bz2
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from kinj.corpus.sources.dump import DumpSource
from kinj.corpus.sources.source import Item, Unread
from kinj.corpus.sources.wikipedia import WikipediaSource
from kinj.corpus.wiki.listing import Wanted
from kinj.errors import UserError
from kinj.records import Document

EXPORT = Path(__file__).with_name("export.xml")


def read(path: Path = EXPORT, known=lambda key: None, **options) -> tuple[list[Item], dict[str, int]]:
    source = DumpSource(path, **options)
    return list(source.items(known)), source.passed_over()


def titles(items: list[Item]) -> list[str]:
    return [item.content.title for item in items if isinstance(item.content, Document)]


def test_articles_become_documents_and_redirects_and_lists_of_names_are_passed_over():
    items, passed_over = read()
    assert titles(items) == [
        *("Main Page", "Mars", "Venus", "Sky", "Moon", "Sun", "Election of August", "Current events/2026 August 1"),
    ]
    assert passed_over == {"redirects": 1, "disambiguation pages": 1}


def test_a_page_is_the_same_document_from_an_export_and_from_the_api(wiki):
    [by_api] = WikipediaSource(wiki, Wanted(pages=("Sun",)), []).items(lambda key: None)
    [by_dump] = read(titles=("Sun",), license_name="CC BY-SA 4.0")[0]
    assert replace(by_dump, size=1) == by_api


def test_figures_of_templates_stay_by_the_table():
    [item] = read(titles=("Mars",))[0]
    assert "Phobos is 22 km wide; its year has 687 days." in item.content.text


def test_titles_that_are_asked_for_and_are_not_there_are_said():
    items, passed_over = read(titles=("Sun", "Red planet", "Mercury", "Nibiru"))
    assert [(item.content.place, item.content.reason) for item in items if isinstance(item.content, Unread)] == [
        ("Red planet", "leads to 'Mars': ask for that"),
        ("Mercury", "a disambiguation page: a list of pages of like names"),
        ("Nibiru", "no page of that title in this export"),
    ]
    assert titles(items) == ["Sun"]
    assert passed_over == {}


def test_namespaces_are_chosen():
    assert titles(read(namespaces=(14,))[0]) == ["Category:Sky", "Category:August 2026 events"]


def test_a_packed_export_gives_the_same(tmp_path):
    packed = tmp_path / "export.xml.bz2"
    text = EXPORT.read_bytes()
    packed.write_bytes(bz2.compress(text[:9_000]) + bz2.compress(text[9_000:]))  # streams, as Wikimedia packs them
    assert [item.content for item in read(packed)[0]] == [item.content for item in read()[0]]


def test_sizes_are_bytes_of_the_file_and_no_more_than_it_has():
    items, _ = read()
    assert 0 < sum(item.size for item in items) <= DumpSource(EXPORT).total() == EXPORT.stat().st_size


def test_the_latest_revision_counts(tmp_path):
    text = EXPORT.read_text()
    start = text.index("<revision>", text.index("<title>Sun</title>"))
    old = text[start : text.index("</revision>", start)] + "</revision>"
    new = old.replace("<id>15</id>", "<id>99</id>").replace("is a star", "is old")
    both = tmp_path / "both.xml"
    both.write_text(text.replace(old, new + old))
    [item] = read(both, titles=("Sun",))[0]
    assert (item.content.version, item.content.text) == ("99", "The Sun is old, as Vega is.")


def test_what_is_known_is_not_parsed_again(monkeypatch):
    known = {item.key: item.version for item in read()[0]}
    monkeypatch.setattr("kinj.corpus.sources.dump.parse_wikitext", None)
    items, _ = read(known=lambda key: known.get(key), titles=("Sun", "Mars"))
    assert [item.content for item in items] == [None, None]


@pytest.mark.parametrize(
    ("base", "license_name", "expected"),
    [
        ("https://de.wikipedia.org/wiki/Hauptseite", None, "CC BY-SA 4.0"),
        ("https://de.wikipedia.org/wiki/Hauptseite", "CC0 1.0", "CC0 1.0"),
        ("https://wikipedia.org.evil.example/wiki/A", None, ""),
    ],
)
def test_the_licence_is_known_for_wikimedia_alone(tmp_path, base, license_name, expected):
    file = tmp_path / "a.xml"
    file.write_text(EXPORT.read_text().replace("http://wiki.example/index.php/Main_Page", base))
    [item] = read(file, titles=("Sun",), license_name=license_name)[0]
    assert item.content.license == expected
    assert item.content.source == base.rsplit("/", 1)[0] + "/Sun"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "broken, or no MediaWiki export: no element found"),
        (b"<html><body/></html>", "begins with <html>, not with <mediawiki>"),
        (b"<mediawiki><page/></mediawiki>", "broken, or no MediaWiki export: <siteinfo> tag not found"),
        (EXPORT.read_bytes()[:9_000], "broken, or no MediaWiki export: "),
    ],
)
def test_an_export_that_is_none_or_cut_ends_in_one_line(tmp_path, content, why):
    file = tmp_path / "cut.xml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=why):
        read(file)


@pytest.mark.parametrize("content", [b"no bz2", bz2.compress(EXPORT.read_bytes())[:-100]])
def test_a_packed_export_that_is_broken_ends_in_one_line(tmp_path, content):
    file = tmp_path / "cut.xml.bz2"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"cut\.xml\.bz2: broken"):
        read(file)


@pytest.mark.parametrize(("name", "why"), [("a.7z", "ends in .xml or .bz2"), ("b.xml", "no such file")])
def test_another_file_is_refused(tmp_path, name, why):
    (tmp_path / "a.7z").touch()
    with pytest.raises(UserError, match=why):
        DumpSource(tmp_path / name)


def test_memory_does_not_grow_with_the_export(tmp_path):
    def peak(pages: int) -> int:
        file = tmp_path / f"{pages}.xml"
        head, tail = EXPORT.read_text().split("<page>")[0], "</mediawiki>"
        page = (
            "<page><title>T{0}</title><ns>1</ns><id>{0}</id><revision><id>{0}</id>"
            "<timestamp>2026-08-01T00:00:00Z</timestamp><model>wikitext</model><text>Text {0}.</text></revision></page>"
        )
        file.write_text(head + "".join(page.format(number) for number in range(1, pages)) + tail)
        tracemalloc.start()
        assert list(DumpSource(file).items(lambda key: None)) == []  # pages of talk, since parsing takes long
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)  # imports
    assert peak(10_000) - peak(1_000) < 200_000
