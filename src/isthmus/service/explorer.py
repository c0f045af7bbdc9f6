"""The page served live: rows and graphs of any size, and names of concepts that are saved into the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from isthmus.report import Report, report
from isthmus.report.packing import Blobs
from isthmus.service.registry import stamp


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
        self._stamp = None if path is None else stamp(path)

    def blob(self, name: str) -> bytes:
        """Return the bytes of an array, a graph or the page's tree, compressed by gzip.

        Raises:
            KeyError: there is none of that name.
        """
        return self.report.blobs.packed[name]

    def rename(self, unit: int, name: str | None) -> None:
        """Call a unit by a name, and save the model; None or nothing takes its name away.

        Raises:
            ValueError: no such unit, no usable name, or a folder that cannot be written or holds another model by now.
        """
        with self._writing:
            self._name(unit, name or None)
            page = self.report.page
            concepts = page.concepts
            if concepts is None:
                return
            named = [replace(c, name=name or "") if c.unit == unit else c for c in concepts.concepts]
            page = replace(page, concepts=replace(concepts, concepts=named))
            fresh = Blobs()
            fresh.page(page)
            self.report.blobs.packed |= fresh.packed  # in one step, as others may be asking for it
            self.report = Report(page, self.report.blobs)

    def _name(self, unit: int, name: str | None) -> None:
        """Name a unit in the model and in its folder, or in neither."""
        if self.path is not None and stamp(self.path) != self._stamp:
            raise ValueError(f"{self.path} was saved anew since this page was opened; open the page again")
        if not hasattr(self.model, "name_concept"):
            raise ValueError(f"a {type(self.model).__name__} has no concepts to name; name those of an autoencoder")
        before = getattr(self.model, "autoencoder_", self.model).concept_names_.get(unit)
        self.model.name_concept(unit, name)
        if self.path is None:
            return
        try:
            self.model.save(self.path)
        except (OSError, ValueError) as error:
            self.model.name_concept(unit, before)
            raise ValueError(f"the name was not saved: {error}") from None
        self._stamp = stamp(self.path)

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
        from isthmus.service.server import bound
    except ImportError as error:
        raise ImportError(f"isthmus explore needs {error.name}; pip install 'isthmus[serve]'") from None
    with bound("127.0.0.1", port) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
        settings = uvicorn.Config(app(explorer), log_level="warning", lifespan="off")
        uvicorn.Server(settings).run(sockets=[listening])
