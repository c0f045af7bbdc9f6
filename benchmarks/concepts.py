"""Dictionaries of rows whose concepts are known: who finds them, at equal numbers of active units?

Sets, methods and measures are those of ``isthmus bench concepts``. Every method is told how many features are present
in a row on average and has as many units as there are features, ours with default settings; a code that is not sparse
by itself (PCA, FastICA, NMF) is cut to the largest entries of each row, and scikit-learn's lasso gets the weight that
meets the number. Rows held out are measured; nothing is chosen on them. The seed draws dictionary, rows and weights.

There are two hierarchies because room decides which of two troubles wins. 128 directions in 32 numbers have a nearest
other one at a cosine of 0.48 on average, in 96 at 0.28 (SynthSAEBench: 0.15); where features are crowded, interference
costs more than absorption. Tried before the five seeds, on seed 100: F1 of Matryoshka, batch top-k and L1 was 0.49,
0.58 and 0.43 in 32 numbers on 20,000 rows (seed 0), 0.65 and 0.60 on 100,000, and 0.86, 0.80 and 0.70 in 96 on 20,000,
all groups of Matryoshka counting the same. So both stand in the table. That its small groups count less, and by which
power of their share, was chosen on seeds 100 to 104.

Times are of this machine at that moment. The time of a fit holds the search for the weight, where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.common import Bench, Column, Table
from isthmus.bench.concepts import FEW, SETS, described, measured, shortened
from isthmus.bench.dictionaries import METHODS

SEEDS = (0, 1, 2, 3, 4)
CHOSEN = ("superposition", "hierarchy", "roomy hierarchy", "correlated", "absorption pairs", "chords", "planted glyph")
POSITIVE = ("chords", "planted glyph")
HIGHER = "MCC and F1 above L1's"

TABLE = Table(
    name="concepts",
    columns={
        "mcc": Column("MCC", "{:.3f}", "spread"),
        "f1": Column("F1 of units", "{:.3f}", "spread"),
        "feature_f1": Column("F1 of features", "{:.3f}"),
        "mmcs": Column("MMCS", "{:.3f}"),
        "uniqueness": Column("unique", "{:.3f}"),
        "absorbed": Column("absorbed", "{:.3f}"),
        "l0": Column("L0", "{:.2f}", "spread"),
        "l0_target": Column("asked for", "{:.0f}"),
        "explained": Column("explained variance", "{:.3f}"),
        "dead": Column("dead", "{:.3f}"),
        "fit_seconds": Column("seconds to fit", "{:.1f}"),
        "encode_ms": Column("ms per 1,000 rows", "{:.1f}"),
    },
    # Non-negative factors are possible only where rows are not negative.
    rows=tuple(f"{s}, {m}" for s in CHOSEN for m in METHODS if m != "NMF" or s in POSITIVE),
    targets={
        "superposition, batch top-k": HIGHER,
        "superposition, Matryoshka": HIGHER,
        "hierarchy, Matryoshka": "F1 first",
        "hierarchy, batch top-k": "F1 second",
        "hierarchy, L1": "F1 third",
        "roomy hierarchy, Matryoshka": "F1 first",
        "roomy hierarchy, batch top-k": "F1 second",
        "roomy hierarchy, L1": "F1 third",
    },
)


def details(shown: Sequence[Mapping[str, Any]]) -> str:
    """Say in how many seeds the orders that were asked for hold; nothing where a method was not run."""
    values = {(line["row"], line["seed"]): line["values"] for line in shown}
    told = []
    for name, methods, measures in (
        ("superposition", ("batch top-k", "L1"), ("mcc", "f1")),
        ("superposition", ("Matryoshka", "L1"), ("mcc", "f1")),
        ("hierarchy", ("Matryoshka", "batch top-k", "L1"), ("f1",)),
        ("roomy hierarchy", ("Matryoshka", "batch top-k", "L1"), ("f1",)),
    ):
        keys = [[(f"{name}, {method}", seed) for method in methods] for seed in SEEDS]
        held = [in_order([values[key] for key in row], measures) for row in keys if all(key in values for key in row)]
        if held:
            what = " and ".join(TABLE.columns[measure].heading for measure in measures)
            told.append(f"{name}, {what}: {' > '.join(methods)} in {sum(held)} of {len(held)} seeds.")
    return "\n".join(f"- {line}" for line in told)


def in_order(values: Sequence[Mapping[str, float]], measures: Sequence[str]) -> bool:
    """Say whether every measure falls from each method to the next."""
    return all(a[name] > b[name] for name in measures for a, b in pairwise(values))


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit every method on every set and seed, and write a row for each."""
    bench = Bench(TABLE, arguments, __doc__)
    for name in CHOSEN:
        methods = [
            method for method in METHODS if f"{name}, {method}" in TABLE.rows and bench.wants(f"{name}, {method}")
        ]
        for seed in bench.seeds(SEEDS) if methods else ():
            known = shortened(SETS[name](seed), FEW) if bench.quick else SETS[name](seed)
            for method in methods:
                with bench.row(f"{name}, {method}", described(known), seed) as values:
                    values |= measured(known, METHODS[method], seed)


if __name__ == "__main__":
    main()
