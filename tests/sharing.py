"""Fits on several processes that the tests share; as a script, one of these processes."""

import copy
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch

from isthmus import Autoencoder, Trainer, load, recipes
from isthmus.data import stream
from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.parts import (
    L1,
    L2,
    LBFGS,
    SGD,
    Auxiliary,
    BatchTopK,
    Contractive,
    Dense,
    GaussianNoise,
    Greedy,
    Masking,
    Rectified,
    TopK,
    Variational,
)
from isthmus.records import Rows
from isthmus.training.callbacks import Callback
from isthmus.training.distributed import joined
from isthmus.training.resampling import Resampling

ROWS, WIDTH = 501, 12


def rows(n=ROWS):
    """Return correlated numbers."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)) @ rng.normal(size=(4, WIDTH)) + 0.1 * rng.normal(size=(n, WIDTH))


def model(units=4, *, epochs=3, precision="float64", pretraining=None, batch_size=50, **parts):
    """Return an autoencoder whose batches are of uneven size and fall into uneven shares."""
    named = ("engine", "optimiser", "clip", "validation", "trim", "micro_batch")
    settings = {name: parts.pop(name) for name in named if name in parts}
    trainer = Trainer(epochs, batch_size=batch_size, precision=precision, pretraining=pretraining, **settings)
    return Autoencoder(
        units, architecture=parts.pop("architecture", Dense((9,))), trainer=trainer, random_state=0, **parts
    )


def weights():
    """Return unequal row weights, some of them zero."""
    return np.random.default_rng(1).integers(0, 4, ROWS).astype(float)


# Each of them is a fit that is the same on one process and on two, and in micro-batches, up to rounding.
FITS = {
    "corruption": lambda **t: model(corruption=GaussianNoise(0.2), **t).fit(rows()),
    "mask, dropout, clip": lambda **t: model(
        corruption=Masking(0.2), architecture=Dense((9,), dropout=0.2), clip=0.5, optimiser=SGD(0.05), **t
    ).fit(rows()),
    "autograd": lambda **t: model(engine="autograd", corruption=GaussianNoise(0.2), penalties=(L2(),), **t).fit(rows()),
    "draws": lambda **t: model(bottleneck=Variational(draws=3), penalties=recipes.variational().penalties, **t).fit(
        rows()
    ),
    "row weights": lambda **t: model(penalties=(L1(0.1),), **t).fit(rows(), sample_weight=weights()),
    "probes": lambda **t: model(
        architecture=Dense((9,), activation="tanh"),
        bottleneck=Rectified(),
        penalties=(Contractive(0.1, probes=2),),
        **t,
    ).fit(rows()),
    "all rows": lambda **t: model(optimiser=LBFGS(iterations=4), validation=0.0, batch_size=0, **t).fit(rows()),
    "tallies": lambda **t: (
        recipes.dictionary(40, l0=4, by="top_k", trainer=Trainer(3, precision="float64", **t), random_state=0)
        .set_params(penalties=(Auxiliary(after=100),))
        .fit(rows())
    ),
    "sparse engine": lambda **t: recipes.dictionary(
        64, l0=2, by="top_k", trainer=Trainer(2, precision="float64", engine="sparse", **t), random_state=0
    ).fit(rows()),
    "many held out": lambda **t: model(epochs=2, corruption=GaussianNoise(0.1), **t).fit(
        rows(700), held_out=rows(3000)
    ),
    "new atoms": lambda **t: recipes.dictionary(
        40, l0=2, by="top_k", trainer=Trainer(6, precision="float64", **t), random_state=0
    ).fit(rows(), callbacks=[Resampling(every=2)]),
    "layer by layer": lambda **t: model(epochs=2, architecture=Dense((9, 7)), pretraining=Greedy(epochs=2), **t).fit(
        rows()
    ),
}
SHARDED = (
    "corruption",
    "mask, dropout, clip",
    "draws",
    "row weights",
    "probes",
    "tallies",
    "many held out",
    "layer by layer",
)
IN_PARTS = ("corruption", "autograd", "all rows", "tallies")
# These are repeated to the same bits, and near the fit of one process.
NEAR = {
    "batch norm": lambda **t: model(architecture=Dense((9,), norm="batch"), **t).fit(rows()),
    "batch selection": lambda **t: model(8, bottleneck=BatchTopK(k=2), **t).fit(rows()),
    "selection": lambda **t: model(8, bottleneck=TopK(k=2), trim=0.1, epochs=4, **t).fit(rows()),
    "bf16": lambda **t: model(precision="bf16", **t).fit(rows()),
    "bf16 by autograd": lambda **t: model(precision="bf16", engine="autograd", **t).fit(rows()),
    "single precision": lambda **t: model(precision="float32", **t).fit(rows()),
}


def found(fitted):
    """Return what a fit leaves behind, as tensors by name."""
    loss = torch.tensor([row[part].get("loss", 0.0) for row in fitted.history_ for part in ("train", "held_out")])
    return {**fitted.objective_.state_dict(), "loss": loss, "best": torch.tensor(fitted.best_epoch_)}


def streamed(folder):
    """Fit two epochs of a stream and return the rows that this process saw, in order, beside what the fit left."""
    seen = []

    class Watch(Callback):
        everywhere = True

        def epoch_start(self, loop):
            inner = loop.engine.step

            def step(batch, *args, **settings):
                seen.append(batch.x[:, 0].clone())
                inner(batch, *args, **settings)

            loop.engine.step = step
            self.engine, self.inner = loop.engine, inner

        def epoch_end(self, loop, row):
            seen.append(torch.full((1,), torch.nan))
            self.engine.step = self.inner

    numbered = stream(folder / "numbered.parquet", window_bytes=100 * 4 * 2)
    fitted = Autoencoder(
        1, architecture=Dense(()), trainer=Trainer(2, batch_size=40), scaling="none", random_state=0
    ).fit(numbered, callbacks=[Watch()])
    return torch.cat(seen), found(fitted)


class NowAndThen(Task):
    """A task with a weight that few rows reach, so that seldom all processes have a gradient for it."""

    def __init__(self):
        super().__init__()
        self.always, self.seldom = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(4))

    def forward(self, batch, noise, epoch):
        terms = (self.always.sum() * batch.x[:, 0] - 1) ** 2
        if batch.x[:, 1].max() > 0.95:
            terms = terms + self.seldom.square().sum() * (batch.x[:, 1] > 0.95)
        return {"terms": terms}, {}


def now_and_then(engine):
    """Return the weights of such a task after a fit."""
    task, x = NowAndThen(), torch.from_numpy(np.random.default_rng(0).random((200, 2)))
    trainer = Trainer(3, batch_size=20, precision="float64", validation=0.0, engine=engine)
    trainer.fit(task, Rows(x), Noise(0), group=joined())
    return task.state_dict()


def sharded(folder):
    """Return what becomes of sharded fits that roll back, go on from a file, and end by themselves."""
    settings = {"engine": "sharded", "epochs": 4, "corruption": GaussianNoise(0.1)}
    results = {f"{name}, sharded": found(FITS[name](engine="sharded")) for name in SHARDED}
    results |= {f"{name}, sharded": found(NEAR[name](engine="sharded")) for name in ("single precision", "bf16")}
    results["now and then, sharded"] = now_and_then("sharded")
    results["in parts, sharded"] = found(FITS["corruption"](engine="sharded", micro_batch=9))
    rolled = model(engine="sharded", optimiser=SGD(3.0)).fit(rows())
    results["rolled back, sharded"] = found(rolled) | times(rolled)
    whole = model(**settings).fit(rows())
    results["sharded, uninterrupted"] = found(whole)
    save_to = folder / "sharded"
    model(**settings).fit(rows(), checkpoint=save_to, callbacks=[Ends(2)])
    results["resumed, sharded"] = found(model(**settings).fit(rows(), checkpoint=save_to))
    results["engine, sharded"] = whole.engine_
    # Pickled, copied and saved as any other, with nothing of torch's own in its modules.
    plain = copy.deepcopy(pickle.loads(pickle.dumps(whole)))
    whole.save(folder / f"saved {os.environ['RANK']}")
    results["plain"] = {"code": torch.from_numpy(plain.transform(rows()))}
    results["saved"] = {"code": torch.from_numpy(load(folder / f"saved {os.environ['RANK']}").transform(rows()))}
    results["traces"] = [
        f"{type(module).__name__}.{name}"
        for module in whole.objective_.modules()
        for name, value in vars(module).items()
        if "fsdp" in name.lower() or (name.endswith("_hooks") and value)
    ] + [name for name, p in whole.objective_.named_parameters() if type(p) is not torch.nn.Parameter]
    return results


def times(fitted):
    """Return how often every epoch of a fit was begun anew."""
    return {"times": torch.tensor([row["rollbacks"] for row in fitted.history_])}


class Ends(Callback):
    """End a fit after some epochs."""

    def __init__(self, last):
        self.last = last

    def epoch_end(self, loop, row):
        loop.stop = loop.epoch == self.last


def main(folder):
    """Fit everything as one of the processes that the environment names, twice where bits are compared."""
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    results = {name: found(fit()) for name, fit in {**FITS, **NEAR}.items()}
    results |= {f"{name}, again": found(fit()) for name, fit in NEAR.items()}
    results |= {f"{name}, in parts": found(FITS[name](micro_batch=9)) for name in IN_PARTS}
    results |= sharded(folder)
    rolled = model(optimiser=SGD(3.0)).fit(rows())
    results["rolled back"] = found(rolled) | times(rolled)
    results["engine"] = model(precision="float32").fit(rows()).engine_
    results["unseeded"] = found(model().set_params(random_state=None).fit(rows()))
    results["alone"] = found(model().set_params(random_state=int(rank)).fit(rows(), devices=1))
    results["seen"], results["stream"] = streamed(folder)
    results["refused"] = {}
    others = {
        "unlike": lambda: model().fit(rows() + float(rank)),
        "kernel": lambda: model(engine="native", precision="float32").fit(rows()),
        "crumbs": lambda: model(batch_size=1).fit(rows()),
        "atoms": lambda: FITS["new atoms"](engine="sharded"),
        "all at once": lambda: model(engine="sharded", optimiser=LBFGS()).fit(rows()),
        "workers": lambda: model().fit(rows(), devices=2),
    }
    for name, fit in others.items():
        try:
            fit()
        except ValueError as error:
            results["refused"][name] = str(error)
    torch.save(results, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
