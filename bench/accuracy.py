#!/usr/bin/env python3
"""Trains and evaluates on inspection sets, and prints the table of the README.

    python3 bench/accuracy.py ../shared/data/inspection --out accuracy --steps 2000 10000 \\
        --mask-threshold magnetic_tile=128 --invert-masks paper_pa_bdp01_tl

Every set and number of steps is one training with the program's defaults (or --photos) and one
evaluation. What is done is not done again, and a training that was cut short goes on from its
checkpoint, so that the command can be stopped and repeated at any time. Results stay in
OUT/<set>-<steps>-<photos>/ as results.json (of `efficientad eval`) and seconds.txt (of training).
"""

import argparse
import json
import pathlib
import subprocess
import time

COLUMNS = ("image_auroc", "pixel_auroc", "aupro")


def train(binary, dataset, steps, photos, folder):
    """Trains until the model is there; adds the time it took to seconds.txt."""
    model = folder / "model"
    if model.exists():
        return
    command = [binary, "train", dataset, "--out", model, "--steps", str(steps), "--seed", "0", "--quiet"]
    if photos != "procedural":
        command += ["--photos", photos]
    if pathlib.Path(f"{model}.checkpoint").exists():
        command.append("--resume")
    seconds = folder / "seconds.txt"
    before = float(seconds.read_text()) if seconds.exists() else 0.0
    start = time.monotonic()
    try:
        subprocess.run(command, check=True)
    finally:
        seconds.write_text(f"{before + time.monotonic() - start:.0f}\n")


def evaluate(binary, dataset, folder, mask_options):
    results = folder / "results.json"
    if not results.exists():
        command = [binary, "eval", folder / "model", dataset, "--json", *mask_options]
        output = subprocess.run(command, check=False, capture_output=True, text=True)
        if output.returncode > 1:
            raise SystemExit(output.stderr)
        results.write_text(output.stdout)
    return json.loads(results.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=pathlib.Path, help="folder of data sets")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for models and results")
    parser.add_argument("--steps", type=int, nargs="+", default=[2000, 10000])
    parser.add_argument("--only", nargs="+", help="names of the sets to take; all if not given")
    parser.add_argument("--photos", default="procedural", help="procedural, none, or a folder of photos")
    parser.add_argument("--mask-threshold", nargs="+", default=[], metavar="SET=VALUE",
                        help="from which value on a mask's pixel is defect, where that is not 1")
    parser.add_argument("--invert-masks", nargs="+", default=[], metavar="SET",
                        help="sets whose masks show defects dark")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    names = arguments.only or sorted(path.name for path in arguments.sets.iterdir() if path.is_dir())
    mask_thresholds = dict(pair.split("=") for pair in arguments.mask_threshold)
    photos_name = pathlib.Path(arguments.photos).name
    print("| set | steps | " + " | ".join(COLUMNS) + " | training |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for steps in arguments.steps:
        for name in names:
            folder = arguments.out / f"{name}-{steps}-{photos_name}"
            folder.mkdir(parents=True, exist_ok=True)
            dataset = arguments.sets / name
            train(arguments.binary, dataset, steps, arguments.photos, folder)
            mask_options = ["--mask-threshold", mask_thresholds.get(name, "1")]
            mask_options += ["--invert-masks"] if name in arguments.invert_masks else []
            results = evaluate(arguments.binary, dataset, folder, mask_options)
            values = [results.get(column) for column in COLUMNS]
            cells = ["–" if value is None else f"{100 * value:.1f}" for value in values]
            minutes = float((folder / "seconds.txt").read_text()) / 60
            print(f"| {name} | {steps:,} | " + " | ".join(cells) + f" | {minutes:.0f} min |", flush=True)


if __name__ == "__main__":
    main()
