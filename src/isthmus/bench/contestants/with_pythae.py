"""Pythae's AE and VAE with encoders and decoders of the work's shape, trained by its BaseTrainer."""

import logging
import tempfile

import job


class Pythae:
    """Its AE has the squared error only; its VAE the cross-entropy of probabilities."""

    def __init__(self, given, x):
        import nets
        import torch
        from pythae.models import AE, VAE, AEConfig, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        logging.disable(logging.CRITICAL)
        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.torch = job.peak(), given["work"], torch
        self.Trainer, self.Config = BaseTrainer, BaseTrainerConfig
        self.x, work, inputs = torch.from_numpy(x), self.work, x.shape[1]
        variational, bernoulli = work["net"] == "variational", work["loss"] != "squared error"

        class Encoder(BaseEncoder):
            def __init__(self):
                super().__init__()
                self.net = nets.chain(nets.widths(work, inputs)[0], double=variational)

            def forward(self, x):
                found = self.net(x)
                if not variational:
                    return ModelOutput(embedding=found)
                mean, log = found.chunk(2, 1)
                return ModelOutput(embedding=mean, log_covariance=log)

        class Decoder(BaseDecoder):
            def __init__(self):
                super().__init__()
                self.net = nets.chain(nets.widths(work, inputs)[1])

            def forward(self, z):
                found = self.net(z)
                return ModelOutput(reconstruction=found.sigmoid() if bernoulli else found)

        def build():
            if variational:
                config = VAEConfig(input_dim=(inputs,), latent_dim=work["code"], reconstruction_loss="bce")
                return VAE(config, Encoder(), Decoder())
            return AE(AEConfig(input_dim=(inputs,), latent_dim=work["code"]), Encoder(), Decoder())

        self.build = build
        loss = "cross-entropy of probabilities" if variational else "squared error whatever the data"
        self.note = f"BaseTrainer, {loss}, keeps a copy of the best weights, saves the model at the end"

    def fit(self, epochs):
        self.torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            config = self.Config(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=1e-3,
                per_device_train_batch_size=self.work["batch"],
                keep_best_on_train=True,
                no_cuda=True,
            )
            data = _Rows(self.x)
            trainer = self.Trainer(self.build(), train_dataset=data, training_config=config)
            trainer.train()
            self.model = trainer.model.eval()

    def reconstruct(self, x):
        with self.torch.no_grad():
            code = self.model.encoder(self.torch.from_numpy(x)).embedding
            return self.model.decoder(code)["reconstruction"].numpy()


class _Rows:
    """Pythae's data set: a dictionary per row."""

    def __new__(cls, x):
        from pythae.data.datasets import BaseDataset

        return BaseDataset(x, x.new_zeros(len(x)))


if __name__ == "__main__":
    job.main(Pythae, ("pythae", "torch", "numpy"))
