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

#: Beside what is counted of a question: delimiters of lm-eval, tokens where texts meet.
_JOINT_TOKENS = 16
#: lm-eval's for a task that says nothing of how long an answer may be.
_ANSWER_TOKENS = 256
#: What lm-eval's `hf` reads of a configuration, in its order; and takes where none is there.
_WINDOW_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
_DEFAULT_WINDOW = 2048
#: Of lm-eval's models, the arguments that set a window.
_WINDOW_ARGUMENTS = ("max_length", "max_model_len")


def measure_fit(asked: Json, task: Any, rows: list[Row]) -> Json:  # Any: lm-eval's ConfigurableTask
    """`tokens` of the collection with the longest of these questions, at least as many as will be sent; and `window`.

    Args:
        asked: `model_args` of a cell that reads all, `system_prompt`, `chat_template` (whether one is put around
            prompts, or its name), and `shots`, each of which may be as long as the longest question.
        task: of the rows.
        rows: the questions.

    Raises:
        UserError: the model, its tokenizer or the collection is not there.
    """
    arguments = dict(asked["model_args"])
    settings = make_settings({name: arguments.pop(name) for name in Settings.names() if name in arguments})
    tokenizer, window = _tokenizer_and_window(arguments)
    source, retriever = Retrievers(settings).for_row(task.config.task, rows[0])
    [passages] = retriever.search([Query("all of it")], sys.maxsize)
    if len(passages) > window:  # a token each, and more: what else is counted changes nothing
        return {"tokens": len(passages), "window": window, "collection": source}
    block = load_template(settings.template).render(passages)

    def count(text: str) -> int:
        return len(tokenizer(text).input_ids)

    longest = max(count(question) + count(answer) for question, answer in (_parts(task, row) for row in rows))
    turns = _turn_tokens(tokenizer, asked["chat_template"])
    description = task.resolve_field(rows[0], task.config.description) or ""
    tokens = count(asked["system_prompt"]) + count(description) + count(block)
    tokens += (1 + asked["shots"]) * (longest + turns + _JOINT_TOKENS)
    if task.OUTPUT_TYPE == "generate_until":
        tokens += int((task.config.generation_kwargs or {}).get("max_gen_toks", _ANSWER_TOKENS))
    return {"tokens": tokens, "window": window, "collection": source}


def _parts(task: Any, row: Row) -> tuple[str, str]:  # Any: as above
    """What is asked of a row, and the longest of what is answered."""
    answers = task.doc_to_choice(row) if task.OUTPUT_TYPE == "multiple_choice" else [task.doc_to_target(row)]
    return str(task.doc_to_text(row)), max(map(str, answers), key=len)


def _turn_tokens(tokenizer: Any, chat_template: bool | str) -> int:  # Any: as below
    """What a chat template puts around a question and its answer, with the system turn that it may begin with."""
    if not chat_template or tokenizer.chat_template is None:  # which is refused once it's asked
        return 0
    name = chat_template if isinstance(tokenizer.chat_template, dict) and isinstance(chat_template, str) else None
    turn = [{"role": "user", "content": "a"}]
    rendered = tokenizer.apply_chat_template(turn, chat_template=name, tokenize=False, add_generation_prompt=True)
    return 2 * len(tokenizer(rendered, add_special_tokens=False).input_ids)  # a system's own turn, or an answer's


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
