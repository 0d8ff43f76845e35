"""Training texts: where they come from, how each injection arm takes them, and their tokens."""
