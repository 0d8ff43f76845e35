"""Settings from a file and the command line, typed by TRL's own parser."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NoReturn

from trl import ModelConfig, SFTConfig, TrlParser  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj_training.recipe.libraries import refused_by_libraries
from kinj_training.recipe.settings import DataSettings, Json
from kinj_training.recipe.trl_keys import refuse_unknown

_GROUPS = (DataSettings, SFTConfig, ModelConfig)

#: setting -> the words that give it on the command line: `("--lora_r", "4")`, `("--lora-r=4",)`
Overrides = dict[str, tuple[str, ...]]


def parse_overrides(words: Sequence[str]) -> Overrides:
    """The command line's words by setting; of a setting that comes twice the last one, as argparse has it.

    Raises:
        UserError: the first word is a value.
    """
    overrides: dict[str, tuple[str, ...]] = {}
    key = None
    for word in words:
        if word.startswith("--"):
            key = word[2:].split("=", 1)[0].replace("-", "_")
            overrides.pop(key, None)  # so that the order is that of the last mention
            overrides[key] = (word,)
        elif key is None:
            raise UserError(f"command line: {word!r} belongs to no setting; write --key value")
        else:
            overrides[key] += (word,)
    return overrides


def words_of(overrides: Overrides) -> list[str]:
    """The words again, for a parser or a person."""
    return [word for words in overrides.values() for word in words]


def without(overrides: Overrides, keys: Collection[str]) -> Overrides:
    """The overrides but for those settings."""
    return {key: words for key, words in overrides.items() if key not in keys}


def read_flag(key: str, values: Json, overrides: Overrides) -> bool | None:
    """What a person wrote about a yes-or-no setting on which our other decisions depend; None where nothing."""
    if key in overrides:
        option, *rest = overrides[key]
        value = option.partition("=")[2] or (rest[0] if rest else "true")
    elif key in values:
        value = str(values[key])
    else:
        return None
    return value.lower() in ("true", "1", "yes", "y", "t")


class _Parser(TrlParser):
    """TRL's parser, which says what is wrong in one line instead of printing four hundred options."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse; raises `UserError`."""
        raise UserError(message)


class Parser:
    """Reads our settings and TRL's from a recipe's values and the command line's overrides.

    Args:
        place: what to call the recipe in messages.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        # No abbreviations: `--learning` must not mean learning_rate on one version and something else on the next.
        self._parser = _Parser(dataclass_types=_GROUPS, allow_abbrev=False)  # type: ignore[arg-type]  # a wrong TypeVar
        self._hints = {name: hint for group in _GROUPS for name, hint in typing.get_type_hints(group).items()}
        self._fields = {name for group in _GROUPS for name in group.__dataclass_fields__}

    def known_keys(self, values: Json, overrides: Overrides) -> set[str]:
        """The settings that are given, by their own names.

        Raises:
            UserError: one that neither we nor TRL have.
        """
        for key in values:
            refuse_unknown(self._place, key, self._fields, beside=("search", "stages"))
        return {*values, *self._overridden(overrides)}

    def parse(self, values: Json, overrides: Overrides, defaults: Json) -> tuple[DataSettings, SFTConfig, ModelConfig]:
        """The three groups of settings.

        The file's values go through the same door as the command line's words, so both are checked alike; `1e-5`,
        a text to YAML, becomes a number there.

        Args:
            values: the file's.
            overrides: the command line's, which win.
            defaults: what takes the place of TRL's defaults.

        Raises:
            UserError: a value that its setting cannot hold.
        """
        words, others = self._as_words(values)
        for key in self._overridden(overrides):
            others.pop(key, None)
        self._parser.set_defaults_with_config(**defaults, **others)
        try:
            with refused_by_libraries(self._place, ImportError):  # a setting's library is absent, not broken
                *groups, rest = self._parser.parse_args_into_dataclasses(
                    [*words, *words_of(overrides)], look_for_args_file=False, return_remaining_strings=True
                )
        except (ValueError, TypeError, NotImplementedError) as error:
            raise UserError(f"{self._place}: {' '.join(str(error).split())}") from error
        if rest:
            raise UserError(f"command line: {rest[0]!r} belongs to no setting; write --key value")
        data, training, model = groups
        return data, training, model

    def typed(self, key: str, values: Sequence[object]) -> list[Any]:  # Any: the setting's own type
        """The values as the setting holds them, for a list of values to try.

        Raises:
            UserError: an unknown setting, a value that it cannot hold, or one that stands twice.
        """
        refuse_unknown(f"{self._place}: search", key, self._fields)
        namespaces = [self._parser.parse_known_args([f"--{key}={value}"])[0] for value in values]
        typed = [getattr(namespace, key) for namespace in namespaces]
        for number, value in enumerate(typed):
            if value in typed[:number]:
                raise UserError(f"{self._place}: search: {key}: {value} stands twice: remove one of them")
        return typed

    def _overridden(self, overrides: Overrides) -> set[str]:
        return {self._setting_of(words[0]) for words in overrides.values()}

    def _setting_of(self, word: str) -> str:
        """The field that an option sets, which for `--no_…` is not what it is called."""
        option = word.split("=", 1)[0]
        action = self._parser._option_string_actions.get(option)
        if action is not None and action.dest in self._fields:
            return str(action.dest)
        refuse_unknown("command line", option.removeprefix("--").replace("-", "_"), self._fields)
        raise UserError(f"command line: {option}: write --{option.removeprefix('--').replace('-', '_')}")

    def _as_words(self, values: Json) -> tuple[list[str], Json]:
        """The file's values as words of a command line, and those that no word can say: lists, mappings, nothing."""
        words: list[str] = []
        others: Json = {}
        for key, value in values.items():
            if isinstance(value, (str, int, float, date)):  # YAML makes a date of 2026-11-30
                words.append(f"--{key}={str(value).lower() if isinstance(value, bool) else value}")
            elif self._can_hold(key, value):
                others[key] = value
            else:
                raise UserError(f"{self._place}: {key}: {json.dumps(value, default=str)}: not a value for this setting")
        return words, others

    def _can_hold(self, key: str, value: object) -> bool:
        """Whether the setting's type admits a list, a mapping or nothing at all."""
        hint = self._hints[key]
        is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        types_held = [typing.get_origin(held) or held for held in (typing.get_args(hint) if is_union else (hint,))]
        return any(isinstance(value, held) for held in types_held if isinstance(held, type))
