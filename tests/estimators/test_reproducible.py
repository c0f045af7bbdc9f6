"""One seed, the same bits; no global generator moves; no row depends on the rows beside it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from quick import TWO, identical, quick, rows, unit_rows
from torch.utils.data import DataLoader, TensorDataset

from isthmus import AnomalyDetector, FineTunedClassifier, Trainer, load
from isthmus.estimators.parameters import seed_of
from isthmus.parts import (
    KL,
    L1,
    ActivationRate,
    Bernoulli,
    Compose,
    Contractive,
    Conv,
    Dense,
    GaussianNoise,
    Given,
    Greedy,
    Masking,
    Overcomplete,
    Sigmoid,
    SwapNoise,
    TopK,
    UnitNorm,
    Variational,
)
from isthmus.training.callbacks import Callback

X = rows(90)
Y = np.arange(90) % 3


def given():
    layers = [torch.nn.Linear(8, 3), torch.nn.Linear(3, 8)]
    for layer in layers:
        torch.nn.init.constant_(layer.weight, 0.25)
        torch.nn.init.zeros_(layer.bias)
    return Given(torch.nn.Sequential(layers[0], torch.nn.Dropout(0.3)), layers[1])


MODELS = {
    "plain": {},
    "at PCA": {"architecture": Dense((6,), shortcut=True)},
    "dropout and batch norm": {"architecture": Dense((6,), dropout=0.3, norm="batch")},
    "denoising": {"corruption": Compose((GaussianNoise(), Masking(), SwapNoise()))},
    "sparse": {"bottleneck": Sigmoid(), "penalties": (ActivationRate(),)},
    "k sparse": {"bottleneck": TopK(2), "penalties": (L1(),)},
    "on the sphere": {"bottleneck": UnitNorm()},
    "contractive": {"penalties": (Contractive(),)},
    "variational": {"bottleneck": Variational(), "penalties": (KL(),)},
    "convolutional": {"architecture": Conv((2, 2))},
    "stacked": {
        "architecture": Dense((6,), activation="sigmoid"),
        "trainer": Trainer(epochs=1, pretraining=Greedy(epochs=1, corruption=Masking())),
    },
    "given": {"architecture": given()},
    "double": {"trainer": Trainer(epochs=2, precision="float64")},
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    return quick(**MODELS[request.param]).fit(X)


@pytest.mark.parametrize("name", MODELS)
def test_one_seed_gives_the_same_bits(name, untouched_generators):
    settings = MODELS[name]
    one, two, other = (
        quick(**settings).fit(X),
        quick(**settings).fit(X),
        quick(**settings, **{}).set_params(random_state=1).fit(X),
    )
    assert identical(one, two)
    assert_array_equal(one.transform(X), two.transform(X))
    assert_array_equal(one.sample(5), two.sample(5))
    assert_array_equal(one.sample(5, mean=False), two.sample(5, mean=False))
    assert one.history_.curve() == two.history_.curve() and one.best_epoch_ == two.best_epoch_
    if name != "given":
        assert not identical(one, other)
    assert identical(one.fit(X), two), "a second fit is the first again"


def test_what_others_draw_changes_nothing():
    one = quick(corruption=Masking()).fit(X)
    torch.rand(3)
    np.random.rand(3)
    assert identical(one, quick(corruption=Masking()).fit(X))


def test_without_a_seed_fits_differ():
    one, two = quick(random_state=None).fit(X), quick(random_state=None).fit(X)
    assert not identical(one, two)
    assert not identical(one, quick(random_state=None).fit(X).fit(X))


def test_a_random_state_moves_on_as_in_scikit_learn():
    shared = np.random.RandomState(3)
    one, two = quick(random_state=shared).fit(X), quick(random_state=shared).fit(X)
    assert not identical(one, two)
    again = np.random.RandomState(3)
    assert identical(quick(random_state=again).fit(X), one) and identical(quick(random_state=again).fit(X), two)


def test_partial_fits_repeat_too():
    one, two = (quick(corruption=Masking()).partial_fit(X[:50]).partial_fit(X[50:]) for _ in range(2))
    assert identical(one, two)
    assert_array_equal(one.past.codes, two.past.codes)
    assert_array_equal(one.sample(4), two.sample(4))


def test_samples_follow_their_own_seed(fitted):
    assert_array_equal(fitted.sample(6), fitted.sample(6))
    assert_array_equal(fitted.sample(6, random_state=4), fitted.sample(6, random_state=4))
    assert not np.array_equal(fitted.sample(6, random_state=4), fitted.sample(6, random_state=5))


def test_no_method_touches_a_global_generator(fitted, tmp_path, untouched_generators):
    codes = fitted.transform(X)
    fitted.inverse_transform(codes)
    fitted.reconstruct(torch.tensor(X))
    fitted.score(X)
    fitted.feature_errors(DataLoader(TensorDataset(torch.tensor(X)), batch_size=16))
    fitted.sample(7, mean=False)
    fitted.sample(7, random_state=3)
    str(fitted.evaluate(X, draws=2 if "density" in fitted.parts_.bottleneck.provides else 0))
    architecture = fitted.architecture if isinstance(fitted.architecture, Given) else None
    load(fitted.save(tmp_path / "model"), architecture=architecture).sample(3)
    quick(random_state=None, corruption=Masking()).fit(X, sample_weight=np.ones(90), held_out=X[:9]).partial_fit(X)
    repr(fitted)


def test_without_a_seed_numpys_generator_stays_where_it_is(untouched_generators):
    before = np.random.get_state()[1].tolist(), np.random.get_state()[2]
    quick().fit(X).evaluate(X, random_state=None)
    AnomalyDetector(members=1, trainer=TWO).fit(X)
    assert seed_of(None) != seed_of(None)
    assert (np.random.get_state()[1].tolist(), np.random.get_state()[2]) == before


def test_a_classifier_touches_no_global_generator(untouched_generators):
    classifier = FineTunedClassifier(quick(), trainer=TWO, corruption=Masking(), random_state=0).fit(X, Y)
    classifier.predict_proba(X)


# -- rows beside each other -------------------------------------------------------------------------------------------

EXACT = {"float64": 1e-7, "float32": 1e-5}
QUESTIONS = {
    "codes": lambda model, x: model.transform(x),
    "reconstructions": lambda model, x: model.reconstruct(x),
    "errors": lambda model, x: model.feature_errors(x),
    "scores": lambda model, x: model.score_samples(x),
}


def agree(found, expected, relative):
    """Numbers of one row agree relative to the row's largest."""
    found, expected = (np.atleast_2d(a.T).T for a in (found, expected))
    assert_allclose(found, expected, rtol=relative, atol=relative * np.abs(expected).max())


@pytest.mark.parametrize("precision", EXACT)
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_do_not_depend_on_the_rows_beside(fitted, question, precision):
    ask, x = QUESTIONS[question], X.astype(precision)
    expected, order = ask(fitted, x), np.random.default_rng(0).permutation(len(x))
    agree(ask(fitted, x[order]), expected[order], EXACT[precision])
    agree(ask(fitted, x[::2]), expected[::2], EXACT[precision])
    pieces = [ask(fitted, piece) for piece in np.array_split(x, [1, 2, 9, 40])]
    agree(np.concatenate(pieces), expected, EXACT[precision])


@pytest.mark.parametrize("precision", EXACT)
def test_scores_of_many_rows_are_those_of_each(precision):
    """More rows than are answered at once, and the scores to the digits that are promised."""
    model = quick(bottleneck=Variational(), penalties=(KL(),)).fit(X)
    x = np.tile(X, (13, 1)).astype(precision)
    scores = model.score_samples(x)
    assert_allclose(scores, np.tile(scores[:90], 13), rtol=EXACT[precision])
    assert_allclose([model.score_samples(row[None])[0] for row in x[:20]], scores[:20], rtol=EXACT[precision])


def test_both_precisions_say_the_same(fitted):
    for ask in QUESTIONS.values():
        agree(ask(fitted, X.astype("float32")), ask(fitted, X), 1e-4)


def test_answers_after_more_training_are_not_those_of_before():
    """A copy in double precision is kept for answers, and must not outlive its weights."""
    model = quick().fit(X)
    before = model.transform(X)
    model.partial_fit(X)
    agree(model.transform(X.astype("float32")), model.transform(X), 1e-4)
    assert np.abs(model.transform(X) - before).max() > 1e-5


def test_pictures_too():
    x = unit_rows(40, 60).reshape(40, 1, 6, 10)
    model = quick(architecture=Conv((2, 2), head="map"), bottleneck=Overcomplete(), likelihood=Bernoulli()).fit(x)
    pieces = np.concatenate([model.score_samples(piece) for piece in np.array_split(x, [1, 8])])
    assert_allclose(pieces, model.score_samples(x), rtol=1e-7)


def test_a_fit_without_a_seed_goes_on_from_its_checkpoint(tmp_path):
    class Killed(Callback):
        def epoch_end(self, loop, row):
            if loop.epoch == 2:
                raise MemoryError

    kept, trainer = tmp_path / "fit.checkpoint", Trainer(epochs=4, checkpoint_seconds=0.0)
    with pytest.raises(MemoryError):
        quick(random_state=None, trainer=trainer).fit(X, checkpoint=kept, callbacks=[Killed()])
    model = quick(random_state=None, trainer=trainer).fit(X, checkpoint=kept)
    assert identical(model, quick(random_state=None, trainer=trainer).fit(X, checkpoint=kept)), "it is over"
    assert model.n_iter_ == 4 and len(model.history_) == 4
