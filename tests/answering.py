"""Graphs beside the estimators that they were made of, for tests."""

import numpy as np
import onnxruntime

SIZES = (1, 7)


def opened(graph):
    """Return what answers for a graph's bytes: a function of its inputs, by name, to its outputs, by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(None, inputs), strict=True))


def agree(found, wanted):
    """Check that all outputs are those wanted, to 1e-5 of the scale of each."""
    assert list(found) == list(wanted)
    for name, want in wanted.items():
        want = np.asarray(want, dtype=float)
        scale = max(1.0, float(np.nanmax(np.abs(want))))
        np.testing.assert_allclose(found[name], want, rtol=0, atol=1e-5 * scale, err_msg=name)


def scored(model, X):
    """Return what an autoencoder of numbers or pictures answers itself."""
    return {
        "score": model.score_samples(X),
        "errors": model.feature_errors(X),
        "code": model.transform(X),
        "reconstruction": model.reconstruct(X).reshape(len(X), -1),
    }
