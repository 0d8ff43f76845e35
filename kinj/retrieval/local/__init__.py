"""The embedded index: a folder with chunks, BM25 by tantivy and vectors by FAISS."""
