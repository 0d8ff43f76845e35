"""Outside texts into documents and chunks."""

from kinj.corpus.cutting import Cutter, cut, load_tokenizer
from kinj.corpus.reading import Collection, read_chunks, read_collection, read_documents

__all__ = ["Collection", "Cutter", "cut", "load_tokenizer", "read_chunks", "read_collection", "read_documents"]
