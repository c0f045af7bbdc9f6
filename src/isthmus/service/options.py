"""What may be said of how a service answers, by its users' names: of the command, and of replicas on a cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from isthmus.component import suggest
from isthmus.service.guard import Limits

KEY = "ISTHMUS_API_KEY"
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
# A year in seconds: clocks of the system end, and no wait is meant to be longer.
LONGEST = 31_536_000
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


@dataclass(frozen=True)
class Options:
    """How a service answers.

    Args:
        max_body: most bytes of a request, as 10MB or 500kB.
        max_rows: most rows of a request.
        timeout: seconds that a request may take.
        threads: cores that torch may use for large requests.
        reload: seconds between two looks at the folders; 0 never looks.
        log_level: ``info``, or ``warning``, which leaves out the line per request.
        graphs: let ONNX graphs answer, where ``isthmus[onnx]`` is installed.
        api_key_file: a file with the key that callers must show; None takes that in ISTHMUS_API_KEY, if there is one.
        monitor: compare rows that are scored with those of the fit.
        alpha: chance of a false alarm of the monitor, ever.

    Raises:
        ValueError: a setting out of its range.

    >>> Options.of_text({"max_rows": "500", "graphs": "false"})
    Options(max_body='10MB', max_rows=500, timeout=30.0, threads=1, reload=1.0, log_level='info', graphs=False, \
api_key_file=None, monitor=True, alpha=0.01)
    """

    max_body: str = "10MB"
    max_rows: int = 10_000
    timeout: float = 30.0
    threads: int = 1
    reload: float = 1.0
    log_level: str = "info"
    graphs: bool = True
    api_key_file: str | Path | None = None
    monitor: bool = True
    alpha: float = 0.01

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("max_rows", "timeout", "threads"):
            if not getattr(self, name) > 0:
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)} is too little; give more than 0")
        for name in ("timeout", "reload"):
            if not 0 <= getattr(self, name) <= LONGEST:
                remedy = f"give seconds, {LONGEST:,} at most" + (", or 0" if name == "reload" else "")
                raise ValueError(f"--{name} {getattr(self, name)} is no time; {remedy}")
        if self.log_level not in ("info", "warning"):
            raise ValueError(f"--log-level {self.log_level!r} is none; give info or warning")
        if not 0 < self.alpha < 1:
            remedy = "give a number between 0 and 1, as 0.01"
            raise ValueError(f"--alpha {self.alpha:g} is no chance of a false alarm; {remedy}")
        size(self.max_body)

    @classmethod
    def of_text(cls, given: Mapping[str, str]) -> Self:
        """Return options that are written as text.

        Raises:
            ValueError: an unknown one, or text that is no value of it.
        """
        known = {field.name: field.default for field in fields(cls)}
        found = {}
        for name, text in given.items():
            if name not in known:
                raise ValueError(f"there is no option {name!r}; {suggest(name, list(known))}")
            found[name] = _value(name, str(text), known[name])
        return cls(**found)

    @property
    def limits(self) -> Limits:
        """What one request may take."""
        return Limits(body=size(self.max_body), rows=self.max_rows, seconds=self.timeout)

    @property
    def drift(self) -> float:
        """The chance that drift is told of where there is none; 0 where no rows are compared."""
        return self.alpha if self.monitor else 0.0

    def key(self) -> str | None:
        """Return the key that callers must show; None where there is none.

        Raises:
            ValueError: a file that cannot be read, or an empty key, which would let everybody in who sends none.
        """
        file = None if self.api_key_file is None else Path(self.api_key_file)
        try:
            found = file.read_text(encoding="utf-8") if file is not None else os.environ.get(KEY)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ValueError(f"--api-key-file {str(file)!r} cannot be read ({why}); name a file with the key") from None
        if found is not None and not found.strip():
            raise ValueError(f"the key in {file or KEY} is empty; write one there, or leave it out")
        # A line's end belongs to the file that a key came in, and no header could hold it.
        return None if found is None else found.strip()


def _value(name: str, text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in TRUE + FALSE:
            raise ValueError(f"{name}={text!r} is neither true nor false; write one of them")
        return text.lower() in TRUE
    try:
        return type(like)(text) if isinstance(like, int | float) else text
    except ValueError:
        raise ValueError(f"{name}={text!r} is no number; write for example {name}={like}") from None


def size(text: str) -> int:
    """Read a number of bytes.

    Raises:
        ValueError: anything else.

    >>> size("10MB"), size("512")
    (10000000, 512)
    """
    number = text.lower().rstrip("kmgb").strip()
    unit = text.lower().strip()[len(number) :].strip()
    if not number.isdecimal() or unit not in UNITS or not int(number):
        raise ValueError(f"--max-body {text!r} is no size; write for example 10MB")
    return int(number) * UNITS[unit]
