"""What is told, fetched and measured before a comparison runs."""
