"""The floor: the matrix products (or convolutions) of a step alone, forward and backward, on the better backend."""

import time
from itertools import pairwise

import job


class Floor:
    """Every product of a step on buffers made before; the first layer has no gradient by its input."""

    def __init__(self, given, x):
        import torch

        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.torch, self.rows = job.peak(), given["work"], torch, len(x)
        self.bf16 = self.work["precision"] == "bf16"
        torch.set_default_device(self.work["device"])
        self.steps = self.convolutions() if self.work["net"] == "convolutional" else self.products(x.shape[1])
        self.recorded = self.work["device"] == "cuda"
        if self.recorded:
            self.steps = [self.graph()]
            self.note = f"products of the step alone, {'bf16' if self.bf16 else 'float32'}, in a CUDA graph"
            return
        self.backend = min(("ieee", "bf16"), key=self.seconds)
        name = {"ieee": "torch's default (MKL or OpenBLAS)", "bf16": "oneDNN"}[self.backend]
        self.note = f"products of the step alone, {'bf16' if self.bf16 else 'float32'}, {name}"

    def products(self, inputs):
        torch, work = self.torch, self.work
        up = [inputs, *work["hidden"], work["code"]]
        shapes, down = list(pairwise(up)), list(pairwise(up[::-1]))
        if work["net"] == "variational":
            shapes[-1] = (shapes[-1][0], 2 * work["code"])
        dtype = torch.bfloat16 if self.bf16 else torch.float32

        def random(*shape):
            return torch.randn(*shape, dtype=dtype)

        forward, backward = [], []
        for place, (a, b) in enumerate([*shapes, *down]):
            x, w, g = random(work["batch"], a), random(b, a), random(work["batch"], b)
            forward.append((x, w.t(), random(work["batch"], b)))
            backward.append((g.t(), x, random(b, a)))
            if place:
                backward.append((g, w, random(work["batch"], a)))
        return [lambda a=a, b=b, out=out: torch.mm(a, b, out=out) for a, b, out in [*forward, *backward]]

    def convolutions(self):
        torch, n = self.torch, self.work["batch"]
        shapes = [
            (1, 16, 28, 1),
            (16, 8, 14, 1),
            (8, 8, 7, 1),
            (8, 8, 4, 1),
            (8, 8, 8, 1),
            (8, 16, 16, 0),
            (16, 1, 28, 1),
        ]
        steps = []
        for place, (a, b, size, pad) in enumerate(shapes):
            x = torch.randn(n, a, size, size).to(memory_format=torch.channels_last)
            w = torch.randn(b, a, 3, 3).to(memory_format=torch.channels_last)
            if self.bf16:
                x, w = x.bfloat16(), w.bfloat16()
            g = torch.nn.functional.conv2d(x, w, padding=pad)
            steps.append(lambda x=x, w=w, pad=pad: torch.nn.functional.conv2d(x, w, padding=pad))
            rest = (None, (1, 1), (pad, pad), (1, 1), False, (0, 0), 1, (place > 0, True, False))
            steps.append(lambda g=g, x=x, w=w, rest=rest: torch.ops.aten.convolution_backward(g, x, w, *rest))
        return steps

    def graph(self):
        """Return a replay of all products as one CUDA graph."""
        graph = self.torch.cuda.CUDAGraph()
        for step in self.steps:
            step()
        with self.torch.cuda.graph(graph):
            for step in self.steps:
                step()
        return graph.replay

    def seconds(self, backend):
        """Return the median time of a step under a backend; asking for bf16 products is what leads torch to oneDNN."""
        matmul = self.torch.backends.mkldnn.matmul
        before, matmul.fp32_precision = matmul.fp32_precision, backend
        times = []
        try:
            for _ in range(30):
                start = time.perf_counter()
                for step in self.steps:
                    step()
                times.append(time.perf_counter() - start)
        finally:
            matmul.fp32_precision = before
        return sorted(times)[len(times) // 2]

    def fit(self, epochs):
        if self.recorded:
            for _ in range(epochs * self.rows // self.work["batch"]):
                self.steps[0]()
            self.torch.cuda.synchronize()
            return
        matmul = self.torch.backends.mkldnn.matmul
        before, matmul.fp32_precision = matmul.fp32_precision, self.backend
        try:
            for _ in range(epochs * self.rows // self.work["batch"]):
                for step in self.steps:
                    step()
        finally:
            matmul.fp32_precision = before


if __name__ == "__main__":
    job.main(Floor, ("torch", "numpy"))
