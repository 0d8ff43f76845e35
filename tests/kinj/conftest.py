from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

import pytest

#: A piece of text on a page: points from the left, points from the bottom, the text, its size.
Piece = tuple[float, float, str, int]


def _objects(pages: Sequence[Sequence[Piece]], pictures: frozenset[int]) -> list[bytes]:
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    image = (
        b"<</Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray/Length 1>>\n"
        b"stream\n\x80\nendstream"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        image,
    ]
    for number, pieces in enumerate(pages):
        shown = ["BT"]
        for left, bottom, text, size in pieces:
            spelled = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            shown.append(f"/F1 {size} Tf 1 0 0 1 {left} {bottom} Tm ({spelled}) Tj")
        shown.append("ET")
        if number in pictures:
            shown.append("q 400 0 0 500 50 150 cm /I1 Do Q")
        stream = "\n".join(shown).encode("cp1252")
        resources = "/Resources<</Font<</F1 3 0 R>>/XObject<</I1 4 0 R>>>>"
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{resources}/Contents {6 + 2 * number} 0 R>>"
        objects += [page.encode(), b"<</Length %d>>\nstream\n%b\nendstream" % (len(stream), stream)]
    return objects


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    """Makes a PDF of pages of pieces in Helvetica; `pictures` are the numbers of pages, from 0, with an image."""

    def make(pages: Sequence[Sequence[Piece]], pictures: Sequence[int] = (), title: str = "") -> bytes:
        out, places = io.BytesIO(), []
        out.write(b"%PDF-1.4\n")
        spelled = title.encode("utf-16-be", "surrogatepass").hex()
        objects = [*_objects(pages, frozenset(pictures)), f"<</Title<feff{spelled}>>>".encode()]
        for number, body in enumerate(objects, 1):
            places.append(out.tell())
            out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        start = out.tell()
        out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
        out.writelines(b"%010d 00000 n \n" % place for place in places)
        out.write(b"trailer<</Size %d/Root 1 0 R/Info %d 0 R>>\n" % (len(objects) + 1, len(objects)))
        out.write(b"startxref\n%d\n%%%%EOF" % start)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def make_docx() -> Callable[..., bytes]:
    """Makes a .docx of paragraphs: (style, text), a heading by the style `Heading1`, a table by a list of rows."""
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )

    def paragraph(style: str, text: str) -> str:
        properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{properties}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"

    def table(rows: list[list[str]]) -> str:
        cells = ["".join(f"<w:tc>{paragraph('', cell)}</w:tc>" for cell in row) for row in rows]
        return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"

    def make(*blocks: tuple[str, str] | list[list[str]], padding: int = 0) -> bytes:
        body = "".join(table(block) if isinstance(block, list) else paragraph(*block) for block in blocks)
        document = f'<w:document xmlns:w="{main}"><w:body>{body}</w:body></w:document>'
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("[Content_Types].xml", types)
            archive.writestr("_rels/.rels", relations)
            archive.writestr("word/document.xml", document)
            archive.writestr("word/media/picture.bin", b"\0" * padding)
        return out.getvalue()

    return make
