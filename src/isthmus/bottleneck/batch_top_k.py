"""Codes of which a fixed number of units is active on average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.bottleneck import Bottleneck, first_features
from isthmus.component import Memory, count
from isthmus.posterior import Dirac, Few, Gradients, Posterior
from isthmus.records import Batch, Pass, Shape, Spec, Terms
from isthmus.selected import Selected, largest_of_all


@dataclass(frozen=True, repr=False)
class BatchTopK(Bottleneck):
    """Keep the ``rows * k`` largest of the rectified features of a batch: rows that say more get more units.

    While fitting, h = a * [a among the rows * k largest], a = max(f(x), 0), counted among all units (and places of a
    code map) of all rows. In use, h = a * [a > t], so that no row depends on another: t is what separates kept from
    left out values, a running mean over the last ``window`` rows (Bussmann et al., 2024, "BatchTopK Sparse
    Autoencoders", who average the smallest kept value). Rows that were not fitted would have a few per cent more active
    units: after each epoch t is corrected by the count on held-out rows, where a fit has some. For ``k``, 0 is an
    eighth of the units, at least one.

    >>> BatchTopK(k=8)
    BatchTopK(k=8)
    """

    k: int = count(0, low=0)
    window: int = count(10_000)

    @property
    def provides(self) -> frozenset[str]:
        """The code is sparse by construction."""
        return frozenset({"selection", "silent units"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the running threshold, its rows and its correction; refuse to select more units than there are."""
        if self.k > code[0]:
            raise ValueError(
                f"{self!r} selects more units than the {code[0]} of the code; lower k or raise n_components"
            )
        return Memory(buffers={name: torch.zeros(()) for name in ("threshold", "rows", "correction")})

    def start(self, objective: Any, sample: Batch) -> None:
        """Set the threshold to what as many features exceed as are to be active: without one half of them would be."""
        features = first_features(objective, sample)
        values = F.relu(features).flatten()
        objective.model.memory.threshold.copy_(values.topk(min(len(values), self._kept(features) + 1)).values[-1])

    def threshold(self, memory: Any) -> Tensor:
        """Return what separates active units from silent ones in use."""
        found: Tensor = memory.threshold * memory.correction.exp()
        return found

    def __call__(self, features: Tensor, memory: Any) -> Posterior:
        """Return a point mass at the selected features."""
        code = F.relu(features)
        if memory.training:
            kept = code.detach().flatten().topk(self._kept(features)).indices
            active = torch.zeros_like(code).flatten().scatter_(0, kept, 1.0).view_as(code)
            active = active * (code > 0)
        else:
            active = (code > self.threshold(memory)).to(code.dtype)
        return Dirac(code * active, pre=features, active=active)

    def _kept(self, features: Tensor) -> int:
        """Return how many numbers of a batch are kept."""
        return self.active(features.shape[1]) * len(features) * features[0, 0].numel()

    def active(self, units: int) -> int:
        """Return how many of so many units are active in a row, on average, while fitting."""
        return self.k or max(1, units // 8)

    def selected(self, features: Tensor, memory: Any) -> Selected:
        """Return the active units of each row alone, while fitting, of features (rows, units)."""
        return largest_of_all(features, self._kept(features))

    def pullback(self, gradients: Gradients, features: Tensor, posterior: Posterior) -> Tensor:
        """Return the gradient of the features: that of the selected units, and nothing for the rest."""
        active: Any = posterior.active
        g: Tensor = gradients["mean"] * active
        return g.add_(gradients["pre"]) if "pre" in gradients else g

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return rows times the value between the smallest that was kept and the largest that was not."""
        if isinstance(p.posterior, Few):
            return _between(p.posterior.selected)
        values, active = F.relu(p.features.detach()), p.posterior.active
        if active is None:
            return {}
        on = active.detach() > 0
        low = torch.where(on, values, torch.where(on.any(), values.max(), 0.0)).min()
        high = torch.where(on, 0.0, values).max()
        rows = values.new_full((), float(len(values)))
        return {"threshold": rows * (low + torch.minimum(high, low)) / 2, "rows": rows}

    def learn(self, memory: Any, tallies: dict[str, Tensor]) -> None:
        """Let older rows count less; until there are ``window`` of them the mean is over all."""
        rows = tallies["rows"]
        memory.rows.add_(rows).clamp_(max=float(self.window))
        share = (rows / memory.rows.clamp_min(rows)).clamp(max=1.0)
        memory.threshold.lerp_(
            (tallies["threshold"] / rows).to(memory.threshold.dtype), share.to(memory.threshold.dtype)
        )

    def measure(self, p: Pass) -> Terms:
        """Return how many units are active in each row, over how many are wanted."""
        active: Any = p.posterior.active
        wanted = self._kept(p.features) / len(p.features)
        return {"active": active.flatten(1).sum(1) / wanted}

    def told(self, memory: Any, found: dict[str, float]) -> None:
        """Raise the threshold where too many units of held-out rows are active, and lower it where too few are."""
        memory.correction.add_(0.3 * math.log(max(found["active"], 0.1))).clamp_(-1.0, 1.0)


def _between(code: Selected) -> dict[str, Tensor]:
    """Return the same of a code without its silent units."""
    rows, high = code.values.new_full((), float(len(code))), code.left
    low = code.values.min() if len(code.values) else code.values.new_zeros(())
    return {"threshold": rows * (low + (low if high is None else torch.minimum(high, low))) / 2, "rows": rows}
