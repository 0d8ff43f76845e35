"""PDF: characters and their places by PDFium; lines, columns, running heads and paragraphs from the places."""

from kinj.corpus.readers.pdf.read import read_pdf

__all__ = ["read_pdf"]
