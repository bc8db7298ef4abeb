#!/usr/bin/env python3
"""Write the numbers that the Rust networks are compared with: PyTorch's features, losses, gradients and maps.

    python3 tools/parity_fixtures.py            # both files, a few minutes on two cores
    python3 tools/parity_fixtures.py --network small --out /tmp

The committed files were made with CPython 3.11 and the CPU builds of PyTorch 1.13 and NumPy 1.24 that
Debian 12 ships (packages python3-torch and libopenblas0-pthread; without OpenBLAS float64 takes far longer).

Nothing large is stored. Weights and images are a hash that both languages compute, and big results are kept as a norm,
a mean, a maximum and sampled elements. All results are computed in float64 from float32 values; `noise` beside each
says how far PyTorch's own float32 run is from that, so that a tolerance can be chosen from a fact.

The hash
--------
    value(name, i): key = FNV-1a 64 of the UTF-8 bytes of `name`
                    z   = key + (i + 1) * 0x9E3779B97F4A7C15            (mod 2^64)
                    z   = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9          (mod 2^64)
                    z   = (z ^ (z >> 27)) * 0x94D049BB133111EB          (mod 2^64)
                    z   =  z ^ (z >> 31)
                    u   = (z >> 40) / 2^24                              in [0, 1)
                    v   = 2 u - 1                                       in [-1, 1), exact in float32
`i` is the flat index in PyTorch's order: OIHW for weights, CHW for images and features. A tensor is
`offset + scale * v`, evaluated in float32 (one rounding after the product, one after the sum) with `scale` and
`offset` taken as the float32 nearest to the number in the file. An image has `patches` as well: to every value the
`scale` of `patches` times v of `<name>.patches` is added, whose index is that of the patch of `size` x `size` pixels in
an image of patches (channel, row, column).

Biases in front of a ReLU are not hashed but chosen, and stored as `values`: so that the values that meet the ReLU keep
clear of zero. A gradient jumps where such a value changes its sign, and of millions of values rounding changes some
signs on its own, in PyTorch's float32 as well; with these biases it changes none, so that gradients can be held to the
tolerance of everything else. Of every four channels three are mostly on and one is mostly off, each with up to a
hundredth of its values on the other side.

The file
--------
    format      "efficientad-parity/1"
    network     "small" or "medium"
    order       the flat order of every array below
    made_with   versions and the number type of the reference values
    hash_check  {name, values}: the first eight v of one name, to test the hash alone
    tensors     [{name, shape, scale, offset, patches?} or {name, shape, values}]: every weight, bias, image and teacher statistic.
                Weights are teacher.conv1... (small: 4 layers, medium: 6), student.conv1...,
                autoencoder.encoder.conv1...6, autoencoder.decoder.conv1...8, each with .weight and .bias;
                images are x1, x2, photo (3x256x256) and one per rectangle; statistics are teacher.mean, teacher.std;
                adam.* belong to adam_series
    sampling    "element k of `samples` is the array's flat element (k * 104729) mod n"
    features    {teacher, student_teacher, student_autoencoder, autoencoder}: summaries, 384x56x56 each.
                teacher is (T(x1) - mean) / std; student_* are channels 0..384 and 384..768 of S(x1);
                autoencoder is A(x2) without dropout
    clear       {student, autoencoder}: the smallest distance from zero of a value that meets a ReLU, relative to the
                root mean square of its layer's values before the bias
    losses      {hard, penalty, autoencoder, student_autoencoder, total}: numbers.
                hard on x1; penalty on photo; autoencoder = mean((T(x2) - A(x2))^2);
                student_autoencoder = mean((A(x2) - S(x2)[384..])^2)
    losses_noise  the same keys: relative deviation of the float32 run
    hard        {quantile, below, above, selected, elements}: the 0.999 quantile of the squared differences, its two
                neighbours among them, how many elements are >= it, and how many there are
    gradients   [{name, ...summary}]: d total / d parameter, for every parameter of student and autoencoder, no dropout
    adam        {lr, weight_decay, beta1, beta2, eps, deltas: [{name, ...summary}]}: parameter after one step - before.
                The first step is lr * g / (|g| + eps) with g = gradient + weight_decay * parameter, so an element whose
                g is within the noise of zero may have either sign: compare deltas where |g| is clear of it (gradients
                are sampled at the same positions)
    adam_series {elements, steps, parameter, gradients, lr, weight_decay, after: [[...] per step]}: five steps on a
                short vector with given gradients (adam.parameter, adam.gradient1...5), to test the optimiser alone
    maps        {student_teacher, student_autoencoder: summaries of the raw 56x56 maps of x1,
                 quantiles: {qa_st, qb_st, qa_ae, qb_ae}, combined: summary 56x56,
                 upsampled: summary, height x width = the original size, score: number}
                student_autoencoder compares A(x1) with S(x1)[384..]
    rectangles  [{input, height, width, teacher, student_teacher, student_autoencoder, autoencoder}]: small only.
                autoencoder is absent where a side is below 256: after five halvings less than 8 is left for the
                8x8 bottleneck convolution

    summary = {shape, l2, mean, max_abs, noise, samples}; noise = |float32 - float64|_2 / |float64|_2
"""

import argparse
import json
import math
import platform
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

FEATURES = 384
IMAGE_NOISE = 0.5
IMAGE_PATCHES = 1.5
PATCH = 16
SIZE = 256
SAMPLE_STEP = 104729
FEATURE_SAMPLES = 256
PARAMETER_SAMPLES = 96
ORIGINAL_SIZE = (300, 200)
RECTANGLES = ((320, 192), (320, 256))
PAD = 4
ADAM = {"lr": 1e-4, "weight_decay": 1e-5, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
SERIES_ELEMENTS = 16
SERIES_STEPS = 5
SERIES_LR = 0.01
SERIES_WEIGHT_DECAY = 0.1

# (kernel, output channels, ReLU, average pool after it); the last output is doubled for the student, and in the
# medium network the one before it too.
PDN = {
    "small": [(4, 128, True, True), (4, 256, True, True), (3, 256, True, False), (4, None, False, False)],
    "medium": [
        (4, 256, True, True), (4, 512, True, True), (1, 512, True, False),
        (3, 512, True, False), (4, None, True, False), (1, None, False, False),
    ],
}
ENCODER = [(4, 32), (4, 32), (4, 64), (4, 64), (4, 64), (8, 64)]
DECODER = [(4, 64)] * 6 + [(3, 64), (3, FEATURES)]


# --- The hash -----------------------------------------------------------------------------------------------------


def fnv1a(name):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    return key


def hash_values(name, count):
    """v(name, 0..count) as float32."""
    i = np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return np.float32(2) * u - np.float32(1)


class Tensors:
    """Makes tensors from the hash and remembers how each was made."""

    def __init__(self):
        self.recipes = []
        self.values = {}

    def make(self, name, shape, scale, offset=0.0):
        scale, offset = np.float32(scale), np.float32(offset)
        flat = offset + scale * hash_values(name, math.prod(shape))
        self.recipes.append(
            {"name": name, "shape": list(shape), "scale": short(scale), "offset": short(offset)}
        )
        self.values[name] = torch.from_numpy(flat.reshape(shape))

    def image(self, name, height, width):
        """Patches of one colour with noise on them: like photos, and unlike noise alone, neighbours are alike."""
        self.make(name, (3, height, width), IMAGE_NOISE)
        coarse = hash_values(f"{name}.patches", 3 * (height // PATCH) * (width // PATCH))
        coarse = np.float32(IMAGE_PATCHES) * coarse.reshape(3, height // PATCH, width // PATCH)
        self.values[name] += torch.from_numpy(coarse.repeat(PATCH, axis=1).repeat(PATCH, axis=2))
        self.recipes[-1]["patches"] = {"size": PATCH, "scale": IMAGE_PATCHES}

    def conv(self, name, kernel, inputs, outputs, halved=False):
        """A convolution that keeps its input's variance, or doubles it for a ReLU to halve."""
        fan_in = inputs * kernel * kernel
        gain = math.sqrt((6 if halved else 3) / fan_in)
        self.make(f"{name}.weight", (outputs, inputs, kernel, kernel), gain)
        self.make(f"{name}.bias", (outputs,), 0.1)

    def give(self, name, values):
        """Replaces a tensor by given values."""
        entry = next(entry for entry in self.recipes if entry["name"] == name)
        entry.clear()
        entry.update(name=name, shape=list(values.shape), values=[short(v) for v in values.numpy()])
        self.values[name] = values

    def cast(self, dtype):
        return {name: value.to(dtype).clone() for name, value in self.values.items()}


def make_tensors(network):
    tensors = Tensors()
    for role, features in (("teacher", FEATURES), ("student", 2 * FEATURES)):
        inputs = 3
        for n, (kernel, outputs, relu, _) in enumerate(PDN[network], 1):
            outputs = outputs or features
            tensors.conv(f"{role}.conv{n}", kernel, inputs, outputs, halved=relu and role == "teacher")
            inputs = outputs
    inputs = 3
    for n, (kernel, outputs) in enumerate(ENCODER, 1):
        tensors.conv(f"autoencoder.encoder.conv{n}", kernel, inputs, outputs)
        inputs = outputs
    for n, (kernel, outputs) in enumerate(DECODER, 1):
        tensors.conv(f"autoencoder.decoder.conv{n}", kernel, inputs, outputs)
        inputs = outputs
    for name in ("x1", "x2", "photo"):
        tensors.image(name, SIZE, SIZE)
    tensors.make("teacher.mean", (FEATURES,), 0.1)
    tensors.make("teacher.std", (FEATURES,), 0.25, 1)
    if network == "small":
        for height, width in RECTANGLES:
            tensors.image(f"rectangle_{height}x{width}", height, width)
    return tensors


# --- The method (Batzner et al., WACV 2024) ------------------------------------------------------------------------


class Model:
    """Teacher, student and autoencoder in one number type; the teacher's output is normalised."""

    def __init__(self, network, values, watch=None):
        self.layers = PDN[network]
        self.values = values
        self.watch = watch or (lambda name, output: None)

    def conv(self, x, name, **options):
        x = F.conv2d(x, self.values[f"{name}.weight"], self.values[f"{name}.bias"], **options)
        self.watch(name, x)
        return x

    def pdn(self, role, image):
        x = image if image.dim() == 4 else image[None]
        for n, (_, _, relu, pool) in enumerate(self.layers, 1):
            x = self.conv(x, f"{role}.conv{n}")
            x = F.relu(x) if relu else x
            x = F.avg_pool2d(x, 2, 2) if pool else x
        return x if image.dim() == 4 else x[0]

    def teacher(self, image):
        mean, std = (self.values[f"teacher.{s}"][:, None, None] for s in ("mean", "std"))
        with torch.no_grad():
            return (self.pdn("teacher", image) - mean) / std

    def student(self, image):
        features = self.pdn("student", image)
        return features[:FEATURES], features[FEATURES:]

    def autoencoder(self, image):
        x = image[None]
        for n in range(1, 6):
            x = F.relu(self.conv(x, f"autoencoder.encoder.conv{n}", stride=2, padding=1))
        x = self.conv(x, "autoencoder.encoder.conv6")
        height, width = image.shape[1:]
        for n, size in enumerate(decoder_sizes(height, width), 1):
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
            x = F.relu(self.conv(x, f"autoencoder.decoder.conv{n}", padding=2))
        x = F.interpolate(x, (height // 4 - 8, width // 4 - 8), mode="bilinear", align_corners=False)
        x = F.relu(self.conv(x, "autoencoder.decoder.conv7", padding=1))
        return self.conv(x, "autoencoder.decoder.conv8", padding=1)[0]


def decoder_sizes(height, width):
    return [
        tuple(side // divisor - less for side in (height, width))
        for divisor, less in ((64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1))
    ]


def losses_of(model):
    values = model.values
    student_teacher, _ = model.student(values["x1"])
    squared = (model.teacher(values["x1"]) - student_teacher) ** 2
    quantile = torch.quantile(squared.detach().flatten(), 0.999)
    losses = {
        "hard": squared[squared >= quantile].mean(),
        "penalty": (model.student(values["photo"])[0] ** 2).mean(),
    }
    autoencoder = model.autoencoder(values["x2"])
    losses["autoencoder"] = ((model.teacher(values["x2"]) - autoencoder) ** 2).mean()
    losses["student_autoencoder"] = ((autoencoder - model.student(values["x2"])[1]) ** 2).mean()
    losses["total"] = sum(losses.values())
    return losses, squared.detach().flatten(), quantile


def training_step(model):
    """Losses, gradients and parameter changes of one Adam step from a fresh optimiser."""
    names = [n for n in model.values if n.startswith(("student.", "autoencoder."))]
    parameters = [model.values[n].requires_grad_(True) for n in names]
    before = [p.detach().clone() for p in parameters]
    losses, squared, quantile = losses_of(model)
    losses["total"].backward()
    torch.optim.Adam(
        parameters, lr=ADAM["lr"], betas=(ADAM["beta1"], ADAM["beta2"]), eps=ADAM["eps"],
        weight_decay=ADAM["weight_decay"],
    ).step()
    result = {"losses": {n: loss.item() for n, loss in losses.items()}, "squared": squared, "quantile": quantile}
    result["gradients"] = {n: p.grad for n, p in zip(names, parameters)}
    result["deltas"] = {n: p.detach() - old for n, p, old in zip(names, parameters, before)}
    for parameter, old in zip(parameters, before):
        parameter.requires_grad_(False).copy_(old)
    return result


@torch.no_grad()
def square_features(model):
    """Features for the loss (autoencoder on x2) and raw maps of x1 (autoencoder on x1)."""
    x1 = model.values["x1"]
    teacher = model.teacher(x1)
    student_teacher, student_autoencoder = model.student(x1)
    features = {
        "teacher": teacher,
        "student_teacher": student_teacher,
        "student_autoencoder": student_autoencoder,
        "autoencoder": model.autoencoder(model.values["x2"]),
    }
    maps = {
        "student_teacher": ((teacher - student_teacher) ** 2).mean(0),
        "student_autoencoder": ((model.autoencoder(x1) - student_autoencoder) ** 2).mean(0),
    }
    return features, maps


@torch.no_grad()
def rectangle_features(model, height, width):
    image = model.values[f"rectangle_{height}x{width}"]
    student_teacher, student_autoencoder = model.student(image)
    features = {
        "teacher": model.teacher(image),
        "student_teacher": student_teacher,
        "student_autoencoder": student_autoencoder,
    }
    if min(height, width) >= SIZE:
        features["autoencoder"] = model.autoencoder(image)
    return features


def map_quantiles(maps):
    """Quantiles close to the maps' own, rounded so that a reader can retype them."""
    return {
        f"{letter}_{short_name}": float(f"{torch.quantile(maps[name], q).item():.3g}")
        for name, short_name in (("student_teacher", "st"), ("student_autoencoder", "ae"))
        for letter, q in (("qa", 0.9), ("qb", 0.995))
    }


def finish_maps(maps, quantiles):
    """Normalise, combine, pad and resize to the original size."""
    st, ae = (
        0.1 * (maps[name] - quantiles[f"qa_{s}"]) / (quantiles[f"qb_{s}"] - quantiles[f"qa_{s}"])
        for name, s in (("student_teacher", "st"), ("student_autoencoder", "ae"))
    )
    combined = 0.5 * st + 0.5 * ae
    padded = F.pad(combined[None, None], (PAD,) * 4)
    return combined, F.interpolate(padded, ORIGINAL_SIZE, mode="bilinear", align_corners=False)[0, 0]


# --- Biases that keep ReLU's inputs clear of zero ------------------------------------------------------------------


class Clearing:
    """Takes the place of a model's convolutions: chooses each layer's bias before its output goes on."""

    def __init__(self, tensors, relus):
        self.tensors = tensors
        self.relus = relus
        self.margin = math.inf

    def conv(self, model, x, name, **options):
        if name in self.relus:
            before = F.conv2d(x, model.values[f"{name}.weight"], **options)
            bias = self.clearing_bias(before)
            self.tensors.give(f"{name}.bias", bias)
            model.values[f"{name}.bias"] = bias.double()
        return F.conv2d(x, model.values[f"{name}.weight"], model.values[f"{name}.bias"], **options)

    def clearing_bias(self, before):
        """Minus the middle of the widest gap between values in the lower, or each fourth time upper, hundredth."""
        channels = before.transpose(0, 1).flatten(1).sort(dim=1).values
        count = channels.shape[1]
        few = max(1, count // 5000)
        most = max(few + 1, count // 100)
        bias = []
        for number, ordered in enumerate(channels):
            tail = ordered[-most:-few] if number % 4 == 3 else ordered[few:most]
            if tail.numel() < 2:
                tail = ordered[:2]
            widest = tail.diff().argmax()
            bias.append(-(tail[widest] + tail[widest + 1]) / 2)
        bias = torch.stack(bias).float()
        nearest = (before + bias.double()[:, None, None]).abs().min()
        self.margin = min(self.margin, (nearest / before.square().mean().sqrt()).item())
        return bias


@torch.no_grad()
def keep_clear_of_zero(network, tensors):
    """Chooses the biases in front of every ReLU of student and autoencoder; returns the margins."""
    model = Model(network, tensors.cast(torch.float64))
    images = {name: model.values[name] for name in ("x1", "photo", "x2")}
    relus = {f"student.conv{n}" for n, (_, _, relu, _) in enumerate(PDN[network], 1) if relu}
    relus |= {f"autoencoder.encoder.conv{n}" for n in range(1, len(ENCODER))}
    relus |= {f"autoencoder.decoder.conv{n}" for n in range(1, len(DECODER))}
    margins = {}
    for role, run in (
        ("student", lambda: model.pdn("student", torch.stack(list(images.values())))),
        ("autoencoder", lambda: model.autoencoder(images["x2"])),
    ):
        clearing = Clearing(tensors, relus)
        model.conv = lambda x, name, clearing=clearing, **options: clearing.conv(model, x, name, **options)
        run()
        margins[role] = float(f"{clearing.margin:.2g}")
    return margins


# --- What is stored -----------------------------------------------------------------------------------------------


def short(number):
    """The shortest decimal that gives a float32 back, or nine digits of a float64."""
    return float(str(number)) if isinstance(number, np.float32) else float(f"{number:.9g}")


def deviation(value, reference):
    norm = torch.linalg.vector_norm(reference).item()
    return torch.linalg.vector_norm(value.double() - reference).item() / max(norm, 1e-300)


def summary(reference, single, samples):
    flat = reference.flatten()
    count = flat.numel()
    positions = [k * SAMPLE_STEP % count for k in range(min(samples, count))]
    return {
        "shape": list(reference.shape),
        "l2": short(torch.linalg.vector_norm(flat).item()),
        "mean": short(flat.mean().item()),
        "max_abs": short(flat.abs().max().item()),
        "noise": float(f"{deviation(single, reference):.2g}"),
        "samples": [short(flat[p].item()) for p in positions],
    }


def summaries(references, singles, samples):
    return {name: summary(references[name], singles[name], samples) for name in references}


def named_summaries(references, singles):
    return [
        {"name": name, **summary(references[name], singles[name], PARAMETER_SAMPLES)} for name in references
    ]


def hard_facts(step):
    ordered = step["squared"].sort().values
    selected = int((ordered >= step["quantile"]).sum())
    return {
        "quantile": short(step["quantile"].item()),
        "below": short(ordered[-selected - 1].item()),
        "above": short(ordered[-selected].item()),
        "selected": selected,
        "elements": ordered.numel(),
    }


def adam_series(tensors):
    """Five optimiser steps on a short vector, in float64."""
    tensors.make("adam.parameter", (SERIES_ELEMENTS,), 1)
    parameter = tensors.values["adam.parameter"].double().requires_grad_(True)
    optimiser = torch.optim.Adam([parameter], lr=SERIES_LR, weight_decay=SERIES_WEIGHT_DECAY)
    gradients = [f"adam.gradient{step}" for step in range(1, SERIES_STEPS + 1)]
    after = []
    for name in gradients:
        tensors.make(name, (SERIES_ELEMENTS,), 0.5)
        parameter.grad = tensors.values[name].double()
        optimiser.step()
        after.append([short(v) for v in parameter.tolist()])
    return {
        "elements": SERIES_ELEMENTS, "steps": SERIES_STEPS, "parameter": "adam.parameter", "gradients": gradients,
        "lr": SERIES_LR, "weight_decay": SERIES_WEIGHT_DECAY, "after": after,
    }


def print_activity(name, output):
    positive = (output > 0).double()
    dead = int((positive.amax(dim=(0, 2, 3)) == 0).sum())
    print(
        f"  {name:30} {tuple(output.shape[1:])!s:18} rms {output.square().mean().sqrt():7.3f}"
        f"  positive {positive.mean():5.1%}  channels never positive {dead}"
    )


def fixture(network):
    tensors = make_tensors(network)
    clear = keep_clear_of_zero(network, tensors)
    single = Model(network, tensors.cast(torch.float32), print_activity)
    print(f"{network}: layers, in float32")
    features32, maps32 = square_features(single)
    single.watch = lambda name, output: None
    double = Model(network, tensors.cast(torch.float64))
    features, maps = square_features(double)
    step, step32 = training_step(double), training_step(single)

    quantiles = map_quantiles(maps)
    combined, upsampled = finish_maps(maps, quantiles)
    combined32, upsampled32 = finish_maps(maps32, quantiles)
    result = {
        "format": "efficientad-parity/1",
        "network": network,
        "order": "row-major: weights OIHW, images and features CHW, maps HW",
        "made_with": {
            "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
            "values": "float64",
        },
        "hash_check": {
            "name": "teacher.conv1.weight",
            "values": [short(v) for v in hash_values("teacher.conv1.weight", 8)],
        },
        "sampling": f"element k of samples is the array's flat element (k * {SAMPLE_STEP}) mod n",
        "features": summaries(features, features32, FEATURE_SAMPLES),
        "clear": clear,
        "losses": {name: short(value) for name, value in step["losses"].items()},
        "losses_noise": {
            name: float(f"{abs(step32['losses'][name] / value - 1):.2g}") for name, value in step["losses"].items()
        },
        "hard": hard_facts(step),
        "gradients": named_summaries(step["gradients"], step32["gradients"]),
        "adam": {**ADAM, "deltas": named_summaries(step["deltas"], step32["deltas"])},
        "adam_series": adam_series(tensors),
        "maps": {
            **summaries(maps, maps32, FEATURE_SAMPLES),
            "quantiles": quantiles,
            "combined": summary(combined, combined32, FEATURE_SAMPLES),
            "upsampled": summary(upsampled, upsampled32, FEATURE_SAMPLES),
            "score": short(upsampled.max().item()),
        },
        "rectangles": [
            {
                "input": f"rectangle_{height}x{width}", "height": height, "width": width,
                **summaries(
                    rectangle_features(double, height, width),
                    rectangle_features(single, height, width),
                    PARAMETER_SAMPLES,
                ),
            }
            for height, width in (RECTANGLES if network == "small" else ())
        ],
    }
    result["tensors"] = tensors.recipes
    return result


# --- Reporting and writing ----------------------------------------------------------------------------------------


def noisy_items(node, path=""):
    """(path, noise) of every summary in the fixture."""
    if isinstance(node, dict):
        path = f"{path} {node['name']}" if "name" in node else path
        if "noise" in node:
            yield path, node["noise"]
        for key, value in node.items():
            yield from noisy_items(value, f"{path}/{key}")
    elif isinstance(node, list):
        for value in node:
            yield from noisy_items(value, path)


def report(result):
    print("float32 against float64, relative in the 2-norm:")
    for path, noise in noisy_items(result):
        print(f"  {noise:8.1e}  {path.lstrip('/')}")
    for name, value in result["losses"].items():
        print(f"  {result['losses_noise'][name]:8.1e}  loss {name} = {value}")
    print(f"  distance of ReLU's inputs from zero: {result['clear']}")
    hard = result["hard"]
    print(
        f"  hard: {hard['selected']} of {hard['elements']} elements, quantile {hard['quantile']}, "
        f"neighbours {hard['below']} and {hard['above']}"
    )
    print(f"  score {result['maps']['score']}, quantiles {result['maps']['quantiles']}")


def write(result, path):
    """One line per entry of the lists, so that a change can be read in a diff."""
    lines = []
    for key, value in result.items():
        if isinstance(value, list) and value:
            rows = ",\n    ".join(json.dumps(v, separators=(",", ":")) for v in value)
            lines.append(f"  {json.dumps(key)}: [\n    {rows}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=[*PDN, "both"], default="both", help="which networks (default: both)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the JSON files go (default: the tests' fixtures)",
        default=Path(__file__).resolve().parent.parent / "crates/engine-conformance/fixtures",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default: 2)")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for network in PDN if arguments.network == "both" else [arguments.network]:
        result = fixture(network)
        report(result)
        write(result, arguments.out / f"parity_{network}.json")


if __name__ == "__main__":
    main()
