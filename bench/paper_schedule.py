#!/usr/bin/env python3
"""Trains as the paper says, in PyTorch on a GPU: what this program's shorter recipes have to reach.

    python3 bench/paper_schedule.py ../shared/data/inspection/{cookies,toothbrush} \\
        --photos ../shared/data/natural/imagenet_sample --out paper
    efficientad import paper/cookies-0/*.safetensors --good ../shared/data/inspection/cookies --out cookies.model
    efficientad eval cookies.model ../shared/data/inspection/cookies

Of size S: 70,000 steps of one image each, random weights to begin with, Adam at 0.0001 and a tenth of that in the last
twentieth. The teacher is this program's, and so are the images that are held back: `import` splits alike,
and takes teacher statistics, scale and threshold as for its own models. Brightness, contrast or saturation are changed
after the resize, not before. Convolutions are in TF32, PyTorch's default on a GPU.

All sets and seeds are trained at once, each as a CUDA graph on a stream of its own, as one image at a time does not fill
a large GPU. An image takes 5 MB of its memory for the teacher's features. OUT gets a folder for each, with the three
networks as nelson1425/EfficientAD names their layers. Without a GPU it is good for a try with few --steps. Needs
torch, safetensors, numpy and pillow.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import conv2d

from networks import FEATURES, SIZE, autoencoder, patch_description_network, teacher_of

TEACHER = Path(__file__).resolve().parent.parent / "crates/efficientad/assets/teacher_small.safetensors"
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
# Of red, green and blue, on the device already, as a graph may not copy anything there.
MEAN, DEVIATION, LUMA = torch.tensor(
    [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225], [0.299, 0.587, 0.114]], device=DEVICE
).view(3, 3, 1, 1)
# PyTorch asks for a few steps on the graph's stream before it is captured.
UNCAPTURED_STEPS = 3


# --- Images -------------------------------------------------------------------------------------------------------


def files_below(folder):
    files = (file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    return sorted(files, key=lambda file: str(file).encode())


def held_back(count, seed=0):
    """Of that many images, those that the program holds back: a Fisher-Yates shuffle by SplitMix64."""
    mask = 2**64 - 1
    order = list(range(count))
    tenth, fifth = (count + 5) // 10, (count + 2) // 5
    wanted = max(min(max((tenth + 11) // 20, 1) * 20 - 1, fifth), 1)
    for place in range(wanted):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        mixed = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & mask
        other = place + ((mixed ^ mixed >> 31) * (count - place) >> 64)
        order[place], order[other] = order[other], order[place]
    return set(order[:wanted])


def load(file, side):
    """The middle 256x256 of an image resized to side x side: 3x256x256, u8."""
    image = Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    margin = (side - SIZE) // 2
    pixels = np.asarray(image)[margin : margin + SIZE, margin : margin + SIZE]
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def load_all(files, side=SIZE):
    return torch.stack([load(file, side) for file in files]).to(DEVICE)


def normalise(image):
    return ((image - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)


def grey(image):
    return (image * LUMA).sum(1, keepdim=True)


def changed(image):
    """One of brightness, contrast and saturation, by a factor from 0.8 to 1.2."""
    kind = torch.randint(3, (), device=DEVICE)
    factor = 0.8 + 0.4 * torch.rand((), device=DEVICE)
    black = torch.zeros_like(image)
    mean = grey(image).mean().expand_as(image)
    base = torch.where(kind == 0, black, torch.where(kind == 1, mean, grey(image).expand_as(image)))
    return (base + factor * (image - base)).clamp(0, 1)


def sometimes_grey(photo):
    return torch.where(torch.rand((), device=DEVICE) < 0.3, grey(photo).expand_as(photo), photo)


def epochs(count, steps, generator):
    """Every image once, in random order, before one comes again."""
    rounds = [torch.randperm(count, generator=generator) for _ in range(math.ceil(steps / count))]
    return torch.cat(rounds)[:steps].to(DEVICE)


@torch.no_grad()
def describe(teacher, images):
    """The teacher's features of all images, normalised, and the mean and standard deviation by channel."""
    features = torch.cat([teacher(normalise(image[None] / 255)) for image in images])
    mean = features.mean((0, 2, 3), keepdim=True)
    deviation = (features - mean).pow(2).mean((0, 2, 3), keepdim=True).sqrt()
    return (features - mean) / deviation, mean, deviation


# --- Training -----------------------------------------------------------------------------------------------------


class Training:
    """One training; `step` is captured in a graph, so that all it needs to know of where it is lies on the device."""

    def __init__(self, images, photos, teacher, steps, seed):
        torch.manual_seed(seed)
        order = torch.Generator().manual_seed(seed)
        self.steps = steps
        self.images, self.photos, self.teacher = images, photos, teacher
        self.features, self.mean, self.deviation = describe(teacher, images)
        self.image_order = epochs(len(images), steps, order)
        self.photo_order = epochs(len(photos), steps, order)
        self.number = torch.zeros(1, dtype=torch.int64, device=DEVICE)
        self.student = patch_description_network("small", 2 * FEATURES).to(DEVICE, memory_format=torch.channels_last)
        self.autoencoder = autoencoder().to(DEVICE, memory_format=torch.channels_last)
        self.rate = torch.tensor(1e-4, device=DEVICE)
        parameters = [*self.student.parameters(), *self.autoencoder.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=self.rate, weight_decay=1e-5, fused=True, capturable=CUDA)
        self.losses = None
        self.stream = torch.cuda.Stream() if CUDA else None
        self.graph = None

    def step(self):
        at = self.image_order[self.number]
        image = self.images[at] / 255
        features = self.features[at]
        photo = self.photos[self.photo_order[self.number]] / 255
        jittered = normalise(changed(image))
        inputs = torch.cat([normalise(image), normalise(sometimes_grey(photo)), jittered])

        trunk = self.student[:-1](inputs)
        last = self.student[-1]
        of_teacher = conv2d(trunk[:2], last.weight[:FEATURES], last.bias[:FEATURES])
        of_autoencoder = conv2d(trunk[2:], last.weight[FEATURES:], last.bias[FEATURES:])
        rebuilt = self.autoencoder(jittered)
        with torch.no_grad():
            target = (self.teacher(jittered) - self.mean) / self.deviation

        squared = (features - of_teacher[:1]).pow(2).flatten()
        above_quantile = len(squared) - 1 - math.floor(0.999 * (len(squared) - 1))
        hard = squared.topk(above_quantile, sorted=False).values.mean()
        penalty = of_teacher[1:].pow(2).mean()
        losses = [hard, penalty, (target - rebuilt).pow(2).mean(), (rebuilt - of_autoencoder).pow(2).mean()]
        self.optimiser.zero_grad(set_to_none=True)
        sum(losses).backward()
        self.optimiser.step()
        self.losses = torch.stack(losses).detach()
        self.number += 1

    def advance(self, number):
        """The step of that number, without waiting for it."""
        if not CUDA:
            self.drop_rate_at(number)
            return self.step()
        with torch.cuda.stream(self.stream):
            self.drop_rate_at(number)
            if number < UNCAPTURED_STEPS:
                return self.step()
            if self.graph is None:
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph, stream=self.stream):
                    self.step()
            self.graph.replay()

    def drop_rate_at(self, number):
        if number == int(0.95 * self.steps):
            self.rate.fill_(1e-5)

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        networks = {"teacher": self.teacher, "student": self.student, "autoencoder": self.autoencoder}
        for name, network in networks.items():
            weights = {key: value.contiguous() for key, value in network.state_dict().items()}
            save_file(weights, folder / f"{name}.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", help="data sets with train/good")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos for the pretraining penalty")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the networks to")
    parser.add_argument("--steps", type=int, default=70000)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True

    teacher = teacher_of(load_file(TEACHER)).to(DEVICE, memory_format=torch.channels_last)
    photos = load_all(files_below(arguments.photos), 2 * SIZE)
    trainings = {}
    for dataset in arguments.sets:
        files = files_below(dataset / "train/good")
        held = held_back(len(files))
        images = load_all([file for number, file in enumerate(files) if number not in held])
        for seed in arguments.seed:
            trainings[f"{dataset.name}-{seed}"] = Training(images, photos, teacher, arguments.steps, seed)

    start = time.monotonic()
    for number in range(arguments.steps):
        for training in trainings.values():
            training.advance(number)
        if (number + 1) % 1000 == 0 or number + 1 == arguments.steps:
            if CUDA:
                torch.cuda.synchronize()
            seconds = time.monotonic() - start
            for name, training in trainings.items():
                losses = " ".join(f"{loss:.4f}" for loss in training.losses.tolist())
                print(f"step {number + 1} of {arguments.steps}, {name}: losses {losses}", flush=True)
            print(f"{seconds:.0f} s, {1000 * seconds / (number + 1) / len(trainings):.2f} ms a step", flush=True)
    for name, training in trainings.items():
        training.save(arguments.out / name)


if __name__ == "__main__":
    main()
