"""The end of a run: the review file, people's decisions, the folder, and what there is to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinj.records import Json
from kinj.writing.candidate import Candidate, decided, review_items, rules_of
from kinj.writing.folder import keep_documents, write_folder
from kinj.writing.session import Session


@dataclass(frozen=True, slots=True)
class Written:
    """What a run leaves."""

    #: of this command, as they stand in the manifest
    facts: Json
    #: documents added, changed and gone since the last run
    changes: dict[str, list[str]]
    #: requests of this run, and answers that the journal had already
    asked: int
    known: int
    #: why the run stopped before its end; empty where it did not
    stopped: str


def finish(
    session: Session,
    command: str,
    written: list[Candidate],
    *,
    is_ours: Callable[[str], bool],
    splits: Mapping[str, str],
    chunks: int,
    facts: Callable[[Sequence[Any]], Json],  # Any: the rows of this command
    changes: dict[str, list[str]],
    not_asked: Counter[str],
) -> Written:
    """Applies people's decisions, and makes the folder whole with its review file.

    Args:
        session: of the run.
        command: whose facts stand under this name in the manifest.
        written: all rows, kept and refused.
        is_ours: of the sort of a row's id: the command writes such rows.
        splits: document -> split.
        chunks: that were asked about.
        facts: of the rows that stand.
        changes: of the documents.
        not_asked: chunks that were worth no request, by reason.
    """
    out = session.settings.out
    known = [c.id for c in session.material.benchmark.chunks if not splits or c.document_id in splits]
    candidates, decisions = decided(out, written, known)
    rows = [candidate.row for candidate in candidates if candidate.is_kept and candidate.row is not None]
    ours: Json = {
        **session.facts(),
        "chunks_asked": chunks,
        "chunks_not_asked": dict(not_asked),
        "written": sum(candidate.row is not None for candidate in candidates),
        "total": len(rows),
        "missing": 0,
        "refused": dict(rules_of(candidates).most_common()),
        "decided": dict(decisions),
        **facts(rows),
    }
    write_folder(
        session.journal,
        out,
        session.settings.source,
        session.material,
        rows=rows,
        review=review_items(out, candidates, is_ours),
        is_ours=is_ours,
        splits=splits,
        facts={command: ours},
    )
    if not session.stopped:
        keep_documents(session.journal, command, session.material.benchmark.documents)
    return Written(
        facts=ours,
        changes=changes,
        asked=session.tally.asked,
        known=session.tally.known,
        stopped=session.stopped,
    )
