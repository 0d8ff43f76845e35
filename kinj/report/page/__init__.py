"""How a report is shown: words, tables, plots, pages."""
