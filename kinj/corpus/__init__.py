"""Outside texts into documents and chunks."""

from kinj.corpus.cutting import Cutter, cut
from kinj.corpus.inputs import Collection, read_chunks, read_collection, read_documents
from kinj.corpus.tokenizer import load_tokenizer

__all__ = ["Collection", "Cutter", "cut", "load_tokenizer", "read_chunks", "read_collection", "read_documents"]
