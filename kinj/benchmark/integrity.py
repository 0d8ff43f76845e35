"""What makes a folder a benchmark: ids that resolve, slices that are exact, splits that do not mix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kinj.benchmark.place import FORM_FILES, UNANSWERABLE_FILE
from kinj.errors import UserError
from kinj.manifest import read_manifest, sha256_file
from kinj.records import Chunk, Document, Pair, Paraphrase, Question

SPLITS = ("test", "dev", "fewshot")
#: of a question with options: the letter task has a letter for each
FEWEST_OPTIONS, MOST_OPTIONS = 2, 10


def refuse_changed_files(folder: Path) -> None:
    """Holds the folder against its manifest's `files` (name -> SHA-256).

    Raises:
        UserError: a file is gone or differs.
    """
    remedy = "restore the files, or delete manifest.json if the change is yours"
    files = read_manifest(folder, remedy).get("files")
    if not isinstance(files, dict) or not files:
        raise UserError(f"{folder / 'manifest.json'}: no 'files' with their SHA-256; {remedy}")
    for name, recorded in files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: listed in manifest.json but absent; {remedy}")
        if sha256_file(path) != recorded:
            raise UserError(f"{path}: differs from manifest.json (SHA-256); {remedy}")


def refuse_repeated_ids(path: Path, ids: Iterable[str]) -> None:
    """Raises `UserError` where an id is empty or comes twice."""
    seen: set[str] = set()
    for row_id in ids:
        if not row_id:
            raise UserError(f"{path}: a row has an empty id")
        if row_id in seen:
            raise UserError(f"{path}: {row_id}: the id comes twice")
        seen.add(row_id)


def refuse_broken_chunks(folder: Path, documents: Sequence[Document], chunks: Sequence[Chunk]) -> None:
    """Raises `UserError` where a chunk's document is unknown or the chunk is no exact slice of it."""
    texts = {document.id: document.text for document in documents}
    for chunk in chunks:
        at = f"{folder / 'chunks.jsonl'}: {chunk.id}"
        if chunk.document_id not in texts:
            raise UserError(f"{at}: document_id {chunk.document_id!r} is not in documents.jsonl")
        if not chunk.text.strip():
            raise UserError(f"{at}: empty text")
        if chunk.start < 0 or texts[chunk.document_id][chunk.start : chunk.end] != chunk.text:
            raise UserError(f"{at}: is not the slice [{chunk.start}:{chunk.end}] of document {chunk.document_id!r}")


def refuse_misplaced_questions(path: Path, questions: Iterable[Question]) -> None:
    """Raises `UserError` where a question's form is unknown, or its form and `answerable` belong to another file."""
    for question in questions:
        if question.form not in FORM_FILES:
            raise UserError(f"{path}: {question.id}: form {question.form!r}, expected {', '.join(FORM_FILES)}")
        if (file := file_of(question)) != path.name:
            kind = f"form {question.form!r}" if question.answerable else "answerable false"
            raise UserError(f"{path}: {question.id}: {kind} belongs into {file}")


def file_of(question: Question) -> str:
    """The name of the file that holds questions of its form."""
    return FORM_FILES[question.form] if question.answerable else UNANSWERABLE_FILE


def refuse_broken_questions(
    folder: Path, documents: Sequence[Document], chunks: Sequence[Chunk], questions: Sequence[Question]
) -> None:
    """Raises `UserError` where split, options or evidence of a question are not what docs/format.md says."""
    splits = {document.id: document.split for document in documents}
    split_of_chunk = {chunk.id: splits[chunk.document_id] for chunk in chunks}
    texts = {chunk.id: chunk.text for chunk in chunks}
    for question in questions:
        at = f"{folder / file_of(question)}: {question.id}"
        if not question.question.strip():
            raise UserError(f"{at}: empty question")
        _refuse_homeless(at, question, split_of_chunk)
        _refuse_options(at, question)
        for part in question.evidence:
            if not any(part in texts[chunk_id] for chunk_id in question.chunk_ids):
                raise UserError(f"{at}: the evidence {part!r} stands in none of its chunks")


def _refuse_homeless(at: str, question: Question, split_of_chunk: Mapping[str, str]) -> None:
    if question.chunk_ids and not question.answerable:
        raise UserError(f"{at}: answerable false, but chunk_ids names chunks that hold its answer")
    if not question.chunk_ids and question.split not in SPLITS:
        raise UserError(f"{at}: no chunk_ids, so it needs a 'split' of its own: {', '.join(SPLITS)}")
    for chunk_id in question.chunk_ids:
        if chunk_id not in split_of_chunk:
            raise UserError(f"{at}: chunk_ids has {chunk_id!r}, which is not in chunks.jsonl")
    lies_in = sorted({split_of_chunk[chunk_id] for chunk_id in question.chunk_ids})
    if len(lies_in) > 1:
        raise UserError(f"{at}: its chunks lie in several splits ({', '.join(lies_in)}); the split is by document")
    if lies_in == [""]:
        raise UserError(f"{at}: its document has no split; give the document test, dev or fewshot")
    if lies_in and question.split not in ("", *lies_in):
        raise UserError(f"{at}: split {question.split!r}, but its chunks lie in {lies_in[0]!r}")


def _refuse_options(at: str, question: Question) -> None:
    count = len(question.choices)
    if not count and question.answerable:
        if not question.accepted_answers or not all(answer.strip() for answer in question.accepted_answers):
            raise UserError(f"{at}: no choices, so it is asked openly and needs 'accepted_answers', none empty")
        if question.answer != -1:
            raise UserError(f"{at}: answer {question.answer}, but no choices: leave 'answer' out")
        return
    if not FEWEST_OPTIONS <= count <= MOST_OPTIONS or not all(choice.strip() for choice in question.choices):
        raise UserError(f"{at}: {count} choices, expected {FEWEST_OPTIONS} to {MOST_OPTIONS}, none empty")
    if question.answerable and not 0 <= question.answer < count:
        raise UserError(f"{at}: answer {question.answer}, expected the right choice's index, 0 to {count - 1}")
    if not question.answerable and question.answer != -1:
        raise UserError(f"{at}: answerable false, so no choice is right: leave 'answer' out")


def refuse_broken_training_texts(
    folder: Path, chunks: Sequence[Chunk], paraphrases: Sequence[Paraphrase], pairs: Sequence[Pair]
) -> None:
    """Raises `UserError` where a paraphrase's or a pair's chunk is unknown, or a paraphrase's use is."""
    known = {chunk.id for chunk in chunks}
    for name, rows in (("paraphrases.jsonl", paraphrases), ("pairs.jsonl", pairs)):
        for row in rows:
            if row.chunk_id not in known:
                raise UserError(f"{folder / name}: {row.id}: chunk_id {row.chunk_id!r} is not in chunks.jsonl")
    for paraphrase in paraphrases:
        if paraphrase.use not in ("train", "validation"):
            at = f"{folder / 'paraphrases.jsonl'}: {paraphrase.id}"
            raise UserError(f"{at}: use {paraphrase.use!r}, expected train or validation")
