"""skorch's NeuralNet over the work's module."""

import job


class Skorch:
    """No held-out rows, nothing printed."""

    note = "NeuralNetRegressor, train_split=None, verbose=0"

    def __init__(self, given, x):
        import nets
        import torch
        from skorch import NeuralNetRegressor

        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.torch, self.nets = job.peak(), given["work"], torch, nets
        self.x, self.NeuralNetRegressor = x, NeuralNetRegressor

    def fit(self, epochs):
        torch, squared = self.torch, self.work["loss"] == "squared error"
        torch.manual_seed(0)
        self.model = self.NeuralNetRegressor(
            self.nets.net(self.work, self.x.shape[1]),
            criterion=torch.nn.MSELoss if squared else torch.nn.BCEWithLogitsLoss,
            optimizer=torch.optim.Adam,
            lr=1e-3,
            max_epochs=epochs,
            batch_size=self.work["batch"],
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).fit(self.x, self.x)

    def reconstruct(self, x):
        return self.nets.expected(self.work, self.model.module_, x)


if __name__ == "__main__":
    job.main(Skorch, ("skorch", "torch", "numpy"))
