"""Kernels as they run on other processors."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from isthmus import native
from isthmus.native.build import build


@cache
def made_for(held):
    """Return a library whose sums lie in registers of so many floats; on this processor it may be slow."""
    return build(Path(mkdtemp()) / "kernel.so", f"cc -DHELD={held}")


@pytest.fixture(params=[4, 8, 16], ids="registers of {} floats".format)
def registers(request, monkeypatch):
    """Run the kernels as processors with such registers do."""
    if not (made := made_for(request.param)):
        pytest.skip("no C compiler")
    monkeypatch.setattr(native, "LIBRARY", made)
    native.library.cache_clear()
    yield
    native.library.cache_clear()
