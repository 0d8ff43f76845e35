from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinj.corpus.readers import formats
from kinj.corpus.readers.reading import Reading
from kinj.corpus.sources import FileSource, Unread
from kinj.errors import UserError
from kinj.records import Document


@pytest.fixture
def folder(tmp_path: Path, make_pdf, make_docx) -> Path:
    """A folder with a file of each kind."""
    texts = tmp_path / "in"
    (texts / "sub").mkdir(parents=True)
    (texts / "a.txt").write_text("A red fox.")
    (texts / "b.md").write_text("# Den\n\nText.")
    (texts / "sub/c.pdf").write_bytes(make_pdf([[(72, 700, "A vole.", 11)], [(72, 700, "It ends.", 11)]]))
    (texts / "d.docx").write_bytes(make_docx(("Heading1", "Lease"), ("", "Rent.")))
    (texts / "e.rst").write_text("Owl\n===\n\nIt flies.")
    (texts / "f.html").write_text(f"<html lang=de><title>Eule</title><p>{'Die Eule fliegt in der Nacht. ' * 9}</p>")
    (texts / "g.jsonl").write_text('{"id": "row", "text": "A row."}\n')
    (texts / "picture.png").write_bytes(b"\x89PNG")
    return texts


def contents(*paths: Path, **options: object) -> dict[str, Document | str]:
    """What each key gave: a document, or why it was not read."""
    items = FileSource(paths, **options).items(lambda _: None)
    return {item.key: one.reason if isinstance(one := item.content, Unread) else one for item in items}


def test_a_folder_gives_a_document_a_file_whatever_its_kind(folder):
    found = contents(folder)
    ids = [one.id for one in found.values()]
    assert ids == ["a", "b", "d", "e", "f", "row", "sub/c"]
    markups = [one.markup for one in found.values()]
    assert markups == ["", *["markdown"] * 4, "", ""]
    assert [one.title for one in found.values()] == ["a", "Den", "d", "Owl", "Eule", "", "c"]
    assert found[str(folder / "f.html")].language == "de"
    assert found[str(folder / "sub/c.pdf")].pages == (0, 9)
    assert found[str(folder / "a.txt")].source == str(folder / "a.txt")


def test_files_of_other_kinds_are_counted(folder):
    (folder / "sub/x.PNG").touch()
    (folder / "Makefile").touch()
    assert FileSource((folder,)).passed_over() == {".png": 2, "(no suffix)": 1}


def test_what_is_known_is_not_read_again_and_a_change_is_seen(folder, monkeypatch):
    known = {item.key: item.version for item in FileSource((folder,)).items(lambda _: None)}
    (folder / "b.md").write_text("# Den\n\nOther.")
    os.utime(folder / "a.txt", (1, 1))
    read = [item.key for item in FileSource((folder,)).items(known.get) if item.content is not None]
    assert read == [str(folder / "b.md")]


def test_another_encoding_reads_everything_again(folder):
    known = {item.key: item.version for item in FileSource((folder,)).items(lambda _: None)}
    assert all(item.content is not None for item in FileSource((folder,), "cp1252").items(known.get))


def test_a_file_that_gets_a_twin_is_read_again_under_its_new_id(folder):
    known = {item.key: item.version for item in FileSource((folder,)).items(lambda _: None)}
    (folder / "a.md").write_text("Twin.")
    read = [item.content.id for item in FileSource((folder,)).items(known.get) if item.content is not None]
    assert read == ["a.md", "a.txt"]


def test_what_cannot_be_read_is_named_and_nothing_else_is_lost(folder):
    (folder / "empty.txt").touch()
    (folder / "blank.md").write_text("---\ntitle: x\n---\n \n***\n")
    (folder / "binary.txt").write_bytes(b"\x7fELF\x00")
    (folder / "loop").symlink_to(folder)
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.txt")
    found = contents(folder)
    reasons = {Path(key).name: one for key, one in found.items() if isinstance(one, str)}
    assert reasons == {
        "empty.txt": "empty: no letter and no digit in it",
        "blank.md": "empty: no letter and no digit in it",
        "binary.txt": "binary: it holds the character NUL, which no text has",
        "loop": "a link to a folder, which is not followed: name the folder itself",
        "gone.txt": "a link to nothing",
        "pipe.txt": "no regular file: a pipe, a socket or a device",
    }
    assert sum(isinstance(one, Document) for one in found.values()) == 7


def test_a_file_that_may_not_be_read_is_named(folder, monkeypatch):
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:  # as the system does to all but root
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert contents(folder)[str(folder / "a.txt")] == "Permission denied"


def test_a_text_of_half_a_character_is_named(folder, monkeypatch):
    form = formats.Format(lambda data, encoding: Reading("half \ud83d"))
    monkeypatch.setitem(formats.FORMATS, ".txt", form)
    assert contents(folder)[str(folder / "a.txt")] == "half a character (U+D83D) in its text"


def test_names_of_any_characters_are_read(tmp_path):
    names = [b"caf\xe9.txt", "naïve 日本.txt".encode(), b"two\nlines.txt", b"#1 'quoted' \".txt", b"-dash.txt"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("Text.")
    ids = {one.id for one in contents(tmp_path).values()}
    assert ids == {r"caf\xe9", "naïve 日本", "two\nlines", "#1 'quoted' \"", "-dash"}
    assert all(one.encode() for one in ids)


def test_of_a_collection_the_documents_are_read_and_not_its_chunks(tmp_path):
    (tmp_path / "documents.jsonl").write_text('{"id": "d", "text": "A fox."}\n')
    (tmp_path / "chunks.jsonl").write_text('{"id": "d#1", "document_id": "d", "text": "A", "start": 0, "end": 1}\n')
    assert [one.id for one in contents(tmp_path).values()] == ["d"]


def test_a_single_file_is_a_document(folder):
    assert [one.id for one in contents(folder / "sub/c.pdf").values()] == ["c"]


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="nothing: no such file or folder"):
        FileSource((tmp_path / "nothing",))


def test_a_collection_inside_its_own_input_is_refused(folder):
    with pytest.raises(UserError, match=r"lies inside .*in, and would be read the next time"):
        FileSource((folder,)).refuse_inside(folder / "out")
    FileSource((folder / "sub",)).refuse_inside(folder / "out")


def test_the_total_is_the_bytes_of_the_files_that_are_read(folder):
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".png")
    source = FileSource((folder,))
    assert source.total() == size == sum(item.size for item in source.items(lambda _: None))
