"""Settings from a file and the command line, typed by TRL's own parser."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Sequence
from typing import Any, NoReturn

from trl import ModelConfig, SFTConfig, TrlParser  # type: ignore[attr-defined]  # trl loads its names lazily

from kinj.errors import UserError
from kinj_training.recipe.settings import DataSettings
from kinj_training.recipe.trl_keys import refuse_unknown

_KINDS = (DataSettings, SFTConfig, ModelConfig)


class _Parser(TrlParser):
    """TRL's parser, which says what is wrong in one line instead of printing four hundred options."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse; raises `UserError`."""
        raise UserError(message)


class Parser:
    """Reads our settings and TRL's from a recipe's values and the command line's words.

    Args:
        place: what to call the recipe in messages.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        # No abbreviations: `--learning` must not mean learning_rate on one version and something else on the next.
        self._parser = _Parser(dataclass_types=_KINDS, allow_abbrev=False)  # type: ignore[arg-type]  # a wrong TypeVar
        self._hints = {name: hint for kind in _KINDS for name, hint in typing.get_type_hints(kind).items()}
        self._fields = {name for kind in _KINDS for name in kind.__dataclass_fields__}

    def refuse_unknown(self, place: str, key: str) -> None:
        """Raises `UserError` where no setting has that name."""
        refuse_unknown(place, key, self._fields)

    def arguments(
        self, values: dict[str, Any], overrides: Sequence[str]
    ) -> tuple[tuple[list[str], dict[str, Any]], set[str]]:
        """What `parse` takes (words, and values that no word can say), and the keys that were given.

        The file's values go through the same door as the command line's words, so both are checked alike; `1e-5`,
        a text to YAML, becomes a number there.

        Raises:
            UserError: an unknown key, or a value that its setting cannot hold.
        """
        words: list[str] = []
        others: dict[str, Any] = {}  # Any: values as YAML gives them
        for key, value in values.items():
            self.refuse_unknown(self._place, key)
            if isinstance(value, (str, int, float)):
                words.append(f"--{key}={str(value).lower() if isinstance(value, bool) else value}")
            elif self._can_hold(key, value):
                others[key] = value
            else:
                raise UserError(f"{self._place}: {key}: {json.dumps(value, default=str)}: not a value for this setting")
        written = {self._key_of(word) for word in overrides if word.startswith("--")}
        return ([*words, *overrides], {k: v for k, v in others.items() if k not in written}), {*values, *written}

    def _key_of(self, word: str) -> str:
        option = word.split("=", 1)[0]
        action = self._parser._option_string_actions.get(option)
        if action is not None and action.dest in self._fields:
            return str(action.dest)
        self.refuse_unknown("command line", option.removeprefix("--").replace("-", "_"))
        raise UserError(f"command line: {option}: write --{option.removeprefix('--').replace('-', '_')}")

    def _can_hold(self, key: str, value: object) -> bool:
        """Whether the setting's type admits a list, a mapping or nothing at all."""
        hint = self._hints[key]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) or _is_union(hint) else (hint,)
        return any(isinstance(value, typing.get_origin(kind) or kind) for kind in kinds if _is_class(kind))

    def typed(self, key: str, values: Sequence[object]) -> list[Any]:  # Any: the setting's own type
        """The values as the setting holds them, for a list of values to try.

        Raises:
            UserError: an unknown setting, or a value that it cannot hold.
        """
        self.refuse_unknown(f"{self._place}: search", key)
        namespaces = [self._parser.parse_known_args([f"--{key}={value}"])[0] for value in values]
        return [getattr(namespace, key) for namespace in namespaces]

    def read_flags(self, arguments: tuple[list[str], dict[str, Any]]) -> dict[str, Any]:  # Any: values of settings
        """What was written about `use_cpu` and `fp16`, on which our other decisions depend; None where nothing was."""
        words, _ = arguments
        flags: dict[str, Any] = {"use_cpu": None, "fp16": None}
        known = {f"--{form}": key for key in flags for form in (key, key.replace("_", "-"))}
        for word, following in zip(words, [*words[1:], "--"], strict=True):
            option, _, value = word.partition("=")
            if option in known:
                said = value or ("true" if following.startswith("--") else following)
                flags[known[option]] = said.lower() in ("true", "1", "yes", "y", "t")
        return flags

    def parse(
        self, arguments: tuple[list[str], dict[str, Any]], decided: dict[str, Any]
    ) -> tuple[DataSettings, SFTConfig, ModelConfig]:
        """The three groups of settings.

        Args:
            arguments: from `arguments`.
            decided: defaults that take the place of TRL's.

        Raises:
            UserError: a value that its setting cannot hold.
        """
        words, others = arguments
        self._parser.set_defaults_with_config(**decided, **others)
        try:
            *kinds, rest = self._parser.parse_args_into_dataclasses(
                words, look_for_args_file=False, return_remaining_strings=True
            )
        except (ValueError, TypeError, NotImplementedError, ImportError) as error:
            raise UserError(f"{self._place}: {' '.join(str(error).split())}") from error
        if rest:
            raise UserError(f"command line: {rest[0]!r} belongs to no setting; write --key value")
        data, training, model = kinds
        return data, training, model


def _is_union(hint: object) -> bool:
    return typing.get_origin(hint) is typing.Union


def _is_class(kind: object) -> bool:
    return isinstance(typing.get_origin(kind) or kind, type)
