"""Settings from a TOML file: the option names of the command line, and parts as tables."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts.config import Dict

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import ArgumentCollection


class ConfigFile:
    """Fill in, from the file that ``--config`` names, what neither flags nor the environment gave.

    Such a file holds ``epochs = 20``, and a part as text, ``bottleneck = "top_k:k=8"``, or as a table, ``[bottleneck]``
    with ``type = "top_k"`` and ``k = 8``.
    """

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Read the file, if one is named, and pass its settings on."""
        named = [token.value for argument in arguments if "--config" in argument.names for token in argument.tokens]
        if named:
            settings = read(Path(named[-1]))
            Dict(settings, source=named[-1], use_commands_as_keys=False)(app, commands, arguments)


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
