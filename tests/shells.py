"""The command line without processes."""

import contextlib
import io
from typing import NamedTuple

import pytest

from isthmus.cli import main


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def isthmus(*arguments: object) -> Outcome:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())
