"""Do ten units learn the ten digits? Both autoencoders of the notebook that the project started from, measured.

The notebook trains 784-164-10 and a convolutional net with 10 channels at 4 x 4 places on MNIST, L1 of 2.5e-6 beside a
cross-entropy per pixel, Adadelta, one epoch each, and hopes that "it would be very natural for the autoencoder to
learn ten concepts (one for each digit)". Rows are the same nets and penalties: with Keras' rate of then (1.0) and of
now (0.001), and trained longer by Adam ("ours"). One more lets a single unit of ten speak at a time, which asks for
one concept per picture outright. Beside them PCA, k-means, and the dense encoder trained on the labels.

A picture belongs to the unit that speaks loudest in it: the largest |h_j| / sqrt(mean h_j^2), the mean over training
pictures; of a code map |h_j| is summed over places. Units are matched with digits one to one so that most test
pictures agree (Hungarian method), and the share that agrees is the matched accuracy; a single unit that always speaks
gets the 11.35 % that are ones. Label entropy is that of the digits among the 100 test pictures in which a unit speaks
loudest, over log 10, mean over living units: 0 is one digit, 1 all alike. The linear classifier is a logistic
regression on the whole code: what the code knows, however it is spread over units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from benchmarks.render import read
from isthmus import Autoencoder, FineTunedClassifier, Trainer, passports, recipes
from isthmus.displays import ConceptsDisplay, LossCurvesDisplay, ReconstructionDisplay
from isthmus.measures import dead_units, label_entropy, matched_accuracy, mean_l0, squared_error
from isthmus.parts import Adadelta, Adam, Cosine, TopK

UNITS, TOP, KNOWN = 10, 100, 10_000
Array = sets.Array
Codes = Callable[[Array], Array]


@dataclass(frozen=True)
class Net:
    """A recipe, how it is trained, and the picture that it is drawn to."""

    recipe: str
    trainer: Trainer
    picture: str = ""
    one: bool = False


def notebook(batch: int, rate: float) -> Trainer:
    """Return the notebook's training: one epoch of Adadelta on all pictures."""
    return Trainer(1, batch_size=batch, optimiser=Adadelta(rate), validation=0.0, device="cpu")


def ours(epochs: int) -> Trainer:
    """Return Adam with a rate that falls along a cosine."""
    return Trainer(epochs, batch_size=256, optimiser=Adam(Cosine(3e-3)), patience=0, device="cpu")


DENSE, MAP = "basis_concepts", "basis_concepts_convolutional"
NETS = {
    "dense, notebook": Net(DENSE, notebook(256, 1.0), "seed-dense"),
    "dense, notebook, today's rate": Net(DENSE, notebook(256, 1e-3)),
    "dense, ours": Net(DENSE, ours(20), "seed-dense-ours"),
    "dense, ours, one unit speaks": Net(DENSE, ours(20), one=True),
    "convolutional, notebook": Net(MAP, notebook(128, 1.0), "seed-convolutional"),
    "convolutional, notebook, today's rate": Net(MAP, notebook(128, 1e-3)),
    "convolutional, ours": Net(MAP, ours(5), "seed-convolutional-ours"),
}
BESIDE = ("PCA", "k-means", "trained on the labels")

TABLE = Table(
    name="seed_concepts",
    columns={
        "matched": Column("matched accuracy, %", "{:.1f}", "spread"),
        "entropy": Column("label entropy", "{:.2f}", "spread"),
        "linear": Column("linear classifier, %", "{:.1f}"),
        "alive": Column("units alive", "{:.1f}"),
        "l0": Column("speak per picture", "{:.1f}"),
        "error": Column("squared error, test", "{:.1f}"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "cpu_minutes": Column("minutes", "{:.1f}"),
    },
    rows=(*NETS, *BESIDE),
)


def loudness(codes: Array, known: Array) -> Array:
    """Return |h_j| / sqrt(mean h_j^2), the mean over ``known``, summed over places, (rows, units)."""
    loud, scale = (np.abs(code).reshape(len(code), UNITS, -1).sum(axis=2) for code in (codes, known))
    return loud / np.sqrt(np.maximum((scale**2).mean(axis=0), 1e-30))


def linear(known: Array, known_y: Array, test: Array, test_y: Array) -> float:
    """Return the accuracy of a logistic regression on codes, in per cent."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return 100 * float(classifier.fit(known, known_y).score(test, test_y))


def measure(codes: Codes, data: Mapping[str, Array]) -> dict[str, Any]:
    """Measure codes beside the digits."""
    known, test = codes(data["known"]), codes(data["test"])
    loud = loudness(test, known)
    shaped = test.reshape(len(test), UNITS, -1)
    return {
        "matched": 100 * matched_accuracy(loud, data["test_y"]),
        "entropy": float(np.nanmean(label_entropy(loud, data["test_y"], TOP)) / np.log(10)),
        "linear": linear(known, data["known_y"], test, data["test_y"]),
        "alive": int((~dead_units(loud)).sum()),
        "l0": mean_l0(shaped.sum(axis=2)),
        "seeds": 1,
    }


def model_of(net: Net, trainer: Trainer, seed: int) -> Autoencoder:
    """Return an unfitted net."""
    model: Autoencoder = getattr(recipes, net.recipe)(UNITS, trainer=trainer, random_state=seed)
    if net.recipe == MAP:
        model.set_params(shape=(1, 28, 28))
    return model.set_params(bottleneck=TopK(1)) if net.one else model


def trained(net: Net, data: Mapping[str, Array], bench: Bench, seed: int) -> dict[str, Any]:
    """Fit one net, measure it, and draw its pictures once."""
    trainer = Trainer(1, batch_size=256, optimiser=Adam(3e-3), device="cpu") if bench.quick else net.trainer
    model = model_of(net, trainer, seed).fit(data["train"])
    test = data["test"]
    if (net.picture or net.one) and seed == 0:
        draw(model, data, net, bench)
    error = float(squared_error(test, model.reconstruct(test)).mean())
    return measure(model.transform, data) | {"error": error}


def draw(model: Autoencoder, data: Mapping[str, Array], net: Net, bench: Bench) -> None:
    """Draw input, reconstruction and code bars of the first ten test pictures, and curves where there are epochs.

    Where a single unit speaks, draw the concepts instead.
    """
    test, y = data["test"], data["test_y"]
    if net.one:
        book = passports(model, test[:4000], y[:4000])
        drawn: dict[str, Any] = {"seed-one": ConceptsDisplay(book, shape=(1, 28, 28)).plot()}
    else:
        drawn = {net.picture: ReconstructionDisplay.from_estimator(model, test[:10], n_rows=10, shape=(1, 28, 28))}
    if not net.one and len(model.history_) > 1:
        drawn[f"{net.picture}-curves"] = curves = LossCurvesDisplay.from_estimator(model)
        curves.axes_[0].set_yscale("linear")  # the L1 term is a thousandth of the loss, whose slope is the question
    bench.pictures.mkdir(parents=True, exist_ok=True)
    for name, display in drawn.items():
        display.figure_.savefig(bench.pictures / f"{name}.png", dpi=90)


def beside(name: str, data: Mapping[str, Array], seed: int, quick: bool) -> dict[str, Any]:
    """Fit what the nets are compared with."""
    train, test = data["train"], data["test"]
    if name == "PCA":
        model = recipes.pca(UNITS, random_state=seed).fit(train)
        error = float(squared_error(test, model.reconstruct(test)).mean())
        return measure(model.transform, data) | {"error": error}
    if name == "k-means":
        from sklearn.cluster import KMeans

        means = KMeans(UNITS, n_init=3, random_state=seed).fit(train)
        error = float(squared_error(test, means.cluster_centers_[means.predict(test)]).mean())
        return measure(lambda x: np.eye(UNITS)[means.predict(x)], data) | {"error": error}
    encoder = recipes.basis_concepts(UNITS, trainer=Trainer(0, validation=0.0, device="cpu"), random_state=seed)
    classifier = FineTunedClassifier(encoder, trainer=ours(2 if quick else 15), random_state=seed)
    classifier.fit(train, data["train_y"])
    return measure(classifier.predict_proba, data) | {"error": None}


def known_data(quick: bool) -> dict[str, Array]:
    """Return pictures and digits; ``known`` are the training pictures that units are matched on."""
    train, train_y = sets.mnist("train"), sets.mnist_labels("train")
    kept = slice(6000 if quick else None)
    return {
        "train": train[kept],
        "train_y": train_y[kept],
        "known": train[:KNOWN],
        "known_y": train_y[:KNOWN],
        "test": sets.mnist("test"),
        "test_y": sets.mnist_labels("test"),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for that are not there yet, all rows of a seed before the next seed."""
    bench = Bench(TABLE, arguments, __doc__)
    data = known_data(bench.quick)
    there = {(line["row"], line["seed"]) for line in read(bench.path) if line["quick"] == bench.quick}
    for seed in bench.seeds((0, 1, 2)):
        for name in TABLE.rows:
            if not bench.wants(name) or (name, seed) in there:
                continue
            net = NETS.get(name)
            with bench.row(name, {"net": net or name}, seed) as values:
                values |= trained(net, data, bench, seed) if net else beside(name, data, seed, bench.quick)


if __name__ == "__main__":
    main()
