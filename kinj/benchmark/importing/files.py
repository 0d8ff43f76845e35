"""The rows of a file or a data set's folder of questions."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kinj.benchmark.place import FORM_FILES
from kinj.corpus.readers.reading import UnreadableError, check_encoding, decode, is_wide
from kinj.corpus.sources.rows import CELLS, Row, read_rows
from kinj.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".parquet", ".arrow")
#: A CSV file's delimiters; on machines set to a language with a decimal comma, spreadsheets write semicolons.
_DELIMITERS = (",", ";", "\t")
#: keys under which a file of one JSON object keeps its rows
_LISTS = ("data", "questions", "rows", "examples")
#: JSON can spell a surrogate without its other half as an escape, UTF-8 cannot
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
IsHeader = Callable[[Sequence[str]], bool]
_SPLITS = re.compile(r"(?<![a-z])(train|test|validation|valid|val|dev)(?![a-z])")


def open_rows(path: Path, is_header: IsHeader, *, split: str | None = None, encoding: str | None = None) -> list[Row]:
    """The rows of a file, or of a data set's folder; a row that cannot be read has its reason.

    The rows of a CSV file without a header line hold a list of cells under `CELLS`.

    Args:
        path: a file (`SUFFIXES`), a folder that `datasets` saved, or one with such files.
        is_header: whether the cells of a CSV file's first line are a header line.
        split: which of a folder's splits is read, where it has several.
        encoding: of files that are not UTF-8.

    Raises:
        UserError: no such path, one whose name is not UTF-8, nothing to read there, another encoding's name, several
            splits and none named, or one named where there are none.
        MissingExtraError: Parquet or Arrow without pyarrow.
    """
    check_encoding(encoding)
    files = _files(path, split)
    rows: list[Row] = []
    for file in files:
        if HALF_CHARACTER.search(str(file)):  # what Python makes of a byte of such a name
            raise UserError(f"{str(file)!r}: its name is not in UTF-8, and every row is to be named by it: rename it")
        rows += _rows_of(file, is_header, encoding)
    if not rows:
        raise UserError(f"{path}: holds no row")
    return rows


def _files(path: Path, split: str | None) -> list[Path]:
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: no form of rows that is known: {', '.join(SUFFIXES)}, or a data set's folder")
        _refuse_split(path, split)
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or folder")
    if (path / FORM_FILES["direct"]).is_file():
        _refuse_split(path, split)
        return [path / FORM_FILES["direct"]]
    splits = _saved_splits(path) or _named_splits(path)
    if not splits:
        raise UserError(f"{path}: no rows in it: a data set's folder holds {', '.join(SUFFIXES)}")
    if split is None and len(splits) > 1:
        usual = "test" if "test" in splits else next(iter(splits))
        raise UserError(f"{path}: holds the splits {', '.join(splits)}: which? --from {usual}")
    if split is not None and split not in splits:
        raise UserError(f"{path}: no split {split!r}; it holds {', '.join(splits)}")
    return splits[split] if split is not None else next(iter(splits.values()))


def _refuse_split(path: Path, split: str | None) -> None:
    if split is not None:
        raise UserError(f"--from {split}: {path} is one list of questions without splits of its own; leave it out")


def _saved_splits(folder: Path) -> dict[str, list[Path]]:
    """The files of each split of what `datasets` saved (`save_to_disk`); none where it is another folder."""
    if (folder / "dataset_dict.json").is_file():
        names = _said(folder / "dataset_dict.json", lambda said: [str(name) for name in said["splits"]])
        return {name: files for name in names for files in _saved_splits(folder / name).values()}
    if not (folder / "state.json").is_file():
        return {}
    names = _said(folder / "state.json", lambda said: [entry["filename"] for entry in said["_data_files"]])
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"{folder / 'state.json'} names {name}, which is not there: copy or save the data set anew")
    return {folder.name: [folder / name for name in names]}


def _said(path: Path, names: Callable[[Any], list[str]]) -> list[str]:  # Any: JSON values
    """The names in a file of `datasets`' own."""
    try:
        return names(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not as `datasets` saves it ({error!r}): copy or save the data set anew") from error


def _named_splits(folder: Path) -> dict[str, list[Path]]:
    """The files with rows below a folder by the split that their path names, as in a copy of a hub's data set."""
    splits: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() in SUFFIXES and not file.name.startswith((".", "dataset_info")):
            said = _SPLITS.findall(file.relative_to(folder).as_posix().lower())
            splits.setdefault(said[-1] if said else "all", []).append(file)
    return splits


def _rows_of(path: Path, is_header: IsHeader, encoding: str | None) -> Iterable[Row]:
    if path.suffix.lower() in (".csv", ".tsv"):
        first, delimiter = _first_line(path, encoding)
        has_header = is_header(first)
        if has_header and (twice := [name for name, count in Counter(first).items() if name and count > 1]):
            raise UserError(
                f"{path}: the header line names {twice[0]!r} more than once: give each column a name of its own"
            )
        return read_rows(path, encoding, delimiter=delimiter, columns=None if has_header else ())
    if path.suffix.lower() == ".json" and (rows := _listed(path, encoding)) is not None:
        return rows
    return read_rows(path, encoding)


def is_headerless(row: Row) -> bool:
    """Whether the row is of a CSV file without a header line."""
    return row.is_csv and row.values is not None and set(row.values) == {CELLS}


def _first_line(path: Path, encoding: str | None) -> tuple[list[str], str]:
    """A CSV file's first row, and the delimiter that cuts it into most cells; of a .tsv the tab where there is one."""
    with path.open("rb") as lines:
        # Whole lines, since a cell may be longer.
        beginning = lines.read() if is_wide(encoding) else b"".join(lines.readlines(1 << 16))
    csv.field_size_limit(sys.maxsize)
    try:
        text = decode(beginning, encoding)
    except UnreadableError as error:
        raise UserError(f"{path}: {error}") from error
    rows = {delimiter: next(csv.reader(io.StringIO(text), delimiter=delimiter), []) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda each: len(rows[each]))
    if path.suffix.lower() == ".tsv" and len(rows["\t"]) > 1:
        delimiter = "\t"
    return rows[delimiter], delimiter


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(path: Path, encoding: str | None) -> Iterator[Row] | None:
    """The objects of a file that is one JSON list, or an object that holds one; None where it has a row a line."""
    try:
        text = decode(path.read_bytes(), encoding)
    except UnreadableError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if _is_json(text.strip().partition("\n")[0]):
            return None
        raise UserError(f"{path}: not JSON ({error})") from error
    if isinstance(value, dict):
        value = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
    if not isinstance(value, list):
        return None
    return (
        Row(f"{path}[{n}]", n, entry if isinstance(entry, dict) else None, "not a JSON object")
        for n, entry in enumerate(value)
    )
