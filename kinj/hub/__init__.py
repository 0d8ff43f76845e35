"""Where models come from: a folder, a packaged copy, the hub's cache, or the hub."""
