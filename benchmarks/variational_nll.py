"""A variational autoencoder's likelihood of unseen digits, beside what public implementations reach.

Data: MNIST in the fixed binarisation of Larochelle & Murray (2011), 50,000 training, 10,000 validation, 10,000 test
rows. Model: 784-400-40-400-784, cross-entropy, KL of weight 1 (Kingma & Welling, 2014), batches of 100, Adam with a
rate that falls along a cosine. The number is -log p(x) in nats per test row, by importance sampling with 200 codes
drawn per row (Burda et al., 2016). Pythae prints 89.78 (0.01) after 500 epochs with rectified units, Rezende & Mohamed
(2015) 89.9; with several draws per training row Pythae prints 86.82.

The validation rows choose the epoch, by the bound that is trained, and chose the settings (activation, normalisation,
weight decay, rate, from runs of 15 to 120 epochs); test rows are looked at once, after the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer
from isthmus.parts import KL, Adam, Bernoulli, Cosine, Dense, Variational

DRAWS = 200


@dataclass(frozen=True)
class Settings:
    """What differs between rows."""

    epochs: int = 400
    rate: float = 2e-3
    activation: str = "silu"
    norm: str = "none"
    draws: int = 1


VARIANTS = {
    "silu": Settings(),
    "silu, 5 draws": Settings(draws=5, epochs=100),
    "silu, 5 draws, 400 epochs": Settings(draws=5),
    "silu, 5 draws, 600 epochs": Settings(draws=5, epochs=600),
    "silu, 10 draws, 200 epochs": Settings(draws=10, epochs=200),
    "silu, 10 draws, 400 epochs": Settings(draws=10),
    "relu, batch-normalised": Settings(activation="relu", norm="batch", rate=3e-3, epochs=200),
}

TABLE = Table(
    name="variational_nll",
    columns={
        "test": Column("-log p(x), test", "{:.2f}"),
        "validation": Column("validation", "{:.2f}"),
        "bound": Column("trained bound, validation", "{:.2f}"),
        "epochs": Column("epochs", "{:.0f}"),
        "best": Column("best epoch", "{:.0f}"),
        "cpu_minutes": Column("minutes", "{:.1f}"),
    },
    rows=tuple(VARIANTS),
    targets={"silu": "≤ 89.8", "silu, 5 draws, 400 epochs": "≤ 89.8", "silu, 10 draws, 400 epochs": "≤ 89.8"},
)


def fitted(X: sets.Array, validation: sets.Array, settings: Settings, epochs: int, seed: int) -> Autoencoder:
    """Fit one variant; the validation rows keep the best weights."""
    optimiser = Adam(Cosine(settings.rate))
    trainer = Trainer(epochs=epochs, batch_size=100, patience=0, optimiser=optimiser, device="cpu")
    return Autoencoder(
        40,
        architecture=Dense(hidden=(400,), activation=settings.activation, norm=settings.norm),
        bottleneck=Variational(settings.draws),
        likelihood=Bernoulli(),
        penalties=(KL(),),
        trainer=trainer,
        random_state=seed,
    ).fit(X, held_out=validation)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every variant and estimate the likelihood of validation and test rows."""
    bench = Bench(TABLE, arguments, __doc__)
    X, validation, test = (sets.binarised_mnist(part) for part in ("train", "valid", "test"))
    for name, settings in VARIANTS.items():
        for seed in bench.seeds((0,)) if bench.wants(name) else ():
            epochs = 10 if bench.quick else settings.epochs
            with bench.row(name, {"settings": settings, "epochs": epochs, "draws": DRAWS}, seed) as values:
                model = fitted(X, validation, settings, epochs, seed)
                values["bound"] = min(model.history_.curve(part="held_out"))
                values["validation"] = model.evaluate(validation, draws=DRAWS).nll
                values["test"] = model.evaluate(test, draws=DRAWS).nll
                values |= {"epochs": model.n_iter_, "best": model.best_epoch_}


if __name__ == "__main__":
    main()
