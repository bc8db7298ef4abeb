#!/usr/bin/env python3
"""Says how well a model's autoencoder predicts the teacher: on images it learned from and on those held back.

    python3 bench/autoencoder_error.py ../shared/data/inspection/cookies cookies.model

The number is the mean square of the difference from the teacher's normalised features: 1 if nothing but their means
were predicted. Computed by PyTorch from a model of size S that was trained on all of train/good with the default input
and seed 0. Needs torch, safetensors, numpy and pillow.
"""

import argparse
from pathlib import Path

import torch
from networks import SIZE, autoencoder_of, teacher_of
from paper_schedule import files_below, held_back, load, normalise
from safetensors.torch import load_file


@torch.no_grad()
def error(files, teacher, predictor, mean, deviation):
    errors = []
    for file in files:
        image = normalise(load(file, SIZE)[None] / 255)
        features = (teacher(image) - mean) / deviation
        errors.append((predictor(image) - features).square().mean().item())
    return sum(errors) / len(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="data set with train/good")
    parser.add_argument("models", type=Path, nargs="+", help="models of it")
    parser.add_argument("--images", type=int, default=60, help="at most so many of each kind (default: 60)")
    arguments = parser.parse_args()
    files = files_below(arguments.dataset / "train/good")
    held = held_back(len(files))
    kinds = {
        "learned from": [file for number, file in enumerate(files) if number not in held],
        "held back": [files[number] for number in sorted(held)],
    }
    print("| model | " + " | ".join(kinds) + " |\n|---|---|---|")
    for model in arguments.models:
        weights = load_file(model)
        teacher, predictor = teacher_of(weights), autoencoder_of(weights).eval()
        mean, deviation = (weights[f"teacher.{name}"].view(1, -1, 1, 1) for name in ("mean", "std"))
        errors = [
            error(of_kind[: arguments.images], teacher, predictor, mean, deviation) for of_kind in kinds.values()
        ]
        print(f"| {model.name} | " + " | ".join(f"{value:.3f}" for value in errors) + " |", flush=True)


if __name__ == "__main__":
    main()
