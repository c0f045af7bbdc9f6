"""Contributions add up to what is predicted, interventions do what they say, and mistakes are named."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from quick import quick, rows
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge

from isthmus import Autoencoder, FineTunedClassifier, SelfExplainingClassifier, SelfExplainingRegressor, Trainer
from isthmus.estimators.audit import Audit, conciseness, halves, leakages
from isthmus.estimators.audit_baselines import drawn
from isthmus.estimators.autoencoder import HIDE
from isthmus.estimators.imputation import deviations
from isthmus.parts import Adam, BatchTopK, Conv, Cosine, Dense, Hiding, JumpReLU, TopK, Variational

X = rows(150, seed=3)
Y = np.array(["ash", "birch", "cedar"])[np.digitize(X[:, 0] - X[:, 1], np.quantile(X[:, 0] - X[:, 1], [0.3, 0.7]))]
SHORT = Trainer(epochs=8)


def classifier(start=None, **settings):
    return SelfExplainingClassifier(start or quick(4), **({"trainer": SHORT, "random_state": 0} | settings))


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


@pytest.mark.parametrize(
    "start",
    [
        quick(4),
        quick(4, bottleneck=TopK(2)),
        quick(4, bottleneck=Variational()),
        Autoencoder(2, architecture=Conv((3,), head="map"), trainer=SHORT, random_state=0),
    ],
    ids=["plain", "sparse", "variational", "map"],
)
@pytest.mark.parametrize("reads", ["inputs", "code"])
def test_contributions_add_up_to_the_logits(start, reads):
    x = X.reshape(-1, 2, 4) if isinstance(start.architecture, Conv) else X
    found = classifier(start, reads=reads).fit(x, Y)
    told = found.explain(x[:20])
    assert_allclose(told.contributions.sum(1), found.decision_function(x[:20]), atol=1e-5)
    assert_allclose(told.contributions, told.concepts[:, :, None] * told.relevances)
    assert_allclose(told.concepts[:, -1], 1)
    assert_allclose(told.concepts[:, :-1], found.autoencoder_.transform(x[:20]), atol=1e-5)
    gap = found.explain(x[:20], against="birch")
    logits = found.decision_function(x[:20])
    assert_allclose(gap.contributions.sum(1), logits.max(1) - logits[:, 1], atol=1e-5)


def test_relevances_start_at_and_lead_back_to_one_linear_model():
    """With relevances that may not depend on the row it is logistic regression on the concepts."""
    exact = Trainer(1200, 150, Adam(Cosine(3e-2)), validation=0, precision="float64")
    start, mixed = quick(4).fit(X), np.where(np.arange(len(X)) % 4 == 0, "ash", Y)
    found = classifier(start, relevances=Dense((4,), "tanh"), frozen=True, robustness=1e3, trainer=exact).fit(X, mixed)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(start.transform(X), mixed)
    assert_allclose(found.predict_proba(X), expected.predict_proba(start.transform(X)), atol=5e-3)
    assert found.relevance_norm(X).max() < 1e-4
    told = found.explain(X[:10])
    assert np.ptp(told.relevances, axis=0).max() < 0.05 * np.abs(told.relevances).max()


def test_robustness_makes_explanations_of_neighbours_alike():
    free, bound = (classifier(robustness=r, trainer=Trainer(40)).fit(X, Y) for r in (0.0, 1.0))
    assert bound.relevance_norm(X).mean() < 0.1 * free.relevance_norm(X).mean()
    assert np.median(bound.explain(X).stability) < 0.3 * np.median(free.explain(X).stability)


def test_a_row_is_explained_as_in_any_company(fitted):
    whole, alone = fitted.explain(X), fitted.explain(X[7:8])
    assert_allclose(whole.contributions[7], alone.contributions[0], atol=1e-6)
    assert_allclose(whole.stability[7], alone.stability[0], rtol=1e-3)


def test_values_set_are_what_is_predicted_with(fitted):
    told, there = fitted.explain(X[:6]), fitted.intervene(X[:6], {1: 0.0, "concept 2": np.arange(6.0)})
    h = told.concepts.copy()
    h[:, 1], h[:, 2] = 0, np.arange(6.0)
    assert_allclose(there.logits_after, (h[:, :, None] * told.relevances).sum(1), atol=1e-6)
    assert_allclose(there.effect, there.logits_after - told.logits, atol=1e-6)
    assert_allclose(there.decoded_after, fitted.autoencoder_.inverse_transform(h[:, :-1]), atol=1e-6)
    assert_array_equal(there.predicted, fitted.classes_[there.logits_after.argmax(1)])
    assert f"concept 1 {told.concepts[0, 1]:.3g} to 0" in str(there)


@pytest.mark.parametrize("reads", ["inputs", "code"])
def test_a_counterfactual_is_another_class_at_the_least_price(reads):
    found = classifier(reads=reads, robustness=0.1, trainer=Trainer(20)).fit(X, Y)
    there = found.counterfactual(X[:40])
    assert there.reached.mean() > 0.8
    assert_array_equal(there.predicted[there.reached], found.classes_[there.target[there.reached]])
    low, high = found.known_concepts_.min(0), found.known_concepts_.max(0)
    own = there.concepts_before
    inside = (there.concepts_after >= np.minimum(low, own) - 1e-4) & (
        there.concepts_after <= np.maximum(high, own) + 1e-4
    )
    assert inside.all()
    if reads == "inputs":
        # The margin is small beside the gap: less than the change found leaves another class ahead.
        less = own + 0.98 * there.changes
        theta = found.explain(X[:40], probes=0).relevances
        logits = (np.c_[less, np.ones(40)][:, :, None] * theta).sum(1)
        before = there.logits_before
        far = there.reached & (before.max(1) - before[np.arange(40), there.target] > 0.1)
        assert far.any() and (logits.argmax(1) != there.target)[far].all()


def test_where_relevances_follow_the_code_a_counterfactual_is_near_the_least_of_a_grid():
    x = np.random.default_rng(3).normal(size=(300, 2))
    found = classifier(quick(2), reads="code", robustness=0.0, trainer=Trainer(20)).fit(x, x[:, 0] * x[:, 1] > 0)
    there = found.counterfactual(x[:40])
    known = found.known_concepts_
    low, high = np.percentile(known, (0.5, 99.5), axis=0)
    axes = np.meshgrid(*(np.linspace(*ends, 150) for ends in zip(low, high, strict=True)))
    grid = np.stack(axes, -1).reshape(-1, 2)
    sized = np.c_[grid, np.ones(len(grid))]
    leads = (sized[:, :, None] * found._relevances_of(sized)).sum(1).argmax(1)
    least = [
        (np.abs(grid[leads == target] - own) / known.std(0)).sum(1).min(initial=np.inf)
        for own, target in zip(there.concepts_before, there.target, strict=True)
    ]
    assert_array_equal(there.reached, np.isfinite(least))
    assert np.median(there.cost / least) < 1.02 and (there.cost < 1.5 * np.array(least) + 0.05).all()
    less = there.concepts_before + 0.95 * there.changes
    logits = (np.c_[less, np.ones(40)][:, :, None] * found._relevances_of(np.c_[less, np.ones(40)])).sum(1)
    far = there.cost > 0.2
    assert far.sum() > 20 and (logits.argmax(1) != there.target)[far].all()


def test_weights_of_rows_and_classes_count():
    rare = np.where(X[:, 0] > np.quantile(X[:, 0], 0.93), "yes", "no")
    noisy = np.where(np.random.default_rng(0).random(len(X)) < 0.3, "yes", rare)
    plain, fair = (classifier(class_weight=w, trainer=Trainer(30)).fit(X, noisy) for w in (None, "balanced"))
    assert (fair.predict(X) == "yes").mean() > (plain.predict(X) == "yes").mean()
    half = np.arange(len(X)) < 75
    without = classifier(trainer=Trainer(8, validation=0)).fit(X, Y, sample_weight=half.astype(float))
    assert set(np.unique(without.known_)) <= set(range(75))


def test_numbers_of_rows_are_the_callers():
    """Rows of weight 0 are left out of the fit and still count."""
    weight = np.r_[np.zeros(20), np.ones(len(X) - 20)]
    found = classifier().fit(X, Y, sample_weight=weight)
    assert found.known_.min() == 20 and found.known_.max() == len(X) - 1
    codes = found.autoencoder_.transform(X[found.known_])
    assert_allclose(found.known_concepts_, codes, atol=1e-5)
    best = found.explain(X[:1]).prototypes[:, 0]
    assert_array_equal(best, 20 + found.autoencoder_.transform(X[20:]).argmax(axis=0))


def test_what_was_given_stays_as_it_was():
    start = quick(4, schema="auto")  # which looks at an array as at a table
    before = dict(vars(start))
    classifier(start).fit(X, Y)
    assert vars(start) == before


def test_a_table_with_holes_and_words_is_explained():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > X[:, 2].mean(), "up", "down")})
    frame.loc[3, "a"] = np.nan
    found = classifier(Autoencoder(2, trainer=SHORT)).fit(frame, Y)
    told = found.explain(frame[:5])
    assert_allclose(told.contributions.sum(1), told.logits, atol=1e-6)
    assert "adds" in str(told)
    assert list(found.intervene(frame[:5], {0: 1.0}).decoded_after.columns) == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [SelfExplainingClassifier, FineTunedClassifier])
@pytest.mark.parametrize("frozen", [True, False])
def test_doubts_of_filled_cells_are_those_of_the_weights_after_the_fit(kind, frozen):
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]})
    start = Autoencoder(2, schema="auto", corruption=Hiding(0.2), trainer=SHORT, random_state=0).fit(frame)
    found = kind(start, trainer=SHORT, frozen=frozen, random_state=0).fit(frame, Y, held_out=(frame[:40], Y[:40]))
    own, noise = found.autoencoder_, found.autoencoder_._noise.branch(HIDE)
    expected = (
        start.deviations_
        if frozen
        else deviations(own.answers, own.form_.table, own.form_.table.encode(frame[:40]), noise)
    )
    assert_allclose(own.deviations_, expected, rtol=1e-6)
    assert np.array_equal(own.deviations_, start.deviations_) == frozen


def test_targets_keep_their_units():
    y = 100 + 5 * X[:, 0]
    found = SelfExplainingRegressor(quick(4), trainer=Trainer(150), random_state=0).fit(X, y)
    assert found.score(X, y) > 0.9
    told = found.explain(X[:8])
    assert_allclose(told.contributions.sum(1)[:, 0], found.predict(X[:8]), rtol=1e-5)
    assert_allclose(found.intervene(X[:8], {}).logits_after[:, 0], found.predict(X[:8]), rtol=1e-5)
    both = SelfExplainingRegressor(quick(4), trainer=SHORT, reads="code", random_state=0).fit(X, np.c_[y, -y])
    assert both.predict(X[:8]).shape == (8, 2)
    assert_allclose(both.intervene(X[:8], {}).predicted, both.predict(X[:8]), rtol=1e-5)
    assert str(both.explain(X[:8])).count("target 1 ") == 8
    assert "nothing changed: target 0 " in str(both.intervene(X[:8], {}))


def test_targets_far_from_zero_keep_their_digits():
    few, y = X[:8].astype(np.float32), 1e8 + X[:, 0]
    found = SelfExplainingRegressor(quick(4), trainer=SHORT, random_state=0).fit(X, y)
    assert_allclose(found.explain(few).contributions.sum(1)[:, 0], found.predict(few), rtol=0, atol=1e-5)
    assert_allclose(found.intervene(few, {}).logits_after[:, 0], found.predict(few), rtol=0, atol=1e-5)


def test_a_default_sees_columns_in_standard_deviations():
    data = load_breast_cancer()
    found = SelfExplainingClassifier(trainer=Trainer(30), random_state=0).fit(data.data, data.target)
    assert found.autoencoder_.scaling_.mode == "standard"
    assert found.score(data.data, data.target) > 0.95


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"reads": "tea leaves"}, "relevances read 'inputs' or 'code'"),
        ({"robustness": -1.0}, "robustness=-1.0 is not a weight"),
        ({"fidelity": "much"}, "fidelity='much' is not a weight"),
        ({"frozen": 1}, "frozen=1 is neither True nor False; give one of them"),
        ({"relevances": Dense}, "give Dense\\(\\)"),
        ({"autoencoder": Autoencoder}, "give an instance"),
        ({"class_weight": "fair"}, "class_weight"),
    ],
)
def test_settings_are_refused_by_name(settings, says):
    with pytest.raises(ValueError, match=says):
        SelfExplainingClassifier(**({"autoencoder": quick(), "trainer": SHORT} | settings)).fit(X, Y)


def test_questions_are_refused_by_name(fitted):
    for question, says in [
        (lambda: fitted.intervene(X[:2], {9: 0.0}), "numbered from 0 to 3"),
        (lambda: fitted.intervene(X[:2], {"concpt 1": 0.0}), "did you mean 'concept 1'"),
        (lambda: fitted.explain(X[:2], against="oak"), "against='oak' is no class of the fit; give one of"),
        (lambda: fitted.counterfactual(X[:2], target="oak"), "target='oak' is no class of the fit; give one of"),
        (lambda: fitted.explain(X[:2, :3]), "features"),
        (
            lambda: fitted.intervene(X[:3], {0: [1, 2]}),
            r"concept 0 .* shape \(2,\), but X has 3 rows; give one for all",
        ),
        (lambda: fitted.intervene(X[:3], {0: np.nan}), "concept 0 is set to a number that is not finite; give finite"),
        (lambda: fitted.intervene(X[:3], {0: "oak"}), "concept 0 is set to 'oak', which is no number; give one"),
        (
            lambda: fitted.intervene(X[:3], {"concept 1": 0.0, 1: 3.0}),
            "concept 1 is set twice, as 'concept 1' and as 1; give it once",
        ),
        (lambda: fitted.explain(X[:3], against=["ash", "elm"]), r"shape \(2,\), but X has 3 rows; give one for all"),
        (lambda: fitted.explain(X[:3], probes=-1), "probes=-1 is no number of neighbours; give a whole number"),
        *[
            (lambda eps=eps: fitted.explain(X[:3], eps=eps), f"eps={eps!r} is no distance of neighbours; give a finite")
            for eps in (np.nan, np.inf, 0.0, -1, "far", True)
        ],
        (lambda: fitted.audit(X, Y, eps=np.nan), "eps=nan is no distance of neighbours"),
    ]:
        with pytest.raises(ValueError, match=says):
            question()
    with pytest.raises(ValueError, match="one class only"):
        classifier().fit(X, np.repeat("ash", len(X)))
    for dates in (np.array(["2020-01-01", "NaT", "2021-01-01"], "M8[ns]"), np.array([1, 2, 3], "m8[D]")):
        with pytest.raises(ValueError, match="labels of y are dates or durations; give them as text"):
            classifier().fit(X, dates[np.arange(len(X)) % 3])
    with pytest.raises(ValueError, match="use SelfExplainingClassifier"):
        SelfExplainingRegressor(quick(), trainer=SHORT).fit(X, Y)


def test_a_class_is_not_explained_against_itself(fitted):
    told = fitted.explain(X[:20], against="birch")
    own = np.flatnonzero(told.predicted == 1)
    assert 0 < len(own) < 20
    assert told.total(own[0]) == "birch is predicted, the class to explain against: there is no gap to explain"
    assert told.reasons(own[0]) == []
    other = np.flatnonzero(told.predicted != 1)[0]
    assert "rather than birch by" in told.total(other) and len(told.reasons(other)) == 3


def test_a_column_of_labels_counts_as_in_the_fit(fitted):
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        column = classifier().fit(X, Y[:, None], held_out=(X[:50], Y[:50, None]))
    plain = classifier().fit(X, Y, held_out=(X[:50], Y[:50]))
    assert_array_equal(column.predict_proba(X), plain.predict_proba(X))
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        audit = fitted.audit(X, Y[:, None], train=(X, Y[:, None]))
    assert str(audit) == str(fitted.audit(X, Y, train=(X, Y)))
    target = SelfExplainingRegressor(quick(3), trainer=SHORT, random_state=0).fit(X, X[:, :1])
    assert str(target.audit(X, X[:, 0])) == str(target.audit(X, X[:, :1]))


def test_a_refused_fit_costs_nothing(fitted):
    before = fitted.predict_proba(X)
    with pytest.raises(ValueError, match="held_out holds the label oak"):
        fitted.fit(X, Y, held_out=(X[:3], ["oak"] * 3))
    assert_array_equal(fitted.predict_proba(X), before)
    assert not any(p.requires_grad and p.grad is not None for p in fitted.task_.parameters() if torch.is_tensor(p.grad))


def test_an_audit_knows_a_linear_world_and_decoration():
    """Labels of a plane are linear; where concepts carry nothing, relevances that see the row decide alone."""
    found = classifier(robustness=1e4, trainer=Trainer(60)).fit(X, Y)
    audit = found.audit(X, Y, train=(X, Y))
    assert audit.score == found.score(X, Y)
    assert audit.baselines["no model at all"] == max((label == Y).mean() for label in set(Y))
    assert audit.completeness < 1e-5
    assert audit.leakage["relevances at their mean"] > audit.score - 0.05
    assert any("nearly one linear model" in sentence for sentence in audit.verdict)
    assert "local Lipschitz" in str(audit)
    alike = Autoencoder(2, architecture=Dense(()), trainer=Trainer(0), random_state=0).fit(rows(50, seed=9))
    for p in alike.objective_.model.encoder.parameters():
        p.data.fill_(float(p.dim() == 1))  # every row has the same code
    alone = classifier(alike, frozen=True, robustness=0.0, trainer=Trainer(60)).fit(X, Y).audit(X, Y)
    assert alone.leakage["concepts permuted"] == alone.score > alone.baselines["no model at all"]
    assert any("decoration" in sentence for sentence in alone.verdict)


def test_a_decorated_model_that_reads_the_code_is_not_told_to_read_it():
    told = Audit(
        measure="accuracy",
        score=0.9,
        rows=90,
        baselines={"no model at all": 0.5, "linear on the input": 0.5},
        leakage=dict.fromkeys(("concepts permuted", "relevances at their mean", "concepts at their mean"), 0.9),
        conciseness=1.0,
        faithfulness=1.0,
        completeness=0.0,
        lipschitz=(1.0, 1.0),
        eps=0.1,
        error=0.5,
    )
    remedy = "raise robustness, or let them read the code"
    assert any(sentence.endswith(remedy) for sentence in told.verdict)
    assert any(sentence.endswith("raise robustness") for sentence in replace(told, reads="code").verdict)
    few = replace(told, rows=9).verdict
    linear = {"linear on the input": 0.98, "linear on the concepts": 0.93}
    beaten = replace(told, baselines=told.baselines | linear)
    assert any("on the input does better by 8.0 points (0.980)" in sentence for sentence in beaten.verdict)
    assert any("on the concepts does better by 3.0 points (0.930)" in sentence for sentence in beaten.verdict)
    equal = replace(beaten, score=0.975).verdict
    assert any("on the input does as well (0.980)" in sentence for sentence in equal)
    assert any("does as well or better (0.980)" in sentence for sentence in replace(beaten, rows=9).verdict)
    assert not any("on the concepts" in sentence for sentence in [*few, *equal, *replace(beaten, rows=9).verdict])
    assert "9 rows are too few to tell whether concepts decide; give 30 or more" in few
    assert not any("decoration" in sentence or "nearly one linear" in sentence for sentence in few)


def test_an_audit_of_a_half_says_the_score_of_all_rows_too(fitted):
    half, whole = fitted.audit(X, Y), fitted.audit(X, Y, train=(X, Y))
    assert (half.rows, half.given, whole.rows, whole.given) == (len(X) // 2, len(X), len(X), len(X))
    assert half.score_of_given == whole.score == fitted.score(X, Y)
    first, second = str(half).splitlines()[:2]
    assert first == str(whole).splitlines()[0].replace(" on ", " on all ") and "on 75 of them" in second


def test_no_model_at_all_is_what_the_rows_of_the_baselines_say(fitted):
    """The class that is frequent in the rows looked at is not known to anybody who has not seen them."""
    most = max(set(Y), key=Y.tolist().count)
    other = most != Y
    found = fitted.audit(X[other], Y[other], train=(X, Y))
    assert found.baselines["no model at all"] == 0
    assert "warning: it does no better than no model at all" not in found.verdict
    both = np.c_[X[:, 0], np.full(len(X), 4.0)]
    target = SelfExplainingRegressor(quick(3), trainer=SHORT, random_state=0).fit(X, both)
    assert target.audit(X, both, train=(X, both)).baselines["no model at all"] == pytest.approx(0.5)
    moved = target.audit(X, both + np.array([10, 0]), train=(X, both)).baselines["no model at all"]
    assert moved == pytest.approx((1 - 100 / X[:, 0].var()) / 2), "the mean of other rows is not that of these"


def test_permuted_concepts_are_those_of_another_row(fitted):
    for count in (2, 3, 10):
        told, seen = fitted.explain(X[:count], probes=0), []
        one = replace(
            told, concepts=np.repeat(np.arange(float(count))[:, None], 5, 1), relevances=np.ones((count, 5, 3))
        )
        leakages(one, lambda logits, seen=seen: seen.append(logits[:, 0] / 5))
        other = seen[0].round().astype(int)
        assert sorted(other) == list(range(count)) and (other != np.arange(count)).all()


def test_halves_have_a_half_of_every_class():
    y = np.repeat(["a", "b", "c"], [9, 1, 4])
    for classes in (True, False):
        (x, first), (z, second) = halves(np.arange(14), y, classes=classes)
        assert_array_equal(np.sort(np.r_[x, z]), np.arange(14))
        assert (len(first), len(second)) == (7, 7) and (y[x] == first).all() and (y[z] == second).all()
        if classes:
            assert [(first == label).sum() for label in "abc"] in ([4, 1, 2], [5, 1, 2], [4, 1, 3], [5, 1, 1])


def test_audits_of_what_cannot_be_audited_are_refused(fitted):
    target = SelfExplainingRegressor(quick(3), trainer=SHORT, random_state=0).fit(X, X[:, 0])
    alike = np.repeat(Y[:1], 20)
    for audit, says in [
        (lambda: fitted.audit(X[:60], Y[:59]), "X and y have 60 rows and 59 labels; give one per row"),
        (lambda: fitted.audit(X, Y, train=(X, Y[:9])), "X and y of train have 150 rows and 9 labels; give one per row"),
        (lambda: fitted.audit(X, None), "which y=None does not say; give y"),
        (lambda: fitted.audit(X, Y, train=X), r"train is rows and their labels; give a pair \(X, y\)"),
        (lambda: fitted.audit(X, Y, train=(X[:0], Y[:0])), "train has no rows, .*; give those of the fit"),
        (lambda: fitted.audit(X[:3], Y[:3]), r"so few rows \(3\) has no score .*; give at least 4, .* or train="),
        (
            lambda: fitted.audit(X[:1], Y[:1], train=(X, Y)),
            r"so few rows \(1\) has no score to speak of; give at least 2",
        ),
        (lambda: target.audit(X[:1], X[:1, 0], train=(X, X[:, 0])), r"so few rows \(1\) has no score"),
        (lambda: target.audit(X, X[:, :2]), "y has 2 targets, and the model predicts 1; give those of the fit"),
        (lambda: fitted.audit(X[:20], alike), "are all of class .*; give rows of two classes or more"),
    ]:
        with pytest.raises(ValueError, match=says):
            audit()


def test_what_moves_a_target_counts_in_either_direction_and_its_mean_does_not():
    found = SelfExplainingRegressor(quick(3), trainer=SHORT, random_state=0).fit(X, 1e3 + X[:, 0])
    told = found.explain(X[:4], probes=0)
    parts = np.tile(np.array([1.0, -1.0, 0.0, 1e3])[:, None], (4, 1, 1))
    assert conciseness(replace(told, contributions=parts)) == 2


def test_concepts_that_were_never_trained_are_as_sparse_as_the_models():
    for part, share in ((BatchTopK(2), 2 / 16), (JumpReLU(rate=0.1), 0.1)):
        start = quick(16, bottleneck=part, architecture=Dense(())).fit(rows(400))
        assert (drawn(start, rows(400)).transform(rows(400)) != 0).mean() == pytest.approx(share, abs=0.03)


def test_an_audit_refits_and_speaks_of_targets():
    found = SelfExplainingRegressor(quick(3), trainer=SHORT, random_state=0).fit(X, X[:, 0])
    audit = found.audit(X, X[:, 0], refits=1)
    assert audit.measure == "R2"
    assert audit.rows == len(X) // 2
    assert {"black box", "random concepts"} <= set(audit.baselines)
    assert 0 <= audit.seeds[0] <= 1


def test_what_an_autoencoder_was_fitted_with_does_not_stay():
    """Rows that its own fit left out for their loss count again."""
    start = quick(3, trainer=Trainer(2, trim=0.4)).fit(X)
    assert start.objective_.trim == 0.4
    assert classifier(start).fit(X, Y).task_.objective.trim == 0
    assert classifier(start, trainer=Trainer(2, trim=0.2)).fit(X, Y).task_.objective.trim == 0.2


def test_training_starts_from_logistic_regression_on_the_concepts():
    found = classifier(trainer=Trainer(epochs=0, validation=0.0)).fit(X, Y)
    told = found.explain(X, probes=0)
    sized = told.concepts[:, :-1] / np.sqrt(np.square(told.concepts[:, :-1]).mean(0))
    oracle = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(sized, Y)
    assert_allclose(found.predict_proba(X), oracle.predict_proba(sized), atol=1e-4)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    weighed = classifier(found.autoencoder_, frozen=True, trainer=Trainer(epochs=0, validation=0.0))
    weighed.fit(X, Y, sample_weight=weight)
    oracle.fit(sized, Y, sample_weight=weight / weight.mean())
    assert_allclose(weighed.predict_proba(X), oracle.predict_proba(sized), atol=1e-4)


def test_concepts_that_are_not_trained_yet_have_no_relevance_at_the_start():
    untrained = quick(4, trainer=Trainer(epochs=0))
    found = classifier(untrained, trainer=Trainer(epochs=0, validation=0.0)).fit(X, Y)
    assert_array_equal(found.explain(X, probes=0).contributions, 0)
    frozen = classifier(untrained, frozen=True, trainer=Trainer(epochs=0, validation=0.0)).fit(X, Y)
    assert frozen.score(X, Y) > 0.5


def test_training_starts_from_ridge_regression_on_the_concepts():
    y = X @ np.arange(8.0) + np.sin(X[:, 0])
    found = SelfExplainingRegressor(quick(4), trainer=Trainer(epochs=0, validation=0.0), random_state=0).fit(X, y)
    told = found.explain(X, probes=0)
    sized = told.concepts[:, :-1] / np.sqrt(np.square(told.concepts[:, :-1]).mean(0))
    oracle = Ridge(alpha=1.0).fit(sized, y)
    assert_allclose(found.predict(X), oracle.predict(sized), atol=1e-3 * y.std())


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_however_much_robustness_weighs_there_is_logistic_regression_to_fall_back_on(size):
    found = classifier(quick(8, scaling="common"), trainer=Trainer(epochs=30), robustness=1.0).fit(X * size, Y)
    code = found.autoencoder_.transform(X * size)
    sized = code / np.sqrt(np.square(code).mean(0))
    assert found.score(X * size, Y) > LogisticRegression(max_iter=5000).fit(sized, Y).score(sized, Y) - 0.05


def test_concepts_of_named_columns_say_which_they_move_and_those_of_others_do_not(fitted):
    priors = np.random.default_rng(0).normal(size=120)
    frame = pd.DataFrame({"priors": priors, "age": -priors, "town": np.where(priors > 0, "Bern", "Oslo")})
    found = classifier(quick(1)).fit(frame, priors > 0)
    (words,) = found.explain(frame[:1]).moves
    ends = np.quantile(found.known_concepts_, [[0.05], [0.95]], axis=0)
    low, high = (found.autoencoder_.inverse_transform(end) for end in ends)
    ways = {name: "up" if high[name][0] > low[name][0] else "down" for name in ("priors", "age")}
    ways["town"] = f"to {high['town'][0]}"
    told = [tuple(word.split(" ", 1)) for word in words.split(", ")]
    assert len(told) == 2 and all(ways[name] == way for name, way in told)
    assert f"concept 0 ({words}) at " in " ".join(found.explain(frame[:1]).reasons(0, 2))
    assert f"concept 0 ({words}) " in str(found.counterfactual(frame[:1]))
    found.autoencoder_.name_concept(0, "trouble")
    assert f"trouble ({words}) " in str(found.counterfactual(frame[:1]))
    assert set(fitted.explain(X[:1]).moves) == {""}
    other = frame.rename(columns={"priors": "past", "age": "years", "town": "place"})
    assert not set(frame) & set(found.fit(other, priors > 0).explain(other[:1]).moves[0].split())
