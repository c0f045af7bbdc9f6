"""ONNX Runtime on a graph of the work's shape that answers with the loss of each row; nothing is trained."""

from itertools import pairwise

import job
import numpy as np


class Onnx:
    """Random weights: how long a product takes does not depend on them."""

    note = "random weights, the row's loss is part of the graph, float64 rows are cast by the caller"

    def __init__(self, given, x):
        import onnxruntime
        from onnx import TensorProto, checker, helper, numpy_helper

        self.imported, work, rng = job.peak(), given["work"], np.random.default_rng(0)
        up = [x.shape[1], *work["hidden"], work["code"]]
        nodes, constants, h = [], [], "x"

        def add(kind, *inputs, out, **attributes):
            nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
            return out

        def constant(name, value):
            constants.append(numpy_helper.from_array(np.asarray(value), name))
            return name

        for place, (a, b) in enumerate([*pairwise(up), *pairwise(up[::-1])]):
            w = constant(f"w{place}", rng.normal(0, a**-0.5, (a, b)).astype(np.float32))
            h = add("Gemm", h, w, constant(f"b{place}", np.zeros(b, np.float32)), out=f"h{place}")
            if place not in (len(up) - 2, 2 * len(up) - 3):
                h = add("Relu", h, out=f"r{place}")
        if work["loss"] == "squared error":
            difference = add("Sub", h, "x", out="difference")
            loss = add("Mul", difference, difference, out="loss")
        else:
            loss = add("Sub", add("Softplus", h, out="s"), add("Mul", "x", h, out="xh"), out="loss")
        add("ReduceSum", loss, constant("axis", np.array([1], np.int64)), out="score", keepdims=0)
        rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", x.shape[1]])
        score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows"])
        graph = helper.make_graph(nodes, "autoencoder", [rows], [score], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = given["threads"]
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        self.x, self.chunk = x, 8192 if x.shape[1] < 100 else 1024

    def fit(self, epochs):
        self.score(self.x[:1024])

    def score(self, x):
        chunks = range(0, len(x), self.chunk)
        run = self.session.run
        return np.concatenate([run(None, {"x": x[i : i + self.chunk].astype("f4", copy=False)})[0] for i in chunks])


if __name__ == "__main__":
    job.main(Onnx, ("onnxruntime", "numpy"))
