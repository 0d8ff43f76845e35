"""`kinj` as it is typed, in this process."""

import sys

import pytest

from kinj.cli import main


@pytest.fixture
def kinj(monkeypatch, capsys, tmp_path):
    """Runs `kinj ARGS` in a folder of its own; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("KINJ_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kinj", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, errors = capsys.readouterr()
        return int(ended.value.code or 0), out, errors

    return run
