"""What divided fits need that no other process has to be there for; the rest is in test_distributed.py."""

import os
import signal
import threading

import pytest
import sharing
import torch

from isthmus.parts import LBFGS, Adam
from isthmus.training import statefile
from isthmus.training.sharded import deferred, undivided, walked


def test_ctrl_c_is_noted_and_heard_again_afterwards():
    asked, before = threading.Event(), signal.getsignal(signal.SIGINT)
    with deferred(asked):
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.wait(5)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)


def test_ctrl_c_belongs_to_the_main_thread():
    before, found = signal.getsignal(signal.SIGINT), []

    def other():
        with deferred(threading.Event()):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [before]


@pytest.mark.parametrize("optimiser", [Adam(), sharing.SGD(0.1)])
def test_moments_are_told_by_the_parameter_that_they_belong_to(optimiser):
    shards = [torch.ones(3, 2), torch.ones(0), torch.ones(1)]
    bound = optimiser.bind(shards)
    for shard in shards:
        shard.grad = torch.full_like(shard, 0.5)
    bound.step()
    met = []
    walked({"optimiser": bound.state_dict()}, lambda i, t: met.append((i, t.shape)))
    assert met and {i for i, _ in met} == {0, 1, 2}
    assert all(shape == shards[i].shape for i, shape in met)


def test_what_cannot_be_divided_says_why():
    task = sharing.model(epochs=0).fit(sharing.rows()).objective_
    assert undivided(task, Adam(), shared=True) == ""
    assert undivided(task, Adam(), shared=False) == "one process has nothing to divide with others"
    assert undivided(task, LBFGS(), shared=True) == "LBFGS looks at all weights at once"
    task.register_parameter("alone", torch.nn.Parameter(torch.zeros(())))
    assert undivided(task, Adam(), shared=True) == "a weight without an axis cannot be divided"


def test_a_file_takes_tensors_that_share_memory(tmp_path):
    whole = torch.arange(6.0)
    state = {"whole": whole, "again": whole, "part": whole[2:4], "turned": whole.view(2, 3).T, "none": torch.ones(0)}
    statefile.write(tmp_path / "state", state)
    found = statefile.read(tmp_path / "state")
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
