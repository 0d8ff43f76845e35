"""What is done on the way from documents to a verdict: one command a stage, each of which can be typed alone."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinj.errors import UserError


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for.

    Exactly one of `writer` and `questions` may be None: who writes the questions, or the file that has them.
    """

    documents: tuple[Path, ...]
    #: a hub name or a folder; None: the demo model
    model: str | None
    out: Path
    #: the address of an OpenAI-compatible server, and its model's name
    writer: str | None = None
    writer_model: str = ""
    #: people's own questions, as `kinj benchmark import` reads them; with a writer they replace only its questions
    questions: Path | None = None
    #: how many questions the writer is asked for
    number: int = 400
    per_chunk: int = 10
    questions_asked: int = 10_000
    #: whether the documents may be sent to another host than this one
    send: bool = False
    #: what documents and questions are in that are not UTF-8
    encoding: str | None = None

    @property
    def collection(self) -> Path:
        """The documents, read and cut."""
        return self.out / "collection"

    @property
    def benchmark(self) -> Path:
        """The questions, and what is trained on."""
        return self.out / "benchmark"

    @property
    def plan(self) -> Path:
        """The plan of the comparison, which may be edited."""
        return self.out / "plan.yaml"

    @property
    def recipe(self) -> Path:
        """How the model is fine-tuned, which may be edited."""
        return self.out / "fine-tuned.yaml"

    @property
    def comparison(self) -> Path:
        """What `kinj compare` leaves."""
        return self.out / "comparison"

    @property
    def report(self) -> Path:
        """The verdict's page."""
        return self.out / "report"


@dataclass(frozen=True, slots=True)
class Stage:
    """One command, as typed behind `kinj`."""

    name: str
    words: tuple[str, ...]
    #: what it leaves
    folder: Path

    @property
    def typed(self) -> str:
        """The command, to be pasted into a shell."""
        return shlex.join(("kinj", *self.words))


def stages(request: Request) -> list[Stage]:
    """All stages in order; the comparison's plan has to be there before the one named `compare`.

    Raises:
        UserError: there is neither a writer nor questions.
    """
    read = () if request.encoding is None else ("--encoding", request.encoding)
    words: tuple[str, ...] = ("corpus", "files", *map(str, request.documents), str(request.collection), *read)
    made = [Stage("collection", words, request.collection)]
    collection, benchmark = str(request.collection), str(request.benchmark)
    if request.questions is not None:
        words = ("benchmark", "import", str(request.questions), benchmark, "--collection", collection, *read)
        made.append(Stage("questions", words, request.benchmark))
    elif request.writer is not None:
        words = ("write", "questions", collection, benchmark, "-n", str(request.number), *_server(request))
        made.append(Stage("questions", words, request.benchmark))
    else:
        raise UserError(_without_questions(request))
    if request.writer is not None:
        for kind, count in (("paraphrases", request.per_chunk), ("pairs", _PAIRS)):
            words = ("write", "paraphrases", benchmark, benchmark, "--kind", kind, "--per-chunk", str(count))
            made.append(Stage(kind, (*words, *_server(request)), request.benchmark))
    made.append(
        Stage("compare", ("compare", str(request.plan), "--output_dir", str(request.comparison)), request.comparison)
    )
    words = ("report", str(request.comparison), "--output_dir", str(request.report))
    made.append(Stage("report", (*words, "--questions-asked", str(request.questions_asked)), request.report))
    return made


def run(stage: Stage) -> None:
    """Does a stage, its output on the screen.

    Raises:
        UserError: the command failed; it has said why.
    """
    if code := subprocess.run(command(stage.words), check=False).returncode:
        raise UserError(f"stage {stage.name}: ended with exit code {code}, for the reason above; alone: {stage.typed}")


def command(words: Sequence[str]) -> list[str]:
    """A command of kinj in this very environment."""
    return [sys.executable, "-m", "kinj.cli", *words]


def _server(request: Request) -> tuple[str, ...]:
    sent = ("--send",) if request.send else ()
    return ("--base-url", str(request.writer), "--model", request.writer_model, *sent)


#: Question-answer pairs of a chunk to train on, as in current events.
_PAIRS = 2
#: Of a chunk of 256 tokens, by kind of text that is written: what goes to the server and what comes back, about.
_QUESTIONS_TOKENS, _PARAPHRASE_TOKENS = 1_500, 700


def _without_questions(request: Request) -> str:
    size = sum(
        path.stat().st_size
        for given in request.documents
        for path in (given.rglob("*") if given.is_dir() else (given,))
        if path.is_file()
    )
    chunks = max(1, size // 1_000)  # four bytes a token, 256 tokens a chunk
    tokens = chunks * (_QUESTIONS_TOKENS + request.per_chunk * _PARAPHRASE_TOKENS)
    return (
        "nobody asks about these documents yet: --writer URL lets a served model write questions and training texts "
        f"(about {tokens:,} tokens for {size / 1e6:,.1f} MB as plain text; `kinj write --help`), --questions FILE "
        "takes yours (200 or more about different parts of the texts; without a writer only raw texts are trained on)"
    )
