"""The command line, one file per command. What is heavy is imported where it is used, so that `--help` is quick."""

from guerdon.cli.app import main

__all__ = ["main"]
