"""Checkpoints that carry the knowledge: what `kinj train` does."""
