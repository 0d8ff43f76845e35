"""Tokens laid out in blocks, matched to another arm, and dealt out in batches."""
