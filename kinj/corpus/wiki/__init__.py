"""MediaWiki: its markup as clean Markdown, and its API."""
