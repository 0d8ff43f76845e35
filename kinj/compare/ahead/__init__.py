"""What is told, fetched, measured, counted and retrieved before a comparison runs."""
