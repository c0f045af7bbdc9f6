"""PyOD's AutoEncoder: its fit scores the rows afterwards, as every detector of PyOD does."""

import job


class PyOD:
    """No batch normalisation, dropout or weight decay, rows as they are."""

    note = "squared error whatever the data, fit scores all rows at its end, the incomplete last batch is dropped"

    def __init__(self, given, x):
        import torch
        from pyod.models.auto_encoder import AutoEncoder

        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.x, self.torch, self.AutoEncoder = (
            job.peak(),
            given["work"],
            x,
            torch,
            AutoEncoder,
        )

    def fit(self, epochs):
        for _ in range(self.work["models"]):
            self.model = self.AutoEncoder(
                preprocessing=False,
                lr=1e-3,
                epoch_num=epochs,
                batch_size=self.work["batch"],
                device=self.torch.device("cpu"),
                random_state=0,
                verbose=0,
                optimizer_params={},
                hidden_neuron_list=[*self.work["hidden"], self.work["code"]],
                batch_norm=False,
                dropout_rate=0.0,
            ).fit(self.x)

    def reconstruct(self, x):
        with self.torch.no_grad():
            return self.model.model(self.torch.from_numpy(x)).numpy()

    def score(self, x):
        return self.model.decision_function(x)


if __name__ == "__main__":
    job.main(PyOD, ("pyod", "torch", "numpy"))
