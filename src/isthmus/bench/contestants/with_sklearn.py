"""scikit-learn's MLPRegressor, taught to answer with its input."""

import job
import numpy as np


class Perceptron:
    """The same widths; every layer but the last has ReLU, the code's too, and the loss is the squared error."""

    note = "squared error whatever the data, ReLU on the code too, Adam of numpy"

    def __init__(self, given, x):
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        warnings.simplefilter("ignore", ConvergenceWarning)
        self.imported, self.work, self.x, self.MLPRegressor = job.peak(), given["work"], x, MLPRegressor

    def fit(self, epochs):
        hidden = self.work["hidden"]
        self.model = self.MLPRegressor(
            hidden_layer_sizes=(*hidden, self.work["code"], *hidden[::-1]),
            alpha=0.0,
            batch_size=self.work["batch"],
            max_iter=epochs,
            tol=0.0,
            n_iter_no_change=10**6,
            random_state=0,
        ).fit(self.x, self.x)

    def reconstruct(self, x):
        return self.model.predict(x)

    def score(self, x):
        return np.square(self.model.predict(x) - x).sum(1)


if __name__ == "__main__":
    job.main(Perceptron, ("scikit-learn", "numpy"))
