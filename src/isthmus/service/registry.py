"""Models that are served, and their reload: a folder that changes is loaded beside and takes the old one's place."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.persistence import MANIFEST, WEIGHTS
from isthmus.service import graphs
from isthmus.service.refusal import Refused, closest
from isthmus.service.served import Served
from isthmus.service.worker import Worker

LOG = logging.getLogger("isthmus.service")
Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Entry:
    """A model under its name: where it is from, what the folder was like, and what answers."""

    name: str
    path: Path
    stamp: Stamp
    served: Served


class Registry:
    """Models by name.

    Args:
        paths: folders of saved models by name.
        told: is told of every reload: the name, and whether it was taken.
        alpha: chance that drift is told of where there is none; 0 compares no rows.

    Raises:
        ValueError: a folder that holds no model, or a damaged one.
    """

    def __init__(
        self, paths: Mapping[str, Path], told: Callable[[str, bool], None] | None = None, alpha: float = 0.0
    ) -> None:
        """Load all models."""
        self._told, self._alpha = told or (lambda name, taken: None), alpha
        self.entries = {name: loaded(name, path, alpha=alpha) for name, path in paths.items()}
        self._refused: dict[str, Stamp] = {}
        self._traced: dict[str, Stamp] = {}
        self._ended, self._maker = threading.Event(), graphs.Maker()

    def get(self, name: Any) -> Served:
        """Return a model; the only one needs no name.

        Raises:
            Refused: there is none of that name, or none was named among several.
        """
        if name is None:
            if len(self.entries) == 1:
                return next(iter(self.entries.values())).served
            raise Refused(
                422, f"several models are served; name one with ?model= or in the body: {', '.join(self.entries)}"
            )
        if not isinstance(name, str) or name not in self.entries:
            raise Refused(404, f"no model {str(name)[:60]!r} is served; {closest(name, self.entries)}")
        return self.entries[name].served

    def reload(self) -> None:
        """Look at every folder once, and load those that changed; what is damaged is refused, and the old one stays."""
        for name, entry in list(self.entries.items()):
            now = stamp(entry.path)
            if now == entry.stamp or now == self._refused.get(name):
                continue
            try:
                # Stamped before it is read: what changes while it is read is read again.
                self.entries[name] = loaded(name, entry.path, now, self._alpha)
            except Exception as error:  # whatever is wrong with the folder, the old model answers
                self._refused[name] = now
                LOG.warning("model refused", extra={"model": name, "reason": str(error)})
                self._told(name, False)
                continue
            self._refused.pop(name, None)
            LOG.info("model reloaded", extra={"model": name})
            self._told(name, True)

    def trace(self, worker: Worker) -> None:
        """Make graphs of models that have not been tried since they were loaded, and let them answer in torch's place.

        Args:
            worker: the thread in which models are asked, where graphs are compared with them.
        """
        for name, entry in list(self.entries.items()):
            if self._ended.is_set() or not entry.served.by_row or self._traced.get(name) == entry.stamp:
                continue
            self._traced[name] = entry.stamp
            try:
                graph = graphs.opened(self._maker.made(entry.served.kind, entry.path))
                worker.submit(entry.served, partial(graphs.taken, entry.served, graph), None).result()
            except Exception as error:  # torch goes on answering
                if not self._ended.is_set():
                    LOG.info("graph refused", extra={"model": name, "reason": str(error)})
                continue
            LOG.info("graph taken", extra={"model": name})

    def watch(self, seconds: float, worker: Worker | None = None) -> None:
        """Look at the folders every so many seconds, in a thread of its own; with a worker, make graphs too."""
        threading.Thread(target=self._look, args=(seconds,), name="isthmus reload", daemon=True).start()
        if worker is not None:
            threading.Thread(target=self._graphs, args=(worker,), name="isthmus graphs", daemon=True).start()

    def _look(self, seconds: float) -> None:
        while seconds and not self._ended.wait(seconds):
            self.reload()

    def _graphs(self, worker: Worker) -> None:
        while not self._ended.is_set():
            self.trace(worker)
            self._ended.wait(1.0)

    def close(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._maker.close()


def loaded(name: str, path: Path, now: Stamp | None = None, alpha: float = 0.0) -> Entry:
    """Load a model and let it answer once, so that the first request is as fast as others.

    Rows that it answers are compared with those of its fit where ``alpha`` is a chance of false alarms.

    Raises:
        ValueError: it cannot be loaded.
    """
    from isthmus.estimators import load

    before = stamp(path) if now is None else now
    served = served_of(load(path))
    warm(served)
    if alpha:
        from isthmus.service.drift import watched

        served.watched = watched(name, served, alpha)
    return Entry(name, path, before, served)


def served_of(model: Any) -> Served:
    """Return a fitted estimator as the service asks it.

    Raises:
        ValueError: none that is served.
    """
    from isthmus.estimators.anomaly import AnomalyDetector
    from isthmus.estimators.autoencoder import Autoencoder
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator
    from isthmus.service.detecting import ServedDetector
    from isthmus.service.predicting import ServedPredictor
    from isthmus.service.served import ServedAutoencoder

    kinds: tuple[tuple[type, type[Served]], ...] = (
        (AnomalyDetector, ServedDetector),
        (SelfExplainingEstimator, ServedPredictor),
        (Autoencoder, ServedAutoencoder),
    )
    for estimator, served in kinds:
        if isinstance(model, estimator):
            return served(model)
    raise ValueError(
        f"a {type(model).__name__} is not served; save an autoencoder, a detector or a self-explaining model"
    )


def warm(served: Served) -> None:
    """Ask what the model can answer of one row, which makes what is made once."""
    if not served.by_row:
        return
    rows = served.rows([served.columns.example()])
    for name, ask in served.routes.items():
        ask(*(() if name == "sample" else (rows,)))


def stamp(path: Path) -> Stamp:
    """Return what tells a changed folder from the one before; nothing of files that are not there."""
    found = []
    for name in (MANIFEST, WEIGHTS):
        try:
            seen = (path / name).stat()
            found.append((seen.st_ino, seen.st_mtime_ns, seen.st_size))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


def named(models: Iterable[str]) -> dict[str, Path]:
    """Return folders by name: ``name=folder``, or the folder's own name.

    Raises:
        ValueError: two of one name, or one that addresses cannot hold.

    >>> named(["models/people", "odd=models/detector"])
    {'people': PosixPath('models/people'), 'odd': PosixPath('models/detector')}
    """
    found: dict[str, Path] = {}
    for model in models:
        name, equals, path = model.partition("=")
        folder = Path(path if equals and not Path(model).exists() else model)
        name = name if equals and folder != Path(model) else folder.resolve().name
        if not name or "/" in name:
            raise ValueError(f"{name!r} of {model!r} is no name that addresses can hold; name it anew: other={folder}")
        if name in found:
            raise ValueError(f"two models are called {name!r}; name one anew: other={folder}")
        found[name] = folder
    return found
