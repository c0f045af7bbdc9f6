"""The caller's number of threads comes back, whatever overlaps with what."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch

from isthmus.training.threads import given_threads, join, threads_for


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("first", ["the caller", "the other"])
def test_threads_that_overlap_give_the_callers_number_back(first):
    entered, leave = Event(), Event()

    def other():
        with threads_for(0):
            entered.set()
            assert leave.wait(10)
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        with threads_for(0):
            done = pool.submit(other)
            assert entered.wait(10)
            if first == "the other":
                leave.set()
                assert done.result() == 2
            assert (torch.get_num_threads(), given_threads()) == (1, 2)
        assert (torch.get_num_threads(), given_threads()) == (2, 2)
        leave.set()
        assert done.result() == 2
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


def test_threads_that_work_for_one_give_nothing_back_meanwhile():
    def work():
        with threads_for(0):
            pass
        return torch.get_num_threads(), given_threads()

    with threads_for(0), ThreadPoolExecutor(1, initializer=join) as pool:
        assert pool.submit(work).result() == (1, 2)
        with threads_for(0):
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
