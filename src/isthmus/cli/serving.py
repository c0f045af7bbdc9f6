"""``isthmus serve``: saved models over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal


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
    if not 0 <= port < 65536:
        raise ValueError(f"--port {port} is no port; give one from 0 to 65535")
    if sys.stderr.isatty():  # elsewhere it has lines of JSON alone; what follows imports torch, which takes seconds
        print(f"loading {', '.join(models)} ...", file=sys.stderr, flush=True)
    try:
        from isthmus.service.options import Options
        from isthmus.service.registry import named
        from isthmus.service.server import serve as begin
    except ImportError as error:
        raise ImportError(f"isthmus serve needs {error.name}; pip install 'isthmus[serve]'") from None
    given = Options(max_body, max_rows, timeout, threads, reload, log_level, graphs, api_key_file, monitor, alpha)
    begin(named(models), given, host, port)
