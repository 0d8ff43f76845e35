"""`--use_cache` that keys on what was truly sent, and to whom.

lm-eval's `CachingLM` stands outside the adapter: it knows the prompt before retrieval and nothing of the base, so it
would hand the answers of k=2 to a run with k=1. It gives its store to the model, though, and asks that same
object. Here the store forgets every key that is not ours: `CachingLM` finds nothing, sends every request on, and the
adapter looks the *final* request up under the base's identity.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import CacheHook, hash_args
from sqlitedict import SqliteDict

from kinj.manifest import sha256_json
from kinj_models.settings import Json

_PREFIX = "kinj:"

Answer = Any  # Any: (log-likelihood, is_greedy), or a generated text


class _OwnKeysOnly(SqliteDict):  # type: ignore[misc]  # sqlitedict ships no types
    """lm-eval's store, blind to lm-eval's own keys."""

    def __contains__(self, key: str) -> bool:
        return key.startswith(_PREFIX) and super().__contains__(key)

    def __setitem__(self, key: str, value: Answer) -> None:
        if key.startswith(_PREFIX):
            super().__setitem__(key, value)


class ResponseCache(CacheHook):  # type: ignore[misc]  # lm-eval ships no types
    """Answers of one base in lm-eval's cache file. Also the base's own hook: an interrupted run keeps its answers."""

    def __init__(self, store: SqliteDict, identity: Callable[[], Json], *, is_server: bool) -> None:
        super().__init__(None)
        # At once, though the base is loaded later: `CachingLM` looks its own keys up before it asks for anything.
        store.__class__ = _OwnKeysOnly
        # Values as JSON: a cache file may come from somebody else, and unpickling runs code.
        store.encode, store.decode = json.dumps, json.loads
        self._store = store
        self._identity = identity
        self._is_server = is_server
        self.reused = 0
        self.computed = 0

    @cached_property
    def _base_key(self) -> str:
        return sha256_json(self._identity())[:32]

    def _key(self, attr: str, args: Iterable[Any]) -> str:
        return f"{_PREFIX}{self._base_key}:{hash_args(attr, args)}"

    def add_partial(self, attr: str, req: Iterable[Any], res: Answer) -> None:
        """Called by the base for each answer as it comes."""
        arguments = tuple(req)
        if not _is_sampled(attr, arguments, is_server=self._is_server):
            self._store[self._key(attr, arguments)] = res

    def answers(
        self, attr: str, requests: Sequence[Instance], compute: Callable[[list[Instance]], Sequence[Answer]]
    ) -> list[Answer]:
        """The answers to the final requests in order: kept ones from the file, the rest from `compute`, then kept."""
        keys = [
            None if _is_sampled(attr, r.args, is_server=self._is_server) else self._key(attr, r.args) for r in requests
        ]
        answers: dict[int, Answer] = {i: self._store[key] for i, key in enumerate(keys) if key and key in self._store}
        missing = [i for i in range(len(requests)) if i not in answers]
        self.reused += len(answers)
        self.computed += len(missing)
        for i, answer in zip(missing, compute([requests[i] for i in missing]) if missing else [], strict=True):
            answers[i] = answer
            if (key := keys[i]) is not None:
                self._store[key] = answer
        self._store.commit()
        return [tuple(answers[i]) if isinstance(answers[i], list) else answers[i] for i in range(len(requests))]


def _is_sampled(attr: str, arguments: tuple[Any, ...], *, is_server: bool) -> bool:
    """Whether an answer is one of many: keeping it would make every repeat the same.

    lm-eval samples where a temperature is set and `do_sample` is not false; its bases behind a server drop `do_sample`
    and send the temperature alone (0.4.13, models/utils.normalize_gen_kwargs and models/openai_completions).
    """
    if attr != "generate_until":
        return False
    settings = arguments[1]
    is_warm = float(settings.get("temperature") or 0) > 0
    if is_server:
        return is_warm
    do_sample = settings.get("do_sample")
    return is_warm if do_sample is None else bool(do_sample)
