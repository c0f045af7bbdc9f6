"""Graphs beside the estimators that they were made of, for tests."""

import io

import numpy as np
import onnxruntime
import torch

SIZES = (1, 7)


def opened(graph):
    """Return what answers for a graph's bytes: a function of its inputs, by name, to its outputs, by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(None, inputs), strict=True))


def opened_pt2(graph):
    """Return what answers for the bytes of a ``.pt2`` file, as :func:`opened` does."""
    module = torch.export.load(io.BytesIO(graph)).module()

    def answers(**inputs):
        found = module(**{name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in inputs.items()})
        return {name: values.numpy() for name, values in found.items()}

    return answers


class Both(dict):
    """What an ONNX graph answers, beside what ``.pt2`` does; both are of one trace, which is what takes time."""

    def __init__(self, onnx, pt2):
        super().__init__(onnx)
        self.pt2 = pt2


def both(model, graph=None):
    """Return what answers for a graph of a model in both formats."""
    traced = model._traced(graph)
    first, second = opened(model._written("onnx", traced)), opened_pt2(model._written("pt2", traced))
    return lambda **inputs: Both(first(**inputs), second(**inputs))


def agree(found, wanted, slack=None):
    """Check that all outputs are those wanted, to 1e-5 of the scale of each; cells of a table to its columns' slack."""
    if isinstance(found, Both):
        agree(found.pt2, wanted, slack)
    assert list(found) == list(wanted)
    for name, want in wanted.items():
        want = np.asarray(want, dtype=float)
        off = 1e-5 * max(1.0, float(np.nanmax(np.abs(want))))
        if slack is not None and name == "reconstruction":
            off = slack
        assert found[name].shape == want.shape, name
        assert (np.abs(found[name] - want) <= off).all(), (name, np.abs(found[name] - want).max(0), off)


def scored(model, X):
    """Return what an autoencoder of numbers or pictures answers itself."""
    return {
        "score": model.score_samples(X),
        "errors": model.feature_errors(X),
        "code": model.transform(X),
        "reconstruction": model.reconstruct(X).reshape(len(X), -1),
    }


def cells_scored(model, X):
    """Return what an autoencoder of a table answers itself, as graphs do: cells, and the chance of the levels shown."""
    codec, x = model.form_.table, model.form_.table.encode(X)
    errors, code, back, doubts, scores = model.answers.ask(x, "errors", "codes", "reconstructions", "doubts", "scores")
    first = [place.start for place in codec.slices]
    return {
        "score": model.form_.scores(x, scores),
        "errors": model.form_.errors(x, errors),
        "code": code,
        "reconstruction": codec.cells(model.form_.restore(back, X)),
        "chance": 1 - doubts[:, first],
    }


def slack(model, X):
    """Return by how much decoded cells may be off: 1e-5 of what a column spans, and a step where it has any."""
    steps = [column.get("step", float(column.get("whole", 0.0))) for column in model.describe_columns()]
    cells = model.cells(X)
    return 1e-5 * (np.nan_to_num(cells).max(0) - np.nan_to_num(cells).min(0) + 1) + np.array(steps)
