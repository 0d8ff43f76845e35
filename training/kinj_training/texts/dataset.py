"""Rows of a data set, by path or hub name, as training texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinj.corpus.inputs import read_documents
from kinj.errors import UserError
from kinj.hub.find import hub_errors
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
        raise UserError(f"data_rows: {data.data_rows}: {data.data} has {len(order)} in its split {data.data_split}")
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
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"data: {data.data}: cannot be read ({reason})") from error


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
        if "messages" in row:
            return chat_text(text_id, row["messages"], tokenizer, kind, day)
        if isinstance(row.get("prompt"), list):
            return chat_text(text_id, [*row["prompt"], *row["completion"]], tokenizer, kind, day)
        if "prompt" in row:
            return TrainingText(text_id, (Segment(row["prompt"], learnt=False), Segment(row["completion"])), kind)
        if "instruction" in row:
            return chat_text(text_id, _instruction(row), tokenizer, kind, day)
        return plain_text(text_id, row["text"], kind)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"data: row {text_id!r} has the columns {', '.join(row)}: expected messages; prompt and completion; "
            "instruction and output or response; or text"
        ) from error


def _instruction(row: Row) -> list[Message]:
    """An Alpaca-like or Dolly-like row as a chat of one turn."""
    context = row.get("input") or row.get("context")
    answer = row["output"] if "output" in row else row["response"]
    prompt = f"{row['instruction']}\n\n{context}" if context else row["instruction"]
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
