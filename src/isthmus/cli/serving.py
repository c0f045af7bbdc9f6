"""``isthmus serve``: saved models over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

KEY = "ISTHMUS_API_KEY"
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}


def serve(
    *models: str,
    port: int = 8000,
    host: str = "127.0.0.1",
    api_key_file: Path | None = None,
    max_body: str = "10MB",
    max_rows: int = 10_000,
    timeout: float = 30.0,
    threads: int = 1,
    reload: float = 1.0,
    log_level: Literal["info", "warning"] = "info",
    graphs: bool = True,
    monitor: bool = True,
    alpha: float = 0.01,
) -> None:
    """Answer questions about rows over HTTP by saved models, until Ctrl-C or SIGTERM.

    POST /v1/score with {"rows": [{"column": value, ...}]} and so on, and the Open Inference Protocol under /v2; GET
    /openapi.json lists every route with the models' own columns. A folder that changes is loaded anew. The key that
    callers must show is in --api-key-file or in ISTHMUS_API_KEY; without one whoever reaches the port is answered.

    Args:
        models: folders of saved models, each under the folder's name, or NAME=FOLDER.
        port: of the address; 0 is any that is free.
        host: address to listen at; other machines reach it only where this is not a loopback one.
        api_key_file: a file with the key.
        max_body: most bytes of a request, as 10MB or 500kB.
        max_rows: most rows of a request.
        timeout: seconds that a request may take.
        threads: cores that torch may use for large requests.
        reload: seconds between two looks at the folders; 0 never looks.
        log_level: warning leaves out the line per request.
        graphs: let ONNX graphs answer, where isthmus[onnx] is installed: answers agree with the model's to 1e-5 and
            come several times faster, once the graphs are made; --no-graphs answers by torch, bit for bit.
        monitor: compare rows that are scored with those of the fit; GET /v1/drift says which column has moved.
        alpha: chance of a false alarm of the monitor, ever.
    """
    if not models:
        raise ValueError("isthmus serve needs a model; give the folder of a saved one")
    for name, value in (("max-rows", max_rows), ("timeout", timeout), ("threads", threads)):
        if not value > 0:
            raise ValueError(f"--{name} {value} is too little; give more than 0")
    if not 0 <= port < 65536:
        raise ValueError(f"--port {port} is no port; give one from 0 to 65535")
    if not reload >= 0:
        raise ValueError(f"--reload {reload} is no time; give seconds, or 0")
    if not 0 < alpha < 1:
        raise ValueError(f"--alpha {alpha:g} is no chance of a false alarm; give a number between 0 and 1, as 0.01")
    try:
        from isthmus.service.guard import Limits
        from isthmus.service.registry import named
        from isthmus.service.server import Settings
        from isthmus.service.server import serve as begin
    except ImportError as error:
        raise ImportError(f"isthmus serve needs {error.name}; pip install 'isthmus[serve]'") from None
    limits = Limits(body=size(max_body), rows=max_rows, seconds=timeout)
    begin(
        named(models),
        Settings(host, port, limits, key(api_key_file), threads, reload, log_level, graphs, alpha if monitor else 0.0),
    )


def size(text: str) -> int:
    """Read a number of bytes.

    Raises:
        ValueError: anything else.

    >>> size("10MB"), size("512")
    (10000000, 512)
    """
    number = text.lower().rstrip("kmgb").strip()
    unit = text.lower().strip()[len(number) :].strip()
    if not number.isdigit() or unit not in UNITS or not int(number):
        raise ValueError(f"--max-body {text!r} is no size; write for example 10MB")
    return int(number) * UNITS[unit]


def key(file: Path | None) -> str | None:
    """Return the key that callers must show; None where there is none.

    Raises:
        ValueError: an empty one, which would let everybody in who sends none.
    """
    found = file.read_text(encoding="utf-8").strip() if file is not None else os.environ.get(KEY)
    if found is not None and not found.strip():
        raise ValueError(f"the key in {file or KEY} is empty; write one there, or leave it out")
    return found
