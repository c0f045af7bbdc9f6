"""New work for dead units, as something that happens between epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.records import Batch
from isthmus.training.callbacks import Callback

if TYPE_CHECKING:
    from isthmus.objective import Objective
    from isthmus.training.loop import Loop

RESAMPLING = 11


class Resampling(Callback):
    """Give dead units of a Dictionary the directions of rows that are reconstructed badly, every so many epochs.

    A unit is dead when it is silent in all of up to ``rows`` training rows. Row i is drawn with a chance that grows
    with its squared loss; the unit's atom becomes the direction of x_i from the centre, its encoder weights point there
    too, 0.2 times as long as those of living units are on average, bias and threshold become zero, and what the
    optimiser remembers of all of them is forgotten (Bricken et al., 2023, "Towards Monosemanticity"). The draw is a
    function of seed and epoch, so a resumed fit draws the same.

    Args:
        every: epochs between two looks.
        until: share of the fit's epochs after which units are left alone, so that the last ones can settle.
        rows: how many rows are looked at, at most.

    >>> from isthmus import Trainer, recipes
    >>> X = torch.randn(300, 8, generator=torch.Generator().manual_seed(0)).numpy()
    >>> model = recipes.dictionary(64, l0=2, by="top_k", trainer=Trainer(epochs=6), random_state=0)
    >>> bool((model.fit(X, callbacks=[Resampling(every=2)]).transform(X) > 0).any())
    True
    """

    everywhere: ClassVar[bool] = True

    def __init__(self, every: int = 5, *, until: float = 0.7, rows: int = 8192) -> None:
        """Remember the settings; ``revived`` counts units by epoch."""
        if every < 1:
            raise ValueError(f"Resampling: every={every!r} is no number of epochs; give a whole number from 1 up")
        if rows < 1:
            raise ValueError(f"Resampling: rows={rows!r} are none to look at; give a whole number from 1 up")
        self.every, self.until, self.rows = every, until, rows
        self.revived: dict[int, int] = {}

    @torch.no_grad()
    def epoch_start(self, loop: Loop) -> None:
        """Look for dead units where it is time."""
        if not loop.epoch or loop.epoch % self.every or loop.epoch > self.until * loop.trainer.epochs:
            return
        task, noise = loop.task.unsupervised(), loop.noise.branch(RESAMPLING).at(loop.epoch)
        batch = next(iter(loop.rows.batches(noise, -(-len(loop.rows) // self.rows))))
        dead, loss, x = self._look(task.eval(), batch)
        self.revived[loop.epoch] = int(dead.sum())
        if dead.any():
            chance = loss.double().clamp_min(0).square().cumsum(0)
            drawn = noise.uniform(chance.new_empty(int(dead.sum()))) * chance[-1]
            rewrite(loop.engine, task, dead, x[torch.searchsorted(chance, drawn).clamp(max=len(x) - 1)])

    @staticmethod
    def _look(task: Objective, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return which units are dead, each row's squared error and the encoder's inputs."""
        p = task.run(batch, None)
        away = (p.output - batch.x) if batch.seen is None else (p.output - batch.x) * batch.seen
        return ~(p.code > 0).any(0), away.flatten(1).square().sum(1), p.inputs.flatten(1)


def rewrite(engine: Any, task: Objective, dead: Tensor, x: Tensor) -> None:
    """Let dead units read and write along rows x, and forget what the optimiser remembers of their weights."""
    model: Any = task.model
    weight, bias, atoms = model.architecture.plain(model.encoder, model.decoder)
    direction = F.normalize(x - model.architecture.output_bias(model.decoder))
    # The lengths of encoder weights are those of living units, so that a new one speaks more softly than they do.
    length = weight[~dead].norm(dim=1).mean() if (~dead).any() else weight.new_ones(())
    weight[dead], bias[dead], atoms.T[dead] = 0.2 * length * direction, 0.0, direction
    for own in model.memory.parameters():
        own[dead] = 0.0
    for parameter in (weight, bias, atoms, *model.memory.parameters()):
        for moment in engine.moments(parameter):
            (moment.T if parameter is atoms else moment)[dead] = 0.0
