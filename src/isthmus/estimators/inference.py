"""Using a fitted objective: deterministic, in one pass over cache-sized chunks, in float32 wherever that is exact."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.arrays import Scaling
from isthmus.estimators import chunks
from isthmus.estimators.inputs import Array, tensor
from isthmus.estimators.plain import Plain, Reading, heard, plain
from isthmus.likelihood import all_finite
from isthmus.noise import Noise
from isthmus.objective import Objective, tightened
from isthmus.records import Batch, Pass, Rows, Spec
from isthmus.training.threads import threads_for

CHUNK = 1024
ROWS_OF_DRAWS = 8192
Fill = Callable[[Array, Tensor], None]
Answer = Callable[[Objective, Tensor], list[Tensor]]
Write = Callable[[slice, Array], None]


class Strange(Exception):
    """A chunk holds what is not finite, or what cannot occur under the likelihood."""


class Inference:
    """Answers of a fitted objective to arrays in the caller's units, shaped (rows, variables).

    Rows are scaled, checked, passed and answered chunk by chunk, while they are in the cache, straight into the arrays
    returned: beside these a call needs a few chunks of memory (``isthmus.estimators.chunks``). Chunks are padded to one
    of a few sizes, and where a probe finds that float32 then gives a row the same bits in every batch, float64 rows are
    answered in float32 too. Elsewhere a float64 copy answers them, in which batches agree to 1e-7, as a model of
    float64 does.

    Args:
        objective: what answers.
        scaling: from the caller's units to the model's.
        refuse: names the culprit among strange rows; is told whether they were to be scored.
    """

    def __init__(
        self, objective: Objective, scaling: Scaling, refuse: Callable[[Array, bool], None] | None = None
    ) -> None:
        """Hold the objective in its own precision; a copy is made when first asked for."""
        self.scaling = scaling
        self._by_dtype: dict[torch.dtype, Objective] = {}
        self._objective, self._refuse = objective, refuse
        self._weights = weights_of(objective)

    @property
    def outdated(self) -> bool:
        """Whether weights are others than those that copies, probes and the kernel were told of."""
        return weights_of(self._objective) != self._weights

    @property
    def table(self) -> bool:
        """Whether rows are a table's, of which cells may be missing."""
        return bool(self._objective.model.spec.table)

    def objective(self, dtype: torch.dtype) -> Objective:
        """Return the objective in a precision, in eval mode."""
        if dtype not in self._by_dtype:
            self._by_dtype[dtype] = in_precision(self._objective, dtype)
        return self._by_dtype[dtype]

    @cached_property
    def _ladder(self) -> tuple[int, ...]:
        """The numbers of rows that a chunk may have to fit the cache."""
        objective = self.objective(torch.float32)
        if self._plain is not None:  # the kernel walks hidden layers by groups of rows
            return chunks.ladder(objective.model.spec.size)
        row = Batch(probes(objective)[:1])
        with torch.no_grad():
            found = chunks.widest(objective, lambda: objective.run(row, None))
        return chunks.ladder(found, device_of(objective).type)

    @cached_property
    def _agreeing(self) -> tuple[int, ...]:
        """Those sizes in which float32 gives a row the same bits in every batch; none in a model of float64."""
        objective, found = self.objective(torch.float32), []
        if objective is not self._objective:
            return ()

        ask = partial(self._answering(tuple(ANSWERS)), objective)

        def work(_: Iterator[slice]) -> None:
            found.append(chunks.agreeing(ask, probes(objective), self._ladder))

        with torch.no_grad(), chunks.onednn(self._onednn):
            chunks.each(work, [slice(0)])
        return found[0]

    @cached_property
    def _onednn(self) -> bool:
        with threads_for(0):  # as chunks are answered
            return chunks.suits_onednn(self.objective(torch.float32), self._ladder[-1])

    def manner(self, dtype: np.dtype[Any]) -> tuple[torch.dtype, tuple[int, ...]]:
        """Return the precision in which rows of a precision are answered, and in chunks of which sizes."""
        if dtype == np.float64:
            return (torch.float32, self._agreeing) if self._agreeing else (torch.float64, self._ladder)
        return torch.float32, self._ladder

    # -- walking ------------------------------------------------------------------------------------------------------

    def _walk(
        self,
        X: Array,
        fill: Fill,
        answer: Answer,
        write: Sequence[Write],
        manner: tuple[torch.dtype, tuple[int, ...]],
    ) -> None:
        """Fill chunks with rows, answer, write what was found."""
        dtype, sizes = manner
        objective = self.objective(dtype)
        device = device_of(objective)

        def work(spans: Iterator[slice]) -> None:
            buffer = torch.zeros(chunks.padded(min(len(X), sizes[-1]), sizes), X.shape[1], dtype=dtype)
            with torch.no_grad():
                for span in spans:
                    rows = X[span]
                    size = chunks.padded(len(rows), sizes)
                    buffer[len(rows) : size] = 0
                    fill(rows, buffer[: len(rows)])
                    answers = answer(objective, buffer[:size].to(device))
                    for found, to in zip(answers, write, strict=True):
                        to(span, found[: len(rows)].flatten(1).cpu().numpy())

        with chunks.onednn(self._onednn):
            chunks.each(work, chunks.spans(len(X), sizes[-1]))

    def _checked(self, rows: Array, x: Tensor, *, scored: bool) -> None:
        """Write scaled rows to ``x`` and be sure that they can be answered."""
        self.scaling.into(rows, x.numpy())
        if self.table:  # its codec has looked at every cell, and what is missing is not a number
            return
        asked = scored or self._objective.model.spec.levels
        if not all_finite(x) or (asked and not self._objective.likelihood.admits(x)):
            raise Strange

    # -- questions ----------------------------------------------------------------------------------------------------

    def ask(self, X: Array, *wanted: str) -> tuple[Array, ...]:
        """Answer several questions in one pass: ``codes``, ``reconstructions``, ``errors``, ``doubts``, ``scores``."""
        made = [np.empty(self._shape(name, X), np.float64 if name == "scores" else X.dtype) for name in wanted]
        write = [partial(self._write, name, out) for name, out in zip(wanted, made, strict=True)]
        answer, scored = self._answering(wanted), not {"errors", "scores"}.isdisjoint(wanted)
        manner = self.manner(X.dtype)
        try:
            kernel = self._kernel
            if manner[0] == torch.float32 and kernel is not None and kernel.reads:
                self._read(kernel.reading(wanted, self.scaling), X, write, scored, manner[1][-1])
            else:
                self._walk(X, partial(self._checked, scored=scored), answer, write, manner)
        except Strange:
            if self._refuse is not None:
                self._refuse(X, scored)
            # Nothing is wrong with the rows themselves: float32 cannot hold them.
            manner = (torch.float64, self._ladder) if X.dtype == np.float64 else manner
            self._walk(X, lambda rows, x: self.scaling.into(rows, x.numpy()), answer, write, manner)
        return tuple(out[:, 0] if name == "scores" else out for name, out in zip(wanted, made, strict=True))

    @staticmethod
    def _read(ask: Reading, X: Array, write: Sequence[Write], scored: bool, most: int) -> None:
        """Let the kernel read rows where they are, chunk by chunk, and write what was found."""

        def work(spans: Iterator[slice]) -> None:
            with torch.no_grad():
                for span in spans:
                    answers, finite, likely = ask(X[span])
                    if not finite or (scored and not likely):
                        raise Strange
                    for found, to in zip(answers, write, strict=True):
                        to(span, found.flatten(1).numpy())

        chunks.each(work, chunks.spans(len(X), most))

    @property
    def _kernel(self) -> Plain | None:
        """What answers by the kernel, where it knows the net; it knows nothing of those who listen to layers."""
        return None if heard(self._objective) else self._plain

    @cached_property
    def _plain(self) -> Plain | None:
        return plain(self.objective(torch.float32))

    def _answering(self, wanted: tuple[str, ...]) -> Answer:
        """Return what answers about rows in the model's units, by the kernel where it knows the net."""
        kernel = self._kernel
        by_kernel = None if kernel is None else kernel.answering(wanted)

        def answer(objective: Objective, x: Tensor) -> list[Tensor]:
            if by_kernel is not None and x.dtype == torch.float32:
                return by_kernel(x.flatten(1))
            batch = batch_of(objective.model.spec, x.reshape(len(x), *objective.model.spec.shape))
            if wanted == ("codes",):
                return [objective.model.encode(objective.model.stem(batch)).rsample(None)]
            p = objective.run(batch, None)
            return [ANSWERS[name](objective, p) for name in wanted]

        return answer

    def each(self, X: Array, answer: Answer, write: Sequence[Write]) -> None:
        """Let ``answer`` look at every chunk of rows, and hand what it found to ``write``."""
        self._walk(X, partial(self._checked, scored=True), answer, write, self.manner(X.dtype))

    def _shape(self, name: str, X: Array) -> tuple[int, ...]:
        code = int(np.prod(self._objective.model.code_shape))
        return len(X), {"codes": code, "scores": 1}.get(name, X.shape[1])

    def _write(self, name: str, out: Array, rows: slice, found: Array) -> None:
        """Write answers in the caller's units."""
        if name == "reconstructions":
            self.scaling.back(found, out[rows])
        elif name == "errors":
            np.add(found, np.log(self.scaling.factor).astype(out.dtype), out=out[rows])
        else:
            out[rows] = found - self.scaling.log_factor if name == "scores" else found

    def codes(self, X: Array) -> Array:
        """Return the code of each row: the mean of its posterior, flattened."""
        return self.ask(X, "codes")[0]

    def reconstructions(self, X: Array) -> Array:
        """Return the expected value of each entry given the row's code."""
        return self.ask(X, "reconstructions")[0]

    def errors(self, X: Array) -> Array:
        """Return -log p(x_j | code(x)) per entry, in nats of the caller's units."""
        return self.ask(X, "errors")[0]

    def scores(self, X: Array) -> Array:
        """Return log p(x | code(x)) per row, less KL(q(h|x) || prior) where codes have a density, in nats."""
        return self.ask(X, "scores")[0]

    def decode(self, codes: Array) -> Array:
        """Return the expected data of codes."""
        made = np.empty((len(codes), self._objective.model.spec.size), codes.dtype)

        def answer(objective: Objective, code: Tensor) -> list[Tensor]:
            output = objective.model.decode(code.reshape(len(code), *objective.model.code_shape))
            return [mean(objective, output)]

        def fill(given: Array, code: Tensor) -> None:
            code.copy_(tensor(given))

        self._walk(codes, fill, answer, [partial(self._write, "reconstructions", made)], self.manner(codes.dtype))
        return made

    @torch.no_grad()
    def draw(self, codes: Array, noise: Noise) -> Array:
        """Draw data from the likelihood given codes."""
        objective, found = self.objective(torch.float64 if codes.dtype == np.float64 else torch.float32), []
        for code in tensor(codes).to(device_of(objective)).split(CHUNK):
            output = objective.model.decode(code.reshape(len(code), *objective.model.code_shape))
            drawn = objective.likelihood.sample(output, noise, objective.memories["likelihood"])  # type: ignore[arg-type]
            found.append(drawn.flatten(1).cpu().numpy())
        return self.scaling.inverse(np.concatenate(found))

    @torch.no_grad()
    def bound(self, X: Array, noise: Noise, draws: int) -> Array:
        """Return the importance-weighted estimate of -log p(x) per row with ``draws`` codes each (Burda, 2016)."""
        objective = self.objective(torch.float64 if X.dtype == np.float64 else torch.float32)
        shape, device, found = objective.model.spec.shape, device_of(objective), []
        for step, rows in enumerate(chunks.spans(len(X), max(1, ROWS_OF_DRAWS // draws))):
            part = tensor(self.scaling.forward(X[rows])).reshape(-1, *shape).to(device)
            p = objective.model.forward(batch_of(objective.model.spec, part), None, noise.at(step), draws)
            terms = {"reconstruction": objective.nll(p).flatten(1).sum(1), "kl": p.posterior.log_ratio(p.code)}
            found.append(torch.stack(list(tightened(terms, draws, len(part)).values())).sum(0).cpu().numpy())
        return np.concatenate(found) + self.scaling.log_factor


def in_precision(module: Any, dtype: torch.dtype) -> Any:
    """Return a module in use in a precision: itself where that is its own, else a copy."""
    own = next((p.dtype for p in module.parameters()), dtype)
    return (module if own == dtype else copy.deepcopy(module).to(dtype)).eval()


def weights_of(module: torch.nn.Module) -> list[tuple[int, int, torch.dtype]]:
    """Return where weights are, how often they were written to, and what they are."""
    held = chain(module.parameters(), module.buffers())
    return [(w.data_ptr(), 0 if w.is_inference() else w._version, w.dtype) for w in held]


def device_of(module: torch.nn.Module) -> torch.device:
    """Return where a module's parameters are."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def mean(objective: Objective, output: Tensor) -> Tensor:
    """Return the expected value of each entry."""
    return objective.likelihood.mean(output, objective.memories["likelihood"])  # type: ignore[arg-type]


def score(objective: Objective, p: Pass) -> Tensor:
    """Return log p(x | code) less the divergence of the code, (rows, 1), added up in float64."""
    found = -objective.nll(p).flatten(1).sum(1, dtype=torch.float64)
    if "density" in objective.model.bottleneck.provides:
        found -= p.posterior.kl()
    return found[:, None]


ANSWERS: dict[str, Callable[[Objective, Pass], Tensor]] = {
    "codes": lambda _, p: p.code,
    "reconstructions": lambda objective, p: mean(objective, p.output),
    "errors": lambda objective, p: objective.nll(p),
    "doubts": lambda objective, p: objective.likelihood.doubt(p.output, objective.memory_of("likelihood")),
    "scores": score,
}


def batch_of(spec: Spec, x: Tensor) -> Batch:
    """Return rows as a batch; in tables NaN says that a value is missing."""
    if not spec.table:
        return Batch(x)
    missing = x.isnan()
    return Batch(x.masked_fill(missing, 0), (~missing).to(x.dtype))


def rows_of(spec: Spec, x: Tensor, weight: Tensor | None = None, *, own: bool = False) -> Rows:
    """Return values as the rows of a fit; without flags where none is missing."""
    batch = batch_of(spec, x)
    return Rows(batch.x, None if batch.seen is None or bool(batch.seen.all()) else batch.seen, weight, own=own)


def probes(objective: Objective) -> Tensor:
    """Return some rows such as the model may meet."""
    spec = objective.model.spec
    unit = torch.rand(chunks.PROBED, *spec.shape, generator=torch.Generator().manual_seed(0))
    if spec.table:
        sizes = {"category": 0.0, "binary": 2.0, "count": 4.0}
        scale = torch.tensor([sizes.get(column.kind, 0.0) or float(column.levels) for column in spec.columns])
        return torch.where(scale > 0, (unit * scale).floor(), unit.logit()).to(device_of(objective))
    drawn = (unit * spec.levels).floor() if spec.levels else unit if "unit interval" in spec.provides else unit.logit()
    return drawn.to(device_of(objective))
