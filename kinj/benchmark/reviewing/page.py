"""The review page: one HTML file that works offline, asks nobody and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

from kinj.benchmark.reviewing.items import KEPT, Item
from kinj.manifest import sha256_json
from kinj.records import Chunk, Json

#: text, and whether it is evidence
Segment = tuple[str, bool]


def review_page(title: str, items: Sequence[Item], chunks: Mapping[str, Chunk]) -> str:
    """The page on which a person accepts, strikes and edits the items, each beside its chunks.

    Whatever stands in texts is shown as text: the template escapes all of it, and the page's content security policy
    lets no script run but the page's own, known by its hash, and no request go out.

    Args:
        title: of the page: the folder's name.
        items: in the order in which they are shown.
        chunks: by id; an item may name others, which are said to be missing.
    """
    from jinja2 import Environment, StrictUndefined

    here = files("kinj.benchmark.reviewing")
    script, style = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(here.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        script=script,
        style=style,
        policy=_policy(script, style),
        cards=[_card(title, item, chunks) for item in items],
        kept=sum(item.state == KEPT for item in items),
    )


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _card(title: str, item: Item, chunks: Mapping[str, Chunk]) -> Json:
    return {
        "item": item,
        "row": json.dumps(item.row, ensure_ascii=False),
        "was": sha256_json(item.row),
        # Decisions are kept in the browser by this: another text is another decision.
        "key": f"kinj-review:{sha256_json([title, item.what, item.id, item.row])[:32]}",
        "chunks": [_passage(chunk_id, chunks.get(chunk_id), item.evidence) for chunk_id in item.chunk_ids],
    }


def _passage(chunk_id: str, chunk: Chunk | None, evidence: Sequence[str]) -> Json:
    if chunk is None:
        return {
            "id": chunk_id,
            "context": "",
            "source": "",
            "segments": [("(this chunk is not in chunks.jsonl)", False)],
        }
    context = chunk.context or chunk.title
    return {"id": chunk_id, "context": context, "source": chunk.source, "segments": segments(chunk.text, evidence)}


def segments(text: str, evidence: Sequence[str]) -> list[Segment]:
    """The text in pieces that are evidence or not, wherever a quote stands in it; together they are the text."""
    marked = bytearray(len(text))
    for quote in filter(None, evidence):
        at = text.find(quote)
        while at >= 0:
            marked[at : at + len(quote)] = b"\1" * len(quote)
            at = text.find(quote, at + 1)
    pieces: list[Segment] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or marked[end] != marked[start]:
            pieces.append((text[start:end], bool(marked[start])))
            start = end
    return pieces
