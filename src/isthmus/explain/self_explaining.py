"""The self-explaining task: predictions as sums of relevance times concept, concepts being an autoencoder's code."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.architecture import Architecture
from isthmus.catalogue import to_dict
from isthmus.explain.relevances import Relevances
from isthmus.explain.robustness import robustness
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective, Task, noting
from isthmus.records import Batch, Pass, Tallies, Terms

SAMPLE, STEPS = 4096, 200


class SelfExplaining(Task):
    r"""``f_c(x) = sum_i theta_ic(x) h_i(x)``: concepts h times relevances theta (Alvarez-Melis & Jaakkola, 2018).

    The concepts are the code of an autoencoder, whose objective is trained along, and a last one that is always 1. The
    terms are

    - ``cross_entropy``, -log softmax(f)_y, or ``squared_error``, 1/2 ||f - y||^2, per row;
    - ``robustness`` times ``||J_f - theta^T J_h||_F^2`` per row (:func:`isthmus.explain.robustness.robustness`);
    - ``conciseness`` times ``sum_i ||theta_i u_i||`` per row, over outputs, u_i the size of concept i at the start: the
      group lasso, which leaves most concepts without a say;
    - ``fidelity`` times every term of the autoencoder's objective, by their names there.

    Training starts from a linear model on trained concepts, theta the same for every row. The weights are chosen by the
    prediction's own terms on held-out rows.

    Args:
        objective: the autoencoder, trained in place.
        relevances: the network of theta, of which the encoder is used.
        outputs: number of classes, or of targets.
        noise: where initial weights come from.
        classes: whether y is a class, a whole number from 0 to ``outputs - 1``, or targets, (rows, outputs).
        reads: what theta sees, the ``inputs``, or the ``code``: then the prediction depends on concepts alone.
        robustness: the paper's lambda.
        conciseness: weight of the group lasso on relevances.
        unit: what inputs were divided by, where the Jacobian is taken by the inputs before.
        fidelity: weight of the autoencoder's terms.
        frozen: leave the autoencoder as it is.
        linear: start from a linear model on the concepts; else from nothing, as where these are not trained yet: what
            suits them as they are drawn does not suit them later.

    References:
        Alvarez-Melis & Jaakkola (2018), "Towards robust interpretability with self-explaining neural networks".

    Raises:
        ValueError: labels out of range, or a relevance network without a linear layer.
    """

    def __init__(
        self,
        objective: Objective,
        relevances: Architecture,
        outputs: int,
        noise: Noise,
        *,
        classes: bool = True,
        reads: str = "inputs",
        robustness: float = 0.0,
        conciseness: float = 0.0,
        unit: float = 1.0,
        fidelity: float = 1.0,
        frozen: bool = False,
        linear: bool = True,
    ) -> None:
        """Put relevances beside the code."""
        super().__init__()
        self.objective, self.architecture, self.outputs, self.classes = objective, relevances, outputs, classes
        self.reads, self.robustness, self.conciseness, self.unit = reads, robustness, conciseness, unit
        self.fidelity, self.frozen, self.linear = fidelity, frozen, linear
        concepts = torch.Size(self.model.code_shape).numel()
        inputs = self.model.inputs if reads == "inputs" else (concepts,)
        self.relevances = Relevances(relevances, inputs, concepts + 1, outputs, noise)

    @property
    def model(self) -> Autoencoder:
        """The autoencoder whose code is the concepts."""
        return self.objective.model

    def trained(self) -> list[torch.nn.Parameter]:
        """Return the parameters of the relevances, and of the autoencoder unless it is frozen."""
        own = [p for p in self.relevances.parameters() if p.requires_grad]
        return own if self.frozen else [*own, *self.objective.trained()]

    def train(self, mode: bool = True) -> Self:
        """Switch to fitting; a frozen autoencoder stays in use."""
        super().train(mode)
        if self.frozen:
            self.objective.eval()
        return self

    @torch.no_grad()
    def start(self, sample: Batch) -> None:
        """Check the labels and measure the concepts."""
        y = _labels(sample)
        if self.classes and (int(y.min()) < 0 or int(y.max()) >= self.outputs):
            raise ValueError(
                f"labels run from {int(y.min())} to {int(y.max())}, but there are {self.outputs} classes; "
                "number them from 0 up"
            )
        was, some = self.training, sample.spaced(SAMPLE)
        concepts = self.concepts(self.eval().model(some))
        self.relevances.measure(concepts)
        if self.linear:
            self._start_linear(concepts, some)
        self.train(was)

    def _start_linear(self, concepts: Tensor, batch: Batch) -> None:
        """Start from the best relevances that are the same for every row, with a ridge as of one more row.

        There training ends however large ``robustness`` is: what it weighs is zero, and far from zero after any step.
        """
        concepts = (concepts / self.relevances.unit).double()
        weight = torch.ones_like(concepts[:, 0]) if batch.weight is None else batch.weight.double()
        level = torch.zeros_like(self.relevances.level, dtype=torch.float64).requires_grad_()

        def closure() -> Tensor:
            level.grad = None
            among = level[:-1]
            fit = (weight * self.error(concepts @ level, batch)).sum()
            short = self.conciseness * (among.square().sum(1) + 1e-12).sqrt().sum()
            loss = (fit + among.square().sum() / 2) / weight.sum() + short
            loss.backward()
            return loss.detach()

        with torch.enable_grad():
            torch.optim.LBFGS([level], max_iter=STEPS, line_search_fn="strong_wolfe").step(closure)
        if level.isfinite().all():
            self.relevances.level.copy_(level)

    # -- the prediction ---------------------------------------------------------------------------------------------

    @staticmethod
    def concepts(p: Pass) -> Tensor:
        """Return the concepts of a pass, (rows, concepts + 1): the mean of each row's posterior, and 1."""
        code = p.posterior.mean.flatten(1)
        return torch.cat([code, code.new_ones(code.shape[0], 1)], dim=1)

    def looked_at(self, p: Pass, concepts: Tensor) -> Tensor:
        """Return what relevances depend on, which they can be differentiated by."""
        x = p.inputs if self.reads == "inputs" else concepts[:, :-1]
        return x if x.requires_grad else x.detach().requires_grad_()

    def parts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return concepts, (rows, concepts + 1), and relevances, (rows, concepts + 1, outputs), of rows in use."""
        p = self.model(batch)
        concepts = self.concepts(p)
        return concepts, self.relevances(p.inputs if self.reads == "inputs" else concepts[:, :-1])

    def logits(self, batch: Batch) -> Tensor:
        """Return the sums of contributions, (rows, outputs)."""
        return predicted(*self.parts(batch))

    def norm(self, batch: Batch) -> Tensor:
        """Return the exact squared norm that ``robustness`` weighs, per row, in use."""
        with torch.enable_grad():
            p = self.model(batch)
            concepts = self.concepts(p)
            inputs = self.looked_at(p, concepts)
            found = robustness(concepts, self.relevances(inputs), inputs, None)
        return found.detach() / self.unit**2

    # -- the task ---------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, noise: Noise | None, epoch: float) -> tuple[Terms, Tallies]:
        """Return the terms of one batch and the sums that memories learn from."""
        p, autoencoder, tallies = self._autoencoder(batch, noise, epoch)
        terms, concepts = {}, self.concepts(p)
        onward = torch.is_grad_enabled()
        with torch.set_grad_enabled(onward or self.robustness > 0):
            inputs = self.looked_at(p, concepts)
            relevances = self.relevances(inputs, noise)
            terms[self.loss] = self.error(predicted(concepts, relevances), batch)
            if self.robustness:
                norm = robustness(concepts, relevances, inputs, noise)
                terms["robustness"] = self.robustness / self.unit**2 * norm
            if self.conciseness:
                terms["conciseness"] = self.conciseness * self.relevances.length(relevances)
        terms = terms if onward else {name: t.detach() for name, t in terms.items()}
        layers = {f"relevances.{name}": layer for name, layer in noting(self.relevances).items()}
        tallies |= {name: sums for name, layer in layers.items() if (sums := layer.tally())}
        return terms | autoencoder, tallies

    def _autoencoder(self, batch: Batch, noise: Noise | None, epoch: float) -> tuple[Pass, Terms, Tallies]:
        """Pass through the autoencoder; return its weighted terms, none where it is frozen."""
        if self.frozen:
            with torch.no_grad():
                return self.model(batch), {}, {}
        # The trainer sets these on the task; an autoencoder that was fitted before has those of its own fit.
        self.objective.epochs, self.objective.trim = self.epochs, self.trim
        p = self.objective.run(batch, noise, epoch)
        terms, tallies = self.objective.terms(p, epoch)
        return p, {name: self.fidelity * t for name, t in terms.items()}, tallies

    @property
    def loss(self) -> str:
        """The name of the prediction's term."""
        return "cross_entropy" if self.classes else "squared_error"

    def error(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the prediction's term per row, in nats."""
        y = _labels(batch)
        if self.classes:
            return F.cross_entropy(logits, y, reduction="none")
        return (logits - y.reshape(logits.shape)).square().sum(1) / 2

    @torch.no_grad()
    def learn(self, tallies: Tallies) -> None:
        """Fold the sums into the autoencoder's memories and the layers of the relevances."""
        layers = {f"relevances.{name}": layer for name, layer in noting(self.relevances).items()}
        self.objective.learn({name: sums for name, sums in tallies.items() if name not in layers})
        for name in layers.keys() & tallies.keys():
            layers[name].learn(tallies[name])

    def measure(self, batch: Batch) -> Terms:
        """Return whether each row is put into a wrong class; of targets nothing."""
        if not self.classes:
            return {}
        wrong = self.logits(batch).argmax(1) != _labels(batch)
        return {"error": wrong.to(batch.x.dtype)}

    def verdict(self, found: dict[str, float]) -> list[float]:
        """Judge by the prediction and what is asked of its relevances: the autoencoder's nats would outshout both."""
        return [found[self.loss] + found.get("robustness", 0.0) + found.get("conciseness", 0.0)]

    def describe(self) -> dict[str, Any]:
        """Return the autoencoder's parts and the settings."""
        names = ("outputs", "classes", "reads", "robustness", "conciseness", "unit", "fidelity", "frozen")
        own = {name: getattr(self, name) for name in names}
        return self.objective.describe() | {"self_explaining": own | {"relevances": to_dict(self.architecture)}}

    def unsupervised(self) -> Objective:
        """Return the autoencoder's objective."""
        return self.objective


def predicted(concepts: Tensor, relevances: Tensor) -> Tensor:
    """Return sum_i theta_ic h_i, (rows, outputs)."""
    return (concepts.unsqueeze(2) * relevances).sum(1)


def _labels(batch: Batch) -> Tensor:
    if batch.y is None:
        raise ValueError("a self-explaining model needs labels; give them as y")
    return batch.y
