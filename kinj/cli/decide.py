"""`kinj decide`: from a folder of documents to a verdict."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from kinj.cli.interruption import interruptible
from kinj.errors import UserError

Documents = Annotated[
    list[Path],
    typer.Argument(
        metavar="DOCUMENTS...", help="Files and folders, as `kinj corpus files` reads them.", show_default=False
    ),
]
Out = Annotated[
    Path,
    typer.Option("--output_dir", metavar="OUT", help="Holds each stage's folder and the plan.", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The model to decide about: a hub name or a folder. By default the demo model."),
]
Writer = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible server that writes training texts, and questions where there are none of yours. Its "
        "key is OPENAI_API_KEY in the environment.",
    ),
]
WriterModel = Annotated[str | None, typer.Option(metavar="NAME", help="The writer's model, by its name there.")]
Questions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own questions, 200 or more, as `kinj benchmark import` reads them: .csv with question, A, B, C, D, "
        "answer, and others. Without --writer only the raw texts are trained on.",
    ),
]
Number = Annotated[
    int, typer.Option("--number", "-n", min=20, help="Questions that the writer is asked for, where none are yours.")
]
PerChunk = Annotated[int, typer.Option(min=1, help="Paraphrases of each chunk that the writer is asked for.")]
Asked = Annotated[int, typer.Option(min=1, help="How many questions will be asked in use: what costs are spread over.")]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time for trainings and questions, by estimate: 90m, 2h; by default all they take. What is over is left "
        "out in this order: numbers of passages, paraphrases, trainings down to two.",
    ),
]
Send = Annotated[bool, typer.Option("--send", help="The documents may go to another host than this one.")]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What documents and questions are in that are not UTF-8: cp1252, latin-1 …"),
]
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def add_to(app: typer.Typer) -> None:
    """Adds `kinj decide`."""
    app.command("decide")(decide)


def decide(
    documents: Documents,
    *,
    output_dir: Out,
    model: Model = None,
    writer: Writer = None,
    writer_model: WriterModel = None,
    questions: Questions = None,
    number: Number = 400,
    per_chunk: PerChunk = 10,
    questions_asked: Asked = 10_000,
    budget: Budget = None,
    send: Send = False,
    encoding: Encoding = None,
) -> None:
    """Say whether to fine-tune a model on these documents, retrieve from them, both, put all in the prompt, or none.

    Reads the documents (docs/languages.md: in which languages), has questions and training texts written (or takes
    yours), trains, asks, and reports: the verdict is the page's first sentence. Give --questions, --writer, or both.
    Each stage is a command of its own, printed before it runs; the comparison's plan, OUT/plan.yaml, can be edited.
    Interrupted, the same command goes on. docs/decide.md has more.

    Example: `kinj decide my_documents/ --model Qwen/Qwen3-0.6B --writer http://localhost:8000/v1
    --writer-model NAME --output_dir out` · `kinj decide my_documents/ --questions my_questions.csv --output_dir out`
    """
    from kinj.decide.running import decide as run
    from kinj.decide.stages import Request

    if (writer is None) != (writer_model is None):
        raise UserError("--writer URL and --writer-model NAME go together: a server may serve several models")
    if questions is not None and not questions.is_file():
        why = "is a folder: name the file in it" if questions.is_dir() else "no such file"
        raise UserError(f"--questions {questions}: {why}")
    request = Request(
        tuple(documents),
        model,
        output_dir,
        writer,
        writer_model or "",
        questions,
        number,
        per_chunk,
        questions_asked,
        send,
        encoding,
    )
    with interruptible(f"type the same command to go on; what is complete stays in {output_dir}"):
        for line in run(request, None if budget is None else seconds(budget), lambda line: typer.echo(line, err=True)):
            typer.echo(line)


def seconds(time: str) -> float:
    """The seconds of a time like 90m, 2h or 1.5h; a number alone is seconds.

    Raises:
        UserError: it is no time above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", time.strip().lower())
    if found is None or not float(found[1]):
        raise UserError(f"--budget {time!r}: expected a time, as 90m, 2h or 1.5h")
    return float(found[1]) * _UNITS[found[2]]
