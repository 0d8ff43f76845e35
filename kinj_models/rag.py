"""`kinj_rag`: an lm-eval model that holds another one and puts retrieved passages before the question."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM, CacheHook

from kinj.errors import UserError, show_user_errors_plainly
from kinj.hub.find import bounded_waits
from kinj.passages import load_template
from kinj.retrieval import Retriever
from kinj_models.base import choose_base, identity, manifest_of, refuse_unknown_commit, training_of, warn_of_letters
from kinj_models.effort import Effort, Stopwatch
from kinj_models.loading import refuse_without_template
from kinj_models.prompt_checks import PromptChecks
from kinj_models.prompts import add_slot, has_slot
from kinj_models.reading import Reader, group_by_question
from kinj_models.response_cache import Answer, ResponseCache
from kinj_models.retrievers import Retrievers
from kinj_models.settings import Json, Settings, make_settings, unread_settings
from kinj_models.sharing import PrefixSharing
from kinj_models.trace import Recorder, check_trace
from kinj_models.trained_texts import TrainingMatch, trained_texts
from kinj_models.window import Window

log = logging.getLogger("lm_eval.kinj")


class RagLM(LM):  # type: ignore[misc]  # lm-eval ships no types
    """Any lm-eval model, given retrieved passages to read.

    Args:
        base: name of an lm-eval model (`hf`, `vllm`, `local-completions`, …) or a ready one.
        **arguments: the fields of `Settings` (retriever, k, index, placement, order, query, query_field, template,
            embedder, filter, text_field, vector_field, distractor_seed, share_prefixes, served, trace); everything else
            goes to the base's constructor.

    Raises:
        UserError: a setting that is not allowed, or a key that is nearly one of ours and unknown to the base.
    """

    def __init__(self, base: str | LM = "hf", **arguments: Any) -> None:  # Any: the base's own arguments among them
        super().__init__()
        show_user_errors_plainly()
        ours = {name: arguments.pop(name) for name in Settings.names() if name in arguments}
        self.settings = make_settings(ours)
        if unread := unread_settings(ours):
            log.warning("kinj_rag: retriever=%s does not read %s", self.settings.retriever, ", ".join(unread))
        check_trace(self.settings.trace)
        self._template = load_template(self.settings.template)
        self.choice = choose_base(base, arguments)
        self._loaded: LM | None = None
        self._retrievers = Retrievers(self.settings)
        self._searching, self._scoring = Stopwatch(), Stopwatch()
        self._reader = Reader(self.settings, self._template, self._retrievers, self._searching)
        self._recorder = Recorder(self.settings.trace, self.settings.k)
        self._checks = PromptChecks(self._template, self.settings.query_field)
        self._length_checked = True
        self._response_cache: ResponseCache | None = None
        self._manifest = manifest_of(self.choice)
        self._training_match = TrainingMatch(trained_texts(self._manifest))
        self.sharing = PrefixSharing(enabled=self.settings.share_prefixes)
        log.info("kinj_rag: %s %s", self.settings.summary(), self.choice.summary())
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            self.base  # noqa: B018  # only the loaded base knows its rank

    # ---- for whoever asks one model under many settings

    def share_base(self, other: RagLM) -> None:
        """Answers with the model that another has loaded.

        Raises:
            ValueError: theirs is another base, or has other arguments.
        """
        if self.choice != other.choice:
            raise ValueError(f"{other.choice.summary()} is loaded, not {self.choice.summary()}")
        self._loaded = other.base
        self.sharing.try_as(other.sharing)

    def use_retrievers(self, opened: Mapping[str, Retriever]) -> None:
        """Takes these retrievers, by the names of `Retrievers.for_row`, where it would open its own."""
        self._retrievers.use(opened)

    # ---- what the harness asks of any model, passed on by name because LM defines it on the class

    @property
    def base(self) -> LM:
        """The model that answers; loaded when first needed, so that a missing index stops a run before that."""
        if self._loaded is None:
            self._loaded = self.choice.load()
            if self._response_cache is not None:
                self._loaded.set_cache_hook(self._response_cache)
        return self._loaded

    def __getattr__(self, name: str) -> Any:  # Any: whatever the base has
        # Python also comes here when a property of ours raises AttributeError: that must not load the base again.
        if name.startswith("_") or name in vars(RagLM):
            raise AttributeError(name)
        return getattr(self.base, name)

    @property
    def rank(self) -> int:
        """The base's rank; 0 before it is loaded, which in a run of several processes it always is."""
        return 0 if self._loaded is None else int(self._loaded.rank)

    @property
    def world_size(self) -> int:
        """The base's number of processes; 1 before it is loaded, which in a run of several it always is."""
        return 1 if self._loaded is None else int(self._loaded.world_size)

    @property
    def device(self) -> Any:
        """The base's device."""
        return self.base.device

    def all_gather(self, tensor: Any) -> Any:
        """The base's."""
        return self.base.all_gather(tensor)

    def gather_object(self, obj: Any, dst: int = 0) -> Any:
        """The base's."""
        return self.base.gather_object(obj, dst)

    def barrier(self) -> None:
        """The base's."""
        self.base.barrier()

    @property
    def tokenizer_name(self) -> str:
        """The base's, with a suffix where chat prompts differ, since it keys the harness's cache of built requests."""
        name = str(self.base.tokenizer_name)
        return name if self.settings.closed_book else f"{name}-kinj-{self.settings.placement}"

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The base's."""
        template: str | None = self.base.chat_template(chat_template)
        return template

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> Any:
        """The base's rendering; with retrieval, a slot stands where the passages will go, inside the user's turn."""
        refuse_without_template(self.base, self.choice.arguments)
        turns = self._checks.chat(self.base, chat_history)
        if self.settings.closed_book:
            return self.base.apply_chat_template(turns, add_generation_prompt=add_generation_prompt)
        messages = add_slot(turns, self.settings.placement)
        rendered = self.base.apply_chat_template(messages, add_generation_prompt=add_generation_prompt)
        if not has_slot(rendered):
            raise UserError("the chat template changes or drops the user's text: passages cannot be put into its turn")
        return rendered

    def set_cache_hook(self, cache_hook: CacheHook) -> None:
        """Takes lm-eval's store of answers; see `kinj_models.response_cache`.

        Raises:
            UserError: the base came as a ready model, or stands behind a server without a label: nothing tells it from
                another one.
        """
        self.cache_hook = cache_hook
        if cache_hook.dbdict is None:
            return
        if self.choice.is_ready:
            raise UserError(
                f"use_cache: a ready {self.choice.name} cannot be told from another, so its answers cannot be kept; "
                "name it by base= and pretrained=, or leave use_cache away"
            )
        if self.choice.is_server and self.settings.served is None:
            raise UserError(
                f"use_cache: behind base={self.choice.name} other weights may answer under the same name and address: "
                "say what is served by served=LABEL (another label for other weights), or leave use_cache away"
            )
        self._response_cache = ResponseCache(cache_hook.dbdict, self._cache_identity, is_server=self.choice.is_server)
        if self._loaded is not None:
            self._loaded.set_cache_hook(self._response_cache)

    def _cache_identity(self) -> Json:
        refuse_unknown_commit(self._identity)
        settings = self.settings
        return {**self._identity, "share_prefixes": settings.share_prefixes, "served": settings.served}

    @cached_property
    def _identity(self) -> Json:
        """What tells the base from every other: on this and on the final request its answers depend."""
        return identity(self.choice, self.base)

    # ---- requests

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """(log-probability, is_greedy) of each request's continuation, passages put before the question."""
        return self._answer("loglikelihood", requests)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The generated text for each request, passages put before it."""
        return self._answer("generate_until", requests)

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """The base's own, closed book only.

        Raises:
            UserError: a retriever is set: a whole text has no question to retrieve for.
        """
        if not self.settings.closed_book:
            raise UserError(
                "perplexity tasks have no question to retrieve for: use retriever=none, or leave these tasks out"
            )
        return self._answer("loglikelihood_rolling", requests)

    def _answer(self, attr: str, requests: list[Instance]) -> list[Answer]:
        final = requests if attr == "loglikelihood_rolling" else self._with_passages(attr, requests)
        base = self.sharing.scorer(self.base) if attr == "loglikelihood" else self.base
        self._checks.first_prompt(base, final)
        if self.choice.demo is not None:
            warn_of_letters(final)

        def compute(requests: list[Instance]) -> list[Answer]:
            with self._scoring:
                return list(getattr(base, attr)(requests))

        cache = self._response_cache
        answers = compute(final) if cache is None else cache.answers(attr, final, compute)
        if attr == "generate_until":
            self._recorder.add(self._checks.answers(base, final, answers), self._gather)
        effort = Effort(self._searching.take(), self._scoring.take(), *self.sharing.take_tokens())
        self._recorder.add_effort(effort, self._gather)
        return answers

    def _with_passages(self, attr: str, requests: list[Instance]) -> list[Instance]:
        questions = group_by_question(requests)
        self._recorder.begin(attr, {question.key: question.row for question in questions})
        self._training_match.check(self._recorder.sources)
        retrievals = self._reader.retrieve(questions)
        window = Window.of(self.base)
        self._length_checked = self._length_checked and window is not None
        final: dict[int, Instance] = {}
        records = []
        for question, retrieval in zip(questions, retrievals, strict=True):
            placed, record = self._reader.place(question, retrieval, window)
            final.update(zip(map(id, question.requests), placed, strict=True))
            records.append(record)
        # Where one model is spread over processes, all answer the same questions with rank 0: one of them writes.
        is_copy = self.world_size == 1 and os.environ.get("RANK", "0") != "0"
        self._recorder.record(records, None if is_copy else self.rank, self._gather)
        rows = (question.row for question in questions)
        self._recorder.add(self._checks.texts(self.base, zip(rows, records, strict=True)), self._gather)
        return [final[id(request)] for request in requests]

    def _gather(self, value: Any) -> list[Any]:  # Any: whatever is gathered
        """Everybody's value in the first process, nothing in the others."""
        return (self.gather_object(value) if self.world_size > 1 else [value]) or []

    # ---- results

    def get_model_info(self) -> Json:
        """The base's own, and under `kinj` all that tells this run from another, and what retrieval did."""
        with bounded_waits():  # `hf` asks the hub for its commit
            info = dict(self.base.get_model_info()) if hasattr(self.base, "get_model_info") else {}
        ours: Json = {
            **self.settings.to_object(),
            "model_name": self.choice.model_name,
            "base": self._identity,
            "checkpoint": training_of(self._manifest),
            "questions_about_trained_texts": self._training_match.is_match,
            "indexes": self._retrievers.describe(),
            "length_checked": self._length_checked,
            "processes": self.world_size,
            **self._checks.to_object(),
            **self._recorder.to_object(),
        }
        if not self.settings.closed_book:
            ours["template"] = {"name": self._template.name, "sha256": self._template.sha256}
        if self._response_cache is not None:
            ours["answers"] = {"from_cache": self._response_cache.reused, "computed": self._response_cache.computed}
        if self.sharing.reason is not None:
            ours |= {"share_prefixes": False, "share_prefixes_reason": self.sharing.reason}
        if self.sharing.count is not None:
            effort = self._recorder.effort
            ours["tokens"] = {"asked": effort.tokens_asked, "computed": effort.tokens_computed}
        return {**info, "kinj": ours}
