"""`kinj write`: questions and training texts from a collection, by any model that is served."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinj.cli.interruption import interruptible
from kinj.cli.options import Json
from kinj.cli.written import GO_ON, show_estimate, show_written
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.benchmark.checks.repeats import Embed

Source = Annotated[
    Path, typer.Argument(metavar="IN", help="A collection of `kinj corpus`, or a benchmark folder.", show_default=False)
]
Out = Annotated[
    Path,
    typer.Argument(
        metavar="OUT", help="The benchmark folder to write; may be IN, or one written before.", show_default=False
    ),
]
Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="The writer, by its name there.", show_default=False)
]
BaseUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="The server, which speaks OpenAI's API: http://127.0.0.1:8000/v1. Its key is OPENAI_API_KEY in the "
        "environment.",
        show_default=False,
    ),
]
Number = Annotated[
    int | None,
    typer.Option("-n", metavar="N", help="Direct questions wanted, test and dev together. By default two a chunk."),
]
Form = Annotated[
    str, typer.Option(metavar="LIST", help="direct, indirect (told without names), two (needs two chunks); by commas.")
]
ReaderName = Annotated[
    str,
    typer.Option(
        "--reader",
        metavar="NAME[@URL]",
        help="Answers each question, with its chunk and without. By default the writer; `none`: nobody.",
    ),
]
ClosedBook = Annotated[
    str,
    typer.Option(metavar="NAME[@URL]", help="Leave out questions that this model answers without the chunk."),
]
Embedder = Annotated[
    str | None, typer.Option("--embedder", metavar="NAME", help="Finds questions of one meaning; by words otherwise.")
]
DevShare = Annotated[float, typer.Option(help="Share of the documents whose questions are for choosing settings.")]
Seed = Annotated[int, typer.Option(help="Draws chunks, splits, kinds, styles and the options' order.")]
Parallel = Annotated[int, typer.Option(help="Requests in flight.")]
ExtraBody = Annotated[
    str,
    typer.Option(
        metavar="JSON",
        help='Goes along with every request: \'{"chat_template_kwargs": {"enable_thinking": false}}\'.',
    ),
]
PromptsFolder = Annotated[
    Path | None,
    typer.Option("--prompts", metavar="DIR", help="Your own prompts and styles; `kinj write prompts DIR` copies ours."),
]
PricesFile = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="US dollars for a million tokens (docs/writing.md).")
]
MostTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Stop before OUT has cost more, over all runs.")
]
MostCost = Annotated[
    float | None, typer.Option("--max-cost", metavar="USD", help="Stop before OUT has cost more, over all runs.")
]
Again = Annotated[str | None, typer.Option("--again", metavar="refused", help="Ask once more for what was refused.")]
Send = Annotated[bool, typer.Option("--send", help="Let the documents go to another machine without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many requests and tokens it takes; send nothing.")]
Kind = Annotated[str, typer.Option(metavar="KIND", help="paraphrases, pairs, facts or relations.")]
PerChunk = Annotated[int, typer.Option(help="Texts a chunk: paraphrases, pairs, or pairs of related entities.")]

HeldOut = Annotated[
    float,
    typer.Option(
        help="Share of the chunks of which one paraphrase more is written and never trained on: a learning rate is "
        "chosen by the loss on these."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the group `kinj write`."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Write questions and training texts about a collection, by any served model (docs/writing.md).",
        rich_markup_mode="markdown",
    )
    group.command("questions")(questions)
    group.command("paraphrases")(paraphrases)
    group.command("prompts")(prompts)
    app.add_typer(group, name="write")


def questions(
    source: Source,
    out: Out,
    *,
    model: Model,
    base_url: BaseUrl,
    n: Number = None,
    form: Form = "direct",
    reader: ReaderName = "",
    closed_book: ClosedBook = "",
    embedder: Embedder = None,
    dev_share: DevShare = 0.2,
    seed: Seed = 0,
    parallel: Parallel = 4,
    extra_body: ExtraBody = "{}",
    prompts_folder: PromptsFolder = None,
    prices: PricesFile = None,
    max_tokens: MostTokens = None,
    max_cost: MostCost = None,
    again: Again = None,
    send: Send = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write multiple-choice questions: four a chunk, checked, the two most specific kept.

    Interrupted, the same command goes on; no answer is asked for twice. What was refused stands with its reasons in
    OUT/review.jsonl; what you decide in OUT/decisions.jsonl is applied by the next run.

    Example: `kinj write questions my_collection my_benchmark -n 200 --model qwen3 --base-url http://127.0.0.1:8000/v1`

    Then: `kinj benchmark stats my_benchmark`
    """
    from kinj.writing import QuestionPlan, Settings, estimate_questions, write_questions

    settings = Settings(
        source=source,
        out=out,
        model=model,
        base_url=base_url,
        reader=reader,
        closed_book=closed_book,
        seed=seed,
        parallel=parallel,
        extra_body=_object(extra_body),
        prompts=prompts_folder,
        prices=prices,
        most_tokens=max_tokens,
        most_cost=max_cost,
        again=_is_again(again),
    )
    plan = QuestionPlan(n, tuple(part.strip() for part in form.split(",")), dev_share, _embed(embedder))
    if dry_run:
        show_estimate(*estimate_questions(settings, plan), as_json=as_json)
        return
    with interruptible(GO_ON):
        written = write_questions(settings, plan, _agree(send=send))
    show_written(settings, "questions", written, as_json=as_json)


def paraphrases(
    source: Source,
    out: Out,
    *,
    model: Model,
    base_url: BaseUrl,
    kind: Kind = "paraphrases",
    per_chunk: PerChunk = 10,
    held_out: HeldOut = 0.2,
    seed: Seed = 0,
    parallel: Parallel = 4,
    extra_body: ExtraBody = "{}",
    prompts_folder: PromptsFolder = None,
    prices: PricesFile = None,
    max_tokens: MostTokens = None,
    max_cost: MostCost = None,
    again: Again = None,
    send: Send = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write training texts: each chunk in other words, or as questions with answers, facts, or relations of entities.

    Interrupted, the same command goes on; no answer is asked for twice.

    Example: `kinj write paraphrases my_benchmark my_benchmark --per-chunk 10 --model qwen3 --base-url http://127.0.0.1:8000/v1`

    Then: `kinj train paraphrase --collection my_benchmark --output_dir out --model …`
    """
    from kinj.writing import Settings, estimate_texts, write_texts

    settings = Settings(
        source=source,
        out=out,
        model=model,
        base_url=base_url,
        reader="none",
        seed=seed,
        parallel=parallel,
        extra_body=_object(extra_body),
        prompts=prompts_folder,
        prices=prices,
        most_tokens=max_tokens,
        most_cost=max_cost,
        again=_is_again(again),
    )
    if dry_run:
        show_estimate(*estimate_texts(settings, kind, per_chunk, held_out), as_json=as_json)
        return
    with interruptible(GO_ON):
        written = write_texts(settings, kind, per_chunk, _agree(send=send), held_out)
    show_written(settings, kind, written, as_json=as_json)


def prompts(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.", show_default=False)],
) -> None:
    """Copy the prompts and styles into a folder, to be changed and given back by --prompts."""
    from kinj.writing import copy_prompts

    copy_prompts(folder)
    typer.echo(f"{folder}: change what you like; then: kinj write … --prompts {folder}")


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"--extra-body {text}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"--extra-body {text}: expected a JSON object")
    # The journal would know the answers of another model, or to another prompt, by ours.
    # Limits of tokens are what --max-tokens and --max-cost count on.
    taken = sorted({"model", "messages", "stream", "n", "max_tokens", "max_completion_tokens"} & value.keys())
    if taken:
        raise UserError(f"--extra-body: {', '.join(taken)} cannot be set there; the model is --model's")
    return value


def _is_again(said: str | None) -> bool:
    if said not in (None, "refused"):
        raise UserError(f"--again {said}: expected refused")
    return said is not None


def _embed(name: str | None) -> Embed | None:
    """Texts to vectors by that model; nothing is loaded before it is used."""
    if name is None:
        return None
    import numpy as np

    from kinj.retrieval.embedding.embedder import query_vectors
    from kinj.retrieval.embedding.find import find_embedder

    found = find_embedder(name)
    return lambda texts: np.asarray(list(query_vectors(found, texts)))


def _agree(*, send: bool) -> Callable[[str], bool]:
    """Says yes where --send was typed, else asks whoever sits there."""
    return lambda line: send or (sys.stdin.isatty() and typer.confirm(f"{line}. Send them?", err=True))
