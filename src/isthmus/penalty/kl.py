"""The price of a code under the prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from isthmus.component import Schedule, number
from isthmus.penalty import Gradients, Penalty
from isthmus.records import Pass


@dataclass(frozen=True, repr=False)
class KL(Penalty):
    """KL(q(h|x) || prior) per row in nats (Kingma & Welling, 2014); ``weight`` is beta (Higgins et al., 2017).

    With weight 1 the loss is the negative evidence lower bound. ``KL(Ramp(0, 1, epochs=20))`` warms up. With several
    draws it is the log-ratio of each draw, whose mean is the divergence.

    >>> KL(weight=4.0)
    KL(weight=4.0)
    """

    by_row: ClassVar[bool] = True
    native: ClassVar[str] = "divergence"
    weight: float | Schedule = number(1.0, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """A point mass has no divergence from the prior."""
        return frozenset({"density"})

    def __call__(self, p: Pass) -> Tensor:
        """Return the closed form for one draw, the log-ratio for several."""
        return p.posterior.kl() if p.draws == 1 else p.posterior.log_ratio(p.code)

    def pullback(self, p: Pass) -> Gradients:
        """Return the derivatives by the posterior's fields, and by the code where several are drawn."""
        posterior: Any = p.posterior
        found = posterior.kl_pullback() if p.draws == 1 else posterior.log_ratio_pullback(p.code)
        return {name: p.shared(g) for name, g in found.items()}
