#!/usr/bin/env python3
"""What tiles find that whole photos miss, and the other way round.

    python3 bench/tiles.py ../shared/data/inspection/magnetic_tile --out tiles \\
        --tile 128 --steps 400 --every 3 --mask-threshold 128
    python3 bench/tiles.py ../shared/data/inspection/tire --out tiles --input 256 384 512 --tile 512 256 \\
        --recipe fast --steps 400

Trains on the same photos, with the same steps and seed: once as a whole for each --input, and once in tiles for each
--tile, at the first --input. Then prints, for each: AU-ROC of images and pixels, AU-PRO, the defective test photos found
and the good ones rejected at the default threshold, and how many defects the map shows within their mask, small ones and
others apart, at two levels that make all equally noisy: the one that 5 % of the good test photos reach anywhere, and the
one that 0.1 % of the good test photos' area reaches.
What is done is not done again. Needs numpy and pillow.
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np
from PIL import Image

NOISY_PHOTOS = 0.05
NOISY_AREA = 0.001


def subset(dataset, every, folder):
    """The same data set with every n-th test photo, as links."""
    if not folder.exists():
        for part in ("train", "ground_truth"):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).symlink_to((dataset / part).resolve())
        for kind in sorted(path for path in (dataset / "test").iterdir() if path.is_dir()):
            (folder / "test" / kind.name).mkdir(parents=True)
            for photo in sorted(kind.iterdir())[::every]:
                (folder / "test" / kind.name / photo.name).symlink_to(photo.resolve())
    return folder


def run(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode > 1:
        raise SystemExit(done.stderr)
    return done.stdout


def mask_of(photo, dataset):
    """The photo's mask, or none if it is good or has no mask."""
    folder = dataset / "ground_truth" / photo.parent.name
    names = [photo.stem + end + suffix for end in ("_mask", "") for suffix in (".png", ".bmp")]
    return next((folder / name for name in names if (folder / name).exists()), None)


def defects(dataset, maps, threshold):
    """Both levels, and of every defect: its size in pixels, and the highest value of the map there."""
    largest, areas, found = [], [], []
    for photo in sorted((dataset / "test").rglob("*.*")):
        tiff = maps / photo.relative_to(dataset).with_suffix(".tiff")
        if not tiff.exists():
            continue
        anomaly = np.array(Image.open(tiff))
        if photo.parent.name == "good":
            largest.append(anomaly.max())
            areas.append(anomaly.ravel())
            continue
        mask = mask_of(photo, dataset)
        marked = mask is not None and np.array(Image.open(mask).convert("L")) >= threshold
        if np.any(marked):
            found.append((np.sqrt(marked.sum()), anomaly[marked].max()))
    levels = np.quantile(largest, 1 - NOISY_PHOTOS), np.quantile(np.concatenate(areas), 1 - NOISY_AREA)
    return levels, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=pathlib.Path, help="a set in MVTec AD's layout with masks")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for models, maps and results")
    parser.add_argument("--tile", nargs="+", default=[])
    parser.add_argument("--input", nargs="+", default=["256"], help="the networks' input (default: 256)")
    parser.add_argument("--steps", default="400")
    parser.add_argument("--recipe", choices=["fast", "paper"], help="of all trainings (default: the program's default)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th test photo")
    parser.add_argument("--mask-threshold", type=int, default=1, help="from which value on a mask's pixel is defect")
    parser.add_argument("--small", type=float, default=16, metavar="PIXELS",
                        help="a defect is small if the root of its area is less (default: 16)")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    name = arguments.dataset.name
    dataset = subset(arguments.dataset, arguments.every, arguments.out / f"{name}-every-{arguments.every}")
    print("| | image AU-ROC | pixel AU-ROC | AU-PRO | found | rejected | small shown, by photos | others | "
          "small shown, by area | others |")
    print("|---" * 10 + "|")
    recipe = ["--recipe", arguments.recipe] if arguments.recipe else []
    views = [(f"whole photos, input {size}", ["--input", size]) for size in arguments.input]
    views += [(f"tiles of {side}", ["--tile", side, "--input", arguments.input[0]]) for side in arguments.tile]
    for kind, view in views:
        words = [name, arguments.steps, arguments.recipe or "default", *(word.strip("-") for word in view)]
        folder = arguments.out / "-".join(words)
        folder.mkdir(parents=True, exist_ok=True)
        model, results, maps = folder / "model", folder / "results.json", folder / "maps"
        if not model.exists():
            resume = ["--resume"] if pathlib.Path(f"{model}.checkpoint").exists() else []
            run([arguments.binary, "train", dataset, "--out", model, "--steps", arguments.steps, "--seed", "0", "--quiet",
                 *recipe, *view, *resume])
        if not results.exists():
            results.write_text(run([arguments.binary, "eval", model, dataset, "--out", maps, "--json",
                                    "--mask-threshold", str(arguments.mask_threshold)]))
        values = json.loads(results.read_text())
        levels, found = defects(dataset, maps, arguments.mask_threshold)
        shares = []
        for level in levels:
            for is_small in (True, False):
                shown = [value >= level for size, value in found if (size < arguments.small) == is_small]
                shares.append(f"{sum(shown)} of {len(shown)}")
        metrics = [f"{100 * values[key]:.1f}" for key in ("image_auroc", "pixel_auroc", "aupro")]
        verdicts = values["verdicts"]["overall"]
        for reached, others in (("true_positives", "false_negatives"), ("false_positives", "true_negatives")):
            metrics.append(f"{verdicts[reached]} of {verdicts[reached] + verdicts[others]}")
        print("| " + " | ".join([kind, *metrics, *shares]) + " |", flush=True)


if __name__ == "__main__":
    main()
