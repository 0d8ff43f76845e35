"""How many tokens a whole collection is to a model, and how many its window has, without its weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from kinj.errors import UserError
from kinj.hub.find import find_demo_model, hub_errors
from kinj.passages import load_template
from kinj.records import Query
from kinj_models.retrievers import Retrievers
from kinj_models.settings import Json, Settings, make_settings
from kinj_models.task_rows import Row

#: Around a question and its options: "Question:", letters, line ends, a chat's turns.
_FRAME_TOKENS = 64
#: What lm-eval's `hf` reads of a configuration, in its order; and takes where none is there.
_WINDOW_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
_DEFAULT_WINDOW = 2048
#: Of lm-eval's models, the arguments that set a window.
_WINDOW_ARGUMENTS = ("max_length", "max_model_len")


def measure_fit(asked: Json, task: str, rows: list[Row]) -> Json:
    """`tokens` of the collection with the longest of these questions, at least as many as will be sent; and `window`.

    Args:
        asked: `model_args` of a cell that reads all, `system_prompt`, and `shots`, each of which may be as long as the
            longest question.
        task: of the rows.
        rows: the questions.

    Raises:
        UserError: the model, its tokenizer or the collection is not there.
    """
    arguments = dict(asked["model_args"])
    settings = make_settings({name: arguments.pop(name) for name in Settings.names() if name in arguments})
    tokenizer, window = _tokenizer_and_window(arguments)
    source, retriever = Retrievers(settings).for_row(task, rows[0])
    [passages] = retriever.search([Query("all of it")], sys.maxsize)
    if len(passages) > window:  # a token each, and more: what else is counted changes nothing
        return {"tokens": len(passages), "window": window, "collection": source}
    block = load_template(settings.template).render(passages)
    longest = max(len(tokenizer(_shown(row)).input_ids) for row in rows)
    tokens = len(tokenizer(asked["system_prompt"] + block).input_ids) + (1 + asked["shots"]) * (longest + _FRAME_TOKENS)
    return {"tokens": tokens, "window": window, "collection": source}


def _shown(row: Row) -> str:
    """All texts of the row that a prompt may show."""
    texts = [row.get("question"), *(row.get("choices") or ())]
    return "\n".join(str(text) for text in texts)


def _tokenizer_and_window(arguments: Json) -> tuple[Any, int]:  # Any: transformers' tokenizers have no common type
    from transformers import AutoConfig, AutoTokenizer

    if "pretrained" not in arguments:
        arguments |= find_demo_model().arguments
    name, loading = arguments["pretrained"], {"revision": arguments.get("revision", "main")}
    loading["trust_remote_code"] = bool(arguments.get("trust_remote_code", False))
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(arguments.get("tokenizer") or name, **loading)
        config: Any = AutoConfig.from_pretrained(name, **loading).get_text_config()
    except hub_errors() + (ValueError,) as error:  # noqa: RUF005  # mypy knows the types of a sum, not of a display
        place = "folder" if Path(name).is_dir() else "name on the hub"
        raise UserError(f"pretrained={name}: no tokenizer and configuration in this {place}: {error}") from error
    given = next((int(arguments[key]) for key in _WINDOW_ARGUMENTS if key in arguments), None)
    stated = next((int(getattr(config, key)) for key in _WINDOW_KEYS if getattr(config, key, None)), None)
    return tokenizer, given or stated or _DEFAULT_WINDOW
