"""What every test shares: one thread per process, examples drawn alike on every run, generators left alone."""

import os
import signal

# Shells start what runs in the background deaf to Ctrl-C, and child processes inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Read when the linear algebra is loaded, so set before torch is; child processes inherit it.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# Figures are written to files, also where there is a screen.
os.environ["MPLBACKEND"] = "agg"

import pickle  # noqa: E402
import random  # noqa: E402
from collections.abc import Iterator  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

torch.set_num_threads(1)

# How long an example takes says something about the machine, not about the code.
settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
# pytest --hypothesis-profile=thorough: new examples on every run, and many
settings.register_profile("thorough", settings.get_profile("suite"), derandomize=False, max_examples=500)
settings.load_profile("suite")


def generators() -> dict[str, bytes]:
    """Return the state of every global random generator."""
    return {
        "random": pickle.dumps(random.getstate()),
        "numpy.random": pickle.dumps(np.random.get_state()),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


@pytest.fixture
def untouched_generators() -> Iterator[None]:
    """Fail the test if the global generators of torch, numpy or random are not as they were before it."""
    before = generators()
    yield
    after = generators()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"the test changed the global random state of {', '.join(changed)}"


# Measuring which lines are run nearly doubles the time of these; what they run is run by tests of its own, too.
UNMEASURED = (
    "tests/parts/test_pairs.py",
    "tests/report/test_browser.py",
    "tests/benchmarks/test_scripts.py",
    "tests/export/",
    "tests/service/test_reload.py",
)
# A file is one worker's, and a long one that begins last keeps all waiting.
FIRST = (*UNMEASURED, "tests/cluster/", "tests/training/test_distributed.py", "tests/training/test_sharded.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and leave laws over very many combinations out of the coverage."""
    for item in items:
        if item.nodeid.startswith(UNMEASURED):
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: next((i for i, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums of what tests counted with ``record_property``."""
    totals: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, number in report.user_properties:
            totals[name] = totals.get(name, 0) + number
    if totals:
        terminalreporter.write_sep("-", "counted")
    for name, number in totals.items():
        terminalreporter.write_line(f"{number:>9,} {name}")
