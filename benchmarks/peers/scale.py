"""One detector on many generated rows, in a process of its own: ``python scale.py DETECTOR ROWS THREADS``.

Prints one line of JSON: seconds of fit and score on the clock, those of the processor, and the largest memory of the
process and before the fit, in MiB.
"""

import json
import resource
import sys
import time
import warnings

import numpy as np

COLUMNS, FACTORS = 30, 8


def rows(n):
    """30 columns of 8 factors, bent, with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, FACTORS)) @ rng.normal(size=(FACTORS, COLUMNS))
    x[:, ::3] = np.tanh(x[:, ::3])
    x += 0.3 * rng.normal(size=x.shape)
    return x


def detector(name):
    if name == "isthmus":
        from isthmus import AnomalyDetector

        return AnomalyDetector(random_state=0), "anomaly_score"
    import torch
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest

    makers = {
        "AutoEncoder": lambda: AutoEncoder(random_state=0, verbose=0, device=torch.device("cpu")),
        "ECOD": ECOD,
        "IForest": lambda: IForest(random_state=0),
    }
    return makers[name](), "decision_function"


def peak():
    """KiB on Linux, bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    import torch

    name, n, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr
    x = rows(n)
    model, ask = detector(name)
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    model.fit(x)
    fitted = time.perf_counter()
    getattr(model, ask)(x)
    found = {"fit": fitted - wall, "score": time.perf_counter() - fitted, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(found | {"peak": peak(), "before": before}), file=out, flush=True)


if __name__ == "__main__":
    main()
