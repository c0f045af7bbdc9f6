"""The native engine: the kernel's steps where parts say that it knows them, torch's calls for everything else."""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from isthmus import native
from isthmus.component import Schedule
from isthmus.corruption import Clean
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.records import Rows, Source
from isthmus.training.explicit import Explicit
from isthmus.training.stages import coding, gaussian, products, stages
from isthmus.training.threads import given_threads

# Weights from which on the processor's own library multiplies as fast, and multiplications of a step from which on a
# second thread is worth meeting.
LARGE, ALONE = 2**22, 2**22
# Multiplications of a call, there and as often back, so that a user who interrupts is heard.
AT_ONCE = 2**37
# Numbers that codes are drawn by, of one call.
NUMBERS = 2**22


def unsuited(task: Objective, optimiser: Any, precision: str = "float32") -> str:
    """Say why the kernel does not know a task; empty where it does."""
    parameters, halves = task.trained(), precision == "bf16"
    reasons = {
        "the kernel was not built": native.library() is None,
        "the kernel is for float32 on a processor": precision not in ("float32", "bf16")
        or any(p.dtype != torch.float32 or p.device.type != "cpu" for p in parameters),
        "this processor multiplies no pairs of bfloat16": halves and not native.halves(),
        f"{sum(p.numel() for p in parameters):,} weights are left to the processor's own library": (
            sum(p.numel() for p in parameters) > LARGE
        ),
        f"the kernel does not know {type(task.corruption).__name__}": task.corruption != Clean(),
        f"the kernel does not know {', '.join(task.penalties)}": bool(
            [p for p in task.penalties.values() if not (gaussian(task) and getattr(p, "native", "") == "divergence")]
        ),
        f"the kernel does not know {type(optimiser).__name__} with these settings": not known(optimiser),
        f"the kernel does not know {type(task.likelihood).__name__}": getattr(task.likelihood, "native", None) is None,
        "the kernel does not know a layer": products(task) is None and stages(task) is None,
        "the kernel convolves in float32": halves and products(task) is None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def known(optimiser: Any) -> bool:
    """Say whether the kernel takes an optimiser's steps: it says so, and only its rate changes."""
    fields = vars(optimiser).items()
    return getattr(optimiser, "native", False) and not any(
        isinstance(value, Schedule) for name, value in fields if name != "learning_rate"
    )


class Run(NamedTuple):
    """Some batches of an epoch: rows, their order and where in it each batch ends, and what its step is taken with."""

    x: Tensor
    order: Tensor
    ends: Tensor
    begin: int
    rates: Tensor
    betas: Tensor
    noise: Tensor
    most: int


class Native(Explicit):
    """Whole epochs by the kernel, of rows in memory without weights or holes."""

    name = "native"

    def __init__(self, task: Objective, optimiser: Any, **settings: Any) -> None:
        """Lay out the net as the kernel reads it."""
        super().__init__(task, optimiser, **settings)
        _, offset = native.base_of([self.flat.whole])
        found = products(task)
        dense = [product.layer(offset) for product in found or []]
        convolved = [] if found else stages(task) or []
        # Multiplications of a row, there or back.
        self.work = sum(stage.work for stage in convolved) if convolved else self.flat.whole.numel()
        self.net = native.array(dense or [stage.place(offset) for stage in convolved])
        self.convolves = bool(convolved)
        self.loss: native.Loss = task.likelihood.native  # type: ignore[attr-defined]
        # The layer behind which codes are drawn, how many numbers of a row, and the penalty of their divergence.
        self.drawn = coding(task) - 1 if gaussian(task) else -1
        self.units = math.prod(task.model.code_shape) if gaussian(task) else 0
        self.divergence = next(iter(task.penalties), None)

    def epoch(
        self, rows: Source, order: Noise, noise: Noise, *, steps: int, every: int, epoch: int, rate: float
    ) -> None:
        """Take an epoch's steps by the kernel."""
        if not isinstance(rows, Rows):
            raise TypeError(f"the native engine reads rows in memory, not {type(rows).__name__}; use engine='explicit'")
        index = rows.order(order, steps)
        sizes = torch.tensor([len(part) for part in index.tensor_split(steps)], device="cpu")
        ends, rates = sizes.cumsum(0), self._rates(steps, epoch, rate)
        work = int(sizes[0]) * self.work
        threads = min(given_threads(), native.MOST_THREADS) if work > ALONE else 1
        if self.convolves:  # a thread walks as many rows at once as a register has floats
            threads = min(threads, -(-int(sizes[0]) // native.LANES))
        values = torch.zeros(2, threads, steps, dtype=torch.float64, device="cpu")
        values[0, :, ::every] = 1.0
        betas = self._betas(steps, epoch)
        at_once = max(1, min(AT_ONCE // work, NUMBERS // max(1, int(sizes[0]) * self.units)))
        for first in range(0, steps, at_once):
            some = slice(first, min(first + at_once, steps))
            begin = int(ends[first - 1]) if first else 0
            part, drawn = values[:, :, some].contiguous(), self._noise(noise, sizes[some].tolist(), first)
            run = Run(rows.x, index, ends[some], begin, rates[some], betas[some].contiguous(), drawn, int(sizes[0]))
            if not self._take(run, part):
                part[:, 1:] = 0.0
                alone = part[:, :1].contiguous()
                if not self._take(run, alone):
                    raise MemoryError("no memory for the kernel's panels; use engine='explicit'")
                part[:, :1] = alone
            values[:, :, some] = part
        sums = values.sum(1)[:, ::every]
        self._note(sums[0], sizes[::every], rows.x[0].numel(), betas[::every] * sums[1])

    def _betas(self, steps: int, epoch: int) -> Tensor:
        """Return what the divergence counts in every step."""
        if self.divergence is None:
            return torch.zeros(steps, dtype=torch.float64, device="cpu")
        weights = [float(self._now(self.divergence, epoch + i / steps).weight) for i in range(steps)]
        return torch.tensor(weights, dtype=torch.float64, device="cpu")

    def _noise(self, noise: Noise, sizes: list[int], first: int) -> Tensor:
        """Return what the codes of some batches are drawn by, as every other engine draws it."""
        if not self.units:
            return self.flat.whole.new_empty(0)
        own = (noise.at(noise.step + first + i) for i in range(len(sizes)))
        like = (self.flat.whole.new_empty(n, self.units) for n in sizes)
        return torch.cat([one.normal(numbers) for one, numbers in zip(own, like, strict=True)])

    def _rates(self, steps: int, epoch: int, rate: float) -> Tensor:
        rule: Any = self.description.learning_rate  # type: ignore[attr-defined]
        rates = [rule.value(epoch + i / steps) if isinstance(rule, Schedule) else rule for i in range(steps)]
        found = torch.tensor(rates, dtype=torch.float64, device="cpu").mul_(rate)
        self.optimiser.param_groups[0]["lr"] = float(found[-1])
        return found

    def _take(self, run: Run, values: Tensor) -> bool:
        """Call the kernel; False where it has done nothing. Values are (loss and divergence, threads, steps)."""
        threads, whole, bound = values.shape[1], self.flat.whole, self.optimiser
        m, v, taken = bound.moments["exp_avg"][0], bound.moments["exp_avg_sq"][0], bound.steps[0]  # type: ignore[attr-defined]
        settings = self.description.at(0.0).settings()
        pointers = (t.data_ptr() for t in (run.order, run.ends, whole, m, v))
        net, width, steps = ctypes.cast(self.net, ctypes.c_void_p), run.x[0].numel(), len(run.rates)
        done = native.steps(
            native.Job(
                *((None, net) if self.convolves else (net, None)),
                *(len(self.net), native.LOSSES.index(self.loss.name), self.loss.slope),
                *(run.x.data_ptr(), width, run.begin, steps, *pointers, whole.numel(), run.rates.data_ptr()),
                *(*settings["betas"], settings["eps"], settings.get("weight_decay", 0.0)),
                *(int(taken), run.most, threads, values[0].data_ptr()),
                *(self.drawn, run.noise.data_ptr(), run.betas.data_ptr(), values[1].data_ptr(), self.products.half),
            )
        )
        if done:
            taken += steps
        return done

    def _note(self, sums: Tensor, sizes: Tensor, width: int, divergences: Tensor) -> None:
        """Count the means of the batches that were looked at."""
        means = sums * self.loss.factor / sizes + self.loss.constant * width
        for mean, size, apart in zip(means, sizes.tolist(), divergences, strict=True):
            beside = {} if self.divergence is None else {self.divergence: apart / size}
            self.means.add({"reconstruction": mean} | beside, size)
