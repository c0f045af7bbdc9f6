"""One epoch of reading and training on a folder of Parquet files, by a library, as its pages show it.

Run as a script by a Python that has the library, with a job in JSON; the last line that it prints is what it found.
What a library has to convert beforehand stays in the folder for the next round.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import torch

BUFFER = 10_000
# Seconds after which the rate so far is taken.
LONG = 120
# Into as many shards other forms are converted, as there are files of Parquet or more.
SHARDS = 10


def net(job):
    """Return the net that all train, and its optimiser."""
    torch.manual_seed(0)
    sizes = [job["width"], job["hidden"], job["units"], job["hidden"], job["width"]]
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], layers[2], torch.nn.ReLU(), layers[3])
    return model, torch.optim.Adam(model.parameters())


def trained(job, batches):
    """Train on batches, (rows, width), for an epoch or two minutes; return how many rows these were, and seconds."""
    model, optimiser = net(job)
    rows, began = 0, time.perf_counter()
    for x in batches:
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(x), x).backward()
        optimiser.step()
        rows += len(x)
        if time.perf_counter() - began > LONG:
            break
    return rows, time.perf_counter() - began


def sources(job):
    """Return the Parquet files."""
    return sorted(map(str, Path(job["folder"]).glob("part-*.parquet")))


def arrays(job):
    """Give the rows in order, some at a time, to be converted."""
    import numpy as np
    import pyarrow.parquet as pq

    for path in sources(job):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=50_000):
            yield np.stack([column.to_numpy() for column in batch.columns], axis=1)


def count(job):
    """Return how many rows there are."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in sources(job))


def fit(job):
    """Fit as a user of isthmus does."""
    from isthmus import Autoencoder, Trainer
    from isthmus.data import stream
    from isthmus.parts import Dense

    began = time.perf_counter()
    rows = stream(job["folder"], window_bytes=job["window"])
    trainer = Trainer(epochs=1, batch_size=job["batch"], validation=0.0)
    model = Autoencoder(job["units"], architecture=Dense((job["hidden"],)), trainer=trainer, random_state=0).fit(rows)
    took = time.perf_counter() - began
    seconds = len(rows) / model.history_[-1]["rows_per_second"]
    return len(rows), seconds, took - seconds


def stream(job):
    """Read as isthmus does, and train by the loop of all others."""
    from isthmus.data import stream
    from isthmus.data.shuffle import Shuffled
    from isthmus.noise import Noise

    began = time.perf_counter()
    rows = stream(job["folder"], window_bytes=job["window"])
    feed = Shuffled(rows, lambda x, dtype: x.astype(dtype, copy=False), rows.shape)
    before = time.perf_counter() - began
    batches = (batch.x for batch in feed.batches(Noise(0).at(1), -(-len(rows) // job["batch"])))
    return *trained(job, batches), before


def datasets(job, *, whole=False):
    """Hugging Face's streaming of Parquet: through torch's loader row by row, or batch by batch (``whole``)."""
    from datasets import load_dataset

    began = time.perf_counter()
    rows = load_dataset("parquet", data_files=sources(job), split="train", streaming=True)
    names = rows.column_names or [f"x{i}" for i in range(job["width"])]
    rows = rows.shuffle(seed=0, buffer_size=BUFFER)
    before = time.perf_counter() - began
    if whole:
        loader = rows.with_format("torch").iter(batch_size=job["batch"])
    else:  # the loader makes tensors of plain numbers four times faster than rows are given out as tensors
        loader = torch.utils.data.DataLoader(rows, batch_size=job["batch"], num_workers=job["workers"])
    return *trained(job, (torch.stack([batch[name] for name in names], 1).float() for batch in loader)), before


def batches(job):
    """Hugging Face's streaming, batch by batch."""
    return datasets(job, whole=True)


def webdataset(job):
    """Tar files of a row a sample, behind webdataset's own loader."""
    import numpy as np
    import webdataset as wds

    began, folder = time.perf_counter(), Path(job["folder"]) / "webdataset"
    if not folder.exists():
        folder.mkdir()
        with wds.ShardWriter(str(folder / "%04d.tar"), maxcount=-(-count(job) // SHARDS), verbose=0) as writer:
            numbered = (row for rows in arrays(job) for row in rows)
            for i, row in enumerate(numbered):
                writer.write({"__key__": f"{i:09}", "x.npy": np.ascontiguousarray(row)})
    before = time.perf_counter() - began
    shards = sorted(map(str, folder.iterdir()))
    rows = wds.WebDataset(shards, shardshuffle=100, seed=0).shuffle(BUFFER).decode().to_tuple("x.npy")
    rows = rows.batched(job["batch"], partial=True)
    loader = wds.WebLoader(rows, batch_size=None, num_workers=job["workers"])
    return *trained(job, (torch.as_tensor(x) for (x,) in loader)), before


def row_of(row):
    """Return a row for litdata's writer."""
    return row


def litdata(job):
    """Chunks that ``optimize`` wrote, behind litdata's own loader."""
    import litdata as ld

    began, folder = time.perf_counter(), Path(job["folder"]) / "litdata"
    if not folder.exists():
        rows = [torch.from_numpy(row) for some in arrays(job) for row in some]
        ld.optimize(fn=row_of, inputs=rows, output_dir=str(folder), chunk_bytes="64MB", num_workers=1)
    before = time.perf_counter() - began
    rows = ld.StreamingDataset(str(folder), shuffle=True, seed=0)
    loader = ld.StreamingDataLoader(rows, batch_size=job["batch"], num_workers=job["workers"])
    return *trained(job, loader), before


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = json.loads(sys.argv[1])
    rows, seconds, before = globals()[asked["kind"]](asked)
    print(json.dumps({"rows": rows, "rate": rows / seconds, "before": before}))
