"""A training step of a wide sparse dictionary: 768 numbers, 16,384 units of which 32 are active, batches of 4,096.

Metric: milliseconds of a step (encode, select, decode, gradients, Adam), the median over rounds; contestants take
turns within a round, and ratios are medians over rounds of both times in the same round, so that a busy machine slows
all alike. Everybody's first step is left out: ours probes how matrices are multiplied. Rows are random: what a step
costs does not depend on them. ``embedding_bag`` and the dense step are written plainly, in torch's own choice of
library; ours with the dense engine is the same objective with ``engine="explicit"``. Everyone trains TopK without
work for dead units, which no unit is here; the second of ours has it, with BatchTopK, as ``recipes.dictionary``.
Other libraries are measured where they can be imported, with their own modules, losses and Adam.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common import Bench, Column, Table
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import Auxiliary, BatchTopK, Dictionary, Normal, TopK, Trainer
from isthmus.records import Batch, Spec

ROUNDS = 3
SPARSE, RECIPE, DENSE = "isthmus", "isthmus, BatchTopK and Auxiliary", "isthmus, dense"
BAG, PLAIN = "embedding_bag through autograd", "dense torch"
OVERCOMPLETE, LEARNING, LENS = "overcomplete", "dictionary_learning", "SAELens"

TABLE = Table(
    name="sparse_dictionary",
    columns={
        "milliseconds": Column("ms per step", "{:,.0f}"),
        "rate": Column("rows per second", "{:,.0f}"),
        "ratio": Column("times isthmus'", "{:.1f}"),
        "least": Column("least of the rounds", "{:.1f}"),
        "engine": Column("engine", "{}", "first"),
    },
    rows=(SPARSE, RECIPE, DENSE, BAG, PLAIN, OVERCOMPLETE, LEARNING, LENS),
    targets={DENSE: "≥ 5", BAG: "≥ 2"},
)


class Sizes:
    """How large everything is."""

    def __init__(self, quick: bool) -> None:
        """Take small ones for a quick run."""
        self.rows, self.width, self.units, self.k = (256, 64, 2048, 8) if quick else (4096, 768, 16_384, 32)

    def batches(self) -> Iterator[Tensor]:
        """Give rows without end."""
        while True:
            yield from Noise(0).normal(torch.empty(4, self.rows, self.width))


Step = Callable[[Tensor], Any]


def ours(sizes: Sizes, bottleneck: Any, penalties: Sequence[Any], engine: str) -> tuple[Step, str]:
    """Return a step of ours."""
    spec = Spec((sizes.width,), rows=10 * sizes.rows, provides=frozenset({"continuous", "numbers"}))
    model = Autoencoder(spec, Dictionary(), bottleneck, sizes.units, (sizes.width,), Noise(0))
    task = Objective(model, Normal(), penalties)
    task.train()
    trainer = Trainer(engine=engine, batch_size=sizes.rows)
    bound = trainer.bound(task)
    # A fit looks at the value of the loss in some steps only.
    return lambda x: bound.step(Batch(x), Noise(0), 0.0, valued=False), trainer.runs(task)


class Plain(torch.nn.Module):
    """A dictionary as one writes it down, decoded by all atoms or by ``embedding_bag``."""

    def __init__(self, sizes: Sizes, bag: bool) -> None:
        """Start from atoms of length one, and the encoder along them."""
        super().__init__()
        self.k, self.bag = sizes.k, bag
        atoms = F.normalize(Noise(0).normal(torch.empty(sizes.units, sizes.width)), dim=1)
        self.read, self.atoms = torch.nn.Parameter(atoms.clone()), torch.nn.Parameter(atoms)
        self.bias = torch.nn.Parameter(torch.zeros(sizes.units))
        self.centre = torch.nn.Parameter(torch.zeros(sizes.width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss."""
        features = F.linear(x - self.centre, self.read, self.bias)
        values, units = features.topk(self.k, dim=1, sorted=False)
        values = values.relu()
        if self.bag:
            said = F.embedding_bag(units, self.atoms, per_sample_weights=values, mode="sum")
        else:
            said = torch.zeros_like(features).scatter(1, units, values) @ self.atoms
        return (x - said - self.centre).square().sum(1).mean() / 2


def by_autograd(loss: Callable[[Tensor], Tensor], module: torch.nn.Module, atoms: Tensor, dim: int) -> Step:
    """Return a step of Adam down a loss; atoms keep their length by a projected gradient and a division after it."""
    optimiser = torch.optim.Adam(module.parameters(), fused=True)

    def step(x: Tensor) -> None:
        optimiser.zero_grad()
        loss(x).backward()
        with torch.no_grad():
            if atoms.grad is not None:
                atoms.grad.sub_((atoms.grad * atoms).sum(dim, keepdim=True) * atoms)
            optimiser.step()
            atoms.div_(atoms.norm(dim=dim, keepdim=True))

    return step


def plain(sizes: Sizes, bag: bool) -> Step:
    """Return a step written plainly."""
    module = Plain(sizes, bag)
    return by_autograd(module, module, module.atoms, 1)


def overcomplete(sizes: Sizes) -> Step:
    """Return a step with overcomplete's TopKSAE, whose atoms are normalised when they are read."""
    sae = importlib.import_module("overcomplete.sae")
    module = sae.TopKSAE(sizes.width, nb_concepts=sizes.units, top_k=sizes.k, device="cpu")
    optimiser = torch.optim.Adam(module.parameters(), fused=True)

    def step(x: Tensor) -> None:
        optimiser.zero_grad()
        _, _, said = module(x)
        (said - x).square().mean().backward()
        optimiser.step()

    return step


def learning(sizes: Sizes) -> Step:
    """Return a step with dictionary_learning's AutoEncoderTopK, without its work for dead units."""
    top_k = importlib.import_module("dictionary_learning.trainers.top_k")
    module = top_k.AutoEncoderTopK(sizes.width, sizes.units, sizes.k)
    return by_autograd(lambda x: (x - module(x)).square().sum(1).mean(), module, module.decoder.weight, 0)


def lens(sizes: Sizes) -> Step:
    """Return a step with SAELens' TopKTrainingSAE."""
    library = importlib.import_module("sae_lens")
    config = library.TopKTrainingSAEConfig(d_in=sizes.width, d_sae=sizes.units, k=sizes.k, device="cpu")
    module = library.TopKTrainingSAE(config)
    optimiser = torch.optim.Adam(module.parameters(), fused=True)
    given = importlib.import_module("sae_lens.saes.sae").TrainStepInput

    def step(x: Tensor) -> None:
        optimiser.zero_grad()
        asked = {
            "sae_in": x,
            "coefficients": {},
            "dead_neuron_mask": None,
            "n_training_steps": 0,
            "is_logging_step": False,
        }
        fields = getattr(given, "__dataclass_fields__", asked)
        module.training_forward_pass(given(**{n: v for n, v in asked.items() if n in fields})).loss.backward()
        optimiser.step()

    return step


def entrants(sizes: Sizes) -> dict[str, Callable[[], Step | tuple[Step, str]]]:
    """Return what makes each step."""
    few = TopK(sizes.k, rectified=True)
    return {
        SPARSE: lambda: ours(sizes, few, (), "sparse"),
        RECIPE: lambda: ours(sizes, BatchTopK(sizes.k), (Auxiliary(),), "sparse"),
        DENSE: lambda: ours(sizes, few, (), "explicit"),
        BAG: lambda: plain(sizes, True),
        PLAIN: lambda: plain(sizes, False),
        OVERCOMPLETE: lambda: overcomplete(sizes),
        LEARNING: lambda: learning(sizes),
        LENS: lambda: lens(sizes),
    }


def made(bench: Bench, sizes: Sizes) -> dict[str, tuple[Step, str]]:
    """Return the steps asked for, ours always, and of the others those that can be imported."""
    found = {}
    for name, make in entrants(sizes).items():
        if name != SPARSE and not bench.wants(name):
            continue
        try:
            step = make()
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        found[name] = step if isinstance(step, tuple) else (step, "autograd")
    return found


def library(row: str) -> str:
    """Return the name and version of the library of a row, empty for torch and ours."""
    name = {OVERCOMPLETE: "overcomplete", LEARNING: "dictionary-learning", LENS: "sae-lens"}.get(row)
    return f"{name} {metadata.version(name)}" if name else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everyone together, and write down the rows asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    sizes, rounds = Sizes(bench.quick), 2 if bench.quick else ROUNDS
    batches, steps = sizes.batches(), made(bench, sizes)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        x = next(batches)
        for name, (step, _) in steps.items():
            began = time.perf_counter()
            step(x)
            seconds[name].append(time.perf_counter() - began)
    for name, (_, engine) in steps.items():
        if not bench.wants(name):
            continue
        own, those = seconds[SPARSE][1:], seconds[name][1:]
        with bench.row(name, {"rounds": rounds, "library": library(name), **vars(sizes)}) as found:
            ratios = [a / b for a, b in zip(those, own, strict=True)]
            found |= {"milliseconds": 1e3 * statistics.median(those), "rate": sizes.rows / statistics.median(those)}
            found |= {"ratio": statistics.median(ratios), "least": min(ratios), "engine": engine}


if __name__ == "__main__":
    main()
