"""The native engine: the kernel's steps where parts say that it knows them, torch's calls for everything else."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from isthmus import native
from isthmus.component import Schedule
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.records import Rows, Source
from isthmus.training.explicit import Explicit
from isthmus.training.inputs import Given, Inputs, Steps
from isthmus.training.stages import coding, gaussian, products, stages
from isthmus.training.suited import penalties
from isthmus.training.threads import given_threads

# Multiplications of a step from which on a second thread is worth meeting.
ALONE = 2**22
# Multiplications of a call, there and as often back, so that a user who interrupts is heard.
AT_ONCE = 2**37
# Numbers that codes are drawn by, or that are given beside rows, of one call.
NUMBERS = 2**22


class Run(NamedTuple):
    """Some batches of an epoch: rows, their order and where in it each batch ends, and what is given beside them."""

    x: Tensor
    order: Tensor
    ends: Tensor
    begin: int
    given: Given
    most: int


class Native(Explicit):
    """Whole epochs by the kernel, of rows in memory."""

    name = "native"

    def __init__(self, task: Objective, optimiser: Any, **settings: Any) -> None:
        """Lay out the net as the kernel reads it."""
        super().__init__(task, optimiser, **settings)
        _, offset = native.base_of([self.flat.whole])
        found = products(task)
        dense = native.layers(found or [], offset)
        convolved = [] if found else stages(task) or []
        # Multiplications of a row, there or back.
        self.work = sum(stage.work for stage in convolved) if convolved else self.flat.whole.numel()
        self.net = native.array(dense or [stage.place(offset) for stage in convolved])
        self.convolves = bool(convolved)
        self.loss: native.Loss = task.likelihood.native  # type: ignore[attr-defined]
        # The layer behind which codes are drawn, how many numbers of a row, and the penalty of their divergence.
        self.drawn = coding(task) - 1 if gaussian(task) else -1
        self.of_code, self.of_weights = penalties(task, dense=found is not None)
        self.ruled = -1 if gaussian(task) or not self.of_code else coding(task) - 1
        self.asks = 0 if self.ruled < 0 else native.OF_CODES.index(task.penalties[self.of_code].native)  # type: ignore[attr-defined]
        dropping = [(product.sizes[1], product.kept) for product in found or [] if product.kept is not None]
        self.inputs = Inputs(task, dropping, math.prod(task.model.code_shape) if gaussian(task) else 0)

    def epoch(
        self, rows: Source, order: Noise, noise: Noise, *, steps: int, every: int, epoch: int, rate: float
    ) -> None:
        """Take an epoch's steps by the kernel."""
        if not isinstance(rows, Rows):
            raise TypeError(f"the native engine reads rows in memory, not {type(rows).__name__}; use engine='explicit'")
        index, n = rows.order(order, steps), len(rows)
        sizes = torch.full((steps,), n // steps, dtype=torch.int64, device="cpu")
        sizes[: n % steps] += 1
        values = torch.zeros(3, self._threads(int(sizes[0])), steps, dtype=torch.float64, device="cpu")
        values[0, :, ::every] = 1.0
        moments = [epoch + i / steps for i in range(steps)]
        rates = self._rates(moments, rate)
        weights = self._weights(self.of_code, moments), self._weights(self.of_weights, moments)
        counted = (sizes * rows.x[0].numel()).double()
        for some in self._calls(rows, sizes):
            run = self._run(rows, index, sizes, some, noise, moments)
            part = values[:, :, some].contiguous()
            self._taken(run, part, rates[some], *(weight[some] for weight in weights))
            values[:, :, some] = part
            if run.given.whole is not None:
                counted[some] = torch.stack([each.sum() for each in run.given.whole.split(sizes[some].tolist())])
        self._note(values.sum(1)[:, ::every], sizes[::every], counted[::every], *(w[::every] for w in weights))

    def _threads(self, rows: int) -> int:
        """Return how many threads share a batch."""
        if rows * self.work <= ALONE:
            return 1
        threads = min(given_threads(), native.MOST_THREADS)
        # There a thread walks as many rows at once as a register has floats.
        return min(threads, -(-rows // native.LANES)) if self.convolves else threads

    def _calls(self, rows: Rows, sizes: Tensor) -> Iterator[slice]:
        """Part the steps of an epoch into those of one call."""
        most = int(sizes[0])
        at_once = max(1, min(AT_ONCE // (most * self.work), NUMBERS // max(1, most * self.inputs.room(rows))))
        for first in range(0, len(sizes), at_once):
            yield slice(first, min(first + at_once, len(sizes)))

    def _run(self, rows: Rows, index: Tensor, sizes: Tensor, some: slice, noise: Noise, moments: list[float]) -> Run:
        """Return what a call is given of some batches."""
        ends = sizes.cumsum(0)[some]
        begin, end, given = int(ends[0] - sizes[some.start]), int(ends[-1]), Given()
        if self.inputs.asks(rows):
            each = [noise.at(noise.step + i) for i in range(some.start, some.stop)]
            given = self.inputs.given(rows, index[begin:end], Steps(each, sizes[some].tolist()), moments[some])
        return Run(rows.x, index, ends, begin, given, int(sizes[0]))

    def _note(self, values: Tensor, sizes: Tensor, counted: Tensor, betas: Tensor, shrinks: Tensor) -> None:
        """Count the means over the batches that were looked at."""
        (losses, of_codes, squares), rows = values, int(sizes.sum())
        found = {"reconstruction": losses * self.loss.factor + self.loss.constant * counted}
        if self.of_code:
            found[self.of_code] = betas * of_codes
        if self.of_weights:
            found[self.of_weights] = shrinks * squares / 2 * sizes
        self.means.add({name: sums.sum() / rows for name, sums in found.items()}, rows)

    def _weights(self, penalty: str, moments: list[float]) -> Tensor:
        """Return what a penalty counts at every moment; nothing where there is none."""
        if not penalty:
            return torch.zeros(len(moments), dtype=torch.float64, device="cpu")
        weights = [float(self._now(penalty, moment).weight) for moment in moments]
        return torch.tensor(weights, dtype=torch.float64, device="cpu")

    def _rates(self, moments: list[float], rate: float) -> Tensor:
        rule: Any = self.description.learning_rate  # type: ignore[attr-defined]
        rates = [rule.value(moment) for moment in moments] if isinstance(rule, Schedule) else [rule] * len(moments)
        found = torch.tensor(rates, dtype=torch.float64, device="cpu").mul_(rate)
        self.optimiser.param_groups[0]["lr"] = float(found[-1])
        return found

    def _taken(self, run: Run, values: Tensor, *weights: Tensor) -> None:
        """Take the steps of a call, by one thread where others are not to be had."""
        if self._take(run, values, *weights):
            return
        values[:, 1:] = 0.0
        alone = values[:, :1].contiguous()
        if not self._take(run, alone, *weights):
            raise MemoryError("no memory for the kernel's panels; use engine='explicit'")
        values[:, :1] = alone

    def _take(self, run: Run, values: Tensor, rates: Tensor, betas: Tensor, shrinks: Tensor) -> bool:
        """Call the kernel; False where it has done nothing. Values are (loss and penalties, threads, steps)."""
        job = self._job(
            run,
            steps=len(rates),
            threads=values.shape[1],
            rates=rates.data_ptr(),
            betas=betas.data_ptr(),
            shrinks=shrinks.data_ptr() if self.of_weights else None,
            values=values[0].data_ptr(),
            apart=values[1].data_ptr(),
            squares=values[2].data_ptr(),
        )
        done = native.steps(job)
        if done:
            self.optimiser.steps[0] += len(rates)  # type: ignore[attr-defined]
        return done

    def _job(self, run: Run, **others: Any) -> native.Job:
        """Return a call's order to the kernel: the net, the optimiser's state, the rows of a run, and others."""
        whole, bound, net = self.flat.whole, self.optimiser, ctypes.cast(self.net, ctypes.c_void_p)
        m, v, taken = bound.moments["exp_avg"][0], bound.moments["exp_avg_sq"][0], bound.steps[0]  # type: ignore[attr-defined]
        settings = self.description.at(0.0).settings()
        inputs, targets, counts, kept, noise, _ = (None if t is None else t.data_ptr() for t in run.given)
        return native.Job(
            layers=None if self.convolves else net,
            places=net if self.convolves else None,
            depth=len(self.net),
            loss=native.LOSSES.index(self.loss.name),
            precision=self.loss.slope,
            data=run.x.data_ptr(),
            width=run.x[0].numel(),
            begin=run.begin,
            order=run.order.data_ptr(),
            ends=run.ends.data_ptr(),
            inputs=inputs,
            targets=targets,
            counts=counts,
            p=whole.data_ptr(),
            m=m.data_ptr(),
            v=v.data_ptr(),
            size=whole.numel(),
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            eps=settings["eps"],
            decay=settings.get("weight_decay", 0.0),
            taken=int(taken),
            most=run.most,
            kept=kept,
            drawn=self.drawn,
            noise=noise,
            ruled=self.ruled,
            asks=self.asks,
            pairs=self.products.half,
            **others,
        )
