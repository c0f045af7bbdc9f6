"""The commands, and how their mistakes are told: one line, no traceback, an exit code."""

from __future__ import annotations

import ast
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from cyclopts import App, CycloptsError

import isthmus
from isthmus.atrow import AtRow
from isthmus.cli.benching import bench
from isthmus.cli.coding import encode, reconstruct, sample
from isthmus.cli.concepts import concepts
from isthmus.cli.config import ConfigFile, Environment, WholeNumbers
from isthmus.cli.explaining import explain
from isthmus.cli.exporting import export
from isthmus.cli.fitting import fit
from isthmus.cli.imputing import impute
from isthmus.cli.judging import evaluate, score
from isthmus.cli.listing import parts
from isthmus.cli.monitoring import monitor
from isthmus.cli.reporting import explore, report
from isthmus.cli.serving import serve
from isthmus.cli.sharing import pull, push
from isthmus.cli.tuning import tune

INTERRUPTED = 130
# How torch, which has no error of its own for the processor's memory, and numpy speak of what they did not get.
WITHOUT_MEMORY = re.compile(r"out of memory|n.t allocate|cannot allocate|bad_alloc", re.IGNORECASE)
ALLOCATED = re.compile(r"allocate ([\d.]+ [KMGT]?i?B(?:ytes)?)\b", re.IGNORECASE)

# Text as Python writes it.
TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""


def _drops(found: re.Match[str]) -> str:
    return " ".join(f"--drop {shlex.quote(name)}" for name in ast.literal_eval(found[1]))


# What is called otherwise in Python, where most of what is told comes from.
IN_SHELL: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"\bX\.drop\(columns=(\[{TEXT}(?:, {TEXT})*\])\)"), _drops),
    (re.compile(r"\bn_components=(\w)"), r"--units \1"),
    (re.compile(r"\bn_components\b"), "--units"),
    (re.compile(r"\bdrop it, or declare its kind \(schema\)"), "leave it out (--drop), or declare its kind (--schema)"),
    (re.compile(r"\bschema=\{(['\"])(.+?)\1: '([^']*)'\}"), r"--schema '\2=\3'"),
    (re.compile(r"\bout with drop="), "out with --drop"),
    (re.compile(r"\buse Overcomplete\(\)"), "use --bottleneck overcomplete"),
)

app = App(
    name="isthmus",
    help="""Autoencoders from six parts: architecture, bottleneck, corruption, likelihood, penalties, trainer.

Begin with: isthmus fit digits -o model --figures figures""",
    version=isthmus.__version__,
    # The first one wins: flags, then the environment (ISTHMUS_FIT_EPOCHS=20), then the file.
    config=[Environment(), ConfigFile(), WholeNumbers()],
    suppress_keyboard_interrupt=False,
)
COMMANDS: tuple[Callable[..., int | None], ...] = (
    fit,
    tune,
    report,
    explore,
    encode,
    reconstruct,
    score,
    sample,
    impute,
    evaluate,
    explain,
    concepts,
    export,
    push,
    pull,
    serve,
    monitor,
    parts,
)
for place, command in enumerate(COMMANDS):
    app.command(command, sort_key=place)
app.command(bench)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 2 for a mistake of the user, 130 on Ctrl-C.

    Args:
        argv: the arguments; None takes those of the process.
    """
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(tokens: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    try:
        with told_plainly():
            code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        return code or 0
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough; Python's own flush at the end must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CycloptsError as error:
        return complain(f"{error} ({' '.join(helped(tokens))} --help lists what there is)")
    except (RecursionError, NotImplementedError):
        raise  # a mistake of the program
    except (MemoryError, RuntimeError) as error:
        return complain(without_memory(error) or str(error))
    except (ValueError, OSError, ImportError) as error:
        return complain(told(error))


def told(error: object) -> str:
    """Say what an error or a warning says; rows of files are counted from 1."""
    return error.in_file() if isinstance(error, AtRow) else str(error)


def without_memory(error: Exception) -> str | None:
    """Say that memory did not suffice, and what helps; None of any other error."""
    text = str(error)
    if not isinstance(error, MemoryError) and not WITHOUT_MEMORY.search(text):
        return None
    asked = ALLOCATED.search(text)
    more = f" (for {asked[1]} more)" if asked else ""
    return (
        f"there is not enough memory{more}; give fewer rows (--limit), or where a model is fitted smaller steps "
        "(--micro-batch) or rows in blocks (--stream)"
    )


def helped(tokens: Sequence[str]) -> list[str]:
    """Return the command whose help lists what there is."""
    return ["isthmus", *(token for token in tokens[:1] if token in app)]


def complain(message: str, code: int = 2) -> int:
    """Say what went wrong in one line on stderr."""
    print(f"isthmus: {in_shell(' '.join(message.split()))}", file=sys.stderr)
    return code


def in_shell(text: str) -> str:
    """Return what the library tells in the words of the shell, whose remedies are options."""
    for python, option in IN_SHELL:
        text = python.sub(option, text)
    return text


@contextmanager
def told_plainly() -> Iterator[None]:
    """Show warnings and what the library logs as lines, without places in the code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("isthmus: %(message)s"))
    log = logging.getLogger("isthmus")
    log.addHandler(handler)
    # A search fits many times to the same rows; what is said of them is said once.
    said = cache(lambda line: print(f"isthmus: {line}", file=sys.stderr))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: said(in_shell(told(message)))
            yield
    finally:
        log.removeHandler(handler)
