"""PyTorch as a tutorial has it (a DataLoader, eager steps, ``loss.item()``), and as an expert would write it."""

import job
import numpy as np


class Naive:
    """A DataLoader over a TensorDataset, Adam, the loss read in every step."""

    note = "DataLoader, loss.item() in every step"

    def __init__(self, given, x):
        import nets
        import torch

        torch.set_num_threads(given["threads"])
        self.imported, self.work, self.torch, self.nets = job.peak(), given["work"], torch, nets
        self.x, self.bf16 = torch.from_numpy(x), given["work"]["precision"] == "bf16"
        self.device = torch.device(self.work["device"])

    def fit(self, epochs):
        torch = self.torch
        torch.manual_seed(0)
        self.model = self.nets.net(self.work, self.x.shape[1]).to(self.device)
        data = torch.utils.data.TensorDataset(self.x)
        loader = torch.utils.data.DataLoader(data, batch_size=self.work["batch"], shuffle=True)
        adam = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        for _ in range(epochs):
            total = 0.0
            for (batch,) in loader:
                batch = batch.to(self.device)
                adam.zero_grad()
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    loss = self.nets.step_loss(self.work, self.model, batch)
                loss.backward()
                adam.step()
                total += loss.item()

    def reconstruct(self, x):
        return self.nets.expected(self.work, self.model, x)

    def score(self, x):
        torch = self.torch
        data = torch.utils.data.TensorDataset(torch.from_numpy(x).float())
        found = []
        with torch.no_grad():
            for (batch,) in torch.utils.data.DataLoader(data, batch_size=256):
                found.append(self.errors(batch))
        return torch.cat(found).numpy()

    def errors(self, batch):
        output = self.model(batch)
        if self.work["loss"] == "squared error":
            return (output - batch).square().sum(1)
        return self.torch.nn.functional.binary_cross_entropy_with_logits(output, batch, reduction="none").sum(1)


class Tuned(Naive):
    """Resident rows, one shuffle by index, fused Adam, channels last, no loss read before the end of an epoch."""

    note = "resident rows, index_select, fused Adam, one loss read per epoch; channels_last for convolutions"

    def fit(self, epochs):
        torch, size = self.torch, self.work["batch"]
        torch.manual_seed(0)
        self.model = self.nets.net(self.work, self.x.shape[1]).to(self.device)
        if self.work["net"] == "convolutional":
            self.model.to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        x = self.x.to(self.device)
        shuffled = torch.empty_like(x)
        for _ in range(epochs):
            torch.index_select(x, 0, torch.randperm(len(x), device=self.device), out=shuffled)
            total = torch.zeros((), device=self.device)
            for batch in shuffled.split(size):
                adam.zero_grad(set_to_none=True)
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    loss = self.nets.step_loss(self.work, self.model, batch)
                loss.backward()
                adam.step()
                total += loss.detach()
            total.item()

    def score(self, x):
        chunk = 8192 if x.shape[1] < 100 else 1024
        with self.torch.no_grad():
            found = [self.errors(self.torch.from_numpy(x[i : i + chunk]).float()) for i in range(0, len(x), chunk)]
        return np.concatenate([part.numpy() for part in found])


class Recorded(Naive):
    """The whole step in a CUDA graph, as torch's own pages show it."""

    note = "resident rows; gather, loss, gradient and capturable fused Adam in one CUDA graph"

    def fit(self, epochs):
        torch, size = self.torch, self.work["batch"]
        torch.manual_seed(0)
        self.model = self.nets.net(self.work, self.x.shape[1]).to(self.device)
        adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True, capturable=True)
        x, total = self.x.to(self.device), torch.zeros((), device=self.device)
        index = torch.arange(size, device=self.device)

        def step(batch):
            adam.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                loss = self.nets.step_loss(self.work, self.model, batch)
            loss.backward()
            adam.step()
            total.add_(loss.detach())

        aside, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step(x[index])
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph):
            step(x[index])
        for _ in range(epochs):
            for picked in torch.randperm(len(x), device=self.device).split(size):
                if len(picked) == size:
                    index.copy_(picked)
                    graph.replay()
                else:
                    step(x[picked])
            total.item()


def make(given, x):
    return {"naive": Naive, "tuned": Tuned, "recorded": Recorded}[given["option"]](given, x)


if __name__ == "__main__":
    job.main(make, ("torch", "numpy"))
