"""isthmus as a user calls it: ``Autoencoder.fit`` and ``score_samples``, history and progress at their defaults."""

import job


class Isthmus:
    """One estimator per fit."""

    note = "Autoencoder.fit, validation=0, patience=0, Adam(1e-3), random_state=0, initial weights as torch's"

    def __init__(self, given, x):
        import torch

        from isthmus import Autoencoder, Trainer, fit_many, parts

        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.x = job.peak(), given["work"], x
        self.Autoencoder, self.Trainer, self.parts, self.fit_many = Autoencoder, Trainer, parts, fit_many
        self.option = given["option"]

    def estimator(self, epochs, seed=0):
        work, parts = self.work, self.parts
        trainer = self.Trainer(
            epochs=epochs,
            batch_size=work["batch"],
            validation=0,
            patience=0,
            optimiser=parts.Adam(1e-3),
            precision="bf16" if work["precision"] == "bf16" else "float32",
            engine="explicit" if self.option == "explicit" else "auto",
            device=work["device"],
        )
        net, code, penalties, shape = parts.Dense(tuple(work["hidden"]), init="torch"), parts.Undercomplete(), (), None
        if work["net"] == "convolutional":
            net, code, shape = parts.Conv((16, 8, 8), head="direct", init="torch"), parts.Rectified(), (1, 28, 28)
        if work["net"] == "variational":
            code, penalties = parts.Variational(), (parts.KL(),)
        return self.Autoencoder(
            work["code"],
            architecture=net,
            bottleneck=code,
            likelihood=parts.Normal() if work["loss"] == "squared error" else parts.Bernoulli(),
            penalties=penalties,
            trainer=trainer,
            shape=shape,
            scaling="none",
            random_state=seed,
        )

    def fit(self, epochs):
        models = [self.estimator(epochs, seed) for seed in range(self.work["models"])]
        if self.option == "together":
            self.fit_many(models, self.x)
        else:
            for model in models:
                model.fit(self.x)
        self.model = models[0]
        self.note = f"{Isthmus.note}; engine: {self.model.engine_}"

    def reconstruct(self, x):
        return self.model.reconstruct(x)

    def score(self, x):
        return self.model.score_samples(x)


if __name__ == "__main__":
    job.main(Isthmus, ("isthmus", "torch", "numpy", "scikit-learn"))
