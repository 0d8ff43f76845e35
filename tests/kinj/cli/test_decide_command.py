"""`kinj decide` as it is typed: what is refused before anything begins."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kinj.cli.app import build_app
from kinj.errors import UserError


@pytest.mark.parametrize(("name", "why"), [("asked", "is a folder: name the file in it"), ("gone.csv", "no such file")])
def test_questions_that_are_no_file_are_refused_before_documents_are_read(tmp_path, name, why):
    (tmp_path / "asked").mkdir()
    words = ["decide", str(tmp_path), "--model", "m", "--questions", str(tmp_path / name)]
    with pytest.raises(UserError, match=why):
        CliRunner().invoke(build_app(), [*words, "--output_dir", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out").exists()
