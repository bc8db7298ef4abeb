"""Times an inspection and a training step of EfficientAD in PyTorch on an NVIDIA GPU, each in the strongest form that runs.

    python3 bench/gpu_pytorch.py OUT.json [--rounds 50]

Inspection: the three networks and the two difference maps, compiled, channels-last, in float32, TF32 and float16, one image
and 32 at once. Training step: the batched form of `peers_training.py`, compiled, channels-last, in float32 and TF32, and
with float16 by autocast. Weights are random: times don't depend on them. What doesn't run is named with its reason.
"""

import argparse
import json
import statistics
import sys

import torch
from torch import nn

from networks import FEATURES, SIZE, autoencoder, patch_description_network
from peers_training import strong_losses

WARM_UP = 10


class Inspection(nn.Module):
    """From images to the two difference maps."""

    def __init__(self, size):
        super().__init__()
        self.teacher = patch_description_network(size, FEATURES)
        self.student = patch_description_network(size, 2 * FEATURES)
        self.autoencoder = autoencoder()

    def forward(self, images):
        teacher, student, rebuilt = self.teacher(images), self.student(images), self.autoencoder(images)
        of_teacher = (teacher - student[:, :FEATURES]).float().pow(2).mean(1)
        of_autoencoder = (rebuilt - student[:, FEATURES:]).float().pow(2).mean(1)
        return torch.stack([of_teacher, of_autoencoder])


def median_ms(action, rounds):
    """By the GPU's own clock."""
    for _ in range(WARM_UP):
        action()
    times = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        action()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def allow_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@torch.no_grad()
def inspection(size, precision, images, rounds):
    allow_tf32(precision == "tf32")
    kind = torch.float16 if precision == "f16" else torch.float32
    network = Inspection(size).eval().to("cuda", kind, memory_format=torch.channels_last)
    network = torch.compile(network, dynamic=False, fullgraph=True, mode="max-autotune")
    batch = torch.randn(images, 3, SIZE, SIZE, device="cuda", dtype=kind).to(memory_format=torch.channels_last)
    return median_ms(lambda: network(batch), rounds)


def training_step(size, precision, rounds):
    allow_tf32(precision == "tf32")
    networks = Inspection(size).to("cuda", memory_format=torch.channels_last)
    networks.teacher.requires_grad_(False)
    trained = [*networks.student.parameters(), *networks.autoencoder.parameters()]
    optimiser = torch.optim.Adam(trained, lr=1e-4, weight_decay=1e-5, fused=True)
    scaler = torch.amp.GradScaler("cuda", enabled=precision == "f16")
    batch = torch.randn(3, 3, SIZE, SIZE, device="cuda").to(memory_format=torch.channels_last)
    with torch.no_grad():
        features = networks.teacher(batch[:1]).half()
    losses = torch.compile(strong_losses, dynamic=False)

    def step():
        optimiser.zero_grad()
        with torch.autocast("cuda", enabled=precision == "f16"):
            loss = losses(networks, batch, features).sum()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return median_ms(step, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no NVIDIA GPU")
    results = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "ms": {}, "left_out": {}}
    works = {
        f"inspection {size} {precision} batch {images}": (inspection, size, precision, images)
        for size in ("small", "medium") for precision in ("f32", "tf32", "f16") for images in (1, 32)
    } | {
        f"training step {size} {precision}": (training_step, size, precision)
        for size in ("small", "medium") for precision in ("f32", "tf32", "f16")
    }
    for name, (work, *given) in works.items():
        try:
            results["ms"][name] = work(*given, arguments.rounds)
        except Exception as error:  # a form that this version or this GPU does not have
            results["left_out"][name] = str(error).strip().splitlines()[0]
        print(name, results["ms"].get(name, results["left_out"].get(name)), flush=True)
        # After each, as time may run out.
        with open(arguments.out, "w") as out:
            json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
