"""The shell, as the tests of commands have it."""

import contextlib
import io
from typing import NamedTuple

import pytest

from isthmus.cli.app import run


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def shell():
    """Run a command in this process."""

    def told(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        return Outcome(code, out.getvalue(), err.getvalue())

    return told
