"""One dial for sparse dictionaries: the number of active units is the wanted one, whatever the mechanism."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from isthmus import Autoencoder, Trainer, fit_many, load, recipes
from isthmus.bottleneck import Bottleneck
from isthmus.estimators import SizeWarning
from isthmus.grammar import parse
from isthmus.parts import L0, L1, BatchTopK, Dictionary, JumpReLU, Lp, Normal, Ramp, Rectified, TargetL0
from isthmus.penalty import Penalty
from isthmus.recipes import MECHANISMS


def superposition(rows, features=64, columns=16, active=3, seed=0):
    """Return sums of few of many directions: more features than columns, each on in a few rows, and the directions."""
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(features, columns))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    code = (rng.random((rows, features)) < active / features) * np.abs(rng.normal(1, 0.25, (rows, features)))
    return (code @ atoms).astype(np.float32), atoms


X, _ = superposition(7000)
TRAIN, VALID, HELD = X[:2000], X[2000:4000], X[4000:]


def counted(model, x=HELD):
    return float((model.transform(x) != 0).sum(1).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "by", [by if by in ("top_k", "l1") else pytest.param(by, marks=pytest.mark.long) for by in MECHANISMS]
)
def test_as_many_units_are_active_as_were_asked_for(by, tmp_path):
    model = recipes.dictionary(64, l0=3, by=by, random_state=0).fit(TRAIN, held_out=VALID)
    assert abs(counted(model, VALID) / 3 - 1) < 0.05, counted(model, VALID)
    # Two samples of rows differ in how many causes they hold, too.
    chance = 2 * (model.transform(HELD) != 0).sum(1).std() * (1 / len(VALID) + 1 / len(HELD)) ** 0.5
    assert abs(counted(model) - 3) < 0.05 * 3 + chance, counted(model)
    code = model.transform(TRAIN)
    assert (code >= 0).all()
    if by == "top_k":
        assert ((code != 0).sum(1) <= 3).all()
    dead = (code == 0).all(0).mean()
    assert dead < (0.6 if by == "lp" else 0.3), dead
    atoms = model.objective_.model.architecture.atoms(model.objective_.model.decoder)
    assert torch.allclose(atoms.norm(dim=1), torch.ones(64))
    again = load(model.save(tmp_path))
    assert np.array_equal(again.transform(HELD), model.transform(HELD))
    if "coefficient" in model.history_[-1]["measured"]:
        memory, part = (o[0] for o in zip(*held(model), strict=True))
        assert again.objective_.memories["target_l0"].integral == memory.integral
        assert np.isclose(model.history_[model.best_epoch_ - 1]["measured"]["coefficient"], part.coefficient(memory))


def held(model):
    """Give the controller's memory and part."""
    yield model.objective_.memories["target_l0"], model.objective_.penalties["target_l0"]


def test_atoms_of_the_data_are_found():
    x, atoms = superposition(4000, features=24, columns=16, active=2, seed=1)
    model = recipes.dictionary(24, l0=2, random_state=0).fit(x)
    found = model.objective_.model.architecture.atoms(model.objective_.model.decoder).detach().numpy()
    assert np.abs(atoms @ found.T).max(1).mean() > 0.9


@pytest.mark.parametrize("by", MECHANISMS)
def test_a_fit_is_reproducible_row_by_row_and_many_at_once(by):
    few = TRAIN[:200]
    model = recipes.dictionary(12, l0=3, by=by, trainer=Trainer(epochs=3, patience=0), random_state=1)
    one, two = clone(model).fit(few), clone(model).fit(few)
    assert np.array_equal(one.transform(few), two.transform(few))
    assert one.engine_.startswith("explicit")
    assert np.allclose(one.transform(few[5:6]), one.transform(few)[5:6], atol=1e-6)
    [many, _] = fit_many([clone(model), clone(model).set_params(random_state=2)], few)
    assert np.allclose(many.transform(few), one.transform(few), atol=1e-5)


@pytest.mark.parametrize("by", ["batch_top_k", "jump_relu", "lp"])
def test_a_fit_that_was_cut_off_goes_on_to_the_same_weights(by, tmp_path):
    model = recipes.dictionary(12, l0=3, by=by, random_state=1)
    model.set_params(trainer=Trainer(epochs=6, patience=0, checkpoint_seconds=0.0))
    whole = clone(model).fit(TRAIN[:200])

    class Cut(Exception):
        pass

    from isthmus.training.callbacks import Callback

    class Stop(Callback):
        def epoch_end(self, loop, row):
            if loop.epoch == 4:
                raise Cut

    with pytest.raises(Cut):
        clone(model).fit(TRAIN[:200], checkpoint=tmp_path / "point", callbacks=[Stop()])
    again = clone(model).fit(TRAIN[:200], checkpoint=tmp_path / "point")
    assert np.array_equal(again.transform(HELD), whole.transform(HELD))


def test_the_grammar_knows_them():
    assert parse(Bottleneck, "batch_top_k:k=8") == BatchTopK(8)
    assert parse(Bottleneck, "jump_relu:bandwidth=0.5,rate=0.1") == JumpReLU(0.5, 0.1)
    assert parse(Penalty, "target_l0:penalty=(l0),l0=4") == TargetL0(L0(), l0=4)
    deep = parse(Penalty, "target_l0:penalty=(lp:power=(ramp:start=1,stop=0.2,epochs=5)),l0=4")
    assert deep == TargetL0(Lp(power=Ramp(1, 0.2, 5)), l0=4)


def test_settings_are_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"by='topk' is no way to a sparse code; did you mean 'top_k'\?"):
        recipes.dictionary(64, l0=3, by="topk")
    for l0 in (0, 65):
        with pytest.raises(ValueError, match=f"l0={l0} of 64 units cannot be active; give l0 from 1 to n_components"):
            recipes.dictionary(64, l0=l0)
    for l0, by in ((2.5, "top_k"), (2.5, "batch_top_k"), (2.5, "matryoshka"), ("two", "jump_relu")):
        with pytest.raises(ValueError, match=f"^l0={l0!r} is not a whole number of active units; give an integer"):
            recipes.dictionary(64, l0=l0, by=by)
    assert recipes.dictionary(64, l0=2.5, by="jump_relu").penalties[0].l0 == 2.5


def test_partial_fits_find_the_coefficient_without_held_out_rows():
    penalties = (TargetL0(L1(0.1), l0=4),)
    model = Autoencoder(
        16, architecture=Dictionary(), bottleneck=Rectified(), likelihood=Normal(), penalties=penalties, random_state=0
    )
    for _ in range(60):
        model.partial_fit(TRAIN[:500])
    assert abs(counted(model, TRAIN[:500]) / 4 - 1) < 0.1, counted(model, TRAIN[:500])


def test_batch_top_k_starts_with_as_many_active_units_as_it_is_to_have():
    x = np.random.default_rng(0).normal(size=(400, 30))
    found = recipes.dictionary(64, l0=5, trainer=Trainer(epochs=0), random_state=0).fit(x)
    assert abs((found.transform(x) > 0).sum(1).mean() - 5) < 0.5


def test_weights_that_were_never_trained_do_not_meet_a_target():
    x, _ = superposition(100, columns=300, active=5)
    with pytest.warns(SizeWarning, match="a factor of .* from its target"):
        found = recipes.dictionary(64, l0=5, by="jump_relu", random_state=0).fit(x)
    assert found.best_epoch_ > 1
