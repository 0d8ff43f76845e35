"""A recipe: a YAML file and the command line, read, checked, and what of it shapes the weights."""
