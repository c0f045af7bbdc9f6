"""A connection to a Ray cluster, which says nothing of its own."""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

AUTO, LOCAL = "auto", "local"
# Seconds that a cluster has to answer.
PATIENCE = 5.0
LOGS = ("ray", "ray.data", "ray.train", "ray.serve")
# Read when Ray is imported or starts something: no telemetry from here, and no word of Ray's own about workers that
# were lost, which are noticed and started anew.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*"}


def library(name: str = "ray") -> Any:
    """Import Ray or a library of it.

    Raises:
        ImportError: the extra is not installed.
    """
    try:
        with environment(QUIET):
            return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"a Ray cluster needs {error.name}; pip install 'isthmus[ray]'") from None


@contextmanager
def connected(address: str, cpus: int) -> Iterator[Any]:
    """Connect to a cluster and give Ray; where this process is connected already, use that, and leave it.

    Args:
        address: ``auto`` for the one that this machine belongs to, ``local`` for one on this machine that is started
            here and ends with the block, or HOST:PORT.
        cpus: how many are to be used; as many as that a local one has.

    Raises:
        ImportError: the extra is not installed.
        ValueError: there is no cluster, or it is not the one that this process is connected to.
    """
    ray = library()
    if ray.is_initialized():
        _refuse_other(ray, address)
        with quiet():
            yield ray
        return
    own = {"num_cpus": cpus, "include_dashboard": False} if address == LOCAL else {}
    with environment(QUIET):
        try:
            _refuse_silent(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError) as error:
            raise _none(address, str(error).splitlines()[0].split(". ")[0]) from None
    with quiet():
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Ray's own words to what went wrong."""
    levels = {log: log.level for log in map(logging.getLogger, LOGS)}
    for log in levels:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)


def _refuse_silent(address: str) -> None:
    """Refuse an address where nothing listens, which Ray itself would ask for minutes."""
    if address == LOCAL:
        return
    if address == AUTO:
        with suppress(ImportError, AttributeError, TypeError):  # a place of Ray's own, which may move
            services = library("ray._private.services")
            address = services.canonicalize_bootstrap_address(AUTO) or AUTO
    if address == AUTO:
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise ValueError(
            f"{address!r} is no HOST:PORT of a Ray cluster; on one of its machines (also by ray job submit) give "
            f"{AUTO!r}, or {LOCAL!r} for one on this machine"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _none(address, str(error)) from None


def _none(address: str, reason: str) -> ValueError:
    return ValueError(
        f"no Ray cluster answers at {address!r} ({reason.rstrip('.')}); start one with ray start --head, name its "
        f"HOST:PORT, or give {LOCAL!r} for one on this machine"
    )


def _refuse_other(ray: Any, address: str) -> None:
    here = ray.get_runtime_context().gcs_address
    if address not in (AUTO, LOCAL, here):
        raise ValueError(
            f"this process is connected to the Ray cluster at {here}, not to {address}; call ray.shutdown() first, or "
            f"give {AUTO!r}"
        )


@contextmanager
def environment(names: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment that are not set yet, for a while."""
    fresh = {name: value for name, value in names.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)
