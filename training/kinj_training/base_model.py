"""The base model's tokenizer and configuration, without its weights."""

from __future__ import annotations

from typing import Any

from kinj.corpus.hub import hub_errors
from kinj.errors import UserError
from kinj_training.base import where
from kinj_training.recipe import Recipe


def load_tokenizer(recipe: Recipe) -> Any:  # Any: transformers' tokenizers have no common public type
    """The base model's tokenizer.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoTokenizer

    return _loaded(AutoTokenizer, recipe)


def load_config(recipe: Recipe) -> Any:  # Any: each architecture has its own configuration class
    """The base model's configuration.

    Raises:
        UserError: there is none at that name or in that folder.
    """
    from transformers import AutoConfig

    return _loaded(AutoConfig, recipe)


def _loaded(kind: Any, recipe: Recipe) -> Any:
    name, revision = where(recipe.base, recipe.model.model_revision)
    try:
        return kind.from_pretrained(name, revision=revision, trust_remote_code=recipe.training.trust_remote_code)
    except hub_errors() as error:
        why = " ".join(str(error).split())[:300]
        raise UserError(f"model_name_or_path: {recipe.base}: cannot be read ({why})") from error


def block_length(recipe: Recipe) -> int:
    """Tokens in a block: `max_length`, or the model's window where that is none, or less and max_length not given.

    Raises:
        UserError: max_length is larger than the model's window, or too small to learn from.
    """
    window = getattr(load_config(recipe).get_text_config(), "max_position_embeddings", None)
    length = recipe.training.max_length
    if window is not None and (length is None or (length > window and "max_length" not in recipe.given)):
        return int(window)
    if length is None:
        raise UserError(f"max_length: none: {recipe.base} does not state its window; give a number")
    if window is not None and length > window:
        raise UserError(f"max_length: {length}: more than the {window} positions of {recipe.base}")
    if length < 2:
        raise UserError(f"max_length: {length}: a block needs two tokens, one to read and one to learn")
    return int(length)
