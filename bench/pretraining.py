#!/usr/bin/env python3
"""Time the steps of `efficientad pretrain` beside the same step in PyTorch on this machine's CPU, interleaved.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install torch
    .venv/bin/python bench/pretraining.py

A step takes a batch of 16 photos with known targets: forward, mean squared error, backward, Adam with weight decay.
efficientad runs as users run it, on a filled cache: its time includes reading and unpacking the samples. PyTorch's
(eager, channels-last, which is its faster layout here) includes no loading at all. In each round both take some steps
in turn, so that whatever else the machine does falls on both alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
BACKBONE = ROOT / "crates/backbone/tests/fixtures/tiny_backbone.onnx"
PHOTOS = ROOT / "examples/data/train/good"
BATCH = 16


def network(size):
    if size == "small":
        return nn.Sequential(
            nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(256, 256, 3), nn.ReLU(), nn.Conv2d(256, 384, 4),
        )
    return nn.Sequential(
        nn.Conv2d(3, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
        nn.Conv2d(256, 512, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
        nn.Conv2d(512, 512, 1), nn.ReLU(), nn.Conv2d(512, 512, 3), nn.ReLU(),
        nn.Conv2d(512, 384, 4), nn.ReLU(), nn.Conv2d(384, 384, 1),
    )


class PyTorch:
    def __init__(self, size, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.network = network(size).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=6e-4, weight_decay=1e-5)
        self.images = torch.randn(BATCH, 3, 256, 256).to(memory_format=torch.channels_last)
        self.targets = torch.randn(BATCH, 384, 56, 56).to(memory_format=torch.channels_last)
        self.photos_per_second(1)  # allocates the optimiser's state

    def photos_per_second(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            loss = nn.functional.mse_loss(self.network(self.images), self.targets)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        return steps * BATCH / (time.perf_counter() - start)


class Ours:
    def __init__(self, binary, size, threads, folder):
        self.folder = Path(folder)
        self.command = [
            binary, "pretrain", "--backbone", BACKBONE, "--layers", "fine,coarse", "--preset", "none", "--photos", PHOTOS,
            "--cache", self.folder / "cache", "--size", size, "--threads", threads, "--batch", BATCH, "--optimizer", "adam",
            "--json",
        ]
        self.photos_per_second(1)  # fills the cache

    def photos_per_second(self, steps):
        out = self.folder / "teacher"
        command = [str(part) for part in (*self.command, "--out", out, "--steps", steps)]
        lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
        events = [json.loads(line) for line in lines.splitlines()]
        return [event["photos_per_second"] for event in events if event["event"] == "step"][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "medium"), default="small")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="of efficientad a round (default: 4)")
    parser.add_argument("--peer-steps", type=int, default=1, help="of PyTorch a round (default: 1)")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/efficientad")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(options.binary.resolve(), options.size, options.threads, folder)
        peer = PyTorch(options.size, options.threads)
        rates = {"efficientad": [], "PyTorch": []}
        for _ in range(options.rounds):
            rates["efficientad"].append(ours.photos_per_second(options.steps))
            rates["PyTorch"].append(peer.photos_per_second(options.peer_steps))
            print(", ".join(f"{side} {values[-1]:.2f} photos/s" for side, values in rates.items()), flush=True)
    medians = {side: statistics.median(values) for side, values in rates.items()}
    print(
        f"median of {options.rounds}, {options.size}, {options.threads} threads, PyTorch {torch.__version__}: "
        f"efficientad {medians['efficientad']:.2f}, PyTorch {medians['PyTorch']:.2f} photos/s: "
        f"{medians['efficientad'] / medians['PyTorch']:.2f}x"
    )


if __name__ == "__main__":
    main()
