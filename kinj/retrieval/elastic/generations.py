"""The indexes behind one name on a cluster: each build writes a new one, an alias says which one serves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kinj.errors import UserError
from kinj.records import Json
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.patience import PermanentError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")
_META = "kinj"


@dataclass(frozen=True, slots=True)
class Generation:
    """One index on the cluster."""

    #: its own name, not that of an alias
    index: str
    uuid: str
    #: the version of Elasticsearch that made it, in its own spelling
    version: str
    shards: int
    #: what the index's `_meta` holds of kinj's; None for somebody else's index
    manifest: Json | None
    #: its fields by name, as the mapping describes them
    fields: Json
    aliases: Json

    @property
    def is_complete(self) -> bool:
        """Whether a build of kinj's has ended here."""
        return self.manifest is not None and self.manifest["state"] == "complete"


def check_name(name: str) -> str:
    """The name, refused where it could mean anything but one index.

    Raises:
        UserError: says which names there can be.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{PREFIX}{name}: a name has lower-case letters, digits and . _ - and begins with a letter or digit"
        )
    return name


def find_generation(connection: Connection, name: str) -> Generation | None:
    """The index of that name or behind the alias of that name, or None.

    Raises:
        UserError: several indexes are behind it.
    """
    generations = find_generations(connection, check_name(name))
    if len(generations) > 1:
        raise UserError(
            f"{PREFIX}{name} stands for {len(generations)} indexes ({_names(generations)}): name one of them"
        )
    return generations[0] if generations else None


def builds_of(connection: Connection, name: str) -> list[Generation]:
    """Every index that a build of kinj's made for that name, complete or not."""
    generations = find_generations(connection, f"{check_name(name)}-*")
    return [generation for generation in generations if (generation.manifest or {}).get("name") == name]


def find_generations(connection: Connection, pattern: str) -> list[Generation]:
    """The indexes that a name or a pattern stands for."""
    try:
        answer = connection.request("GET", f"/{pattern}", what=f"describe {pattern}")
    except PermanentError as error:
        if error.kind == "index_not_found_exception":
            return []
        raise
    return [_generation(index, description) for index, description in sorted(answer.items())]


def meta(manifest: Json) -> Json:
    """The manifest as the mapping's `_meta` keeps it."""
    return {_META: manifest}


def _generation(index: str, description: Json) -> Generation:
    settings, mappings = description["settings"]["index"], description["mappings"]
    manifest = mappings.get("_meta", {}).get(_META)
    return Generation(
        index=index,
        uuid=str(settings.get("uuid", "")),
        version=str(settings.get("version", {}).get("created", "")),
        # A serverless project says neither: what asks for more there is refused in words.
        shards=int(settings.get("number_of_shards", 1)),
        manifest=manifest if isinstance(manifest, dict) and manifest.get("kind") == "kinj index" else None,
        fields=mappings.get("properties", {}),
        aliases=description.get("aliases", {}),
    )


def _names(generations: list[Generation]) -> str:
    return ", ".join(generation.index for generation in generations[:5]) + (", …" if len(generations) > 5 else "")
