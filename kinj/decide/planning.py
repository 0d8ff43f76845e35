"""The plan of the comparison: what is trained and asked, and what a budget leaves of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from kinj.benchmark import Benchmark
from kinj.decide.stages import Request
from kinj.records import Json

_HEAD = """\
# kinj compare {plan} --output_dir {comparison}
# Written by `kinj decide`; edit it, and `kinj decide` takes it as it is.
"""
LEARNING_RATE = 5e-5
#: Of the tokens, questions with answers: what keeps their form, and leaves the texts their place.
_MOST_QA_SHARE = 0.05
#: Tried with one seed, chosen by the loss on paraphrases that are not trained on.
_LEARNING_RATES = (1e-5, 5e-5, 2e-4)
#: Fewer trainings than this say nothing about the spread between them.
LEAST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is trained and asked."""

    k: tuple[int, ...] = (3, 1)
    #: of each chunk that are trained on, at most
    paraphrases: int = 10
    seeds: int = 3


@dataclass(frozen=True, slots=True)
class Texts:
    """What a benchmark has to train on."""

    #: of each chunk, how many there are to be trained on: none where it says nothing, or what was written was refused
    of_chunks: tuple[int, ...]
    #: of what is trained on to inject `paraphrases` of each chunk, the share that pairs can make up; 0: there are none
    qa_share: float
    #: whether there are paraphrases to choose a learning rate by
    held_out: bool

    @property
    def paraphrases(self) -> int:
        """Those of the chunk that has most."""
        return max(self.of_chunks, default=0)

    def chunks_with_fewer(self, count: int) -> int:
        """How many chunks have fewer paraphrases than that."""
        return sum(1 for there in self.of_chunks if there < count)

    @classmethod
    def of(cls, benchmark: Benchmark) -> Texts:
        """Those of a benchmark."""
        trained = {chunk.id: 0 for chunk in benchmark.chunks}
        for paraphrase in benchmark.paraphrases:
            trained[paraphrase.chunk_id] += paraphrase.use == "train"
        return cls(
            tuple(trained.values()),
            _qa_share(benchmark),
            any(paraphrase.use == "validation" for paraphrase in benchmark.paraphrases),
        )


def _qa_share(benchmark: Benchmark) -> float:
    """The share of the training texts that pairs make up with all paraphrases; with fewer they would make up more.

    By characters, since no tokenizer is at hand: a pair in the words of the task, less a tenth.
    """
    size = sum(len(chunk.text) for chunk in benchmark.chunks)
    size += sum(len(paraphrase.text) for paraphrase in benchmark.paraphrases if paraphrase.use == "train")
    pairs = sum(len(f"Question: {pair.question}\nAnswer: {pair.answer}") for pair in benchmark.pairs)
    return min(_MOST_QA_SHARE, math.floor(900 * pairs / (size + pairs)) / 1000) if pairs else 0.0


def cuts(full: Extent) -> Iterator[tuple[Extent, str]]:
    """Smaller and smaller extents, each with what it leaves out of the one before: k, paraphrases, then seeds."""
    extent = full
    for k in full.k[1:]:
        extent = replace(extent, k=tuple(kept for kept in extent.k if kept != k))
        yield extent, f"k={k}"
    for fewer in (5, 2):
        if fewer < extent.paraphrases:
            said = f"paraphrases {fewer + 1} to {extent.paraphrases} of a chunk"
            extent = replace(extent, paraphrases=fewer)
            yield extent, said
    while extent.seeds > LEAST_SEEDS:
        extent = replace(extent, seeds=extent.seeds - 1)
        yield extent, f"training {extent.seeds + 1} of each recipe"


def recipe(texts: Texts, extent: Extent) -> Json:
    """How the model is fine-tuned: by paraphrases and pairs where there are any, else by the raw texts.

    Paraphrases and, with them, question-answer pairs have given more than raw texts in every comparison so far
    (Ovadia et al. 2023; docs/training.md).
    """
    values: Json = {"layout": "packed", "max_length": 1024, "num_train_epochs": 3, "learning_rate": LEARNING_RATE}
    values |= {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}
    if not texts.paraphrases and not texts.qa_share:
        return {"arm": "raw", **values}
    values["paraphrases"] = min(extent.paraphrases, texts.paraphrases)
    if texts.chunks_with_fewer(values["paraphrases"]):
        values["fewer"] = "take"
    if texts.qa_share:
        values = {"arm": "mix", "replay_share": 0.0, "qa_share": texts.qa_share, **values}
    else:
        values = {"arm": "paraphrase", **values}
    if texts.held_out:
        values["search"] = {"learning_rate": list(_LEARNING_RATES)}
    return values


def plan(request: Request, extent: Extent) -> Json:
    """What `kinj compare` is given."""
    model: Json = {} if request.model is None else {"pretrained": request.model}
    name = "demo" if request.model is None else request.model.rstrip("/").rpartition("/")[2]
    return {
        "models": {name: model},
        "benchmark": str(request.benchmark),
        # Options as texts: letters leave models under 1B parameters at chance.
        "tasks": ["kinj_benchmark_option"],
        "injection": ["none", {"name": "fine-tuned", "recipe": str(request.recipe)}],
        "reading": ["none", {"retriever": "bm25", "k": sorted(extent.k)}],
        "seeds": list(range(extent.seeds)),
    }


def as_text(request: Request, values: Json) -> str:
    """A plan as a file that can be read and edited."""
    head = _HEAD.format(plan=request.plan, comparison=request.comparison)
    return head + str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
