"""Documents into chunks: exact slices of at most so many tokens, cut at sentences."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from semantic_text_splitter import TextSplitter
from tokenizers import Tokenizer

from kinj.corpus.hub import hub_errors
from kinj.demo_model import DEMO
from kinj.errors import UserError
from kinj.records import Chunk, Document

log = logging.getLogger(__name__)

#: The size of the paper's chunks.
CHUNK_TOKENS = 256


class Cutter:
    """Cuts documents by one tokenizer and size; making one costs more than using it."""

    def __init__(self, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> None:
        if tokens < 1:
            raise UserError(f"--chunk-tokens {tokens}: a chunk holds at least one token")
        self._splitter = TextSplitter.from_huggingface_tokenizer(tokenizer or load_tokenizer(), tokens)

    def cut(self, document: Document) -> list[Chunk]:
        """The document's chunks in order; what lies between them is white space only.

        A chunk has as many tokens as fit (special tokens not counted) and ends at the best boundary that it can: blank
        lines before line ends, sentences before words. It holds more than that only where one character does.
        """
        slices = [(start, text) for start, text in self._splitter.chunk_indices(document.text) if text.strip()]
        return [
            Chunk(
                id=f"{document.id}#{number:03d}",
                document_id=document.id,
                text=text,
                start=start,
                end=start + len(text),
                title=document.title,
                date=document.date,
                subject=document.subject,
                source=document.source,
            )
            for number, (start, text) in enumerate(slices, 1)
        ]


def cut(document: Document, tokens: int = CHUNK_TOKENS, tokenizer: Tokenizer | None = None) -> list[Chunk]:
    """The chunks of one document; see `Cutter`, which serves many."""
    return Cutter(tokens, tokenizer).cut(document)


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
        local = DEMO.folder / "tokenizer.json"
        return local if local.is_file() else _from_hub(DEMO.hub_name, default=True)
    given = Path(name).expanduser()
    if given.is_dir():
        given /= "tokenizer.json"
        if not given.is_file():
            raise UserError(f"--tokenizer {name}: the folder holds no tokenizer.json")
    return given if given.is_file() else _from_hub(name, default=False)


def _from_hub(name: str, *, default: bool) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if isinstance(cached := try_to_load_from_cache(name, "tokenizer.json"), str):
            return Path(cached)
        return Path(hf_hub_download(name, "tokenizer.json"))
    except HFValidationError as error:
        raise UserError(f"--tokenizer {name}: neither a file, nor a folder, nor a model name (owner/name)") from error
    except hub_errors() as error:
        ways = "connect to huggingface.co, or give --tokenizer a model's folder or tokenizer.json"
        if default:
            ways += ", or type `kinj demo-model`, which brings the default one"
        raise UserError(f"the tokenizer of {name} is not here and the hub gave none: {ways}") from error
