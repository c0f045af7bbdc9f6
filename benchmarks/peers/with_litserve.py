"""A model behind LitServe, as its documentation serves one: with_litserve.py MODEL PORT, in an environment of its own.

MODEL is an ONNX graph, or the folder of a saved model, which torch then answers.
"""

import sys

import litserve
import numpy as np


class Scores(litserve.LitAPI):
    """Rows in, scores out."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def setup(self, device):
        if self.path.endswith(".onnx"):
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
            self.ask = lambda rows: session.run(["score"], {"rows": rows})[0]
        else:
            import torch

            import isthmus

            torch.set_num_threads(1)
            self.ask = isthmus.load(self.path).score_samples

    def decode_request(self, request):
        return np.array(request["rows"], dtype=np.float64)

    def predict(self, rows):
        return self.ask(rows)

    def encode_response(self, scores):
        return {"scores": scores.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Scores(sys.argv[1]), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[2]), host="127.0.0.1", num_api_servers=1, generate_client_file=False)
