"""The command line: arguments become parts, parts an estimator, its answers files."""

from isthmus.cli.app import main as main

__all__ = ["main"]
