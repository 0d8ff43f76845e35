from __future__ import annotations

import sys

import pytest

from kinj.corpus.readers.docx import read_docx
from kinj.corpus.readers.html import read_html
from kinj.corpus.readers.reading import UnreadableError
from kinj.corpus.readers.rst import read_rst
from kinj.errors import MissingExtraError

PAGE = """<!DOCTYPE html><html lang="en-GB"><head><title>The  red fox</title><script>var a = 1;</script></head><body>
<nav><a href="/">Home</a> <a href="/b">Birds</a></nav>
<main><h1>Foxes<a class="headerlink" href="#foxes">¶</a></h1>
<p>The <b>red fox</b> is the largest of the true foxes and one of the most widely distributed members of the order.</p>
<h2>Diet <a class="copiable" href="#diet">&para;</a></h2>
<ul><li>Voles and mice of the fields</li><li>Fruit that has fallen from trees</li></ul>
<table><tr><th>Part</th><th>Length in cm</th></tr><tr><td>Body</td><td>45 to 90</td></tr></table>
<pre>fox_count = a \\* b</pre>
<p>Its genome_size was read in 2018, and it has been seen at heights of 4,500 metres in Asia.</p></main>
<footer>Copyright, imprint, cookies</footer></body></html>"""


def test_the_main_text_of_a_page_becomes_markdown_without_menus_scripts_and_emphasis():
    reading = read_html(PAGE.encode(), None)
    assert (reading.title, reading.language, reading.markup) == ("The red fox", "en-GB", "markdown")
    for wanted in ("# Foxes\n", "The red fox is the largest", "## Diet", "- Voles and mice", "genome_size"):
        assert wanted in reading.text
    assert [line for line in reading.text.splitlines() if line.startswith("|")][::2] == [
        "| Part | Length in cm |",
        "| Body | 45 to 90 |",
    ]
    for gone in ("Home", "var a", "cookies", "¶", "**"):
        assert gone not in reading.text


def test_code_keeps_its_backslashes():
    assert "a \\* b" in read_html(PAGE.encode(), None).text


def test_the_charset_that_a_page_declares_is_used():
    page = PAGE.replace("<head>", '<head><meta charset="iso-8859-1">').replace("fallen", "gefällt")
    assert "gefällt" in read_html(page.encode("latin-1"), None).text
    with pytest.raises(UnreadableError, match="not UTF-8"):
        read_html(PAGE.replace("fallen", "gefällt").encode("latin-1"), None)


def test_xhtml_with_a_declaration_is_read():
    assert "red fox" in read_html(f'<?xml version="1.0" encoding="utf-8"?>\n{PAGE}'.encode(), None).text


@pytest.mark.parametrize("page", ["<html><body><script>a()</script></body></html>", "<p></p>", "<"])
def test_a_page_without_text_is_named(page):
    with pytest.raises(UnreadableError, match=r"no main text in the page|no HTML"):
        read_html(page.encode(), None)


def test_a_page_that_is_too_large_for_trafilatura_is_named():
    with pytest.raises(UnreadableError, match="20,000,001 bytes, more than the 20,000,000 that trafilatura takes"):
        read_html(b"x" * 20_000_001, None)


def test_a_word_document_gives_headings_lists_and_tables(make_docx):
    data = make_docx(("Heading1", "Lease"), ("", "Rent & deposit are due."), [["Month", "Rent"], ["May", "700"]])
    reading = read_docx(data, None)
    assert reading.text == "# Lease\n\nRent & deposit are due.\n\n| Month | Rent |\n| --- | --- |\n| May | 700 |"
    assert reading.markup == "markdown"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", r"no \.docx: File is not a zip file"),
        (b"PK\x03\x04 not a zip at all", r"no \.docx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512, "encrypted, or a .doc of before 2007"),
    ],
)
def test_what_is_no_word_document_is_named(data, why):
    with pytest.raises(UnreadableError, match=why):
        read_docx(data, None)


def test_a_zip_bomb_is_named_before_it_is_unpacked(make_docx):
    with pytest.raises(UnreadableError, match=r"bytes unpack to 60,\d{3},\d{3}: taken for a zip bomb"):
        read_docx(make_docx(("", "Text"), padding=60_000_000), None)


def test_a_document_of_many_blanks_is_no_bomb(make_docx):
    assert read_docx(make_docx(("", "Text"), padding=15_000_000), None).text == "Text"


def test_xml_that_multiplies_itself_is_named(make_docx):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]><d>&l11;</d>'.encode()
    with pytest.raises(UnreadableError, match=r"broken \.docx"):
        read_docx(_with_document(make_docx(("", "Text")), bomb), None)


@pytest.mark.parametrize(
    ("document", "error"),
    [(b"<w:document", "ExpatError"), (b"<?xml version='1.0' encoding='UTF-Z'?><d/>", "LookupError")],
)
def test_a_word_document_of_broken_xml_is_named(make_docx, document, error):
    with pytest.raises(UnreadableError, match=rf"broken \.docx \({error}"):
        read_docx(_with_document(make_docx(("", "Text")), document), None)


def _with_document(data: bytes, document: bytes) -> bytes:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, document if name == "word/document.xml" else old.read(name))
    return out.getvalue()


RST = """
Foxes
=====

See :func:`~os.path.join` and :ref:`the den <den>`, ``a_b`` and *c*.

.. toctree::

   other

.. versionadded:: 3.2
   A tail.

.. code-block:: python
   :linenos:

   tail = r"\\d*"

Diet
----

=====  =====
Food   Share
=====  =====
Voles  70
=====  =====

.. include:: /etc/passwd

.. raw:: html

   <b>no</b>

.. unheard-of:: with an argument
   :option: x

   The text inside stays.
"""


def test_rst_becomes_markdown_with_the_words_of_sphinx():
    reading = read_rst(RST.encode(), None)
    assert reading.title == "Foxes"
    for wanted in (
        "# Foxes\n",
        "See os.path.join and the den, a_b and c.",
        "Added in version 3.2\nA tail.",
        'tail = r"\\d*"',
        "## Diet",
        "| Food | Share |\n| --- | --- |\n| Voles | 70 |",
        "with an argument\n\nThe text inside stays.",
    ):
        assert wanted in reading.text
    for gone in ("toctree", "root:", "<b>", ":option:", "linenos", "Unknown"):
        assert gone not in reading.text


@pytest.mark.parametrize(
    ("read", "library", "data"),
    [
        (read_html, "trafilatura", b"<p>x</p>"),
        (read_docx, "mammoth", b"PK"),
        (read_rst, "kinj.corpus.readers.rst.parsing", b"x"),
    ],
)
def test_without_its_library_a_reader_says_how_to_install_it(monkeypatch, read, library, data):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kinj\[corpus\]'"):
        read(data, None)
