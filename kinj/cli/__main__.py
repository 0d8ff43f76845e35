"""`python -m kinj.cli` is `kinj`, in whichever environment this Python is."""

from __future__ import annotations

from kinj.cli import main

main()
