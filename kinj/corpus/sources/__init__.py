"""Where documents come from: files, and services that give pages."""

from kinj.corpus.sources.source import Item, Known, Source, Unread

__all__ = ["Item", "Known", "Source", "Unread"]
