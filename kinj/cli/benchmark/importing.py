"""`kinj benchmark import`: people's own questions into a benchmark folder."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinj.cli.benchmark.review import PAGE
from kinj.cli.interruption import interruptible
from kinj.cli.options import Json, Overwrite
from kinj.errors import UserError

if TYPE_CHECKING:
    from kinj.benchmark import Benchmark
    from kinj.benchmark.importing import AnswerForm, Imported, Shares
    from kinj.records import Json as JsonObject
    from kinj.records import Question

REFUSED = "refused.jsonl"
#: Rows that were refused, shown one by one.
_SHOWN = 20


class AnswerIs(StrEnum):
    """What users call the forms of an answer."""

    LETTER = "letter"
    TEXT = "text"
    INDEX = "index"


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Questions: .csv or .tsv (with or without a header line), .jsonl, .json, .parquet, or the folder of a "
        "Hugging Face data set.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The benchmark folder to write.", show_default=False)]
Collection = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="The documents that answer the questions, as `kinj corpus` wrote them: each question's chunk is looked "
        "for there. Without it the questions stand alone.",
    ),
]
QuestionField = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the question. Without a header line: its number, from 1."),
]
OptionsField = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="The column of all options (a list, or a dictionary by letter); or the columns of one each, in their "
        "order: `A,B,C,D`.",
    ),
]
AnswerField = Annotated[str | None, typer.Option(metavar="NAME", help="The column of the answer.")]
AnswerForms = Annotated[
    AnswerIs | None, typer.Option("--answer-is", help="What the answer is. By default what fits most rows.")
]
AnswerFrom = Annotated[
    int | None, typer.Option("--answer-from", min=0, max=1, help="The number of the first option, of an index.")
]
Split = Annotated[
    str | None, typer.Option("--from", metavar="SPLIT", help="Of a data set with several splits: the one to take.")
]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Of files that are not UTF-8: cp1252, latin-1 …")]
DevShare = Annotated[float, typer.Option(min=0, max=1, help="Share of the questions that become dev.")]
Fewshot = Annotated[
    int | None,
    typer.Option(min=0, help="Questions kept back as shots. By default 5, of fewer than 40 questions none."),
]
Seed = Annotated[int, typer.Option(help="Draws the splits.")]


def import_(
    file: File,
    out: Out,
    *,
    collection: Collection = None,
    question_field: QuestionField = None,
    options_field: OptionsField = None,
    answer_field: AnswerField = None,
    answer_is: AnswerForms = None,
    answer_from: AnswerFrom = None,
    split: Split = None,
    encoding: Encoding = None,
    dev_share: DevShare = 0.2,
    fewshot: Fewshot = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a benchmark folder of your own questions: two to ten options each, or none (asked openly).

    Usual column names are found by themselves; the answer may be a letter, an index or the option's text. Rows that
    are no question are refused one by one, listed with the reason, and kept in OUT/refused.jsonl. With --overwrite the
    review of the questions that were there before (review.jsonl, decisions.jsonl, review.html) is removed; decisions
    about training texts stay.

    Example: `kinj benchmark import my_questions.csv my_benchmark --collection my_collection`

    Then: `lm_eval --tasks kinj_benchmark --model kinj_rag --metadata '{"benchmark": "my_benchmark"}'`
    """
    from kinj.benchmark.importing import Fields, Shares, import_questions, open_rows
    from kinj.benchmark.reviewing import DECISIONS, REVIEW, read_decisions
    from kinj.benchmark.sealing import write_benchmark
    from kinj.jsonl import record_line
    from kinj.manifest import write_whole
    from kinj.writing.candidate import what_of

    _refuse_out(out, collection, overwrite=overwrite)
    names = tuple(name.strip() for given in options_field or () for name in given.split(",") if name.strip())
    fields = Fields(question_field, names, answer_field)
    with interruptible("nothing was written"):
        rows = open_rows(file, fields.is_header, split=split, encoding=encoding)
        imported = import_questions(rows, fields, _possible(answer_is, answer_from))
        if not imported.questions:
            first = imported.refused[0]
            raise UserError(f"{file}: none of {len(rows)} rows is a question; {first.place}: {first.why}")
        benchmark, dropped = _with_collection(imported, collection, out, Shares(dev_share, fewshot, seed))
        values = _manifest(imported, file, collection, out, seed, encoding)
        out.mkdir(parents=True, exist_ok=True)
        decisions = read_decisions(out / DECISIONS) if (out / DECISIONS).is_file() else []
        kept = [one for one in decisions if (one.what or what_of(one.id)) in ("paraphrase", "pair")]
        write_benchmark(benchmark, out, values, {REFUSED: imported.refused})
        # About the questions that were there before; what was decided on training texts, `kinj write` still holds to.
        if kept:
            write_whole(out / DECISIONS, "".join(map(record_line, kept)))
        for name in (REVIEW, PAGE) if kept else (REVIEW, DECISIONS, PAGE):
            (out / name).unlink(missing_ok=True)
    said = _summary(imported, benchmark, file, out, len(rows)) | {"collection_questions_left_out": len(dropped)}
    if as_json:
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        _show(said, imported, benchmark, collection)


def _possible(answer_is: AnswerIs | None, answer_from: int | None) -> tuple[AnswerForm, ...]:
    from kinj.benchmark.importing import AnswerForm

    if answer_from is not None:
        if answer_is not in (None, AnswerIs.INDEX):
            raise UserError(f"--answer-from {answer_from}: only of an index, not with --answer-is {answer_is}")
        return (AnswerForm(str(answer_from)),)
    if answer_is is None:
        return tuple(AnswerForm)
    return {
        AnswerIs.LETTER: (AnswerForm.LABEL, AnswerForm.LETTER),
        AnswerIs.TEXT: (AnswerForm.TEXT,),
        AnswerIs.INDEX: (AnswerForm.FROM_0, AnswerForm.FROM_1),
    }[answer_is]


def _refuse_out(out: Path, collection: Path | None, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: name a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if collection is not None and collection.resolve() == out.resolve():
        raise UserError(
            f"{out} is the collection itself, which goes on growing by its own command: name another folder"
        )
    if not (out / "questions.jsonl").exists():
        raise UserError(f"{out} is not empty and no benchmark: choose another folder")
    if not overwrite:
        raise UserError(f"{out} holds a benchmark: add --overwrite, or choose another folder")


def _with_collection(
    imported: Imported, folder: Path | None, out: Path, shares: Shares
) -> tuple[Benchmark, tuple[Question, ...]]:
    """The questions with their documents, without a collection with none; and those of the collection, left out."""
    from kinj.benchmark import Benchmark, open_benchmark
    from kinj.benchmark.importing import split_questions

    questions = list(imported.questions)
    if folder is None:
        opened = Benchmark(out, (), (), ())
    else:
        if not (folder / "chunks.jsonl").is_file():
            raise UserError(f"--collection {folder}: no chunks.jsonl in it; make one: kinj corpus files TEXTS {folder}")
        opened = open_benchmark(folder, needs_questions=False)
        questions = _with_sources(questions, opened)
    placed, documents = split_questions(questions, opened.documents, opened.chunks, shares)
    return replace(opened, folder=out, documents=tuple(documents), questions=tuple(placed)), opened.questions


def _with_sources(questions: list[Question], collection: Benchmark) -> list[Question]:
    from kinj.retrieval import collection_index, open_retriever
    from kinj.retrieval.source_chunks import find_source_chunks

    retriever = open_retriever("bm25", index=collection_index(collection.folder, None))
    found = find_source_chunks(questions, retriever, collection.chunks)
    return [
        replace(question, chunk_ids=(chunk_id,) if chunk_id is not None else ())
        for question, chunk_id in zip(questions, found, strict=True)
    ]


def _manifest(
    imported: Imported, file: Path, collection: Path | None, out: Path, seed: int, encoding: str | None
) -> JsonObject:
    from kinj.manifest import NAME, read_manifest, sha256_file

    before = {}
    if collection is not None and (collection / NAME).is_file():
        before = read_manifest(collection, "restore it")
    columns = imported.columns
    return {
        "name": out.resolve().name,
        "license": before.get("license", ""),
        "imported": {
            "file": file.name,
            "sha256": sha256_file(file) if file.is_file() else None,
            "encoding": encoding,
            "question": columns.question,
            "options": list(columns.options),
            "answer": columns.answer,
            "answer_is": imported.form,
            "seed": seed,
            "refused": len(imported.refused),
        },
        "files": {REFUSED: ""},
    }


def _summary(imported: Imported, benchmark: Benchmark, file: Path, out: Path, rows: int) -> JsonObject:
    from collections import Counter

    questions = benchmark.questions
    return {
        "file": str(file),
        "folder": str(out),
        "rows": rows,
        "questions": len(questions),
        "options": dict(sorted(Counter(len(question.choices) for question in questions).items())),
        "answer_is": imported.form,
        "has_header": imported.has_header,
        "columns": {
            "question": imported.columns.question,
            "options": list(imported.columns.options),
            "answer": imported.columns.answer,
            "id": imported.columns.id if imported.keeps_ids else None,
        },
        "left_out": dict(imported.left_out),
        "splits": {split: len(benchmark.part(split).questions) for split in ("test", "dev", "fewshot")},
        "source_chunks": sum(bool(question.chunk_ids) for question in questions),
        "refused": [{"place": one.place, "why": one.why} for one in imported.refused],
    }


def _show(said: JsonObject, imported: Imported, benchmark: Benchmark, collection: Path | None) -> None:
    columns = said["columns"]
    options = [f"{count:,} of {size} options" for size, count in said["options"].items() if size]
    if said["options"].get(0):
        options.append(f"{said['options'][0]:,} asked openly alone")
    sources = f"found of {said['source_chunks']:,}, {said['questions'] - said['source_chunks']:,} stand alone"
    id_words = f"ids {columns['id']!r}" if columns["id"] else "ids by number"
    header = "" if said["has_header"] else "no header line: "
    lines = [
        ("rows", f"{said['rows']:,} of {said['file']}"),
        ("columns", f"{header}question {columns['question']!r}, {_options_words(imported)}, {_answer_words(imported)}"),
        ("left out", ", ".join(f"{name!r} ({count:,} rows)" for name, count in said["left_out"].items()) or "none"),
        ("questions", f"{said['questions']:,}: {', '.join(options)}; {id_words}"),
        ("refused", f"{len(said['refused']):,}: {said['folder']}/{REFUSED}" if said["refused"] else "none"),
        ("source chunks", sources if collection else "not looked for: --collection DIR"),
        ("splits", ", ".join(f"{split} {count:,}" for split, count in said["splits"].items())),
    ]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        typer.echo(f"{name:<{width}}  {value}")
    for one in imported.refused[:_SHOWN]:
        typer.echo(f"refused: {one.place}: {one.why}", err=True)
    if len(imported.refused) > _SHOWN:
        typer.echo(f"refused: {len(imported.refused) - _SHOWN:,} more, all in {said['folder']}/{REFUSED}", err=True)
    if count := said["collection_questions_left_out"]:
        typer.echo(f"left out: {count:,} questions that {collection} holds itself", err=True)
    typer.echo(f"next: {next_command(benchmark)}", err=True)


def _options_words(imported: Imported) -> str:
    names = imported.columns.options
    if names:
        return f"options {', '.join(map(repr, names))}"
    return "options between question and answer" if not imported.has_header else "no options"


def _answer_words(imported: Imported) -> str:
    name = repr(imported.columns.answer) if imported.columns.answer else "in the last column"
    forms = {"0": ", an index from 0", "1": ", an index from 1", "letter": ", a letter", "text": ", an option's text"}
    return f"answer {name}{forms.get(str(imported.form), ', an option by its label' if imported.form else '')}"


def next_command(benchmark: Benchmark) -> str:
    """The `lm_eval` command that asks the folder's questions; where all are shots, what makes others of them."""
    split = "test" if benchmark.part("test").asked() else "dev"
    questions = benchmark.part(split).asked()
    if not questions:
        return "import them again with fewer --fewshot: all are shots, which are never asked"
    tasks = ["kinj_benchmark"] if any(question.choices for question in questions) else []
    tasks += ["kinj_benchmark_generate"] if any(question.accepted_answers for question in questions) else []
    reading = "" if benchmark.chunks else " --model_args retriever=none"
    metadata = json.dumps({"benchmark": str(benchmark.folder)} | ({"split": split} if split != "test" else {}))
    return f"lm_eval --tasks {','.join(tasks)} --model kinj_rag{reading} --metadata {shlex.quote(metadata)}"
