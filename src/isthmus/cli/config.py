"""Settings from the environment and from a TOML file, under the option names of the command line."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cyclopts.config import Dict, Env

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import ArgumentCollection


PREFIX = "ISTHMUS_"


class Environment:
    """Fill in what flags did not give from variables such as ISTHMUS_FIT_EPOCHS; refuse those that are no option."""

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Look at the variables of the command that is run.

        Raises:
            ValueError: a variable that no option has, with a suggestion.
        """
        prefix = PREFIX + "".join(f"{command.upper()}_" for command in commands)
        options = [name.strip("-") for argument in arguments for name in argument.names]
        known = {prefix + option.upper().replace("-", "_") for option in options}
        for name in os.environ:
            if commands and name.startswith(prefix) and name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else "unset it"
                raise ValueError(f"the environment's {name} is no option of {' '.join(commands)}; {hint}")
        Env(PREFIX)(app, commands, arguments)


class ConfigFile:
    """Fill in, from the file that ``--config`` names, what neither flags nor the environment gave.

    Such a file holds ``epochs = 20``, and a part as text, ``bottleneck = "top_k:k=8"``, or as a table, ``[bottleneck]``
    with ``type = "top_k"`` and ``k = 8``.
    """

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Read the file, if one is named, and pass its settings on.

        Raises:
            ValueError: no such file, not TOML, or settings that nobody would read.
        """
        named = [token.value for argument in arguments if "--config" in argument.names for token in argument.tokens]
        if named:
            settings = read(Path(named[-1]))
            _refuse_unread(settings, named[-1], {name for root in app.app_stack.current_frame for name in root})
            Dict(settings, source=named[-1], use_commands_as_keys=False)(app, commands, arguments)


class WholeNumbers:
    """Refuse fractions where whole numbers are asked for, wherever they come from; cyclopts would round them."""

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Look at what flags, the environment and the file gave.

        Raises:
            ValueError: a fraction.
        """
        for argument in arguments:
            if int in (argument.hint, *get_args(argument.hint)):
                for token in argument.tokens:
                    if _fraction(token.value):
                        where = "" if token.source == "cli" else f" ({token.source})"
                        raise ValueError(f"{argument.name} {token.value}{where} is not a whole number; give one")


def _fraction(text: str) -> bool:
    try:
        return "." in text and not float(text).is_integer()
    except ValueError:  # no number at all, which cyclopts says
        return False


def _refuse_unread(settings: Mapping[str, Any], source: str, commands: Collection[str]) -> None:
    """Refuse settings below the name of a command, which cyclopts passes over, and the name of another file."""
    if "config" in settings:
        raise ValueError(f"{source!r} names another file as its config; put all settings into one file")
    if inner := next((name for name in settings if name in commands), None):
        raise ValueError(
            f"{source!r} has {inner!r}, which is a command and no option; write its options at the top of the file"
        )


def read(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file by option; a part's table becomes text.

    Raises:
        ValueError: no such file, or not TOML.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{str(path)!r} is not TOML: {error}; correct that line") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"cannot read the settings {str(path)!r}: {reason}; give a TOML file") from None
    return {name: as_text(value) for name, value in settings.items()}


def as_text(value: Any) -> Any:
    """Write a part's table as JSON, which every part's option reads too; leave all else as it is."""
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return json.dumps(value) if isinstance(value, dict) else value
