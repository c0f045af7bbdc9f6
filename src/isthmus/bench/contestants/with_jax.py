"""JAX without a library of layers: resident rows and one jitted step."""

from itertools import pairwise

import job
import numpy as np


class Raw:
    """The step (gather, forward, gradient, Adam) is one compiled function whose buffers are donated."""

    note = "one jitted step with donated buffers, resident rows"

    def __init__(self, given, x):
        import jax
        import jax.numpy as jnp

        self.imported, self.work, self.jax, self.jnp = job.peak(), given["work"], jax, jnp
        found = jax.devices()[0].platform
        if found != {"cpu": "cpu", "cuda": "gpu"}[self.work["device"]]:
            raise SystemExit(f"not available: JAX computes on {found}")
        self.x, self.step = jax.device_put(x), jax.jit(self.descend, donate_argnums=0)
        self.steps, self.whole = jax.jit(self.several, donate_argnums=0), given["option"] == "scan"
        if self.whole:
            self.note = "an epoch of steps in one compiled call (scan) with donated buffers, resident rows"

    def initial(self):
        work, rng = self.work, np.random.default_rng(0)
        up = [self.x.shape[1], *work["hidden"], work["code"]]
        pairs = [*pairwise(up), *pairwise(up[::-1])]
        if work["net"] == "variational":
            pairs[len(up) - 2] = (up[-2], 2 * up[-1])
        bounds = [1 / np.sqrt(a) for a, _ in pairs]
        drawn = [(rng.uniform(-k, k, (a, b)), rng.uniform(-k, k, b)) for (a, b), k in zip(pairs, bounds, strict=True)]
        weights = [(self.jnp.asarray(w, "float32"), self.jnp.asarray(b, "float32")) for w, b in drawn]
        zeros = self.jax.tree.map(self.jnp.zeros_like, weights)
        return weights, zeros, self.jax.tree.map(self.jnp.zeros_like, weights), self.jnp.zeros((), "float32")

    def product(self, h, w):
        if self.work["precision"] == "bf16":
            return self.jnp.dot(h.astype("bfloat16"), w.astype("bfloat16"), preferred_element_type="float32")
        return h @ w

    def walk(self, weights, h):
        for place, (w, b) in enumerate(weights):
            h = self.product(h, w) + b
            if place < len(weights) - 1:
                h = self.jax.nn.relu(h)
        return h

    def output(self, weights, x, key=None):
        half = len(weights) // 2
        code, extra = self.walk(weights[:half], x), 0.0
        if self.work["net"] == "variational":
            mean, log = self.jnp.split(code, 2, axis=1)
            code = mean
            if key is not None:
                code = mean + self.jnp.exp(0.5 * log) * self.jax.random.normal(key, mean.shape)
                extra = -0.5 * (1 + log - mean**2 - self.jnp.exp(log)).sum() / len(x)
        return self.walk(weights[half:], code), extra

    def loss(self, weights, x, key):
        out, extra = self.output(weights, x, key)
        if self.work["loss"] == "squared error":
            return ((out - x) ** 2).sum() / len(x) + extra
        return (self.jax.nn.softplus(out) - x * out).sum() / len(x) + extra

    def descend(self, state, x, picked, key):
        weights, m, v, count = state
        g = self.jax.grad(self.loss)(weights, x[picked], self.jax.random.fold_in(key, count.astype("int32")))
        count, tree = count + 1, self.jax.tree.map
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        a, b = 1 - 0.9**count, 1 - 0.999**count
        weights = tree(lambda w, m, v: w - 1e-3 * (m / a) / (self.jnp.sqrt(v / b) + 1e-8), weights, m, v)
        return weights, m, v, count

    def several(self, state, x, picked, key):
        return self.jax.lax.scan(lambda now, some: (self.descend(now, x, some, key), None), state, picked)[0]

    def fit(self, epochs):
        state, rng, size = self.initial(), np.random.default_rng(0), self.work["batch"]
        key = self.jax.random.key(0)
        for _ in range(epochs):
            order = rng.permutation(len(self.x)).astype(np.int32)
            begun = len(order) // size * size if self.whole else 0
            if self.whole:
                state = self.steps(state, self.x, order[:begun].reshape(-1, size), key)
            for i in range(begun, len(order), size):
                state = self.step(state, self.x, order[i : i + size], key)
        self.weights = self.jax.block_until_ready(state[0])

    def reconstruct(self, x):
        out = self.output(self.weights, x)[0]
        return np.asarray(out if self.work["loss"] == "squared error" else self.jax.nn.sigmoid(out))


if __name__ == "__main__":
    job.main(Raw, ("jax", "numpy"))
