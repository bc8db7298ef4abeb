#!/usr/bin/env python3
"""Shows what `efficientad train --continue` does to a model when the camera has moved.

    python3 bench/continuing.py ../shared/data/inspection/dobot_cubes --out continuing

The good photos of dobot_cubes bear their date. Those of 10 February 2023 are known before; on 13 and
14 February the camera and the arm stood elsewhere. A model is trained on the first day's photos, then
continued on the later ones, with and without the first day's. Every fifth training photo of the first
day and every fourth of the later ones is set aside (`aside`): what may be used to choose steps and
learning rates. The test photos, good and not, are judged only, by every model.

What is done is not done again, and a training that was cut short goes on from its checkpoint, so that
the command can be stopped and repeated. --only NAME ... trains and judges some of the models.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import time

FIRST_DAY = "20230210"
KINDS = ("old", "new")


def split(source, folder):
    """Copies the photos into FOLDER/<old|new>/<train|aside|good|abnormal>."""
    good = sorted((source / "train/good").iterdir())
    for kind, every in zip(KINDS, (5, 4)):
        def is_kind(path):
            return (FIRST_DAY in path.name) == (kind == "old")
        train = [path for path in good if is_kind(path)]
        aside = train[every - 1::every]
        parts = {"aside": aside, "train": [path for path in train if path not in aside]}
        for name in ("good", "abnormal"):
            parts[name] = [path for path in sorted((source / "test" / name).iterdir()) if is_kind(path)]
        for name, files in parts.items():
            target = folder / kind / name
            target.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy(file, target)


def trainings(arguments, folder):
    """The arguments of `efficientad train` for each model; all photos for `anew` lie in one folder."""
    photos, first = folder / "photos", folder / "models/before"
    everything = photos / "all"
    if not everything.exists():
        for kind in KINDS:
            shutil.copytree(photos / kind / "train", everything, dirs_exist_ok=True)
    on = ["--continue", first, photos / "new/train"]
    old = ["--old", photos / "old/train"]
    models = {"before": [photos / "old/train", "--steps", arguments.first_steps]}
    for number in arguments.steps:
        steps = ["--steps", number]
        models[f"with-old-{number}"] = [*on, *old, *steps]
        models[f"new-only-{number}"] = [*on, *steps]
        models[f"new-only-full-rate-{number}"] = [*on, *steps, "--learning-rate", "1e-4"]
    return {**models, "anew": [everything, "--steps", arguments.first_steps]}


def train(binary, model, options):
    """Trains until the model is there; the seconds that took."""
    seconds = model.with_suffix(".seconds")
    if not model.exists():
        before = float(seconds.read_text()) if seconds.exists() else 0.0
        command = [binary, "train", *map(str, options), "--out", model, "--quiet"]
        if pathlib.Path(f"{model}.checkpoint").exists():
            command.append("--resume")
        start = time.monotonic()
        try:
            subprocess.run(command, check=True)
        finally:
            seconds.write_text(f"{before + time.monotonic() - start:.0f}\n")
    return float(seconds.read_text())


def judge(binary, model, photos):
    """The lines of `predict --json`."""
    command = [binary, "predict", model, photos, "--json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def auroc(good, bad):
    """The share of pairs whose defect scores higher; equal scores count half."""
    wins = sum((b > g) + 0.5 * (b == g) for g in good for b in bad)
    return wins / (len(good) * len(bad))


def row(binary, name, model, photos, seconds):
    info = json.loads(subprocess.run([binary, "info", model, "--json"], check=True, capture_output=True).stdout)
    cells, scores = [], {}
    for kind in KINDS:
        for part in ("aside", "good", "abnormal"):
            lines = judge(binary, model, photos / kind / part)
            scores[kind, part] = [line["score"] for line in lines]
            if part != "abnormal":
                rejected = sum(line["anomalous"] for line in lines)
                values = scores[kind, part]
                cells.append(f"{rejected} of {len(lines)} ({statistics.median(values):.3f}, {max(values):.3f})")
        cells.append(f"{100 * auroc(scores[kind, 'good'], scores[kind, 'abnormal']):.1f}")
    pooled = [scores["old", part] + scores["new", part] for part in ("good", "abnormal")]
    cells.append(f"{100 * auroc(*pooled):.1f}")
    cells.append(f"{info['threshold']['value']:.3f}")
    return f"| {name} | " + " | ".join(cells) + f" | {seconds:.0f} s |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dobot_cubes", type=pathlib.Path, help="folder of the data set")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for photos and models")
    parser.add_argument("--first-steps", default="400", help="steps of the trainings from nothing")
    parser.add_argument("--steps", nargs="+", default=["100", "150"], help="steps of the continuations")
    parser.add_argument("--only", nargs="+", help="names of the models; all if not given")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    photos, models = arguments.out / "photos", arguments.out / "models"
    models.mkdir(parents=True, exist_ok=True)
    if not photos.exists():
        split(arguments.dobot_cubes, photos)
    heads = [f"{kind} {part}" for kind in KINDS for part in ("aside", "test good", "AU-ROC")]
    print("| model | " + " | ".join(heads) + " | AU-ROC of both | threshold | training |")
    print("|---" * (len(heads) + 4) + "|")
    for name, options in trainings(arguments, arguments.out).items():
        if not arguments.only or name in arguments.only:
            seconds = train(arguments.binary, models / name, options)
            print(row(arguments.binary, name, models / name, photos, seconds), flush=True)


if __name__ == "__main__":
    main()
