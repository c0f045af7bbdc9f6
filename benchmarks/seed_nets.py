"""The networks that the project started from, layer by layer: shapes and numbers of parameters.

What is expected is Keras' arithmetic for the notebook's layers, written out below: a dense layer from a to b has (a
+ 1) b parameters, a convolution of width 3 from a to b channels (9 a + 1) b. Ours is measured on the fitted
networks: the shapes that a picture has behind each layer with weights, and the sizes of these weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Trainer, recipes

Layers = list[tuple[tuple[int, ...], int]]

# (shape behind the layer, parameters), channels first.
EXPECTED: dict[str, Layers] = {
    "dense 784-164-10": [((164,), 128_740), ((10,), 1_650), ((164,), 1_804), ((784,), 129_360)],
    "convolutional 16-8-8, 10 channels at 4 x 4 places": [
        ((16, 28, 28), 160),
        ((8, 14, 14), 1_160),
        ((8, 7, 7), 584),
        ((10, 4, 4), 90),
        ((8, 4, 4), 728),
        ((8, 8, 8), 584),
        ((16, 14, 14), 1_168),
        ((1, 28, 28), 145),
    ],
    "one hidden layer of 32": [((32,), 25_120), ((784,), 25_872)],
}

TABLE = Table(
    name="seed_nets",
    columns={
        "layers": Column("shape behind each layer (channels x height x width): parameters"),
        "parameters": Column("parameters", "{:,.0f}"),
        "expected": Column("in the notebook", "{:,.0f}"),
        "equal": Column("equal layer by layer", over_seeds="count"),
    },
    rows=tuple(EXPECTED),
)


def models(trainer: Trainer) -> dict[str, Autoencoder]:
    """Return the three designs, to be fitted on pictures of 28 x 28 pixels."""
    dense, convolutional, plain = EXPECTED
    return {
        dense: recipes.basis_concepts(10, trainer=trainer, random_state=0),
        convolutional: recipes.basis_concepts_convolutional(10, shape=(1, 28, 28), trainer=trainer, random_state=0),
        plain: recipes.one_hidden_layer(32, trainer=trainer, random_state=0),
    }


def layers(model: Autoencoder, X: Any) -> Layers:
    """Send one picture through a fitted model and note every layer that has weights."""
    found: Layers = []

    def note(layer: torch.nn.Module, _: Any, output: torch.Tensor) -> None:
        found.append((tuple(output.shape[1:]), sum(p.numel() for p in layer.parameters())))

    net = model.objective_.model
    hooks = [m.register_forward_hook(note) for m in net.modules() if getattr(m, "weight", None) is not None]
    model.reconstruct(X[:1])
    for hook in hooks:
        hook.remove()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Build every design, no step taken, and compare its layers."""
    bench = Bench(TABLE, arguments, __doc__)
    X = np.random.default_rng(0).random((20, 784), dtype=np.float32).round()
    for name, model in models(Trainer(epochs=0, validation=0, device="cpu")).items():
        if not bench.wants(name):
            continue
        with bench.row(name, {"model": model}) as values:
            found = layers(model.fit(X), X)
            values["layers"] = ", ".join(f"{'x'.join(map(str, shape))}: {count:,}" for shape, count in found)
            values["parameters"] = sum(p.numel() for p in model.objective_.model.parameters())
            values["expected"] = sum(count for _, count in EXPECTED[name])
            values["equal"] = found == EXPECTED[name] and values["parameters"] == values["expected"]


if __name__ == "__main__":
    main()
