"""What a bottleneck returns: a distribution over codes. A deterministic code is a point mass: one class for both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from isthmus.noise import Noise
from isthmus.records import repeated
from isthmus.selected import Selected

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Posterior:
    """A distribution over codes of shape ``(rows, units, *places)``.

    ``pre`` is the code before selection and ``active`` which units were selected, where a bottleneck selects;
    ``bounds`` are the lowest and highest code value, where it has them.
    """

    mean: Tensor
    pre: Tensor | None = None
    active: Tensor | None = None
    bounds: tuple[float, float] | None = None

    def rsample(self, noise: Noise | None, draws: int = 1) -> Tensor:
        """Draw codes with gradient, ``draws`` blocks of rows; without noise, the mean."""
        raise NotImplementedError  # abstract

    def kl(self) -> Tensor:
        """Return KL(q || prior) per row, in nats."""
        raise NotImplementedError  # abstract

    def log_ratio(self, code: Tensor) -> Tensor:
        """Return log q(code) - log prior(code) for each drawn row, in nats."""
        raise NotImplementedError  # abstract


def _merged(g: Tensor, rows: int) -> Tensor:
    """Add up the draws of each row."""
    return g if len(g) == rows else g.reshape(-1, rows, *g.shape[1:]).sum(0)


@dataclass(frozen=True)
class Dirac(Posterior):
    """All mass on one code."""

    def rsample(self, noise: Noise | None, draws: int = 1) -> Tensor:
        """Return the code itself."""
        return repeated(self.mean, draws)

    def pullback(self, g: Tensor, code: Tensor) -> Gradients:
        """Return the gradient of the mean, given that of the code."""
        return {"mean": _merged(g, len(self.mean))}

    def kl(self) -> Tensor:
        """Refuse: a point mass has no density to compare with the prior."""
        raise ValueError("a deterministic code has no density, so it has no KL divergence; use Variational()")

    def log_ratio(self, code: Tensor) -> Tensor:
        """Return zeros: nothing was drawn."""
        return code.new_zeros(len(code))


@dataclass(frozen=True)
class Few(Dirac):
    """All mass on one code of which few units are active: ``mean`` holds their values alone, one after another."""

    selected: Selected = field(kw_only=True)


@dataclass(frozen=True)
class Gaussian(Posterior):
    r"""Independent normals: q(h|x) = N(mean, exp(log_var)), with the prior N(0, 1) (Kingma & Welling, 2014).

    KL = 1/2 \sum_j (mean_j^2 + var_j - 1 - log var_j).
    """

    log_var: Tensor | None = None

    def _spread(self) -> Tensor:
        if self.log_var is None:
            raise ValueError("Gaussian needs log_var; give the logarithm of the variance, shaped as mean")
        return self.log_var

    def rsample(self, noise: Noise | None, draws: int = 1) -> Tensor:
        """Return mean + exp(log_var / 2) * e, e ~ N(0, 1)."""
        mean = repeated(self.mean, draws)
        if noise is None:
            return mean
        return mean + (repeated(self._spread(), draws) / 2).exp() * noise.normal(mean)

    def pullback(self, g: Tensor, code: Tensor) -> Gradients:
        """Return the gradients of mean and log-variance, given that of the code: g and g (code - mean) / 2."""
        spread = (code - repeated(self.mean, len(code) // len(self.mean))).mul_(g).mul_(0.5)
        return {"mean": _merged(g, len(self.mean)), "log_var": _merged(spread, len(self.mean))}

    def kl(self) -> Tensor:
        """Return the closed form per row, summed over units and places."""
        log_var = self._spread()
        return (self.mean.square() + log_var.exp() - 1.0 - log_var).flatten(1).sum(1) / 2

    def kl_pullback(self) -> Gradients:
        """Return the derivatives of :meth:`kl`, mean and (var - 1) / 2."""
        return {"mean": self.mean, "log_var": self._spread().exp().sub_(1.0).mul_(0.5)}

    def log_ratio_pullback(self, code: Tensor) -> Gradients:
        """Return the derivatives of :meth:`log_ratio` by the code and, for each drawn row, by mean and log-variance."""
        draws = len(code) // len(self.mean)
        away = code - repeated(self.mean, draws)
        pull = away / repeated(self._spread(), draws).exp()
        return {"code": code - pull, "mean": pull, "log_var": (pull * away).sub_(1.0).mul_(0.5)}

    def log_ratio(self, code: Tensor) -> Tensor:
        """Return log N(code; mean, var) - log N(code; 0, 1) for each drawn row."""
        draws = len(code) // len(self.mean)
        mean, log_var = repeated(self.mean, draws), repeated(self._spread(), draws)
        log_q = -(math.log(2 * math.pi) + log_var + (code - mean).square() / log_var.exp()) / 2
        log_p = -(math.log(2 * math.pi) + code.square()) / 2
        return (log_q - log_p).flatten(1).sum(1)
