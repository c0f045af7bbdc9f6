"""Models that are served, fitted once."""

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra isthmus[serve]")
pytest.importorskip("prometheus_client", reason="the service needs the extra isthmus[serve]")

from serving import client_of, made


@pytest.fixture(scope="session")
def fitted():
    return made()


@pytest.fixture(scope="session")
def saved(fitted, tmp_path_factory):
    """Return a folder with a saved model of every kind."""
    folder = tmp_path_factory.mktemp("models")
    for name, (model, _) in fitted.items():
        model.save(folder / name)
    return folder


@pytest.fixture(scope="session")
def served(saved, fitted):
    """Return a client of a server with every model."""
    with client_of(saved, *fitted) as (client, _):
        yield client
