"""Tables of the benchmarks: people, stars, connections, and the data sets of ADBench; files as in ``ISTHMUS_DATA``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets import present
from isthmus.data.datasets import home

Array = NDArray[Any]

ADULT = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
)


def adult(part: str) -> Any:
    """Return the 32,561 ``data`` or 16,281 ``test`` rows of UCI adult as a pandas frame; ``?`` is missing."""
    import pandas as pd

    path = present("uci-tabular", f"adult/adult.{part}")
    lines = pd.read_csv(path, names=list(ADULT), skipinitialspace=True, na_values="?", comment="|")
    lines["income"] = lines["income"].str.rstrip(".")
    return lines


def htru2() -> tuple[Any, Array]:
    """Return the 17,898 candidates of HTRU2 as a pandas frame of 8 numbers, and whether each is a pulsar."""
    import pandas as pd

    lines = pd.read_csv(present("uci-tabular", "htru2/HTRU_2.csv"))
    return lines.drop(columns="y").astype(float), lines["y"].to_numpy() == 1


def nsl_kdd() -> tuple[Any, Array]:
    """Return the 25,192 + 22,544 connections of NSL-KDD as a pandas frame of 41 columns, and whether each attacks."""
    import pandas as pd

    parts = [
        pd.read_csv(present("anomaly", f"nsl-kdd/{name}.txt"), header=None)
        for name in ("KDDTrain+_20Percent", "KDDTest+")
    ]
    lines = pd.concat(parts, ignore_index=True)
    frame = lines.iloc[:, :41].rename(columns=lambda i: f"c{i}")
    return frame, lines[41].to_numpy() != "normal"


def adbench_names() -> list[str]:
    """Return the names of the ADBench sets at hand, in the order of their numbers."""
    folder = home() / "anomaly" / "adbench"
    found = sorted((path.stem for path in folder.glob("*.npz")), key=lambda name: int(name.partition("_")[0]))
    if not found:
        present("anomaly", "adbench/4_breastw.npz")
    return found


def adbench(name: str) -> tuple[Array, Array]:
    """Return rows of an ADBench set, and whether each is an anomaly."""
    with np.load(present("anomaly", f"adbench/{name}.npz")) as stored:
        return np.asarray(stored["X"], dtype=np.float64), np.asarray(stored["y"]) == 1


def published(protocol: str, measure: str) -> Mapping[str, Mapping[str, float]]:
    """Return what Livernoche et al. (2024) print, per cent, by method and data set.

    Args:
        protocol: ``one_class`` or ``unsupervised``.
        measure: ``auroc`` or ``aupr``.
    """
    import pandas as pd

    lines = pd.read_csv(present("anomaly", f"adbench/published/{protocol}_{measure}.csv"), index_col="dataset")
    return {method: lines[method].to_dict() for method in lines.columns}
