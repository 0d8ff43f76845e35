"""The tokenizer that counts a chunk's tokens: a hub model's, a folder's or a file, as one `tokenizers.Tokenizer`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from tokenizers import Tokenizer

from kinj.errors import UserError
from kinj.hub.find import find_model, hub_errors
from kinj.hub.packaged import DEMO

log = logging.getLogger(__name__)

_FILE = "tokenizer.json"


def load_tokenizer(name: str | None = None) -> Tokenizer:
    """The tokenizer of that hub model, folder or `tokenizer.json`; by default the demo model's, which needs no hub.

    Raises:
        UserError: there is none, or the hub cannot be reached; names the ways out.
    """
    path = _tokenizer_file(name)
    text = path.read_text(encoding="utf-8", errors="replace")
    if not _is_tokenizer(text):
        raise UserError(f"--tokenizer {name or path}: {path} is not the tokenizer.json of a Hugging Face tokenizer")
    tokenizer = Tokenizer.from_str(text)
    # Some files ask for truncation or padding, with which every long text would count the same.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    log.info("cutting by the tokenizer %s", path if name is None else name)
    return tokenizer


def _is_tokenizer(text: str) -> bool:
    """Looked at beforehand, since the tokenizers library raises a bare `Exception` for what it cannot read."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(value, dict) and {"version", "model", "added_tokens"} <= value.keys()


def _tokenizer_file(name: str | None) -> Path:
    if name is None:
        return _of_model(DEMO.hub_name, ", or type `kinj demo-model`, which brings the default one")
    given = Path(name).expanduser()
    return given if given.is_file() else _of_model(name)


def _of_model(name: str, another_way: str = "") -> Path:
    """The tokenizer.json of a folder or of a model on the hub; `another_way` ends the message where there is none."""
    from huggingface_hub.errors import HFValidationError

    try:
        path = find_model(name, [_FILE]).folder / _FILE
    except HFValidationError as error:
        raise UserError(f"--tokenizer {name}: neither a file, nor a folder, nor a model name (owner/name)") from error
    except hub_errors() as error:
        raise UserError(
            f"the tokenizer of {name} is not here and the hub gave none: connect to huggingface.co, or give "
            f"--tokenizer a model's folder or tokenizer.json{another_way}"
        ) from error
    if not path.is_file():
        raise UserError(f"--tokenizer {name}: the folder holds no tokenizer.json")
    return path
