"""The decoder to play with: what its units do, frames decoded beforehand, and new codes."""

from __future__ import annotations

import numpy as np

from isthmus.estimators.generation import new_codes
from isthmus.noise import Noise
from isthmus.report.contract import Decoder, Unit
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown

QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
STEPS, FRAMED, SAMPLES, BYTES = 9, 64, 24, 400_000


class DecoderWriter:
    """Measures what every number of the code does."""

    def __init__(self, found: Given, codes: Array, *, live: bool) -> None:
        """Decode every unit at the ends of its range."""
        self.found, self.codes, self.live = found, codes, live
        self.model = found.autoencoder
        self.quantiles = np.quantile(codes, QUANTILES, axis=0)
        self.effect = self._effects()

    @property
    def wanted(self) -> Array:
        """No row of its own."""
        return np.empty(0, int)

    def _decoded(self, codes: Array) -> Array:
        return self.found.cells_of(self.model.inverse_transform(codes))

    def _effects(self) -> Array:
        """Return the mean absolute change of cells between the ends of each unit, in spreads of the data."""
        mean = self.codes.mean(0)
        ends = np.repeat(mean[None], 2 * len(mean), axis=0)
        index = np.arange(len(mean))
        ends[index, index], ends[len(mean) + index, index] = self.quantiles[1], self.quantiles[5]
        low, high = np.split(self._decoded(ends.astype(self.codes.dtype)), 2)
        spread = np.nanstd(self.found.cells, axis=0)
        moved = np.abs(high - low) / np.where(spread > 0, spread, np.inf)
        if self.found.codec is not None:
            levels = np.isin(self.found.codec.kinds, ("category", "binary", "hashed", "constant"))
            moved = np.where(levels, high != low, moved)
        effect: Array = np.nanmean(moved, axis=1)
        return effect

    def write(self, shown: Shown, blobs: Blobs) -> Decoder:
        """Return the section."""
        steps = np.linspace(self.quantiles[1], self.quantiles[5], STEPS, axis=1)
        samples, told = self._samples()
        frames = self._frames(steps)
        return Decoder(
            units=self._units(),
            mean=self.codes.mean(0).tolist(),
            steps=blobs.single("decoder/steps", steps),
            frames=None if frames is None else blobs.looked_at("decoder/frames", frames, self.found.kind),
            samples=None if samples is None else blobs.single("decoder/samples", samples),
            sampled_from=told,
            whole=bool((self.codes >= 0).all()),
        )

    def _units(self) -> list[Unit]:
        spread = self.codes.var(0)
        share = spread / max(float(spread.sum()), 1e-300)
        names = self.model.concept_names_
        return [
            Unit(
                number=i,
                name=names.get(i, ""),
                quantiles=[float(f"{value:.6g}") for value in self.quantiles[:, i]],
                rate=float((self.codes[:, i] != 0).mean()),
                share=float(share[i]),
                effect=float(self.effect[i]) if np.isfinite(self.effect[i]) else 0.0,
            )
            for i in range(self.codes.shape[1])
        ]

    def _frames(self, steps: Array) -> Array | None:
        """Return the mean code with one unit at each step, decoded, (units, steps, columns), where pages need it."""
        units, columns = self.codes.shape[1], self.found.cells.shape[1]
        if self.live or units > FRAMED or units * STEPS * columns > BYTES:
            return None
        codes = np.repeat(self.codes.mean(0)[None], units * STEPS, axis=0).reshape(units, STEPS, units)
        codes[np.arange(units), :, np.arange(units)] = steps
        return self._decoded(codes.reshape(-1, units)).reshape(units, STEPS, columns)

    def _samples(self) -> tuple[Array | None, str]:
        """Return new codes: from the prior, else from the distribution that the model measured of its codes."""
        if "density" in self.model.parts_.bottleneck.provides:
            told = "the prior of the code, the normal distribution"
        else:
            told = "a density that was fitted to the codes of training rows"
        return new_codes(self.model, SAMPLES, Noise(0)), told
