"""What goes wrong where a base is made: a user's mistake is one line, everything else keeps its traceback."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from kinj.checkpoint import read_training
from kinj.errors import UserError

log = logging.getLogger("lm_eval.kinj")

Arguments = dict[str, Any]  # Any: whatever the base's constructor takes

#: What Python says of arguments that a function does not take, or lacks.
_WRONG_ARGUMENT = re.compile(r"unexpected keyword argument|required (positional|keyword-only) argument|multiple values")
#: What torch and transformers say of weights that do not fit the model's configuration.
_WRONG_SHAPE = re.compile(r"size mismatch|ignore_mismatched_sizes")


@contextmanager
def plain_errors(name: str, arguments: Arguments) -> Iterator[None]:
    """Turns what libraries raise on purpose into one line.

    Raises:
        UserError: a library is not installed, an argument that there is not, weights that cannot be had or do not fit.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if not _is_not_installed(error):
            raise
        # lm-eval's own message names its extra.
        missing = error.name and f"needs {error.name}, which is not installed"
        raise UserError(f"base={name}: {missing or _in_one_line(error)}") from error
    except OSError as error:  # what transformers raises for a missing or unreachable model, and the system for a disk
        model = arguments.get("pretrained", arguments.get("model"))
        way_out = "; give a folder or a reachable name" if error.errno is None else ""
        raise UserError(f"base={name}, pretrained={model}: {_first_line(error)}{way_out}") from error
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        if (why := _mistake(error, arguments)) is None:
            raise
        raise UserError(f"base={name}: {why}") from error


def refuse_without_template(base: Any, arguments: Arguments) -> None:  # Any: lm-eval ships no types
    """Returns where the base's tokenizer has a chat template, or none is here that could.

    Raises:
        UserError: it has none; names the folder, and the model that has one where `kinj train` knows it.
    """
    tokenizer: Any = getattr(base, "tokenizer", None)
    if not hasattr(tokenizer, "chat_template") or tokenizer.chat_template is not None:
        return
    folder = str(arguments.get("tokenizer") or arguments.get("pretrained") or "the base")
    known = _base_of(Path(folder)) or "DIR, a folder whose tokenizer has one"
    raise UserError(
        f"--apply_chat_template: the tokenizer of {folder} has no chat template: take that of the model it was made "
        f"from by tokenizer={known}, or leave --apply_chat_template away"
    )


def warn_of_unread_tokens(base: Any) -> None:  # Any: as above
    """Says where the tokenizer knows more tokens than the model has rows of embeddings: no text may hold them."""
    tokenizer: Any = getattr(base, "tokenizer", None)
    model: Any = getattr(base, "model", None)
    if not hasattr(model, "get_input_embeddings") or not hasattr(tokenizer, "convert_ids_to_tokens"):
        return
    rows = len(model.get_input_embeddings().weight)
    if len(tokenizer) > rows:
        first = tokenizer.convert_ids_to_tokens(rows)
        log.warning(
            "kinj_rag: the tokenizer has %d tokens and the model %d rows of embeddings: a text that holds %r stops the "
            "run; name the tokenizer of the base by tokenizer=, or train the rows", len(tokenizer), rows, first,
        )  # fmt: skip


def _is_not_installed(error: ModuleNotFoundError) -> bool:
    """Whether a whole library is missing, not a part of one that is there and broken; lm-eval's own say no name."""
    return error.name is None or importlib.util.find_spec(error.name.partition(".")[0]) is None


def _mistake(error: Exception, arguments: Arguments) -> str | None:
    """What the user got wrong, as far as the error was raised to say so; None for every other."""
    text = f"{type(error).__name__}: {_in_one_line(error)}"
    if isinstance(error, ValueError):
        return text
    if isinstance(error, TypeError):
        return text if _WRONG_ARGUMENT.search(str(error)) else None
    if isinstance(error, AttributeError):  # dtype=flaot32 is looked up in torch
        return text if isinstance(error.obj, ModuleType) and error.name in arguments.values() else None
    if not _WRONG_SHAPE.search(str(error)):
        return None
    peft = arguments.get("peft")
    if peft is None:
        return f"pretrained={arguments.get('pretrained')}: its weights have other shapes than its config.json says"
    return (
        f"peft={peft}: its weights have other shapes than those of pretrained={arguments.get('pretrained')}, as where "
        f"a token was added in training: name the tokenizer that has it, tokenizer={peft}, or the merged folder"
    )


def _base_of(folder: Path) -> str | None:
    """The model that a finished training or an adapter was made from."""
    if (manifest := read_training(folder)) is not None:
        return str(manifest["base"]["name"])
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        return str(json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path"))
    return None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
