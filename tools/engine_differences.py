#!/usr/bin/env python3
"""Compare scores and anomaly maps of the program's own engine with those of ONNX Runtime.

    pip install onnxruntime numpy pillow
    python3 tools/engine_differences.py ../shared/data/inspection/toothbrush --onnxruntime FILE

Models are trained for a few steps on each data set (a folder as of MVTec AD): on whole photos, in tiles, padded, and
with a region. Both engines judge photos of the data set, as many as --count says (all without it). Printed are, for
each model, the largest difference of a score and of a map's value; the program ends with 1 if one exceeds the
tolerance.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
REGION = {"unit": "fraction", "polygons": [[[0.1, 0.1], [0.9, 0.15], [0.8, 0.9], [0.2, 0.85]]]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+", help="folders of data sets")
    parser.add_argument("--onnxruntime", required=True, metavar="FILE", help="library of ONNX Runtime, or its folder")
    parser.add_argument("--provider", default="cpu", help="execution provider (default: cpu)")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/efficientad", metavar="FILE",
                        help="the efficientad program (default: target/release/efficientad)")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="training steps (default: 20)")
    parser.add_argument("--views", nargs="+", default=["whole", "tiles", "letterbox", "region"],
                        choices=["whole", "tiles", "letterbox", "region"], help="models to train (default: all)")
    parser.add_argument("--models", type=Path, metavar="DIR",
                        help="folder that keeps the models; those that are there are not trained again")
    parser.add_argument("--count", type=int, metavar="N", help="photos to judge, evenly chosen (default: all)")
    parser.add_argument("--tolerance", type=float, default=1e-4, metavar="X",
                        help="largest difference (default: 1e-4)")
    return parser.parse_args()


def run(binary, *words):
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{binary} {' '.join(map(str, words))}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def photos_of(dataset, count):
    photos = [path for part in ("train", "test") for path in sorted((dataset / part).rglob("*"))
              if path.suffix.lower() in SUFFIXES]
    if count is None or count >= len(photos):
        return photos
    return [photos[i * len(photos) // count] for i in range(count)]


def view_options(view, photo, folder):
    if view == "tiles":
        return ["--tile", "256"]
    if view == "region":
        region = folder / "region.json"
        region.write_text(json.dumps(REGION))
        return ["--region", str(region)]
    return {"whole": [], "letterbox": ["--letterbox"]}[view]


def judge(binary, model, photos, out, *options):
    lines = run(binary, "predict", model, *photos, "--json", "--out", out, *options).splitlines()
    scores = {line["path"]: line["score"] for line in map(json.loads, lines)}
    return scores, sorted(path for path in out.rglob("*.tif*") if "overlays" not in path.parts)


def main():
    arguments = parse_arguments()
    engine = ["--engine", "onnxruntime", "--onnxruntime", arguments.onnxruntime, "--provider", arguments.provider]
    worst = 0.0
    print(f"{'data set':<20} {'view':<10} {'photos':>6} {'scores':>21} {'max |Δ score|':>14} {'max |Δ map|':>12}")
    for dataset in arguments.datasets:
        photos = photos_of(dataset, arguments.count)
        for view in arguments.views:
            with tempfile.TemporaryDirectory() as folder:
                folder = Path(folder)
                model = (arguments.models or folder) / f"{dataset.name}-{view}.model"
                if not model.exists():
                    run(arguments.binary, "train", dataset, "--out", model, "--steps", arguments.steps,
                        "--photos", "none", "--quiet", *view_options(view, photos[0], folder))
                own, own_maps = judge(arguments.binary, model, photos, folder / "own")
                other, other_maps = judge(arguments.binary, model, photos, folder / "other", *engine)
                assert own.keys() == other.keys() and len(own) == len(photos) == len(own_maps) == len(other_maps)
                of_scores = max(abs(own[path] - other[path]) for path in own)
                of_maps = max(float(np.abs(np.asarray(Image.open(a)) - np.asarray(Image.open(b))).max())
                              for a, b in zip(own_maps, other_maps))
                worst = max(worst, of_scores, of_maps)
                span = f"{min(own.values()):.4f} to {max(own.values()):.4f}"
                print(f"{dataset.name:<20} {view:<10} {len(photos):>6} {span:>21} {of_scores:>14.1e} {of_maps:>12.1e}",
                      flush=True)
    print(f"largest difference {worst:.1e}, tolerance {arguments.tolerance:.1e}")
    sys.exit(worst > arguments.tolerance)


if __name__ == "__main__":
    main()
