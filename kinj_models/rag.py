"""`kinj_rag`: an lm-eval model that holds another one and puts retrieved passages before the question."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM, CacheHook

from kinj.errors import UserError, show_user_errors_plainly
from kinj.passages import load_template
from kinj.records import Passage, Query
from kinj.retrieval import Retriever
from kinj_models.base import choose_base, identity
from kinj_models.prompts import is_marked, mark_messages, place_block
from kinj_models.response_cache import Answer, ResponseCache
from kinj_models.retrievers import Retrievers
from kinj_models.settings import Settings, check_trace, make_settings
from kinj_models.task_rows import closed_query_of, collection_of, query_of, question_of
from kinj_models.trace import Sent, Tally, tally, trace_path, write_trace
from kinj_models.window import Window

if TYPE_CHECKING:
    from kinj_models.prefix_sharing import TokenCount

log = logging.getLogger("lm_eval.kinj")

#: A question: its task and its row's number there.
Key = tuple[str, int | None]


class RagLM(LM):  # type: ignore[misc]  # lm-eval ships no types
    """Any lm-eval model, given retrieved passages to read.

    Args:
        base: name of an lm-eval model (`hf`, `vllm`, `local-completions`, …) or a ready one.
        **arguments: the fields of `Settings` (retriever, k, index, placement, order, query, query_field, template,
            embedder, filter, text_field, vector_field, distractor_seed, trace); everything else goes to the base's
            constructor.

    Raises:
        UserError: a setting that is not allowed, or a key that is nearly one of ours and unknown to the base.
    """

    def __init__(self, base: str | LM = "hf", **arguments: Any) -> None:  # Any: the base's own arguments among them
        super().__init__()
        show_user_errors_plainly()
        ours = {name: arguments.pop(name) for name in Settings.names() if name in arguments}
        self.settings = make_settings(ours)
        check_trace(self.settings.trace)
        self._template = load_template(self.settings.template)
        self._choice = choose_base(base, arguments)
        self._loaded: LM | None = None
        self._retrievers = Retrievers(self.settings)
        self._tallies: dict[str, Tally] = {}
        self._recorded: set[tuple[str, Key]] = set()
        self._length_checked = True
        self._response_cache: ResponseCache | None = None
        self._scorer: LM | None = None
        self._work: TokenCount | None = None
        log.info("kinj_rag: %s", self._said())
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            self.base  # noqa: B018  # only the loaded base knows its rank

    def _said(self) -> str:
        shown = {name: value for name, value in dataclasses.asdict(self.settings).items() if value is not None}
        shown["base"] = self._choice.name
        shown["model"] = self._choice.demo.label if self._choice.demo else self._choice.arguments.get("pretrained", "")
        return " ".join(f"{name}={value}" for name, value in shown.items() if value != "")

    # ---- what the harness asks of any model, passed on by name because LM defines it on the class

    @property
    def base(self) -> LM:
        """The model that answers; loaded when first needed, so that a missing index stops a run before that."""
        if self._loaded is None:
            self._loaded = self._choice.load()
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
        """The base's, marked where chat prompts are, since it keys the harness's cache of built requests."""
        name = str(self.base.tokenizer_name)
        return name if self._closed_book else f"{name}-kinj-{self.settings.placement}"

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The base's."""
        template: str | None = self.base.chat_template(chat_template)
        return template

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> Any:
        """The base's rendering; with retrieval, a mark stands where the passages will go, inside the user's turn."""
        if self._closed_book:
            return self.base.apply_chat_template(chat_history, add_generation_prompt=add_generation_prompt)
        messages = mark_messages(chat_history, self.settings.placement)
        rendered = self.base.apply_chat_template(messages, add_generation_prompt=add_generation_prompt)
        if not is_marked(rendered):
            raise UserError("the chat template changes or drops the user's text: passages cannot be put into its turn")
        return rendered

    def set_cache_hook(self, cache_hook: CacheHook) -> None:
        """Takes lm-eval's store of answers; see `kinj_models.response_cache`.

        Raises:
            UserError: the base came as a ready model, which nothing tells from another one.
        """
        self.cache_hook = cache_hook
        if cache_hook.dbdict is None:
            return
        if self._choice.is_ready:
            raise UserError(
                f"use_cache: a ready {self._choice.name} cannot be told from another, so its answers cannot be kept; "
                "name it by base= and pretrained=, or leave use_cache away"
            )
        share = self.settings.share_prefixes
        self._response_cache = ResponseCache(cache_hook.dbdict, lambda: {**self._identity, "share_prefixes": share})
        if self._loaded is not None:
            self._loaded.set_cache_hook(self._response_cache)

    @cached_property
    def _identity(self) -> dict[str, Any]:  # Any: JSON values
        """What tells the base from every other: on this and on the final request its answers depend."""
        return identity(self._choice, self.base)

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
        if not self._closed_book:
            raise UserError(
                "perplexity tasks have no question to retrieve for: use retriever=none, or leave these tasks out"
            )
        return self._answer("loglikelihood_rolling", requests)

    @property
    def _closed_book(self) -> bool:
        return self.settings.retriever == "none"

    def _answer(self, attr: str, requests: list[Instance]) -> list[Answer]:
        final = requests if attr == "loglikelihood_rolling" else self._with_passages(attr, requests)
        compute = getattr(self._loglikelihood_base() if attr == "loglikelihood" else self.base, attr)
        self._warn_of_letters(final)
        if self._response_cache is None:
            return list(compute(final))
        return self._response_cache.answers(attr, final, compute)

    def _loglikelihood_base(self) -> LM:
        """The base, or its copy that computes shared prefixes once."""
        if not self.settings.share_prefixes:
            return self.base
        if self._scorer is None:
            from kinj_models.prefix_sharing import TokenCount, sharing_copy, why_not

            reason = why_not(self.base)
            if reason is None:
                self._work = TokenCount()
                self._scorer = sharing_copy(self.base, self._work)
            else:
                self._scorer = self.base
                log.info("kinj_rag: prefixes are not shared: %s", reason)
        return self._scorer

    def _with_passages(self, attr: str, requests: Sequence[Instance]) -> list[Instance]:
        rows: dict[Key, dict[int, Instance]] = {}
        for request in requests:  # repeats hold the very same Instance, padding repeats a row's
            row = rows.setdefault((str(request.task_name), request.doc_id), {})
            if row and next(iter(row.values())).doc != request.doc:  # else one question would read another's passages
                raise ValueError(f"two rows of task {request.task_name} have the number {request.doc_id}")
            row[id(request)] = request
        found = self._retrieve({key: next(iter(row.values())) for key, row in rows.items()})
        window = Window.of(self.base)
        self._length_checked = self._length_checked and window is not None
        final: dict[int, Instance] = {}
        sents = []
        for key, row in rows.items():
            sent, ready = self._fit(key, list(row.values()), *found[key], window)
            final.update(zip(row, ready, strict=True))
            sents.append(sent)
        self._record(attr, sents)
        return [final[id(request)] for request in requests]

    def _retrieve(self, rows: dict[Key, Instance]) -> dict[Key, tuple[Query, list[Passage]]]:
        """Each question's query and passages; one search for each collection, none for the closed book."""
        settings = self.settings
        if self._closed_book:
            return {key: (closed_query_of(request.doc, *key), []) for key, request in rows.items()}
        queries: dict[Key, Query] = {}
        by_retriever: dict[str, tuple[Retriever, list[Key]]] = {}
        for key, request in rows.items():
            queries[key] = query_of(
                request.doc, key[0], key[1], settings.query_field, with_options=settings.query == "question+options"
            )
            source, retriever = self._retrievers.for_row(key[0], collection_of(request.doc))
            by_retriever.setdefault(source, (retriever, []))[1].append(key)
        found: dict[Key, tuple[Query, list[Passage]]] = {}
        for retriever, keys in by_retriever.values():
            passages = retriever.search([queries[key] for key in keys], settings.k or 0)
            found.update({key: (queries[key], found_for) for key, found_for in zip(keys, passages, strict=True)})
        return found

    def _fit(
        self, key: Key, row: list[Instance], query: Query, passages: list[Passage], window: Window | None
    ) -> tuple[Sent, list[Instance]]:
        """The row's final requests, with as many passages as fit all: options must be compared on one prompt."""
        ready: list[Instance] = []
        over = False
        kept = len(passages)
        for kept in range(len(passages), -1, -1):
            ready = self._final(key, row, passages[:kept])
            over = window is not None and not all(window.fits(request) for request in ready)
            if not over:
                break
        prompts = tuple(dict.fromkeys(_hashable(request.args[0]) for request in ready if request.args[0] != ""))
        return Sent(key[0], key[1], query, tuple(passages), kept, prompts, over), ready

    def _final(self, key: Key, row: list[Instance], passages: list[Passage]) -> list[Instance]:
        if self._closed_book:
            return row
        settings = self.settings
        block = self._template.render(passages if settings.order == "best_first" else passages[::-1])
        question = question_of(row[0].doc, key[0], settings.query_field) if settings.placement == "question" else ""
        # An empty context asks for an option's unconditional likelihood (acc_mutual_info): it must stay empty.
        if block and all(request.args[0] == "" for request in row):
            raise UserError(
                f"task {key[0]} scores its options without any prompt: there is nothing to put passages before"
            )
        return [
            request
            if request.args[0] == ""
            else dataclasses.replace(
                request,
                arguments=(place_block(request.args[0], block, settings.placement, question), *request.args[1:]),
            )
            for request in row
        ]

    def _record(self, attr: str, sents: list[Sent]) -> None:
        keys = {(attr, (sent.task, sent.doc_id)) for sent in sents}
        if keys & self._recorded:  # the same model asked again: another run, with counts of its own
            if self.settings.trace is not None:
                raise UserError(
                    f"trace={self.settings.trace} holds this model's earlier run: make a new model for another"
                )
            self._tallies, self._recorded = {}, set()
        self._recorded |= keys
        if self.settings.trace is not None:
            write_trace(trace_path(self.settings.trace, self.rank), sents)
        counts: dict[str, Tally] = {}
        for sent in sents:
            counts[sent.task] = counts.get(sent.task, Tally()) + tally(sent)
        # The first process gets everybody's counts, the others None: they report nothing.
        for part in (self.gather_object(counts) if self.world_size > 1 else [counts]) or []:
            for task, count in part.items():
                self._tallies[task] = self._tallies.get(task, Tally()) + count
        for task in counts:
            self._say(task)

    def _say(self, task: str) -> None:
        count = self._tallies.get(task)
        if count is None:
            return
        said = count.to_object(self.settings.k)
        parts = [f"{name} {said[name]:.3f}" for name in said if name.startswith("recall@") or name == "mrr"]
        log.info("kinj_rag: %s: %d questions%s", task, count.questions, ", " + ", ".join(parts) if parts else "")
        for name in ("passages_dropped", "questions_without_passages", "prompts_over_window"):
            if said.get(name):
                log.warning("kinj_rag: %s: %s %d", task, name.replace("_", " "), said[name])

    def _warn_of_letters(self, requests: Sequence[Instance]) -> None:
        if self._choice.demo is None:
            return
        lettered = {
            str(r.task_name)
            for r in requests
            if r.request_type == "loglikelihood" and r.args[1].strip() in ("A", "B", "C", "D")
        }
        for task in sorted(lettered):
            log.warning(
                "kinj_rag: %s scores letters, and a model as small as the demo model is at chance with letters: "
                "use kinj_current_events_option, or name a larger model by pretrained=",
                task,
            )

    # ---- results

    def get_model_info(self) -> dict[str, Any]:  # Any: JSON values
        """The base's own, and under `kinj` all that tells this run from another, and what retrieval did."""
        info = dict(self.base.get_model_info()) if hasattr(self.base, "get_model_info") else {}
        settings = dataclasses.asdict(self.settings)
        said: dict[str, Any] = {
            **{name: value for name, value in settings.items() if name not in ("trace", "template")},
            "base": self._identity,
            "indexes": self._retrievers.describe(),
            "length_checked": self._length_checked,
            "tasks": {task: count.to_object(self.settings.k) for task, count in self._tallies.items()},
        }
        if not self._closed_book:
            said["template"] = {"name": self._template.name, "sha256": self._template.sha256}
        if self._response_cache is not None:
            said["answers"] = {"from_cache": self._response_cache.reused, "computed": self._response_cache.computed}
        if self._work is not None:
            said["tokens"] = {"asked": self._work.asked, "computed": self._work.computed}
        return {**info, "kinj": said}


def _hashable(context: Any) -> Any:
    return context if not isinstance(context, list) else str(context)
