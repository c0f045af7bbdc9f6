"""Kernels as they run on other processors."""

from functools import cache

import pytest

from isthmus import native
from isthmus.native.build import build


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """Return what makes a library whose sums lie in registers of so many floats; on this processor it may be slow."""
    folder = tmp_path_factory.mktemp("kernels")
    return cache(lambda held: build(folder / f"{held}.so", f"cc -DHELD={held}"))


@pytest.fixture(params=[4, 8, 16], ids="registers of {} floats".format)
def registers(request, libraries, monkeypatch):
    """Run the kernels as processors with such registers do."""
    if not (made := libraries(request.param)):
        pytest.skip("no C compiler")
    monkeypatch.setattr(native, "LIBRARY", made)
    native.library.cache_clear()
    yield
    native.library.cache_clear()
