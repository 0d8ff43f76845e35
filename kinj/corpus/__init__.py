"""Outside texts into documents and chunks."""

from kinj.corpus.cutting import Cutter, cut
from kinj.corpus.inputs import InputFiles, open_inputs, read_chunks, read_documents
from kinj.corpus.tokenizer import load_tokenizer

__all__ = ["Cutter", "InputFiles", "cut", "load_tokenizer", "open_inputs", "read_chunks", "read_documents"]
