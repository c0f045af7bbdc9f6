"""The service as an application of Ray Serve: replicas on a cluster, each of which answers as ``isthmus serve`` does.

``serve run isthmus.cluster.serving:app models=people,odd=models/detector replicas=4`` deploys it from a shell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus import persistence
from isthmus.cluster.connection import library
from isthmus.service.options import Options
from isthmus.service.registry import named

if TYPE_CHECKING:
    from isthmus.service.guard import Guard

NAME = "isthmus"


def application(
    models: Mapping[str, str | Path] | Sequence[str], options: Options | None = None, *, replicas: int = 1
) -> Any:
    """Return saved models as an application for ``ray.serve.run(application, route_prefix="/")``.

    Each replica loads the models, batches the requests that wait for it together, and looks at the folders, so that a
    model that is saved anew is taken over by all; it may use ``options.threads`` processors.

    Args:
        models: folders of saved models by name, or as ``NAME=FOLDER`` or ``FOLDER``; all machines see them.
        options: how they answer.
        replicas: how many there are.

    Raises:
        ImportError: the extra ``isthmus[ray]`` is not installed.
        ValueError: a folder that holds no model, or no replica.
    """
    serve, options = library("ray.serve"), options or Options()
    given = {name: Path(path) for name, path in models.items()} if isinstance(models, Mapping) else named(models)
    if not given:
        raise ValueError("a service needs a model; give the folder of a saved one")
    if replicas < 1:
        raise ValueError(f"replicas={replicas} answer nobody; give 1 or more")
    paths = {name: path.expanduser().absolute() for name, path in given.items()}
    for path in paths.values():
        persistence.read(path)
    # Known here, where it was set; other machines have another environment.
    key = options.key()

    def build() -> Guard:
        from isthmus.service.running import Running

        return Running.of(paths, options, key).guard

    deployment = serve.deployment(serve.ingress(build)())
    return deployment.options(name=NAME, num_replicas=replicas, ray_actor_options={"num_cpus": options.threads}).bind()


def app(args: dict[str, str]) -> Any:
    """Return the application that ``serve run`` names: ``models`` with commas between, ``replicas``, and options.

    Raises:
        ValueError: no model, or an option that means nothing.
    """
    given = dict(args)
    models, replicas = given.pop("models", ""), given.pop("replicas", "1")
    if not replicas.isdigit():
        raise ValueError(f"replicas={replicas!r} is no number; write for example replicas=2")
    return application([model for model in models.split(",") if model], Options.of_text(given), replicas=int(replicas))
