"""Rows of a data set, by path or hub name, as training texts."""

from __future__ import annotations

import codecs
import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinj.corpus.inputs import read_documents
from kinj.errors import UserError
from kinj.hub.find import hub_errors
from kinj.jsonl import read_objects
from kinj_training.recipe.settings import DataSettings
from kinj_training.texts.chat import Message, chat_text
from kinj_training.texts.texts import Segment, TrainingText, plain_text
from kinj_training.texts.tokens import Tokenizer

_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}

Row = Mapping[str, Any]  # Any: a data set's own columns


def row_texts(data: DataSettings, tokenizer: Tokenizer, kind: str, seed: int) -> Iterator[TrainingText]:
    """Yields the data set's rows as training texts, in an order drawn from the seed, at most `data_rows` of them.

    Raises:
        UserError: no such data set, or its columns are none of the known forms.
    """
    rows = _load(data)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)  # noqa: S311  # an experiment's seed, no secret
    if data.data_rows is not None and data.data_rows > len(order):
        raise UserError(
            f"data_rows: {data.data_rows}: {data.data} has {len(order)} in its split {data.data_split}: ask for that "
            "many, or for all by data_rows: null"
        )
    for number in order[: data.data_rows]:
        row = rows[number]
        name = row.get("id")
        text_id = name if isinstance(name, str) and name else f"{data.data}:{number}"
        yield _text(row, text_id, tokenizer, kind, data.chat_date)


def _load(data: DataSettings) -> Any:  # Any: datasets ships no types
    """The data set's rows; a file is read by the builder that its suffix names."""
    import datasets

    name = str(data.data)
    path = Path(name).expanduser()
    files: dict[str, Any] = {}
    if path.is_file():
        if path.suffix not in _BUILDERS:
            raise UserError(f"data: {path}: expected {', '.join(_BUILDERS)}, a folder of such files, or a hub name")
        if not path.stat().st_size:
            raise UserError(f"data: {path}: is empty; one row a line is expected")
        _refuse_lines_without_object(path)
        files = {"data_files": str(path)}
        name = _BUILDERS[path.suffix]
    elif path.is_dir():
        if any(file.suffix == ".txt" for file in path.rglob("*")):
            return _documents(path, data)
        name = str(path)
    elif path.suffix in _BUILDERS:
        raise UserError(f"data: {path}: no such file; give its path as seen from {Path.cwd()}")
    try:
        return datasets.load_dataset(name, data.data_config, split=data.data_split, **files)
    except (*hub_errors(), ValueError, datasets.exceptions.DatasetGenerationError) as error:
        _refuse_bad_line(path)
        cause = error.__cause__ if isinstance(error, datasets.exceptions.DatasetGenerationError) else None
        reason = " ".join(str(cause or error).split())[:300]
        raise UserError(f"data: {data.data}: cannot be read ({reason})") from error


def _refuse_lines_without_object(path: Path) -> None:
    """Refuses a line of a .jsonl file that begins no object: a null in the first one ends Python, as pyarrow crashes.

    Raises:
        UserError: names the line.
    """
    if path.suffix != ".jsonl":
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            content = line.removeprefix(codecs.BOM_UTF8).strip()
            if content and not content.startswith(b"{"):
                raise UserError(f"data: {path}:{number}: expected a JSON object, one row a line")


def _refuse_bad_line(path: Path) -> None:
    """Names the first line that cannot be read, of a .jsonl file or of those in a folder; returns where all can.

    Raises:
        UserError: `file:line: why`.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.jsonl")) if path.is_dir() else []
    for file in (file for file in files if file.suffix == ".jsonl"):
        try:
            for place, row in read_objects(file):
                if half := re.search("[\ud800-\udfff]", json.dumps(row, ensure_ascii=False)):
                    raise UserError(f"{place}: holds half a character ({half[0]!a}): write the whole one")
        except UserError as error:
            raise UserError(f"data: {error}") from error


def _documents(folder: Path, data: DataSettings) -> list[Row]:
    """The texts of a folder of .txt files, one a file: a row a line, as `datasets` reads them, tears texts apart."""
    others = sorted({file.suffix for file in folder.rglob("*") if file.suffix in _BUILDERS})
    if others:
        raise UserError(f"data: {folder} holds .txt and {', '.join(others)} files: name a folder of one kind")
    for key in ("data_config", "data_split"):
        if getattr(data, key) != getattr(DataSettings, key):
            raise UserError(f"{key}: {getattr(data, key)}: a folder of texts has none: remove it")
    return [{"id": document.id, "text": document.text} for document in read_documents([folder])]


def _text(row: Row, text_id: str, tokenizer: Tokenizer, kind: str, day: str | None) -> TrainingText:
    """The row as a text: a chat, a prompt and its completion, an instruction and its answer, or a text."""
    try:
        turns = _turns(row)
    except (KeyError, TypeError) as error:
        columns = ", ".join(f"{column}{' (null)' if value is None else ''}" for column, value in row.items())
        raise UserError(
            f"data: row {text_id!r} has the columns {columns}: expected messages, each with role and content; prompt "
            "and completion; instruction and output or response; or text"
        ) from error
    if turns is not None:
        return chat_text(text_id, turns, tokenizer, kind, day)
    if "prompt" in row:
        prompt, answer = _words(text_id, row, "prompt"), _words(text_id, row, "completion", may_be_null=True)
        return TrainingText(text_id, (Segment(prompt, learnt=False), Segment(answer)), kind)
    return plain_text(text_id, _words(text_id, row, "text", may_be_null=True), kind)


def _turns(row: Row) -> list[Message] | None:
    """The row's chat; None where it has a prompt and its completion, or a text.

    Raises:
        KeyError: it has none of these.
        TypeError: its chat is no list of turns.
    """
    if "messages" in row:
        turns = list(row["messages"])
    elif isinstance(row.get("prompt"), list):
        turns = [*row["prompt"], *row["completion"]]
    elif "instruction" in row and "prompt" not in row:
        turns = _instruction(row)
    elif (column := "completion" if "prompt" in row else "text") in row:
        return None
    else:
        raise KeyError(column)
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _words(text_id: str, row: Row, column: str, *, may_be_null: bool = False) -> str:
    """The text in a column; a null answer is an empty one, of which nothing can be learnt.

    Raises:
        UserError: something else stands there.
    """
    value = row[column]
    if value is None and may_be_null:
        return ""
    if not isinstance(value, str):
        raise UserError(f"data: row {text_id!r}: {column} is {type(value).__name__}, expected a text: mend the row")
    return value


def _instruction(row: Row) -> list[Message]:
    """An Alpaca-like or Dolly-like row as a chat of one turn."""
    context = row.get("input") or row.get("context")
    answer = row["output"] if "output" in row else row["response"]
    prompt = f"{row['instruction']}\n\n{context}" if context else row["instruction"]
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
