"""What the tests of the native kernels share."""

import pytest
import torch

from isthmus import native
from isthmus.noise import Noise
from isthmus.training.trainer import Trainer

built = pytest.mark.skipif(native.library() is None, reason="the kernel was not built: no C compiler")


def fitted(engine, make, data, **settings):
    task, settings = make(), {"epochs": 1, "batch_size": 50, "validation": 0.0} | settings
    return task, Trainer(engine=engine, **settings).fit(task, data, Noise(0))


def close(one, other, by):
    for a, b in zip(one.trained(), other.trained(), strict=True):
        torch.testing.assert_close(a, b, rtol=by, atol=by)
