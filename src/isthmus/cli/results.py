"""What fits and measures leave: lines unless they are to be quiet, figures, and a summary in files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def teller(*, quiet: bool) -> Callable[[str], None]:
    """Return what prints a line, or nothing where that is asked for."""
    return _silent if quiet else print


def _silent(text: str) -> None:
    """Print nothing."""


def interrupted(out: Path) -> int:
    """Say that a fit was interrupted, and return the exit code."""
    from isthmus.cli.app import INTERRUPTED, complain

    return complain(f"interrupted; {out} holds the best weights so far", INTERRUPTED)


def without_screen() -> None:
    """Let figures go to files, also where there is a screen; before anything that draws is imported."""
    os.environ.setdefault("MPLBACKEND", "agg")


def write_summary(folder: Path, text: str, numbers: Mapping[str, Any] | None = None) -> None:
    """Write a summary as text, and where there are numbers as JSON too."""
    from isthmus.data import atomic

    with atomic(folder / "summary.txt") as path:
        path.write_text(text + "\n", encoding="utf-8")
    if numbers is not None:
        write_json(folder / "summary.json", numbers)


def write_json(file: Path, numbers: Mapping[str, Any]) -> None:
    """Write numbers to a file."""
    from isthmus.data import atomic

    with atomic(file) as path:
        path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
