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


class AutogradEngine:
    """Forward, backward by autograd, one optimiser step; term values stay on the device until the epoch ends."""

    name = "autograd"

    def __init__(self, task: Task, optimiser: Optimiser, *, clip: float = 0.0, precision: str = "float32") -> None:
        """Bind an optimiser to the task's trainable parameters."""
        self.task, self.description = task, optimiser
        self.parameters = [p for p in task.parameters() if p.requires_grad]
        if not self.parameters:
            raise ValueError("nothing to train: every parameter is frozen; use Given(..., trained=True) or epochs=0")
        self.optimiser = optimiser.bind(self.parameters)
        self.clip, self.precision = clip, precision
        self._sums: dict[str, Tensor] = {}
        self._rows = 0

    def step(self, batch: Batch, noise: Noise, epoch: float, rate: float = 1.0) -> None:
        """Take one optimiser step; ``rate`` multiplies the learning rate."""
        now = float(self.description.at(epoch).learning_rate) * rate  # type: ignore[attr-defined]
        for group in self.optimiser.param_groups:
            group["lr"] = now
        last: list[tuple[Terms, Tallies]] = []

        def closure() -> Tensor:
            self.optimiser.zero_grad(set_to_none=True)
            with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                terms, tallies = self.task(batch, noise.at(noise.step), epoch)
            means = averaged(terms, batch.weight)
            loss = torch.stack([value.to(torch.get_default_dtype()) if value.dtype == torch.bfloat16 else value for value in means.values()]).sum()
            loss.backward()
            if self.clip:
                nn.utils.clip_grad_norm_(self.parameters, self.clip)
            last[:] = [({name: value.detach() for name, value in means.items()}, tallies)]
            return loss

        self.optimiser.step(closure)  # type: ignore[arg-type]
        means, tallies = last[0]
        self.task.learn(tallies)
        self._add(means, len(batch.x))

    def _add(self, means: Mapping[str, Tensor], rows: int) -> None:
        for name, value in means.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.double() * rows  # type: ignore[assignment]
        self._rows += rows

    def values(self) -> dict[str, float]:
        """Return the mean of each term since the last call: the only time the host waits for the device."""
        found = {name: float(total) / self._rows for name, total in self._sums.items()}
        self._sums, self._rows = {}, 0
        return found

    def finite(self) -> bool:
        """Say whether every parameter is finite."""
        return bool(torch.stack([p.detach().sum() for p in self.parameters]).isfinite().all())

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser's moments."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take moments back."""
        self.optimiser.load_state_dict(state)
