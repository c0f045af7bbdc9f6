"""The benchmark of concepts: do dictionaries find what rows were made of? Every set, every method, several seeds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from isthmus import measures
from isthmus.bench.dictionaries import METHODS, Fitted, Method, NotPossible, unfinished
from isthmus.bench.machine import circumstances
from isthmus.bench.pictures import glyphs, sprites
from isthmus.bench.planted import Known, chords, pairs, superposition
from isthmus.bench.tables import brief

Set = Callable[[int], Known]
SETS: dict[str, Set] = {
    "superposition": superposition,
    "hierarchy": partial(superposition, children=3),
    "roomy hierarchy": partial(superposition, children=3, entries=96),
    "correlated": partial(superposition, correlation=0.3),
    "absorption pairs": pairs,
    "chords": chords,
    "planted glyph": glyphs,
    "sprites": sprites,
}
FEW = 4_000


@dataclass(frozen=True)
class Options:
    """What is measured, and how often.

    Args:
        seeds: how many seeds, 0 up.
        only: sets and methods whose row, "set, method", contains this text.
        rows: how many rows to fit, at most.
        sprites: file of sprites in place of those drawn here.
        results: file that takes the rows; None writes none.
    """

    seeds: int = 3
    only: str = ""
    rows: int = FEW
    sprites: Path | None = None
    results: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that count nothing."""
        for name, value in (("seeds", self.seeds), ("rows", self.rows)):
            if value < 1:
                raise ValueError(f"{name}={value} counts nothing; give a whole number from 1 up")

    def known(self, made: Set, seed: int) -> Known:
        """Return the rows of one set."""
        found = sprites(seed, path=self.sprites) if made is sprites else made(seed)
        return shortened(found, self.rows)


def shortened(known: Known, rows: int) -> Known:
    """Return the same with the first rows only to fit."""
    return replace(known, X=known.X[:rows])


def run(
    options: Options,
    sets: Mapping[str, Set] = SETS,
    methods: Mapping[str, Method] = METHODS,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Measure what was asked for, write each row when it is done, and return them.

    Raises:
        ValueError: no row has such a name.
    """
    rows = {f"{s}, {m}": (s, m) for s in sets for m in methods if options.only.lower() in f"{s}, {m}".lower()}
    if not rows:
        raise ValueError(
            f"no row has {options.only!r} in its name; they are SET, METHOD of {list(sets)}, {list(methods)}"
        )
    found, around = [], circumstances(Path(__file__).parent)
    for name in dict.fromkeys(s for s, _ in rows.values()):
        for seed in range(options.seeds):
            known = options.known(sets[name], seed)
            for row, (_, method) in ((r, pair) for r, pair in rows.items() if pair[0] == name):
                values = measured(known, methods[method], seed)
                line = {"row": row, "set": name, "method": method, "seed": seed}
                line |= {"values": values, "setup": described(known), **around}
                found.append(line)
                say(f"{row}, seed {seed}: {brief(values)}")
                if options.results is not None:
                    options.results.parent.mkdir(parents=True, exist_ok=True)
                    with options.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
    return found


def described(known: Known) -> dict[str, Any]:
    """Return what a set is, as JSON holds it."""
    features = None if known.atoms is None else len(known.atoms)
    return {"rows": len(known.X), "entries": known.X.shape[1], "features": features, "units": known.units}


def measured(known: Known, method: Method, seed: int) -> dict[str, Any]:
    """Fit one dictionary and return its numbers on the rows held out, or why there are none."""
    l0 = max(1, round(known.l0))
    try:
        with unfinished():
            begun = time.perf_counter()
            fitted = method(known.X, known.units, l0, seed)
            fit = time.perf_counter() - begun
            fitted.encode(known.held_out[:100])  # what is loaded on first use is not the encoder's time
            begun = time.perf_counter()
            codes = fitted.encode(known.held_out)
            encode = time.perf_counter() - begun
    except NotPossible as refusal:
        return {"not run": str(refusal)}
    return {
        **beside_truth(known, fitted, codes),
        **beside_factors(known, codes),
        "l0": measures.mean_l0(codes),
        "l0_target": l0,
        "explained": measures.explained_variance(known.held_out, fitted.decode(codes)),
        "dead": measures.dead_fraction(codes),
        "fit_seconds": fit,
        "encode_ms": 1e6 * encode / len(codes),
    }


def beside_truth(known: Known, fitted: Fitted, codes: Any) -> dict[str, float]:
    """Return what the true features tell; where they are only part of a row, what is asked of all units is left out."""
    if known.atoms is None or known.present is None:
        return {}
    found = {
        "feature_f1": float(measures.detection(known.present, codes).f1.mean()),
        "mmcs": measures.mean_max_cosine(fitted.atoms, known.atoms),
    }
    if known.complete:
        found["mcc"] = measures.matched_cosine(fitted.atoms, known.atoms)
        found["f1"] = float(measures.detection(codes, known.present).f1.mean())
        found["mmcs_found"] = measures.mean_max_cosine(known.atoms, fitted.atoms)
        found["uniqueness"] = measures.uniqueness(fitted.atoms, known.atoms)
    if known.parents:
        parents = list(known.parents)
        rows = known.held_out - fitted.decode(np.zeros((1, codes.shape[1]), dtype=codes.dtype))
        there = known.present[:, parents] > 0
        absorbed = measures.absorption(codes, fitted.atoms, rows, there, directions=known.atoms[parents])
        found["absorbed"] = float(np.nanmean(absorbed.rates))
    return found


def beside_factors(known: Known, codes: Any) -> dict[str, float]:
    """Return what factors tell of the code."""
    if known.factors is None:
        return {}
    dci = measures.dci(codes, known.factors)
    return {
        "mig": measures.mig(codes, known.factors),
        "sap": measures.sap(codes, known.factors, known.categorical),
        "disentanglement": dci.disentanglement,
        "completeness": dci.completeness,
    }
