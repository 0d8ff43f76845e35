"""What the manifests of both back ends say alike."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from kinj.records import Json


def in_words(manifest: Json) -> str:
    """What an index holds, in a few words."""
    return f"{manifest['chunks']['count']} chunks, embedder {(manifest['embedder'] or {}).get('name', 'none')}"


def versions_of(*distributions: str) -> dict[str, str | None]:
    """The installed version of each; None where it is not installed."""
    return {name: _version(name) for name in distributions}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
