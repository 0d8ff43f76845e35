"""The bytes of a file into text, one module a format; each heavy library is imported in one of them."""
