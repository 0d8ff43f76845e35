"""The indexes behind one name on a cluster: each build writes a new one, an alias says which one serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kinj.errors import UserError
from kinj.retrieval.elastic.access import PREFIX
from kinj.retrieval.elastic.connection import Connection
from kinj.retrieval.elastic.patience import Refusal

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
    manifest: dict[str, Any] | None  # Any: JSON values
    #: its fields by name, as the mapping describes them
    fields: dict[str, Any]  # Any: JSON values
    aliases: dict[str, Any]  # Any: JSON values

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
    found = find_generations(connection, check_name(name))
    if len(found) > 1:
        raise UserError(f"{PREFIX}{name} stands for {len(found)} indexes ({_names(found)}): name one of them")
    return found[0] if found else None


def builds_of(connection: Connection, name: str) -> list[Generation]:
    """Every index that a build of kinj's made for that name, complete or not."""
    found = find_generations(connection, f"{check_name(name)}-*")
    return [one for one in found if one.manifest is not None and one.manifest["name"] == name]


def find_generations(connection: Connection, pattern: str) -> list[Generation]:
    """The indexes that a name or a pattern stands for."""
    try:
        answer = connection.request("GET", f"/{pattern}", what=f"describe {pattern}")
    except Refusal as refusal:
        if refusal.kind == "index_not_found_exception":
            return []
        raise
    return [_generation(index, said) for index, said in sorted(answer.items())]


def meta(manifest: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """The manifest as the mapping's `_meta` keeps it."""
    return {_META: manifest}


def _generation(index: str, said: dict[str, Any]) -> Generation:  # Any: JSON values
    settings, mappings = said["settings"]["index"], said["mappings"]
    manifest = mappings.get("_meta", {}).get(_META)
    return Generation(
        index=index,
        uuid=settings["uuid"],
        version=str(settings.get("version", {}).get("created", "")),
        shards=int(settings["number_of_shards"]),
        manifest=manifest if isinstance(manifest, dict) and manifest.get("kind") == "kinj index" else None,
        fields=mappings.get("properties", {}),
        aliases=said.get("aliases", {}),
    )


def _names(found: list[Generation]) -> str:
    return ", ".join(one.index for one in found[:5]) + (", …" if len(found) > 5 else "")
