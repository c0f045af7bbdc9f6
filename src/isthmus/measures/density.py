"""A density of deterministic codes, to sample from: a Gaussian mixture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from isthmus.importing import unnoticed
from isthmus.measures.checks import Array, numeric

_CANDIDATES = (1, 2, 4, 8, 16)
_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class CodeDensity:
    r"""A mixture of Gaussians, :math:`p(h) = \sum_m w_m N(h; \mu_m, L_m L_m^T)`, over codes of one shape.

    Attributes:
        weights: w, (components,), sums to 1.
        means: :math:`\mu`, (components, *code shape).
        factors: L, (components, entries, entries), lower triangular, or its diagonal alone, (components, entries); zero
            for entries that never vary.
    """

    weights: Array
    means: Array
    factors: Array

    def sample(self, n: int, random_state: int | np.random.Generator) -> Array:
        """Draw ``n`` codes, (n, *code shape), in float64.

        Raises:
            ValueError: n is negative.
        """
        if n < 0:
            raise ValueError(f"cannot draw {n} codes; give a number from 0 on")
        rng = np.random.default_rng(random_state)
        chosen = rng.choice(len(self.weights), size=n, p=self.weights)
        codes = self.means.reshape(len(self.weights), -1)[chosen]
        normal = rng.normal(size=codes.shape)
        for component in np.unique(chosen):
            rows = chosen == component
            factor = self.factors[component]
            codes[rows] += normal[rows] @ factor.T if factor.ndim == 2 else normal[rows] * factor
        return codes.reshape(n, *self.means.shape[1:])

    def to_arrays(self) -> dict[str, Array]:
        """Return plain arrays by name, for an npz or safetensors file (their lists suit JSON)."""
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Rebuild a density from :meth:`to_arrays`'s arrays or their lists.

        Raises:
            ValueError: An array is missing, or they do not fit each other.
        """
        missing = [name for name in ("weights", "means", "factors") if name not in arrays]
        if missing:
            raise ValueError(f"this is no density of codes (no {', '.join(missing)}); fit again")
        weights, means, factors = (np.asarray(arrays[name], float) for name in ("weights", "means", "factors"))
        count, entries = len(weights), int(np.prod(means.shape[1:]))
        fits = means.shape[:1] == (count,) and factors.shape in ((count, entries, entries), (count, entries))
        if not fits or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"means {means.shape} and factors {factors.shape} do not fit {count} weights; fit again")
        return cls(weights, means, factors)


def fit_code_density(codes: Array, random_state: int | np.random.Generator) -> CodeDensity:
    """Fit a Gaussian mixture to codes (Ghosh et al., 2020, From variational to deterministic autoencoders).

    Of 1, 2, 4, 8 and 16 components the number with the least Bayesian information criterion is taken; only numbers
    that leave five rows for each component are tried, with full covariances where the rows are twice as many as all
    parameters, diagonal ones otherwise. Units that never vary keep their value. At most 10,000 rows are looked at.

    Args:
        codes: (rows, units) or (rows, units, *places).
        random_state: Seed of the rows drawn and of the mixtures' starts.

    Raises:
        ValueError: There are no codes, or some are not finite.

    >>> codes = np.array([[-5.0], [5.0]]).repeat(50, axis=0) + np.random.default_rng(0).normal(size=(100, 1))
    >>> len(fit_code_density(codes, random_state=0).weights)
    2
    """
    codes = numeric(codes, "codes")
    if codes.ndim < 2 or codes.size == 0 or not np.isfinite(codes).all():
        raise ValueError(f"codes of shape {codes.shape} must be at least one row of finite numbers; fit again")
    rng = np.random.default_rng(random_state)
    rows = codes[np.sort(rng.permutation(len(codes))[:_ROWS])].reshape(-1, int(np.prod(codes.shape[1:])))
    rows = rows.astype(np.float64)
    # Equal numbers may have a standard deviation above 0 by rounding, and unequal ones one of 0 by underflow.
    varying = np.flatnonzero((rows.max(axis=0) > rows.min(axis=0)) & (rows.std(axis=0) > 0))
    weights, means, factors = _mixture(rows[:, varying], rng) if varying.size else _point()
    full_means = np.repeat(rows[:1], len(weights), axis=0)
    full_means[:, varying] = means
    return CodeDensity(weights, full_means.reshape(-1, *codes.shape[1:]), _widen(factors, varying, rows.shape[1]))


def _widen(factors: Array, varying: Array, entries: int) -> Array:
    """Put the factors of the varying entries among zeros."""
    if factors.ndim == 2:
        full = np.zeros((len(factors), entries))
        full[:, varying] = factors
    else:
        full = np.zeros((len(factors), entries, entries))
        full[:, varying[:, None], varying] = factors
    return full


def _point() -> tuple[Array, Array, Array]:
    return np.ones(1), np.empty((1, 0)), np.empty((1, 0))


def _mixture(rows: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return weights, means and covariance factors of the best mixture, in the rows' own units."""
    # Here, since it brings half of scikit-learn with it, and few fits are sampled from.
    with unnoticed():
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scaled = (rows - centre) / scale
    units = rows.shape[1]
    candidates = []
    for count in (c for c in _CANDIDATES if c == 1 or 5 * c <= len(rows)):
        full = len(rows) >= 2 * count * (1 + units + units * (units + 1) // 2)
        kind = "full" if full else "diag"
        mixture = GaussianMixture(count, covariance_type=kind, reg_covar=1e-6, random_state=int(rng.integers(2**31)))
        with warnings.catch_warnings():
            # A mixture that would move a little further is a candidate like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            candidates.append(mixture.fit(scaled))
    best = min(candidates, key=lambda mixture: mixture.bic(scaled))
    if best.covariance_type == "full":
        factors = np.linalg.cholesky(best.covariances_) * scale[:, None]
    else:
        factors = np.sqrt(best.covariances_) * scale
    return best.weights_ / best.weights_.sum(), best.means_ * scale + centre, factors
