"""`--model_args` of `kinj_rag`: ours checked, the rest left for the base."""

from __future__ import annotations

import inspect
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any

from lm_eval.api.model import LM

from kinj.errors import UserError, nearest
from kinj.retrieval import RETRIEVERS, parse_filter

Json = dict[str, Any]  # Any: JSON values

#: Letters of a key: any of one or two is as near to `k`.
SHORTEST_SLIP = 3

#: The settings that are text: lm-eval's parser makes numbers of what looks like one.
_TEXTS = (
    *("index", "query_field", "template", "embedder", "filter", "text_field", "vector_field"),
    *("served", "trace"),
)

#: What an index keeps of its embedder.
_SET_BY_A_BUILD = ("query_prefix", "passage_prefix")

#: The settings that mean something without passages.
_READ_CLOSED_BOOK = ("retriever", "query_field", "share_prefixes", "served", "trace")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user may set; every default is printed at the start of a run and kept in the results."""

    retriever: str = "bm25"
    #: passages per question; None for retriever=none, and for all, the whole collection
    k: int | None = 3
    #: index built by `kinj index build`, a folder or elasticsearch:NAME; None: the task's own collection
    index: str | None = None
    #: prefix: before everything, as in Ovadia et al. 2023; question: right before the last question
    placement: str = "prefix"
    #: best_first: the best passage first; best_last: it stands next to the question
    order: str = "best_first"
    #: what is sent to the index: question, or question+options
    query: str = "question"
    #: the row's field that holds the question; None: found by rule
    query_field: str | None = None
    #: file of the passage template; None: the default
    template: str | None = None
    #: sentence-transformers model of dense and hybrid; None: the index's own, or the default embedder
    embedder: str | None = None
    #: which chunks may be retrieved, as date:2023-08-01..2023-11-30+subject:law; None: all
    filter: str | None = None
    #: where an index on Elasticsearch that kinj did not build keeps its texts
    text_field: str | None = None
    #: where such an index keeps their vectors
    vector_field: str | None = None
    #: draws the gold passage's place among distractors
    distractor_seed: int = 0
    #: whether a Hugging Face base computes shared prefixes once; false: every number equals the base's exactly
    share_prefixes: bool = True
    #: a label of what a server serves now, which `--use_cache` needs there: nothing else tells a retrained model
    served: str | None = None
    #: JSON-lines file of what was retrieved and sent
    trace: str | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The keys of `--model_args` that are ours, besides `base`."""
        return tuple(f.name for f in fields(cls))

    def to_object(self) -> Json:
        """What results carry: all but the trace, and the template, which they tell by its content."""
        return {name: value for name, value in asdict(self).items() if name not in ("trace", "template")}

    def summary(self) -> str:
        """The settings as one line of the log: those that have a value."""
        return " ".join(f"{name}={value}" for name, value in asdict(self).items() if value not in (None, ""))

    @property
    def depth(self) -> int:
        """Passages to ask a retriever for: k, or all that there are."""
        return sys.maxsize if self.k is None else self.k

    @property
    def closed_book(self) -> bool:
        """Whether the base answers from memory, without passages."""
        return self.retriever == "none"


def unread_settings(arguments: dict[str, Any]) -> list[str]:  # Any: as in `make_settings`
    """The given settings that the retriever does not look at: a run with them is the run without."""
    retriever = arguments.get("retriever", Settings().retriever) or "none"
    ranking = tuple(name for name in RETRIEVERS if name != "all")
    readers = {
        "k": ranking,
        "query": ranking,
        "embedder": ("dense", "hybrid"),
        "distractor_seed": ("gold+distractors",),
    }
    return [
        name
        for name in arguments
        if (retriever == "none" and name not in _READ_CLOSED_BOOK) or retriever not in readers.get(name, (retriever,))
    ]


def make_settings(arguments: dict[str, Any]) -> Settings:  # Any: values as lm-eval's parser made them
    """Checked settings from the keys that are ours.

    Raises:
        UserError: a value that is not allowed; the message names value, rule and way out.
    """
    values = dict(arguments)
    # lm-eval turns the word `none` into Python's None, so both must mean the closed book, never the default.
    if "retriever" in values and values["retriever"] is None:
        values["retriever"] = "none"
    _check_choice(values, "retriever", ("none", *RETRIEVERS))
    _check_choice(values, "placement", ("prefix", "question"))
    _check_choice(values, "order", ("best_first", "best_last"))
    _check_choice(values, "query", ("question", "question+options"))
    if not isinstance(values.get("share_prefixes", True), bool):
        raise UserError(f"share_prefixes={values['share_prefixes']}: must be true or false")
    for name in _TEXTS:
        if values.get(name) is not None:
            values[name] = _text(name, values[name])
    if values.get("filter") is not None:
        values["filter"] = str(parse_filter(values["filter"]))
    if values.get("retriever") in ("none", "all"):
        values.pop("k", None)
        return Settings(**values, k=None)
    for name in ("k", "distractor_seed"):
        if name in values and (not isinstance(values[name], int) or isinstance(values[name], bool)):
            raise UserError(f"{name}={values[name]}: must be a whole number")
    if values.get("k", 1) < 1:
        raise UserError(f"k={values['k']}: at least one passage; for the closed book use retriever=none")
    return Settings(**values)


def _text(name: str, value: Any) -> str:  # Any: as lm-eval's parser made it
    if isinstance(value, (bool, int, float)):
        raise UserError(
            f"{name}={value}: lm-eval's parser takes what looks like a number for one (007 becomes 7, 2023.10 becomes "
            f'2023.1); write a folder as ./NAME, or the arguments as JSON: --model_args \'{{"{name}": "NAME"}}\''
        )
    text = str(value)
    for key in ("base", "pretrained", *Settings.names()):
        if f",{key}=" in text:
            raise UserError(
                f"{name}={text}: holds ',{key}=': after an apostrophe, a quote or a bracket lm-eval's parser splits no "
                f'more; write the arguments as JSON: --model_args \'{{"{name}": "…", "{key}": …}}\''
            )
    return text


def _check_choice(values: dict[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    if name in values and values[name] not in allowed:
        raise UserError(f"{name}={values[name]}: must be one of {', '.join(allowed)}")


def check_base_keys(base: type[LM], name: str, keys: list[str]) -> None:
    """Refuses a key that is nearly one of ours and that the base does not name, before it reaches the base unnoticed.

    Bases take more than they name, by `**kwargs`: such a key is refused only where it is a slip of one of ours, of
    `SHORTEST_SLIP` letters or more and of about the same length; `ef=` and `pp=` reach the base, whatever it makes of
    them.

    Raises:
        UserError: names the key of ours that was probably meant, or where a prefix of the embedder is set.
    """
    known = named_parameters(base)
    for key in keys:
        if key in _SET_BY_A_BUILD and key not in known:
            raise UserError(
                f"model_args: {key} is set where an index is built, kinj index build --{key.replace('_', '-')}, and "
                "read from there; an index that kinj did not build takes none: there the embedder's own files say it"
            )
        near = None if key in known else _nearest_of_ours(key)
        if near is not None:
            raise UserError(
                f"model_args: {key!r} is a parameter of neither kinj_rag nor its base {name!r}; did you mean {near!r}?"
            )


def _nearest_of_ours(key: str) -> str | None:
    """Our key that was probably meant: of nearly the same length, as `chat_template` is no slip for `template`."""
    ours = ("base", *Settings.names())
    if key.lower() in ours:
        return key.lower()
    if len(key) < SHORTEST_SLIP:
        return None
    return nearest(key, [name for name in ours if abs(len(name) - len(key)) <= 2])


def named_parameters(base: type[LM]) -> set[str]:
    """The parameters that the base's constructors name, over the classes it inherits from."""
    named: set[str] = set()
    for ancestor in base.__mro__:
        if "__init__" in vars(ancestor) and ancestor is not object:
            kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            parameters = inspect.signature(vars(ancestor)["__init__"]).parameters.values()
            named |= {p.name for p in parameters if p.kind in kinds}
    return named - {"self"}
