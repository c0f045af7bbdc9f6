"""Dead units fire again: new directions, forgotten moments, the same in a resumed fit."""

import pytest
import torch
from tiny import model_of

from isthmus import recipes
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import SGD, Adam, AdamW, Dense, Dictionary, Gated, JumpReLU, Normal, Rectified, TopK, Trainer
from isthmus.records import Batch, Rows
from isthmus.training.callbacks import Callback
from isthmus.training.loop import Loop
from isthmus.training.phase import Phase
from isthmus.training.resampling import Resampling

X = Noise(0).normal(torch.empty(200, 6, dtype=torch.float64))


def dying(bottleneck, architecture=None):
    """Return an objective whose first three units can never fire."""
    objective = Objective(model_of(architecture or Dictionary(), bottleneck, X, 12), Normal()).double()
    objective.start(Batch(X))
    if architecture is None:
        objective.model.encoder.layers[1].bias.data[:3] = -60.0
    return objective


def firing(objective):
    """Return which units fire on some row."""
    return (objective.eval().run(Batch(X), None).code > 0).any(0)


def loop_of(objective, trainer, callbacks=()):
    """Return a loop over all rows that has taken two epochs."""
    loop = Loop(Phase("fit", trainer, objective, Rows(X), None, Noise(1), start=False), callbacks=callbacks)
    loop.begin()
    for _ in range(2):
        loop.one_epoch()
    return loop


@pytest.mark.parametrize("bottleneck", [TopK(2, rectified=True), Rectified(), JumpReLU(), Gated()], ids=repr)
@pytest.mark.parametrize("optimiser", [Adam(), AdamW(), SGD()], ids=lambda o: type(o).__name__)
def test_dead_units_get_the_directions_of_rows_and_forgotten_moments(bottleneck, optimiser):
    objective = dying(bottleneck)
    loop = loop_of(objective, Trainer(epochs=10, precision="float64", validation=0.0, optimiser=optimiser))
    assert not firing(objective)[:3].any()
    into, out = objective.model.encoder.layers[1], objective.model.decoder.layers[1]
    before = into.weight.detach().clone()
    for parameter in (into.weight, into.bias, out.weight):
        for moment in loop.engine.moments(parameter):
            assert moment.shape == parameter.shape
            moment.fill_(1.0)
    callback = Resampling(every=2)
    callback.epoch_start(loop)
    assert callback.revived == {2: 3} and torch.equal(into.weight[3:], before[3:])
    rows = torch.nn.functional.normalize(X - into.centre)
    atoms = out.unit.T[:3]
    assert torch.allclose((atoms @ rows.T).amax(1), torch.ones(3, dtype=torch.float64)), "not the direction of a row"
    length = 0.2 * before[3:].norm(dim=1).mean()
    assert torch.allclose(into.weight[:3], length * atoms) and (into.bias[:3] == 0).all()
    for parameter in (into.weight, into.bias, out.weight):
        for moment in loop.engine.moments(parameter):
            by_unit = moment.T if parameter is out.weight else moment
            assert (by_unit[:3] == 0).all() and (by_unit[3:] == 1).all()
    if not isinstance(bottleneck, TopK):
        assert firing(objective)[:3].all(), "they fire again"


def test_units_fire_again_after_some_steps():
    objective = dying(TopK(2, rectified=True))
    trainer = Trainer(epochs=40, precision="float64", validation=0.0)
    trainer.fit(objective, Rows(X), Noise(1), start=False)
    assert not firing(objective)[:3].any(), "without it they stay dead"
    objective, callback = dying(TopK(2, rectified=True)), Resampling(every=2)
    trainer.fit(objective, Rows(X), Noise(1), start=False, callbacks=[callback])
    assert firing(objective).all() and callback.revived[2] == 3
    assert max(callback.revived) <= 28, "the last epochs are left to settle"


class Stop(Callback):
    """End a fit after some epochs, as a power cut would."""

    def epoch_end(self, loop, row):
        if loop.epoch == 5:
            raise KeyError


@pytest.mark.parametrize(("rows", "seen"), [(100, 100), (101, 100), (150, 100), (200, 200), (1000, 200)])
def test_no_more_rows_are_looked_at_than_were_asked_for(rows, seen, monkeypatch):
    loop, looked = loop_of(dying(Rectified()), Trainer(epochs=10, precision="float64", validation=0.0)), []
    look = Resampling._look

    def watched(task, batch):
        looked.append(len(batch.x))
        return look(task, batch)

    monkeypatch.setattr(Resampling, "_look", staticmethod(watched))
    Resampling(every=2, rows=rows).epoch_start(loop)
    assert looked == [seen]


def test_a_resumed_fit_draws_the_same(tmp_path):
    trainer = Trainer(epochs=9, precision="float64", validation=0.0, checkpoint_seconds=0.0)

    def fitted(path, *callbacks):
        objective = dying(TopK(2, rectified=True))
        trainer.fit(objective, Rows(X), Noise(1), start=False, save_to=path, callbacks=[Resampling(2), *callbacks])
        return objective.state_dict()

    whole = fitted(None)
    with pytest.raises(KeyError):
        fitted(tmp_path / "point", Stop())
    again = fitted(tmp_path / "point")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_what_cannot_be_resampled_is_refused():
    loop = loop_of(dying(Rectified(), Dense(())), Trainer(epochs=4, precision="float64", validation=0.0))
    dead = loop.task.model.encoder.layers[1].layers[0].layers[0].bias
    dead.data[0] = -60.0
    with pytest.raises(ValueError, match=r"Dense has no encoder and atoms of one layer each; use Dictionary\(\)"):
        Resampling(every=2).epoch_start(loop)
    with pytest.raises(ValueError, match="every=0 is no number of epochs; give a whole number from 1 up"):
        Resampling(0)
    with pytest.raises(ValueError, match="rows=0 are none to look at; give a whole number from 1 up"):
        Resampling(rows=0)


def test_a_fit_of_the_recipe_takes_it():
    model = recipes.dictionary(24, l0=2, by="l1", trainer=Trainer(epochs=4), random_state=0)
    callback = Resampling(every=1, until=1.0)
    model.fit(X.numpy(), callbacks=[callback])
    assert list(callback.revived) == [1, 2, 3]
