"""Keras 3 on the backend that the option names; ``compile`` and ``fit`` as they are."""

import os

import job
import numpy as np


class Keras:
    """One model, compiled and warmed once; a fit begins from its first weights and empty moments."""

    def __init__(self, given, x):
        os.environ["KERAS_BACKEND"] = given["option"]
        if given["option"] == "torch":
            import torch

            torch.set_num_threads(given["threads"])
        import keras

        self.imported, self.work, self.x, self.keras = job.peak(), given["work"], x, keras
        keras.utils.set_random_seed(0)
        if self.work["precision"] == "bf16":
            keras.mixed_precision.set_global_policy("mixed_bfloat16")
        self.model = self.convolutional() if self.work["net"] == "convolutional" else self.dense(x.shape[1])
        squared = self.work["loss"] == "squared error"
        cost = keras.losses.MeanSquaredError() if squared else keras.losses.BinaryCrossentropy(from_logits=True)
        self.model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=cost)
        self.rows = x.reshape(-1, 28, 28, 1) if self.work["net"] == "convolutional" else x
        self.first = self.model.get_weights()
        self.note = f"fit with verbose=0, jit_compile={self.model.jit_compile}"

    def dense(self, inputs):
        layers, hidden = self.keras.layers, self.work["hidden"]
        relu = [[layers.Dense(n, activation="relu") for n in part] for part in (hidden, hidden[::-1])]
        # The last layer in float32, as Keras asks for under mixed precision.
        ends = layers.Dense(self.work["code"]), layers.Dense(inputs, dtype="float32")
        return self.keras.Sequential([self.keras.Input((inputs,)), *relu[0], ends[0], *relu[1], ends[1]])

    def convolutional(self):
        layers = self.keras.layers

        def convolution(n, padding="same"):
            return layers.Conv2D(n, 3, padding=padding, activation="relu")

        down = [layer for n in (16, 8, 8) for layer in (convolution(n), layers.MaxPooling2D(2, padding="same"))]
        up = [layer for n in (8, 8) for layer in (convolution(n), layers.UpSampling2D(2))]
        last = [convolution(16, "valid"), layers.UpSampling2D(2), layers.Conv2D(1, 3, padding="same", dtype="float32")]
        return self.keras.Sequential([self.keras.Input((28, 28, 1)), *down, *up, *last])

    def fit(self, epochs):
        self.model.set_weights(self.first)
        for value in self.model.optimizer.variables:
            if "learning_rate" not in value.path:
                value.assign(np.zeros(value.shape, value.dtype))
        self.model.fit(self.rows, self.rows, batch_size=self.work["batch"], epochs=epochs, verbose=0)

    def reconstruct(self, x):
        x = x.reshape(-1, 28, 28, 1) if self.work["net"] == "convolutional" else x
        output = self.model.predict(x, verbose=0)
        return output if self.work["loss"] == "squared error" else 1 / (1 + np.exp(-output))


if __name__ == "__main__":
    job.main(Keras, ("keras", "numpy"))
