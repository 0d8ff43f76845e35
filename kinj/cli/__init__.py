"""The command `kinj`."""

from kinj.cli.app import main

__all__ = ["main"]
