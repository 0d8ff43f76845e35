"""Which errors mean that the Hugging Face hub did not give what it was asked for."""

from __future__ import annotations


def hub_errors() -> tuple[type[Exception], ...]:
    """For an `except` clause around a download: refused, not found, not reached, or broken off.

    The HTTP client behind the hub's library has changed twice (requests, httpx, httpx2), so its error class is taken
    from where the library itself takes it.
    """
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # imported there, not re-exported

    return (HTTPError, OSError)
