"""A comparison: one plan, every cell, on one machine."""
