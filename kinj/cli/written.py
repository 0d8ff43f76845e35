"""What `kinj write` says: before a run, what it would take; after one, what was asked, written and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from kinj.writing import Estimate, Settings, Where, Written

GO_ON = "type the same command to go on; every answer that came is kept"


def show_estimate(found: Mapping[Where, Estimate], cost: float | None, *, as_json: bool) -> None:
    """Prints what a run would ask of each server, and what it would cost."""
    names = ("requests", "prompt_tokens", "completion_tokens", "document_tokens")
    total = {name: sum(getattr(each, name) for each in found.values()) for name in names}
    total["documents"] = max((each.documents for each in found.values()), default=0)
    if as_json:
        servers = {f"{model} at {url}": asdict(each) for (model, url), each in found.items()}
        typer.echo(json.dumps({**total, "usd": cost, "servers": servers}, indent=2))
        return
    money = "unknown (no price; --prices FILE)" if cost is None else f"${cost:.2f}"
    typer.echo(
        f"still to ask, were every answer good: about {total['requests']:,} requests about {total['documents']:,} "
        "documents; refused answers make more"
    )
    for (model, url), each in found.items() if len(found) > 1 else ():
        typer.echo(f"{'requests':<9}about {each.requests:,} of {model} at {url}")
    typer.echo(
        f"tokens   about {total['prompt_tokens']:,} of prompts ({total['document_tokens']:,} of the documents), "
        f"{total['completion_tokens']:,} of answers; thoughts come on top\ncost     {money}"
    )


def show_written(settings: Settings, kind: str, written: Written, *, as_json: bool) -> None:
    """Prints what a run asked, wrote and kept.

    Raises:
        typer.Exit: the run stopped before its end: exit code 1.
    """
    facts = written.facts
    if as_json:
        typer.echo(json.dumps({"folder": str(settings.out), "changes": written.changes, **facts}, indent=2))
    else:
        for line in _lines(settings, kind, written):
            typer.echo(line)
    if written.stopped:
        typer.echo(f"kinj: stopped: {written.stopped}; {GO_ON}", err=True)
        raise typer.Exit(1)


def _lines(settings: Settings, kind: str, written: Written) -> Iterator[str]:
    facts, spent = written.facts, written.facts["spent"]
    for change, names in written.changes.items():
        if names:
            yield f"{f'documents {change}':<20}{_some(names)}"
    if facts["chunks_not_asked"]:
        yield f"{'chunks not asked':<20}{_counts(facts['chunks_not_asked'])}"
    usd = spent["usd"] if isinstance(spent["usd"], str) else f"${spent['usd']:.4f}"
    guessed = spent["requests_with_estimated_tokens"]
    estimated = f", {guessed} of them by our own count" if guessed else ""
    yield f"{'requests':<20}{written.asked} now, {written.known} answers from the journal"
    tokens = f"{spent['prompt_tokens']:,} + {spent['completion_tokens']:,} tokens"
    yield f"{'spent in all':<20}{spent['requests']} answers{estimated}, {tokens}, cost {usd}"
    if facts["decided"]:
        yield f"{'decided by people':<20}{_counts(facts['decided'])}"
    if kind == "questions" and facts["splits"]:
        yield f"{'splits':<20}{_counts(facts['splits'])}"
    if facts["refused"]:
        yield f"{'refused':<20}{_counts(facts['refused'])}: {settings.out / 'review.jsonl'}"
    if facts.get("held_out", {}).get("wanted"):
        kept, wanted = facts["held_out"]["kept"], facts["held_out"]["wanted"]
        yield f"{'held out':<20}{kept} of {wanted} paraphrases, to choose a learning rate by; never trained on"
    train = f"kinj train {'qa' if kind == 'pairs' else 'paraphrase'} --collection {settings.out}"
    yield f"{'next':<20}{f'kinj benchmark stats {settings.out}' if kind == 'questions' else train}"
    yield _last_line(kind, facts)


def _last_line(kind: str, facts: Mapping[str, Any]) -> str:  # Any: JSON values
    asked = f"asked about {facts['chunks_asked']} chunks: {facts['written']} {kind} written, {facts['total']} kept"
    missing = facts["missing"]
    if not missing:
        return asked
    return f"{asked}; {missing} fewer than wanted: {_counts(facts['refused']) or 'no chunk is left'}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"{len(names):,}: {', '.join(names[:8])}{more}"
