"""Environments of the other libraries, with exact versions, made on request."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

from isthmus import machine
from isthmus.bench.works import Entrant

# What is installed together agrees; torch comes first, so that nothing exchanges the build that was chosen.
PINNED: dict[str, tuple[tuple[str, ...], ...]] = {
    "torch": (
        ("torch==2.13.0",),
        (
            "numpy==2.4.6",
            "scikit-learn==1.9.1",
            "pythae==0.1.2",
            "pyod==3.6.7",
            "lightning==2.6.6",
            "skorch==1.4.0",
            "keras==3.15.1",
            "onnx==1.23.2",
            "onnxruntime==1.32.0",
        ),
    ),
    # The second one reads saved models, too.
    "litserve": (
        ("torch==2.13.0",),
        (
            "litserve==0.2.19",
            "onnxruntime==1.32.0",
            "numpy==2.4.6",
            "scikit-learn==1.9.1",
            "pyarrow==26.0.1",
            "narwhals==2.29.0",
            "datasketches==5.2.0",
            "safetensors==0.8.0",
        ),
    ),
    "schemathesis": (("schemathesis==4.32.0",),),
    "jax": (("jax==0.10.2", "keras==3.15.1", "numpy==2.4.6"),),
    "tensorflow": (("tensorflow-cpu==2.21.0", "keras==3.15.1", "numpy==2.4.6"),),
    # Readers of rows on disk. litdata asks for torchvision, which it can do without, and which may fail to load.
    "streaming": (
        ("torch==2.13.0",),
        (
            "datasets==5.2.0",
            "webdataset==1.0.2",
            "numpy==2.4.6",
            "pyarrow==26.0.1",
            "boto3==1.44.8",
            "tifffile==2026.3.3",
        ),
        ("lightning-utilities==0.15.3", "obstore==0.12.1", "requests==2.34.2"),
        ("--no-deps", "litdata==0.2.76"),
    ),
}


def cache() -> Path:
    """Return the folder where environments are kept unless told otherwise."""
    return machine.cache() / "bench"


def interpreter(folder: Path, name: str) -> Path:
    """Return where the Python of an environment is, or would be."""
    return folder / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def python_for(entrant: Entrant, folder: Path) -> Path | None:
    """Return the Python that runs an entrant: its own environment's, else this one's if it has the module, else None.

    >>> python_for(Entrant("with_sklearn"), Path("nowhere")) == Path(sys.executable)
    True
    >>> python_for(Entrant("with_x", "x", module="no_such_module"), Path("nowhere"))
    """
    if not entrant.environment:
        return Path(sys.executable)
    own = interpreter(folder, entrant.environment)
    if own.is_file():
        return own
    return Path(sys.executable) if importlib.util.find_spec(entrant.module) else None


def install(folder: Path, name: str) -> None:
    """Make an environment with its exact versions; nothing is done where it is.

    The variable ``TORCH_SPEC`` names another build of torch, with options of pip where it needs them.

    Raises:
        ValueError: pip could not.
    """
    python = interpreter(folder, name)
    if python.is_file():
        return
    venv.create(folder / name, with_pip=True)
    for packages in PINNED[name]:
        if packages == PINNED["torch"][0]:
            packages = tuple(os.environ.get("TORCH_SPEC", packages[0]).split())
        print(f"{folder / name}: installing {', '.join(packages)}", flush=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False)
        if done.returncode:
            raise ValueError(
                f"pip could not install {', '.join(packages)} in {folder / name}; see above, remove that folder, and "
                "try again, or leave out --install and go on without"
            )
