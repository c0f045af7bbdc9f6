"""How one step is executed. The loop knows only this interface, so a faster step replaces it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.noise import Noise
from isthmus.objective import Task, averaged
from isthmus.records import Batch, Tallies, Terms
from isthmus.training.optimiser import Optimiser


class Means:
    """Means of terms over many batches; their sums stay on the device until somebody reads them.

    >>> means = Means()
    >>> means.add({"l1": torch.tensor(1.0)}, rows=1)
    >>> means.add({"l1": torch.tensor(4.0)}, rows=2)
    >>> means.read()
    {'l1': 3.0}
    """

    def __init__(self) -> None:
        """Start from nothing."""
        self._sums: dict[str, Tensor] = {}
        self._rows = 0

    def add(self, means: Mapping[str, Tensor], rows: int) -> None:
        """Count the means of a batch of so many rows."""
        for name, value in means.items():
            # Apple's devices have no float64.
            wide = torch.float32 if value.device.type == "mps" else torch.float64
            total = value.detach().to(wide) * rows
            self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._rows += rows

    def read(self) -> dict[str, float]:
        """Return the means and start anew: the one moment at which the host waits for the device."""
        values = torch.stack(list(self._sums.values())).tolist() if self._sums else []
        found = {name: value / self._rows for name, value in zip(self._sums, values, strict=True)}
        self._sums, self._rows = {}, 0
        return found


def copied(tree: Any) -> Any:
    """Copy nested dictionaries and lists of tensors and numbers, several times faster than ``copy.deepcopy``."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list) else tree


class Engine:
    """Forward, backward, one optimiser step.

    ``explicit`` engines go back through what layers and likelihood declare as their derivatives, and know the loss of
    the steps that are ``valued`` alone; the others leave all to autograd.
    """

    def __init__(
        self,
        task: Task,
        optimiser: Optimiser,
        *,
        clip: float = 0.0,
        precision: str = "float32",
        explicit: bool = False,
    ) -> None:
        """Bind an optimiser to the task's trainable parameters."""
        self.explicit = explicit
        self.task, self.description = task, optimiser
        self.parameters = task.trained()
        if not self.parameters:
            raise ValueError("nothing to train: every parameter is frozen; use Given(..., trained=True) or epochs=0")
        self.optimiser = optimiser.bind(self.parameters)
        self.clip, self.precision = clip, precision
        self.means = Means()

    @property
    def name(self) -> str:
        """Which engine this is."""
        return "explicit" if self.explicit else "autograd"

    def step(self, batch: Batch, noise: Noise, epoch: float, rate: float = 1.0, *, valued: bool = True) -> None:
        """Take one optimiser step; ``rate`` multiplies the learning rate, ``valued`` asks for the terms' values."""
        now = self.description.at(epoch).settings()
        for group in self.optimiser.param_groups:
            group.update(now | {"lr": now["lr"] * rate})
        advance = self._search if self.description.full_batch else self._descend
        means, tallies = advance(batch, noise, epoch, valued)
        self.task.learn(tallies)
        if valued or not self.explicit:
            self.means.add(means, len(batch.x))

    def _descend(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> tuple[Terms, Tallies]:
        self.optimiser.zero_grad()
        means, tallies = self._forward(batch, noise, epoch, valued)
        self._backward(means)
        self.optimiser.step()
        return means, tallies

    def _search(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> tuple[Terms, Tallies]:
        """Let the optimiser look at many points, with the same noise at each of them."""

        def closure() -> Tensor:
            self.optimiser.zero_grad()
            return self._backward(self._forward(batch, noise, epoch)[0])

        self.optimiser.step(closure)  # type: ignore[arg-type]
        # The point that a line search takes is seldom the last one that it looked at.
        with torch.no_grad():
            return self._forward(batch, noise, epoch)

    def _forward(self, batch: Batch, noise: Noise, epoch: float, valued: bool = True) -> tuple[Terms, Tallies]:
        noise = noise.at(noise.step)
        if self.explicit:
            terms, tallies = self.task.descent(batch, noise, epoch, valued=valued)
            return averaged(terms, batch.weight), tallies
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            terms, tallies = self.task(batch, noise, epoch)
        return averaged(terms, batch.weight), tallies

    def _backward(self, means: Terms) -> Tensor:
        loss = torch.stack(
            [value.float() if value.dtype == torch.bfloat16 else value for value in means.values()]
        ).sum()
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        return loss

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def finite(self) -> bool:
        """Say whether every parameter and every number in a memory is finite."""
        tensors = [t for t in self.task.state_dict().values() if t.is_floating_point()]
        return bool(torch.stack([t.isfinite().all() for t in tensors]).all())

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the optimiser's moments."""
        state: dict[str, Any] = copied(self.optimiser.state_dict())
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take moments back; ``state`` stays as it is, where torch's optimisers would go on writing into it."""
        self.optimiser.load_state_dict(copied(state))
