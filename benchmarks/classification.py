"""MNIST errors of classifiers that start from autoencoders, beside the same networks without pretraining.

Four set-ups from the literature. Ng et al.'s exercise (UFLDL): two sparse layers of 200 units, 12.3 % before and 2.4 %
after fine-tuning. Vincent et al. (2010), Table 3: three denoising layers, 1.28 %. Rifai et al. (2011), Table 1: one
layer of 1,000 units, CAE 1.14, DAE-b 1.57, AE + weight decay 1.68, AE 1.78 %. Makhzani & Frey (2014): 1,000 units of
which 25 speak, 1.35 % with a linear classifier on the code.

All units are logistic (linear in the k-sparse net) and tied, pictures and logistic codes have cross-entropy, as in the
papers; the optimiser is Adam with a rate that falls along a cosine. 50,000 pictures train, the other 10,000 training
pictures choose the epoch and chose the settings. Test pictures are looked at once, by the finished classifier. Rows of
one network share their fine-tuning; "no pretraining" starts it from random weights.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, FineTunedClassifier, Trainer
from isthmus.parts import (
    L2,
    ActivationRate,
    Adam,
    Bernoulli,
    Contractive,
    Cosine,
    Dense,
    Greedy,
    Masking,
    Normal,
    Sigmoid,
    TopK,
)

HELD_OUT = 6  # one picture in six
SPARSE = (ActivationRate(3.0, rho=0.1), L2(3e-3))


@dataclass(frozen=True)
class Net:
    """A network and how it is fine-tuned, which its rows share."""

    hidden: tuple[int, ...]
    units: int
    epochs: int = 20
    fine: int = 15
    rate: float = 4e-3
    noise: float = 0.0
    first: float = 2e-3
    top: int = 0
    frozen: bool = False


@dataclass(frozen=True)
class Start:
    """What the network learns before it sees a label; nothing, if ``learns`` is false."""

    net: Net
    penalties: tuple[Any, ...] = ()
    noise: float = 0.0
    learns: bool = True
    frozen: bool = False
    target: str = ""


NG = Net((200,), 200, rate=1e-3)
VINCENT = Net((1000, 1000), 1000, epochs=50, fine=40, rate=2e-3, noise=0.25)
RIFAI = Net((), 1000)
MAKHZANI = Net((), 1000, epochs=30, fine=20, first=1e-3, top=25, frozen=True)

STARTS = {
    "784-200-200, sparse layers, classifier only": Start(NG, SPARSE, frozen=True, target="about 12.3"),
    "784-200-200, sparse layers": Start(NG, SPARSE, target="≤ 2.4"),
    "784-200-200, no pretraining": Start(NG, learns=False),
    "784-1000-1000-1000, denoising layers": Start(VINCENT, noise=0.25, target="≤ 1.28"),
    "784-1000-1000-1000, no pretraining": Start(VINCENT, learns=False),
    "784-1000, contractive": Start(RIFAI, (Contractive(0.1),), target="≤ 1.14"),
    "784-1000, denoising": Start(RIFAI, noise=0.25, target="second"),
    "784-1000, weight decay": Start(RIFAI, (L2(1e-3),), target="third"),
    "784-1000, plain": Start(RIFAI, target="last"),
    "784-1000, no pretraining": Start(RIFAI, learns=False),
    "784-1000, 25 speak, linear classifier": Start(MAKHZANI, target="≤ 1.35"),
    "784-1000, 25 speak, linear classifier, no pretraining": Start(MAKHZANI, learns=False),
}

TABLE = Table(
    name="classification",
    columns={
        "test": Column("test error, %", "{:.2f}", "spread"),
        "held_out": Column("held-out error, %", "{:.2f}"),
        "epochs": Column("epochs of a layer", "{:.0f}"),
        "fine": Column("of fine-tuning", "{:.0f}"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "pretraining": Column("minutes of pretraining", "{:.1f}"),
        "cpu_minutes": Column("in all", "{:.1f}"),
    },
    rows=tuple(STARTS),
    targets={name: start.target for name, start in STARTS.items() if start.target},
)


def trainer(epochs: int, rate: float, batch: int, **settings: Any) -> Trainer:
    """Return how every net here is trained."""
    optimiser = Adam(Cosine(rate, warmup=1.0))
    return Trainer(epochs, batch_size=batch, optimiser=optimiser, patience=0, device="cpu", **settings)


def autoencoder(start: Start, epochs: int, seed: int) -> Autoencoder:
    """Return the unfitted autoencoder: trained layer by layer if it has several."""
    net = start.net
    noise = Masking(start.noise) if start.noise else None
    layers = Greedy(epochs, corruption=noise or Masking(0.0), penalties=start.penalties)
    stacked, learns = bool(net.hidden) and start.learns, start.learns and not net.hidden
    return Autoencoder(
        net.units,
        architecture=Dense(hidden=net.hidden, activation="sigmoid", tied=True),
        # As in the paper, three times as many speak in use as in training, and the decoder is linear.
        bottleneck=TopK(net.top, 3 * net.top) if net.top else Sigmoid(),
        corruption=noise if learns else None,
        penalties=start.penalties if learns else (),
        likelihood=Normal() if net.top else Bernoulli(),
        scaling="none",
        trainer=trainer(epochs if learns else 0, net.first, 256, pretraining=layers if stacked else None),
        random_state=seed,
    )


def measure(start: Start, data: Sequence[sets.Array], quick: bool, seed: int) -> dict[str, Any]:
    """Pretrain, fine-tune, and count errors."""
    X, y, held, held_y, test, test_y = data
    net = start.net
    epochs, fine = (2, 3) if quick else (net.epochs, net.fine)
    began = time.process_time()
    model = autoencoder(start, epochs, seed).fit(X, held_out=held)
    pretraining = (time.process_time() - began) / 60
    frozen = net.frozen or start.frozen
    classifier = FineTunedClassifier(
        model,
        trainer=trainer(fine, 1e-2 if frozen else net.rate, 128),  # a linear classifier alone stands larger steps
        corruption=Masking(net.noise) if net.noise else None,
        frozen=frozen,
        random_state=seed,
    ).fit(X, y, held_out=(held, held_y))
    errors = {"test": 1 - classifier.score(test, test_y), "held_out": 1 - classifier.score(held, held_y)}
    spent = {"epochs": epochs if start.learns else 0, "fine": fine, "pretraining": pretraining, "seeds": 1}
    return {name: 100 * value for name, value in errors.items()} | spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, all rows of a seed before the next seed."""
    bench = Bench(TABLE, arguments, __doc__)
    pictures, test = sets.mnist("train"), sets.mnist("test")
    labels, test_y = sets.mnist_labels("train"), sets.mnist_labels("test")
    order = np.random.default_rng(0).permutation(len(pictures))
    held, train = np.split(order, [len(order) // HELD_OUT])
    data = (pictures[train], labels[train], pictures[held], labels[held], test, test_y)
    for seed in bench.seeds((0, 1, 2)):
        for name, start in STARTS.items():
            if bench.wants(name):
                with bench.row(name, {"start": start}, seed) as values:
                    values |= measure(start, data, bench.quick, seed)


if __name__ == "__main__":
    main()
