"""From documents to a verdict: the other commands, one behind the other."""
