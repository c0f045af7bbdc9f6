"""The page served live: rows and graphs of any size, and names of concepts that are saved into the model."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from isthmus.report import Report, report


class Explorer:
    """What the page asks for, as plain functions.

    Args:
        model: a fitted estimator.
        X: rows like those of its fit.
        y: a label per row.
        path: where the model is saved; names are written there. None keeps them in memory.
        settings: ``name``, ``label``, ``shape`` and ``titles``, as :func:`isthmus.report.report` takes them.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> X = data.read("digits", limit=100).X
    >>> explorer = Explorer(Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(X), X)
    >>> explorer.rename(2, "loop")
    >>> explorer.model.concept_names_
    {2: 'loop'}
    """

    def __init__(self, model: Any, X: Any, y: Any = None, path: Path | None = None, **settings: Any) -> None:
        """Compose the page, of all rows."""
        self.model, self.path = model, path
        made = report(model, X, y, size="whole", **settings)
        page = replace(made.page, editable=made.page.concepts is not None)
        made.blobs.packed.pop("page")
        made.blobs.page(page)
        self.report = Report(page, made.blobs)
        self._writing = Lock()

    def blob(self, name: str) -> bytes:
        """Return the bytes of an array, a graph or the page's tree, compressed by gzip.

        Raises:
            KeyError: there is none of that name.
        """
        return self.report.blobs.packed[name]

    def rename(self, unit: int, name: str | None) -> None:
        """Call a unit by a name, and save the model; None or nothing takes its name away.

        Raises:
            ValueError: no such unit, or no usable name.
        """
        with self._writing:
            self.model.name_concept(unit, name or None)
            if self.path is not None:
                self.model.save(self.path)
            page = self.report.page
            concepts = page.concepts
            if concepts is None:
                return
            named = [replace(c, name=name or "") if c.unit == unit else c for c in concepts.concepts]
            page = replace(page, concepts=replace(concepts, concepts=named))
            self.report.blobs.packed.pop("page")
            self.report.blobs.page(page)
            self.report = Report(page, self.report.blobs)

    def html(self) -> str:
        """Return the page, which asks for all the rest."""
        return self.report.html(server="")


def serve(explorer: Explorer, port: int = 0) -> None:
    """Serve the page on this machine until somebody interrupts, and say where it is.

    Args:
        explorer: what answers.
        port: 0 is any that is free.

    Raises:
        ImportError: the extra ``isthmus[serve]`` is not installed.
        OSError: another program has the port.
    """
    try:
        import uvicorn

        from isthmus.service.app import app
    except ImportError as error:
        raise ImportError(f"isthmus explore needs {error.name}; pip install 'isthmus[serve]'") from None
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listening:
        listening.bind(("127.0.0.1", port))
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
        settings = uvicorn.Config(app(explorer), log_level="warning", lifespan="off")
        uvicorn.Server(settings).run(sockets=[listening])
