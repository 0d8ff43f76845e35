from __future__ import annotations

import pytest

from kinj.errors import UserError
from kinj.manifest import sha256_file
from kinj.writing.prompts import SHIPPED, Prompts, copy_prompts


def test_what_ships_has_ten_styles():
    assert len(Prompts().styles) == 10


def test_a_copied_and_changed_prompt_is_used_and_hashed(tmp_path):
    copy_prompts(tmp_path / "mine")
    (tmp_path / "mine" / "specific.txt").write_text("{{ title }}!")
    prompts = Prompts(tmp_path / "mine")
    assert prompts.render("specific", title="T", questions=[]) == "T!"
    assert prompts.hashes_for("specific", "direct 1 2") == {"specific": sha256_file(tmp_path / "mine" / "specific.txt")}
    assert {p.name for p in (tmp_path / "mine").iterdir()} == {p.name for p in SHIPPED.iterdir()}


def test_styles_of_a_person_replace_all(tmp_path):
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "verse.txt").write_text("in verse.\n")
    prompts = Prompts(tmp_path)
    assert prompts.styles == ["verse"]
    assert prompts.style("verse") == "in verse."


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("specfic.txt", "x", "no prompt of that name .* did you mean specific.txt"),
        ("specific.txt", "{{ titel }}", "'titel' is undefined; it may use questions, title"),
        ("specific.txt", "{% if %}", "specific.txt: "),
        ("specific.txt", "{{ title.__class__.__mro__ }}", "specific.txt: "),
    ],
)
def test_a_file_that_is_no_prompt_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        Prompts(tmp_path).render("specific", title="T", questions=[])


def test_what_stands_in_a_chunk_is_never_a_template():
    assert "{{ 1 + 1 }}" in Prompts().render("specific", title="{{ 1 + 1 }}", questions=["{% x %}"])


def test_a_folder_that_is_there_is_not_overwritten(tmp_path):
    with pytest.raises(UserError, match="is there already"):
        copy_prompts(tmp_path)
    with pytest.raises(UserError, match="`kinj write prompts"):
        Prompts(tmp_path / "none")
