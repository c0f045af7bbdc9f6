"""How one step is executed. The loop knows only this interface, so a faster step replaces it and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from isthmus.layers import Chain
from isthmus.noise import Noise
from isthmus.objective import Task, averaged
from isthmus.records import Batch, Rows, Source, Tallies, Terms
from isthmus.training.flat import Flat
from isthmus.training.fused import Fused
from isthmus.training.graphs import Graphs, Step
from isthmus.training.group import Group
from isthmus.training.held import Held, Weights
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

    def join(self, group: Group) -> None:
        """Add what the others have counted, under the same names."""
        names = sorted(self._sums)
        if not names:
            return
        values = [self._sums[name] for name in names]
        *sums, rows = group.summed([*values, values[0].new_tensor(float(self._rows))])
        self._sums, self._rows = dict(zip(names, sums, strict=True)), round(float(rows))

    def read(self) -> dict[str, float]:
        """Return the means and start anew: the one moment at which the host waits for the device."""
        values = (torch.stack(list(self._sums.values())) / self._rows).tolist() if self._sums else []
        found = dict(zip(self._sums, values, strict=True))
        self._sums, self._rows = {}, 0
        return found


def copied(tree: Any) -> Any:
    """Copy nested dictionaries and lists of tensors and numbers, several times faster than ``copy.deepcopy``."""
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list) else tree


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Say whether every number of floating point is finite, with one look from the host."""
    return bool(torch.stack([t.isfinite().all() for t in tensors if t.is_floating_point()]).all())


def added(to: dict[str, Tensor], more: Mapping[str, Tensor]) -> None:
    """Add numbers to those of the same name."""
    for name, value in more.items():
        to[name] = to[name] + value if name in to else value


# A pass over some rows with their noise.
Look = Callable[[Batch, Noise], tuple[Terms, Tallies]]


class Engine:
    """Gradient, then one optimiser step over all parameters as one tensor. An engine says how the gradient comes.

    Attributes:
        group: the processes that take the steps together.
        micro_batch: the most rows that one pass holds; 0 holds all that are here.
        graphs: what takes the steps as CUDA graphs; None where every step is taken as it is.
        divides: whether each process keeps a part of the weights only.
    """

    name = "engine"
    divides: ClassVar[bool] = False

    def __init__(self, task: Task, optimiser: Optimiser, *, clip: float = 0.0) -> None:
        """Bind an optimiser to the task's trainable parameters."""
        self.task, self.description = task, optimiser
        parameters = self.moved(task)
        if not parameters:
            raise ValueError("nothing to train: every parameter is frozen; use Given(..., trained=True) or epochs=0")
        self.clip = clip
        self.means = Means()
        self.group, self.micro_batch = Group(), 0
        self.held = Held(task)
        self.graphs: Graphs | None = None
        self.bind(parameters)

    def bind(self, parameters: Sequence[nn.Parameter]) -> None:
        """Lay the parameters out and bind the optimiser to them."""
        self.flat = Flat(parameters)
        self.optimiser = self.description.bind([self.flat.whole])

    def moved(self, task: Task) -> list[nn.Parameter]:
        """Return the parameters that steps move."""
        return task.trained()

    def gradient(self, batch: Batch, noise: Noise, epoch: float, *, valued: bool) -> tuple[Terms, Tallies]:
        """Fill the flat gradient; return averaged terms and tallies.

        Terms may be empty unless they are to be ``valued``.
        """
        raise NotImplementedError  # abstract

    def step(self, batch: Batch, noise: Noise, epoch: float, rate: float = 1.0, *, valued: bool = True) -> None:
        """Take one optimiser step; ``rate`` multiplies the learning rate, ``valued`` asks for the terms' values."""
        if self.graphs is not None:
            means = self.graphs.step(batch, Step(noise, epoch, self.settings(epoch, rate), valued))
        else:
            for group in self.optimiser.param_groups:
                group.update(self.settings(epoch, rate))
            advance = self._search if self.description.full_batch else self.descend
            means = advance(batch, noise, epoch, valued)
        if valued:
            self.means.add(means, len(batch.x) if batch.among is None else batch.among[1])

    def settings(self, epoch: float, rate: float) -> dict[str, Any]:
        """Return the optimiser's numbers at a moment."""
        now = self.description.at(epoch).settings()
        return now | {"lr": now["lr"] * rate}

    def epoch(
        self, rows: Source, order: Noise, noise: Noise, *, steps: int, every: int, epoch: int, rate: float
    ) -> None:
        """Take an epoch's steps over rows in the order that one noise draws, with the noise of each step from another.

        ``noise`` stands at the first of the ``steps``; terms are valued in ``every`` so many.
        """
        group = self.group
        if self.graphs is not None and isinstance(rows, Rows) and steps > 1:
            at = ((noise.at(noise.step + i), epoch + i / steps, i % every == 0) for i in range(steps))
            told = [Step(own, moment, self.settings(moment, rate), valued) for own, moment, valued in at]
            self.graphs.epoch(rows, rows.order(order, steps), told)
            return
        batches = rows.shares(order, steps, group.rank, group.size) if group.talks else rows.batches(order, steps)
        for i, batch in enumerate(batches):
            self.step(batch, noise.at(noise.step + i), epoch + i / steps, rate, valued=i % every == 0)

    def descend(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> Terms:
        """Take a step along the gradient with the optimiser's numbers as they are; return averaged terms."""
        means, tallies = self._clipped(batch, noise, epoch, valued)
        self.optimiser.step()
        self._learn(tallies)
        return means

    def _learn(self, tallies: Tallies) -> None:
        if tallies:
            self.task.learn(tallies)

    def _search(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> Terms:
        """Let the optimiser look at many points, with the same noise at each of them."""

        def closure() -> Tensor:
            means, _ = self._clipped(batch, noise, epoch, True)
            return torch.stack(list(means.values())).sum()

        self.optimiser.step(closure)

        def looked(part: Batch, own: Noise) -> tuple[Terms, Tallies]:
            terms, tallies = self.task(part, own, epoch)
            return averaged(terms, part.weight), tallies

        # The point that a line search takes is seldom the last one that it looked at.
        with torch.no_grad():
            means, tallies = self._of_all(batch, None, *self._in_parts(batch, noise, looked, None))
        self._learn(tallies)
        return means

    def _clipped(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> tuple[Terms, Tallies]:
        def passed(part: Batch, own: Noise) -> tuple[Terms, Tallies]:
            return self.gradient(part, own, epoch, valued=valued)

        g = self.flat.gradient
        found = self._of_all(batch, g, *self._in_parts(batch, noise, passed, g))
        if self.clip:
            self.shorten(self.clip)
        return found

    def _in_parts(self, batch: Batch, noise: Noise, look: Look, g: Tensor | None) -> tuple[Terms, Tallies]:
        """Look at micro-batches one after another; make means over the batch of a gradient, in place, and of terms."""
        parts = batch.parts(self.micro_batch)
        if len(parts) == 1:
            return look(batch, batch.own(noise.at(noise.step)))
        means, tallies = Terms(), Tallies()
        total = None if g is None else torch.zeros_like(g)
        for part in parts:
            share = len(part.x) / len(batch.x)
            terms, sums = look(part, part.own(noise.at(noise.step)))
            added(means, {name: value.detach() * share for name, value in terms.items()})
            for name, own in sums.items():
                added(tallies.setdefault(name, {}), own)
            if total is not None and g is not None:
                total.add_(g, alpha=share)
        if total is not None and g is not None:
            g.copy_(total)
        return means, tallies

    def _of_all(self, batch: Batch, g: Tensor | None, means: Terms, tallies: Tallies) -> tuple[Terms, Tallies]:
        """Make the gradient and the terms those of the whole batch, where this one is a share of it."""
        if batch.among is None:
            return means, tallies
        return self.group.add_up(g, means, tallies, len(batch.x) / batch.among[1])

    def shorten(self, length: float) -> None:
        """Scale the gradient down to a length, where it is longer."""
        g = self.flat.gradient
        g.mul_((length / (g.norm() + 1e-6)).clamp_(max=1.0))

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def length(self) -> Tensor:
        """Return the length of all weights as one vector."""
        length: Tensor = self.flat.whole.detach().norm()
        return length

    def weights(self) -> Weights:
        """Return a copy of every number of the task, as :meth:`take` takes it back."""
        return self.held.copies()

    def take(self, weights: Weights) -> None:
        """Give the task numbers that it had."""
        self.task.load_state_dict(weights)

    def part(self, weights: Weights) -> Weights:
        """Return what this process keeps of a whole task's numbers."""
        return weights

    def divided(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what this process keeps of a state, as a file holds it."""
        return state

    def gathered(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state as a file holds it, given what each process keeps."""
        return state

    def finite(self) -> bool:
        """Say whether every parameter and every number in a memory is finite."""
        return all_finite([self.flat.whole.detach(), *self.buffers()])

    def buffers(self) -> list[Tensor]:
        """Return what memories and layers remember."""
        return self.held.buffers()

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the optimiser's moments."""
        return {"optimiser": copied(self.optimiser.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take moments back; ``state`` stays as it is, where torch's optimisers would go on writing into it."""
        self.optimiser.load_state_dict(copied(state["optimiser"]))

    def moments(self, parameter: Tensor) -> list[Tensor]:
        """Return what the optimiser remembers of a parameter's gradients, shaped as the parameter, to be changed."""
        bound: Any = self.optimiser
        known = bound.moments.values() if isinstance(bound, Fused) else [bound.state[self.flat.whole].values()]
        whole = [t for group in known for t in group if isinstance(t, Tensor) and t.shape == self.flat.whole.shape]
        return [self.flat.view(t, parameter) for t in whole]

    def release(self) -> None:
        """Give the task its parameters back, each a tensor of its own; the engine ends with this."""
        self.graphs = None  # it holds the engine, and a device's memory
        self.flat.release()


class Autograd(Engine):
    """Gradients by torch's autograd, in bfloat16 products on request."""

    name = "autograd"

    def __init__(self, task: Task, optimiser: Optimiser, *, clip: float = 0.0, precision: str = "float32") -> None:
        """Bind; ``precision`` may be ``bf16``."""
        super().__init__(task, optimiser, clip=clip)
        self.precision = precision

    def gradient(self, batch: Batch, noise: Noise, epoch: float, *, valued: bool) -> tuple[Terms, Tallies]:
        """Differentiate the sum of the averaged terms."""
        means, tallies, loss = self._looked(self.task, batch, noise, epoch)
        loss.backward()
        self.flat.collect()
        return {name: value.detach() for name, value in means.items()}, tallies

    def _looked(self, task: nn.Module, batch: Batch, noise: Noise, epoch: float) -> tuple[Terms, Tallies, Tensor]:
        """Return averaged terms, tallies and the sum of the terms."""
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            terms, tallies = task(batch, noise, epoch)
        means = averaged(terms, batch.weight)
        whole = [value.float() if value.dtype == torch.bfloat16 else value for value in means.values()]
        return means, tallies, torch.stack(whole).sum()


class Compiled(Autograd):
    """Autograd through networks that ``torch.compile`` has made of the task's, at the price of seconds at the start.

    It needs a C++ compiler on the user's machine. What cannot be followed, such as the drawing of noise, runs as it is.
    """

    name = "compiled"

    def __init__(self, task: Task, optimiser: Optimiser, *, clip: float = 0.0, precision: str = "float32") -> None:
        """Bind; the first steps compile."""
        super().__init__(task, optimiser, clip=clip, precision=precision)
        chains = [module for module in task.modules() if isinstance(module, Chain)]
        inner = {id(part) for chain in chains for part in chain.modules() if part is not chain}
        self.networks = [chain for chain in chains if id(chain) not in inner]
        for network in self.networks:
            network.compile(dynamic=False)

    def release(self) -> None:
        """Give the task its parameters and its own networks back."""
        super().release()
        for network in self.networks:
            network._compiled_call_impl = None
