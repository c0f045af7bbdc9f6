"""Passes that hold few rows add up to the step of all rows, and hold less."""

import gc

import pytest
import sharing
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus import fit_many
from isthmus.noise import Noise
from isthmus.parts import Dense, GaussianNoise
from isthmus.records import Batch
from isthmus.training.callbacks import Callback

HELD = 600


def apart(a, b):
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@given(st.integers(1, 40), st.integers(0, 45), st.integers(0, 9), st.integers(0, 9))
def test_parts_are_the_batch_in_even_pieces_with_its_noise(rows, most, before, after):
    whole = before + rows + after
    x, noise = torch.rand(whole, 2), Noise(3).at(1)
    here = x[before : before + rows]
    batch = Batch(here, here > 0.5, here[:, 0], among=(before, whole) if before or after else None)
    parts = batch.parts(most)
    assert max(len(part.x) for part in parts) <= (most or rows)
    assert max(len(part.x) for part in parts) - min(len(part.x) for part in parts) <= 1
    for name in ("x", "seen", "weight"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))
    drawn = torch.cat([part.own(noise.at(1)).normal(part.x) for part in parts])
    assert torch.equal(drawn, noise.normal(x)[before : before + rows])


@pytest.mark.parametrize("name", sharing.FITS)
def test_micro_batches_come_to_the_weights_of_whole_batches(name):
    assert apart(sharing.found(sharing.FITS[name]()), sharing.found(sharing.FITS[name](micro_batch=9))) < 1e-9


@pytest.mark.parametrize("name", sharing.NEAR)
def test_what_looks_at_a_batch_looks_at_parts_of_it(name):
    whole, parts = (sharing.found(sharing.NEAR[name](micro_batch=most))["loss"] for most in (0, 20))
    assert torch.allclose(whole, parts, rtol=0.15) and not torch.equal(whole, parts)


def test_a_batch_that_one_pass_holds_is_passed_as_it_is():
    a, b = (sharing.found(sharing.model(micro_batch=most).fit(sharing.rows())) for most in (0, 50))
    assert all(torch.equal(a[name], b[name]) for name in a)


class Weighed(Callback):
    """Note how many bytes the tensors of this process have while an engine is at work, and how many autograd keeps."""

    class Kept:
        def __init__(self, owner, t):
            self.owner, self.t = owner, t
            owner.live += t.nbytes
            owner.most = max(owner.most, owner.live)

        def __del__(self):
            self.owner.live -= self.t.nbytes

    def __init__(self):
        self.live = self.most = self.bytes = 0

    def epoch_end(self, loop, row):
        found = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in gc.get_objects() if is_tensor(t)}
        self.bytes = sum(found.values())


def is_tensor(thing):
    return type(thing) in (torch.Tensor, torch.nn.Parameter)


@pytest.mark.parametrize("engine", ["explicit", "autograd"])
def test_small_passes_hold_less(engine):
    most = {}
    for micro_batch in (0, HELD // 20):
        told = Weighed()
        model = sharing.model(
            engine=engine,
            architecture=Dense((300, 300)),
            corruption=GaussianNoise(0.1),
            batch_size=HELD,
            epochs=1,
            validation=0.0,
            micro_batch=micro_batch,
        )
        with torch.autograd.graph.saved_tensors_hooks(lambda t, told=told: Weighed.Kept(told, t), lambda kept: kept.t):
            model.fit(sharing.rows(HELD), callbacks=[told])
        most[micro_batch] = told.most if engine == "autograd" else told.bytes
        assert told.most or engine == "explicit"
    # What a pass holds beside weights, moments and rows is a twentieth.
    activations = 4 * HELD * 300 * 8
    assert most[0] - most[HELD // 20] > 0.6 * activations


def test_the_kernel_and_fits_at_once_leave_it_to_others():
    model = sharing.model(precision="float32", micro_batch=9)
    assert model.fit(sharing.rows()).engine_.startswith("explicit (the kernel passes all rows of a step at once")
    with pytest.raises(ValueError, match="engine='native' cannot run this fit: the kernel passes all rows of a step"):
        sharing.model(precision="float32", micro_batch=9, engine="native").fit(sharing.rows())
    seeds = [sharing.model(micro_batch=9).set_params(random_state=seed) for seed in range(2)]
    alone = [sharing.model(micro_batch=9).set_params(random_state=seed).fit(sharing.rows()) for seed in range(2)]
    for a, b in zip(fit_many(seeds, sharing.rows()), alone, strict=True):
        assert apart(sharing.found(a), sharing.found(b)) == 0


def test_a_negative_micro_batch_is_refused():
    with pytest.raises(ValueError, match="micro_batch=-1"):
        sharing.model(micro_batch=-1)
