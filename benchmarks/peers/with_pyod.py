"""Detectors of PyOD, in an environment of their own: a job is one line of JSON, and so is the answer.

A job names a detector, a file with the arrays ``train`` and ``test``, a seed, and the file that takes the answers:
``scores`` of the test rows, high for anomalies, ``labels`` at the contamination of the job, and ``dimensions``, what
each column adds, where a detector says so (ECOD and COPOD). Settings are the library's own.
"""

import json
import sys
import time
import warnings

import numpy as np


def detector(name, seed, contamination):
    import torch
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.vae import VAE

    given = {"contamination": contamination}
    learnt = given | {"random_state": seed, "verbose": 0, "device": torch.device("cpu")}
    makers = {
        "AutoEncoder": lambda: AutoEncoder(**learnt),
        "VAE": lambda: VAE(**learnt),
        "KNN": lambda: KNN(**given),
        "IForest": lambda: IForest(random_state=seed, **given),
        "ECOD": lambda: ECOD(**given),
        "COPOD": lambda: COPOD(**given),
    }
    return makers[name]()


def answer(job):
    with np.load(job["data"]) as stored:
        train, test = stored["train"], stored["test"]
    model = detector(job["detector"], job["seed"], job["contamination"])
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(train)
    fitted = time.perf_counter()
    scores = model.decision_function(test)
    found = {"fit": fitted - wall, "seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    told = {"scores": scores, "labels": scores > model.threshold_}
    if hasattr(model, "O"):
        told["dimensions"] = np.asarray(model.O)[-len(test) :]
    np.savez(job["out"], **told)
    return found


def main():
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr  # some detectors print
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:
            said = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(said), file=out, flush=True)


if __name__ == "__main__":
    main()
