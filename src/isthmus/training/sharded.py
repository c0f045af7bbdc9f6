"""The sharded engine: of weights, gradients and moments each process keeps a part, and all meet for a pass.

torch's ``fully_shard`` (FSDP2; Zhao et al., 2023, "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel")
divides every weight by its first axis. The task is one unit, since a penalty may look at any weight inside its pass:
all weights are gathered before the first pass of a step, and gradients are summed where their weights are kept. Between
epochs the task is whole, so that held-out rows and callbacks find plain parameters.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, distributed, nn

from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Batch, Source, Tallies, Terms
from isthmus.training.engine import Autograd, all_finite
from isthmus.training.flat import turned
from isthmus.training.group import speaking
from isthmus.training.held import Weights
from isthmus.training.optimiser import Optimiser

# What torch writes into the modules of a unit, and the hooks by which their states become divided: here the engine
# alone divides, and a task that it has given back has no trace of it.
MARKS = ("_is_fsdp_managed_module", "_fsdp_use_orig_params")
HOOKS = ("_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


def undivided(task: Task, optimiser: Optimiser, *, shared: bool) -> str:
    """Say why a fit cannot be divided; empty where it can."""
    from torch.distributed.fsdp import FSDPModule

    reasons = {
        f"torch {torch.__version__} cannot divide it; install 2.13 or newer": not hasattr(
            FSDPModule, "set_reduce_scatter_unused_params"
        ),
        "one process has nothing to divide with others": not shared,
        f"{type(optimiser).__name__} looks at all weights at once": not optimiser.elementwise,
        "a weight without an axis cannot be divided": any(p.dim() == 0 for p in task.trained()),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


class Unit(nn.Module):
    """A task as what is gathered and divided; torch's hooks are here, and go with it."""

    def __init__(self, task: Task) -> None:
        """Keep the task."""
        super().__init__()
        self.task = task

    def forward(self, batch: Batch, noise: Noise, epoch: float) -> tuple[Terms, Tallies]:
        """Return the task's terms and tallies."""
        found: tuple[Terms, Tallies] = self.task(batch, noise, epoch)
        return found


class Sharded(Autograd):
    """Gradients by torch's autograd of weights that are in pieces between the steps.

    Attributes:
        sharded, shards: the divided parameters, and this process' part of each.
        whole: whether the task has all weights at the moment.
        end: the place behind the last row of this process in the batch of a step.
    """

    name = "sharded"
    divides: ClassVar[bool] = True

    def bind(self, parameters: Sequence[nn.Parameter]) -> None:
        """Divide the parameters, and bind an optimiser to the parts that are kept here."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        known = {id(p): i for i, p in enumerate(parameters)}
        named: dict[str, Any] = dict(self.task.named_parameters(remove_duplicate=False))
        self.index = {name: known[id(p)] for name, p in named.items() if id(p) in known}
        self.places = [
            (module, name, known[id(p)])
            for module in self.task.modules()
            for name, p in module.named_parameters(recurse=False)
            if id(p) in known
        ]
        self.parameters, self.turned = list(parameters), [turned(p) for p in parameters]
        for p in parameters:
            p.data = p.data.contiguous()
        before = hooked(self.task)
        others = {p for p in named.values() if id(p) not in known}
        with speaking():
            mesh = init_device_mesh(parameters[0].device.type, (distributed.get_world_size(),))
            settings: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": False, "ignored_params": others}
            self.unit: Any = fully_shard(Unit(self.task), **settings)
        # Every process weighs its rows by their share of all, so that sums are means.
        self.unit.set_gradient_divide_factor(1.0)
        # gloo knows no other than sums, and a weight that one process' rows do not reach may be reached by others'.
        self.unit.set_force_sum_reduction_for_comms(True)
        self.unit.set_reduce_scatter_unused_params(True)
        divided: dict[str, Any] = dict(self.task.named_parameters(remove_duplicate=False))
        by_number: dict[int, Any] = {i: divided[name] for name, i in self.index.items()}
        self.sharded: list[Any] = [by_number[i] for i in range(len(parameters))]
        self.shards: list[Tensor] = [p.detach().to_local() for p in self.sharded]
        for p in parameters:
            p.data = p.data.new_empty(0)
        self.optimiser = self.description.bind(self.shards)  # type: ignore[arg-type]
        self._gather()
        for hooks, key in hooked(self.task) - before:
            del getattr(*hooks)[key]

    # -- whole and divided ------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        """Give the task all weights."""
        with speaking():
            self.unit.unshard()
        self.whole = True

    def _divide(self) -> None:
        """Take the weights of others from the task; what somebody has changed in our own is kept."""
        with torch.no_grad():
            for shard, (i, p) in zip(self.shards, self._now(), strict=True):
                shard.copy_(self._own(i, p))
        self.unit.reshard()
        self.whole = False

    def _now(self) -> list[tuple[int, Tensor]]:
        """Return the task's parameters of this moment by their numbers."""
        named = dict(self.task.named_parameters(remove_duplicate=False))
        return sorted({i: named[name] for name, i in self.index.items()}.items())

    def _own(self, i: int, whole: Tensor) -> Tensor:
        """Return this process' part of a tensor shaped as the i-th parameter."""
        each = -(-len(whole) // self.sharded[i].device_mesh.size())
        first = min(each * self.sharded[i].device_mesh.get_local_rank(), len(whole))
        return whole[first : first + len(self.shards[i])]

    def _joined(self, i: int, part: Tensor) -> Tensor:
        """Return the whole of a tensor of which every process has a part as of the i-th parameter."""
        from torch.distributed.tensor import DTensor

        p = self.sharded[i]
        known = {"run_check": False, "shape": p.shape, "stride": p.stride()}
        with speaking():
            whole: Tensor = DTensor.from_local(part, p.device_mesh, p.placements, **known).full_tensor()
        return whole if self.group.first else part

    def weights(self) -> Weights:
        """Return a copy of this process' part of the trained weights, and of all other numbers of the task."""
        kept = {name: self.shards[i].clone() for name, i in self.index.items()}
        others = {name: t.detach().clone() for name, t in self.task.state_dict().items() if name not in kept}
        return kept | others

    def take(self, weights: Weights) -> None:
        """Take parts of weights back and let the task have the whole; where nobody answers, it stays as it is."""
        if not self.group.talks:
            return
        for name, i in self.index.items():
            self.shards[i].copy_(weights[name])
        self.unit.reshard()
        self._gather()
        self.task.load_state_dict({name: t for name, t in weights.items() if name not in self.index}, strict=False)

    def part(self, weights: Weights) -> Weights:
        """Return this process' part of whole weights."""
        return {n: self._own(self.index[n], t).clone() if n in self.index else t for n, t in weights.items()}

    def divided(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return this process' part of a state with whole weights and moments."""
        return self._changed(state, self.part, lambda i, t: self._own(i, t).clone())

    def gathered(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state with whole weights and moments, on the first process; all have to ask."""

        def joined(weights: Weights) -> Weights:
            return {n: self._joined(self.index[n], t) if n in self.index else t for n, t in weights.items()}

        return self._changed(state, joined, self._joined)

    @staticmethod
    def _changed(
        state: dict[str, Any], weights: Callable[[Weights], Weights], moment: Callable[[int, Tensor], Tensor]
    ) -> dict[str, Any]:
        best = state["best"]
        changed = {"task": weights(state["task"]), "best": None if best is None else weights(best)}
        return state | changed | {"engine": walked(state["engine"], moment)}

    # -- steps ------------------------------------------------------------------------------------------------------

    def epoch(
        self, rows: Source, order: Noise, noise: Noise, *, steps: int, every: int, epoch: int, rate: float
    ) -> None:
        """Take an epoch's steps with divided weights."""
        self._divide()
        super().epoch(rows, order, noise, steps=steps, every=every, epoch=epoch, rate=rate)
        self._gather()

    def gradient(self, batch: Batch, noise: Noise, epoch: float, *, valued: bool) -> tuple[Terms, Tallies]:
        """Differentiate the terms, weighed by the share of all rows; the last pass of a step tells the others."""
        first, rows = batch.among or (0, len(batch.x))
        last = first + len(batch.x) == self.end
        self.unit.set_requires_gradient_sync(last)
        self.unit.set_reshard_after_backward(last)
        with speaking():
            self.unit.unshard()
        means, tallies, loss = self._looked(self.unit, batch, noise, epoch)
        with speaking():
            (loss * (len(batch.x) / rows)).backward()
        return means if valued else {}, tallies

    def _clipped(self, batch: Batch, noise: Noise, epoch: float, valued: bool) -> tuple[Terms, Tallies]:
        self.end = (batch.among or (0, 0))[0] + len(batch.x)
        for p in self.sharded:
            p.grad = None

        def passed(part: Batch, own: Noise) -> tuple[Terms, Tallies]:
            return self.gradient(part, own, epoch, valued=valued)

        found = self._of_all(batch, None, *self._in_parts(batch, noise, passed, None))
        for shard, p in zip(self.shards, self.sharded, strict=True):
            shard.grad = torch.zeros_like(shard) if p.grad is None else p.grad.to_local()
        if self.clip:
            self.shorten(self.clip)
        return found

    def shorten(self, length: float) -> None:
        """Scale the gradient down to a length, where that of all parts is longer."""
        gradients: list[Any] = [shard.grad for shard in self.shards]
        (squares,) = self.group.summed([torch.stack([g.square().sum() for g in gradients]).sum()])
        scale = (length / (squares.sqrt() + 1e-6)).clamp_(max=1.0)
        for g in gradients:
            g.mul_(scale)

    def length(self) -> Tensor:
        """Return the length of all weights together."""
        length: Tensor = torch.stack([p.detach().norm() for _, p in self._now()]).norm()
        return length

    def finite(self) -> bool:
        """Say whether every number is finite, on all processes."""
        finite = all_finite([*self.shards, *self.task.buffers()])
        return not self.group.either(not finite, self.shards[0])

    def moments(self, parameter: Tensor) -> list[Tensor]:
        """Refuse: moments are in pieces.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "engine='sharded' keeps moments in pieces, which a callback asks to change (Resampling does); leave the "
            "callback out, or use engine='auto'"
        )

    def release(self) -> None:
        """Give the task its parameters back; those of a step that failed are lost, since others have parts of them."""
        now = self._now()
        for i, whole in now:
            kept = whole.detach().clone() if self.whole else whole.new_full(self.sharded[i].shape, torch.nan)
            self.parameters[i].data = kept.T.contiguous().T if self.turned[i] else kept
        for module, name, i in self.places:
            setattr(module, name, self.parameters[i])
        for module in self.task.modules():
            for mark in MARKS:
                vars(module).pop(mark, None)
        del self.unit, self.sharded, self.shards


def hooked(task: nn.Module) -> set[tuple[tuple[nn.Module, str], int]]:
    """Return the hooks on states of modules: module and kind, and the hook's key."""
    return {((module, name), key) for module in task.modules() for name in HOOKS for key in getattr(module, name)}


def walked(tree: Any, change: Callable[[int, Tensor], Tensor], i: int = 0) -> Any:
    """Change the tensors of an optimiser's state that have axes, given the number of the parameter they belong to."""
    if isinstance(tree, Tensor):
        return change(i, tree) if tree.dim() else tree
    if isinstance(tree, dict):
        return {key: walked(value, change, key if isinstance(key, int) else i) for key, value in tree.items()}
    return [walked(value, change, j) for j, value in enumerate(tree)] if isinstance(tree, list) else tree


@contextmanager
def deferred(asked: threading.Event) -> Iterator[None]:
    """Note Ctrl-C instead of interrupting: processes end a divided fit together, where all have the same to say."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
