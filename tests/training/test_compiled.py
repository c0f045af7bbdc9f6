"""Networks through torch.compile, on request."""

import shutil

import pytest
from fitting import logistic, rows

from isthmus.noise import Noise
from isthmus.training.optimiser import Adam
from isthmus.training.trainer import Trainer


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler's own parts
def test_a_compiled_fit_is_that_of_autograd_and_leaves_the_networks_as_they_were():
    curves = []
    for engine in ("compiled", "autograd"):
        task, trainer = logistic(), Trainer(epochs=2, batch_size=40, optimiser=Adam(1e-2), engine=engine)
        assert trainer.runs(task) == f"{engine} (asked for)"
        curves.append(trainer.fit(task, rows(200), Noise(0)).history.curve(part="held_out"))
        assert task.model.encoder._compiled_call_impl is None
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
