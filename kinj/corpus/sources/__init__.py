"""Where documents come from: files, and services that give pages."""

from kinj.corpus.sources.files import FileSource
from kinj.corpus.sources.rows import Fields
from kinj.corpus.sources.source import Item, Known, Source, Unread

__all__ = ["Fields", "FileSource", "Item", "Known", "Source", "Unread"]
