"""Lightning's Trainer over a LightningModule, without logger, checkpoints and progress bar."""

import logging
import warnings

import job


class Lightning:
    """A fresh Trainer per fit, as its users write it."""

    note = "Trainer without logger, checkpoints, progress bar and summary"

    def __init__(self, given, x):
        import lightning
        import nets
        import torch

        warnings.simplefilter("ignore")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.torch, self.lightning = job.peak(), given["work"], torch, lightning
        self.x, self.nets, work = torch.from_numpy(x), nets, self.work

        class Module(lightning.LightningModule):
            def __init__(self, inputs):
                super().__init__()
                self.net = nets.net(work, inputs)

            def training_step(self, batch, _):
                return nets.step_loss(work, self.net, batch[0])

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters(), lr=1e-3)

        self.Module = Module

    def fit(self, epochs):
        torch = self.torch
        torch.manual_seed(0)
        data = torch.utils.data.TensorDataset(self.x)
        loader = torch.utils.data.DataLoader(data, batch_size=self.work["batch"], shuffle=True)
        self.model = self.Module(self.x.shape[1])
        trainer = self.lightning.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if self.work["device"] == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if self.work["precision"] == "bf16" else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(self.model, loader)

    def reconstruct(self, x):
        return self.nets.expected(self.work, self.model.net, x)


if __name__ == "__main__":
    job.main(Lightning, ("lightning", "torch", "numpy"))
