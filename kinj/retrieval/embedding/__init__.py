"""Texts into vectors: which model, what it wants in front of a text, and a collection embedded shard by shard."""
