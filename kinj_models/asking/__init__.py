"""Other ways to ask what a cell asks, and what has to be known before."""
