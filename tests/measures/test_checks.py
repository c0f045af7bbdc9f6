"""Every measure refuses what is no number, and nothing at all, by name and with a remedy."""

import inspect

import numpy as np
import pandas as pd
import pytest

from isthmus import measures

RNG = np.random.default_rng(0)
H, Y = RNG.normal(size=(40, 3)), np.arange(40) % 2
LEVELS = np.stack([Y, np.arange(40) // 2 % 2], axis=1)
C = RNG.normal(size=(40, 3, 2))


def kept(argument):
    return argument.sum(axis=1)


def collected(X, back):
    measures.ExplainedVariance().add(X, back)


# Each measure with good arguments, and which of them are numbers.
CALLS = {
    "absorption": (measures.absorption, [H, np.eye(3), H, Y], [0, 1, 2]),
    "active_units": (measures.active_units, [H], [0]),
    "additive_score": (measures.additive_score, [C, Y], [0, 1]),
    "completeness_error": (measures.completeness_error, [C, C.sum(axis=1)], [0, 1]),
    "concentrations": (measures.concentrations, [np.abs(H)], [0]),
    "correlation": (measures.correlation, [H], [0]),
    "cosines": (measures.cosines, [H, H], [0, 1]),
    "dci": (measures.dci, [H, LEVELS], [0]),
    "dead_fraction": (measures.dead_fraction, [H], [0]),
    "dead_units": (measures.dead_units, [H], [0]),
    "deletion_auc": (measures.deletion_auc, [H, kept], [0]),
    "deletion_curve": (measures.deletion_curve, [H, kept], [0]),
    "dense_fraction": (measures.dense_fraction, [H], [0]),
    "detection": (measures.detection, [H, H], [0, 1]),
    "explained_variance": (measures.explained_variance, [H, H], [0, 1]),
    "ExplainedVariance": (collected, [H, H], [0, 1]),
    "faithfulness": (measures.faithfulness, [H, kept], [0]),
    "firing_rates": (measures.firing_rates, [H], [0]),
    "fit_code_density": (lambda h: measures.fit_code_density(h, 0), [H], [0]),
    "infidelity": (lambda t, h, moves: measures.infidelity(t, h, kept, moves), [H, H, H[None]], [0, 1, 2]),
    "insertion_auc": (measures.insertion_auc, [H, kept], [0]),
    "insertion_curve": (measures.insertion_curve, [H, kept], [0]),
    "intrinsic_dimension": (measures.intrinsic_dimension, [H], [0]),
    "k_sparse_probing": (measures.k_sparse_probing, [H, Y], [0]),
    "l0_quantiles": (measures.l0_quantiles, [H], [0]),
    "label_entropy": (measures.label_entropy, [H, Y], [0]),
    "local_lipschitz": (lambda t, h, x: measures.local_lipschitz(t, h, x, eps=1.0), [H, H, H], [0, 1, 2]),
    "matched_accuracy": (measures.matched_accuracy, [H, Y], [0]),
    "matched_correlation": (measures.matched_correlation, [H, H], [0, 1]),
    "matched_cosine": (measures.matched_cosine, [H, H], [0, 1]),
    "mean_error": (measures.mean_error, [H, H], [0, 1]),
    "mean_l0": (measures.mean_l0, [H], [0]),
    "mean_max_cosine": (measures.mean_max_cosine, [H, H], [0, 1]),
    "mig": (measures.mig, [H, LEVELS], [0]),
    "modularity": (measures.modularity, [H, LEVELS], [0]),
    "mutual_information": (measures.mutual_information, [H, LEVELS], [0]),
    "pca_error": (lambda a, b: measures.pca_error(a, b, 1), [H, H], [0, 1]),
    "principal_axes": (measures.principal_axes, [H], [0]),
    "quantise": (lambda h: measures.quantise(h, 8), [H], [0]),
    "sap": (measures.sap, [H, LEVELS], [0]),
    "shrinkage": (measures.shrinkage, [H, H], [0, 1]),
    "squared_error": (measures.squared_error, [H, H], [0, 1]),
    "uniqueness": (measures.uniqueness, [H, H], [0, 1]),
    "unit_range": (measures.unit_range, [H], [0]),
}
# Scores of rows, which may be infinite and none; the score of a function; and what undoes a measure.
OTHERS = {"benjamini_hochberg", "cross_p_values", "p_values", "q_values", "threshold", "removal_drops", "restore"}
LABELLED = ["absorption", "k_sparse_probing", "label_entropy", "matched_accuracy"]
FACTORED = ["dci", "mig", "modularity", "mutual_information", "sap"]


def test_every_measure_is_here():
    functions = {name for name in measures.__all__ if inspect.isfunction(getattr(measures, name))}
    assert functions == (CALLS.keys() - {"ExplainedVariance"}) | OTHERS


@pytest.mark.parametrize("name", CALLS)
def test_numbers_that_are_none_are_refused(name):
    measure, arguments, numbers = CALLS[name]
    measure(*arguments)
    for place in numbers:
        for bad in (np.nan, np.inf, -np.inf, None):
            worse = np.array(arguments[place], dtype=object if bad is None else float)
            worse[(0,) * worse.ndim] = bad
            with pytest.raises(ValueError, match=r"not finite|finite numbers|NaN, infinite"):
                measure(*arguments[:place], worse, *arguments[place + 1 :])
        with pytest.raises(ValueError, match=r"are no numbers; give numbers"):
            measure(*arguments[:place], arguments[place].astype(str), *arguments[place + 1 :])


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"ExplainedVariance"}))  # whose batches may be empty
def test_nothing_is_refused(name):
    measure, arguments, _ = CALLS[name]
    with pytest.raises(ValueError, match=r"give|fit again"):
        measure(*[argument[:0] if hasattr(argument, "shape") else argument for argument in arguments])


@pytest.mark.parametrize("name", LABELLED)
def test_missing_labels_are_refused(name):
    measure, arguments, _ = CALLS[name]
    for bad in (None, np.nan, pd.NA, np.datetime64("NaT"), np.inf):
        labels = np.array(["a", "b"] * 20, dtype=object) if bad is not np.inf else Y.astype(float)
        labels[3] = bad
        with pytest.raises(ValueError, match=r"labels have .*, first in row 3 \(from 0\); leave such rows out"):
            measure(*arguments[:-1], labels)
    with pytest.raises(ValueError, match=r"labels cannot be compared with each other .*; give them of one type"):
        measure(*arguments[:-1], np.array(["a", 1] * 20, dtype=object))


@pytest.mark.parametrize("name", FACTORED)
def test_missing_levels_are_refused_and_text_is_not(name):
    measure, arguments, _ = CALLS[name]
    for bad in (None, np.nan):
        factors = LEVELS.astype(object)
        factors[3, 1] = bad
        with pytest.raises(ValueError, match=r"factors have .*, first in row 3 \(from 0\); leave such rows out"):
            measure(arguments[0], factors)
    if name in ("mig", "modularity", "mutual_information"):
        words = np.array(["high", "low"])[LEVELS]
        assert np.allclose(measure(arguments[0], words), measure(arguments[0], LEVELS))


def test_lists_are_read_as_arrays():
    assert measures.mean_l0([[0.0, 1.0], [2.0, 3.0]]) == 1.5
    assert measures.shrinkage([[1.0, 1.0]], [[0.5, 0.5]]) == 0.5
    assert measures.additive_score([[[1.0, 0.0], [2.0, 5.0]]], [1.0])(np.array([[True, True]])) == 5


@pytest.mark.parametrize("bad", [-1, 2, 7, 0.9])
def test_classes_that_do_not_exist_have_no_score(bad):
    with pytest.raises(ValueError, match=f"class {bad:g}.* does not exist; give whole numbers from 0 to 1"):
        measures.additive_score(C, np.where(Y == 0, Y, bad))


def test_scores_of_rows_may_be_infinite_but_not_missing():
    assert measures.p_values([np.inf], [1.0, 2.0])[0] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="scores has 1 NaN"):
        measures.p_values([None], [1.0])
    with pytest.raises(ValueError, match=r"scores of type .* are no numbers; give numbers"):
        measures.p_values(["much"], [1.0])
    with pytest.raises(ValueError, match="0 rows of 3 concepts leave nothing to remove; give"):
        measures.removal_drops(kept, 0, 3)
