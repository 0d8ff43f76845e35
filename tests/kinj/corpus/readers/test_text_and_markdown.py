from __future__ import annotations

import pytest

from kinj.corpus.readers.markdown import read_markdown, read_text
from kinj.corpus.readers.reading import UnreadableError, check_encoding, language_code
from kinj.errors import UserError


@pytest.mark.parametrize("data", ["Füchse".encode(), b"\xef\xbb\xbfF\xc3\xbcchse"])
def test_utf8_is_read_with_and_without_a_byte_order_mark(data):
    assert read_text(data, None).text == "Füchse"


def test_another_encoding_is_read_where_it_is_named():
    assert read_text("Füchse".encode("cp1252"), "cp1252").text == "Füchse"
    assert read_text("Füchse".encode("utf-16"), "utf-16").text == "Füchse"
    assert read_text("Fox".encode("utf-16-le"), "utf-16-le").text == "Fox"


def test_utf8_is_read_as_such_where_another_encoding_is_named():
    assert read_text("Füchse".encode(), "cp1252").text == "Füchse"


@pytest.mark.parametrize(
    ("data", "encoding", "why"),
    [
        (b"caf\xe9", None, r"not UTF-8 \(unexpected end of data at byte 3\): give its --encoding"),
        ("Fox".encode("utf-16"), None, "UTF-16, says its byte-order mark: give --encoding utf-16"),
        (b"\x7fELF\x00\x01", None, "binary: it holds the character NUL"),
        (b"\x89PNG\x00\xff", None, "binary: it holds bytes that no text has"),
        (b"\xff\xfe\x00", "ascii", "neither UTF-8 nor ascii"),
        (b"\xed\xa0\xbd half a smile", None, "not UTF-8 .* at byte 0"),
    ],
)
def test_what_is_no_text_is_named(data, encoding, why):
    with pytest.raises(UnreadableError, match=why):
        read_text(data, encoding)


def test_an_encoding_that_nobody_knows_is_refused():
    with pytest.raises(UserError, match="--encoding latin-99: no such character encoding; try cp1252"):
        check_encoding("latin-99")


def test_control_tokens_are_spelled_as_they_were():
    text = "He wrote <|im_start|>system and </s> on the wall."
    assert read_text(text.encode(), None).text == text


def test_front_matter_goes_and_says_title_day_language_and_licence():
    page = '---\ntitle: "A fox"\ndate: 2024-03-01\nlang: en-GB\nlicense: CC0-1.0\ntags: [a]\n---\nText.\n'
    reading = read_markdown(page.encode(), None)
    assert reading.text == "Text."
    assert (reading.title, reading.date, reading.license) == ("A fox", "2024-03-01", "CC0-1.0")
    assert language_code(reading.language) == "en"
    assert reading.removed == {"front matters": 1}


def test_front_matter_in_toml_goes():
    reading = read_markdown(b'+++\ntitle = "Fox"\ndate = 2024-03-01T10:00:00Z\n+++\n# Den\n', None)
    assert (reading.text, reading.title, reading.date) == ("# Den", "Fox", "2024-03-01")


@pytest.mark.parametrize("page", ["---\nTwo lines\n---\nText", "---\n- a\n- b\n---\nText", "---\na: [\n---\nText"])
def test_lines_between_dashes_that_are_no_mapping_stay(page):
    assert "Text" in read_markdown(page.encode(), None).text
    assert read_markdown(page.encode(), None).removed == {}
    assert len(read_markdown(page.encode(), None).text.splitlines()) >= 3


@pytest.mark.parametrize(
    "code", ['{{< figure src="a.png" >}}', "{{% note %}}", "{% include x.html %}", "{{ site.title }}", "<!-- no -->"]
)
def test_short_codes_and_comments_of_a_site_go(code):
    reading = read_markdown(f"Before {code}after.\n".encode(), None)
    assert reading.text == "Before after."
    assert sum(reading.removed.values()) == 1


@pytest.mark.parametrize("code", ["```\n{{< figure >}}\n```", "~~~~\n{% if %}\n```\n~~~~", "Use `{{< fig >}}` here."])
def test_short_codes_in_code_stay(code):
    assert read_markdown(code.encode(), None).text == code


def test_a_fence_that_never_ends_keeps_the_rest():
    page = "Text.\n```\n{{< a >}}\nmore"
    assert read_markdown(page.encode(), None).text == page


def test_underlined_headings_become_those_with_a_sign():
    page = "Fox\n===\nText\n\nDen\n---\n\n- item\n---\n\n| a |\n---\n"
    assert read_markdown(page.encode(), None).text == "# Fox\nText\n\n## Den\n\n- item\n---\n\n| a |\n---"


def test_the_first_heading_is_the_title_where_no_front_matter_names_one():
    assert read_markdown(b"Text\n\n## The den ##\n# Later\n", None).title == "The den"


@pytest.mark.parametrize(("tag", "code"), [("en", "en"), ("de-AT", "de"), ("pt_BR", "pt"), ("english", ""), ("", "")])
def test_a_language_tag_gives_two_letters(tag, code):
    assert language_code(tag) == code
