#!/usr/bin/env python3
"""Check that exported ONNX graphs give the maps and scores that the program itself gives.

    pip install onnxruntime onnx numpy pillow       # and openvino, to check it too
    python3 tools/onnx_check.py part.model

Photos of the example are resized by Pillow to the model's input size and saved as PNG, so that both sides read the
same pixels whatever version of Pillow there is. `efficientad predict` judges them; both kinds of exported graph judge
them one by one and by threes. Deviations are relative to the largest absolute value of the program's map or score.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

try:
    import openvino
except ImportError:
    openvino = None

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("normalized", "u8")
BATCHES = (1, 3)
# Cells on every side of a map that have no features, and what maps show of good photos on average.
BORDER = 4
USUAL = -0.04
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model of efficientad")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/efficientad", metavar="FILE",
                        help="the efficientad program (default: target/release/efficientad)")
    parser.add_argument("--photos", type=Path, default=ROOT / "examples/data/test", metavar="DIR",
                        help="folder of folders of photos (default: the example's test photos)")
    parser.add_argument("--count", type=int, default=6, metavar="N", help="photos to judge, at least 3 (default: 6)")
    parser.add_argument("--tolerance", type=float, default=1e-4, metavar="X",
                        help="largest deviation (default: 1e-4)")
    arguments = parser.parse_args()
    if arguments.count < max(BATCHES):
        parser.error(f"--count needs at least {max(BATCHES)}")
    return arguments


def run(binary, *words):
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{binary} {' '.join(map(str, words))}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


# --- What is judged, and how the program judges it ----------------------------------------------------------------


def save_photos(source, size, count, folder):
    """`count` photos of all kinds in turn, resized to (height, width); as arrays, count x height x width x 3."""
    kinds = [sorted(kind.glob("*.png")) for kind in sorted(source.iterdir()) if kind.is_dir()]
    in_turn = [kind[i] for i in range(max(map(len, kinds), default=0)) for kind in kinds if i < len(kind)]
    if len(in_turn) < count:
        sys.exit(f"{source} has {len(in_turn)} PNG photos in its folders, not {count}")
    folder.mkdir()
    photos = []
    for number, path in enumerate(in_turn[:count]):
        photo = Image.open(path).convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)
        # Grey photos would hide a mistaken order of channels.
        array = np.asarray(photo) // np.array([1, 2, 3], np.uint8)
        Image.fromarray(array).save(folder / f"{number}.png")
        photos.append(array)
    return np.stack(photos)


def program_judges(arguments, photos, out):
    """The program's maps (count x height x width) and scores (count)."""
    lines = run(arguments.binary, "predict", arguments.model, photos, "--out", out, "--json").splitlines()
    scores = {Path(verdict["path"]).stem: verdict["score"] for verdict in map(json.loads, lines)}
    names = sorted(scores, key=int)
    maps = np.stack([np.asarray(Image.open(next(out.glob(f"**/{name}.tif*")))) for name in names])
    return maps, np.array([scores[name] for name in names])


# --- The exported graphs ------------------------------------------------------------------------------------------


def check_file(path, kind, info):
    """The file is valid, its types are as asked for, and its metadata is the model's."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    (image,) = model.graph.input
    elements = {"normalized": onnx.TensorProto.FLOAT, "u8": onnx.TensorProto.UINT8}[kind]
    assert image.type.tensor_type.elem_type == elements
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert model.producer_name == "efficientad" and model.producer_version
    assert json.loads(metadata["document"]) == info
    if info["threshold"] is None:
        assert "threshold" not in metadata
    else:
        assert float(metadata["threshold"]) == info["threshold"]["value"]


def images(photos, kind):
    """Photos as a graph reads them."""
    if kind == "normalized":
        photos = (photos.astype(np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(photos.transpose(0, 3, 1, 2))


def onnxruntime_judge(path):
    options = onnxruntime.SessionOptions()
    # Threads that wait leave the processor to others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["map", "score"], {"image": batch})


def openvino_judge(path):
    core = openvino.Core()
    # The default precision may be bfloat16.
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def judge(batch):
        results = compiled([batch])
        return [np.array(results[name]) for name in ("map", "score")]

    return judge


def judges(path):
    yield f"ONNX Runtime {onnxruntime.__version__}", onnxruntime_judge(path)
    if openvino:
        yield f"OpenVINO {openvino.__version__.split('-')[0]}", openvino_judge(path)


def taps(count, target):
    """Weights, target x count, that resize a line bilinearly with half-pixel centres."""
    places = np.clip((np.arange(target) + 0.5) * count / target - 0.5, 0, count - 1)
    low = np.minimum(places.astype(int), count - 1)
    high = np.minimum(low + 1, count - 1)
    weights = np.zeros((target, count))
    np.add.at(weights, (np.arange(target), low), 1 - (places - low))
    np.add.at(weights, (np.arange(target), high), places - low)
    return weights


def resized(maps, height, width):
    return taps(maps.shape[1], height) @ maps.astype(np.float64) @ taps(maps.shape[2], width).T


def judge_in_batches(judge, batch, size):
    """Maps (count x H/4 x W/4) and scores (count), `size` photos at a time, and the rest at once."""
    results = [judge(batch[start : start + size]) for start in range(0, len(batch), size)]
    maps, scores = (np.concatenate(parts) for parts in zip(*results))
    height, width = (side // 4 for side in batch.shape[2:])
    assert maps.shape == (len(batch), 1, height, width) and scores.shape == (len(batch),)
    return maps[:, 0], scores


def bordered(maps, border):
    """The maps, their border as it should be by what is within it."""
    inner = np.s_[:, BORDER:-BORDER, BORDER:-BORDER]
    nearest = np.pad(maps[inner], ((0, 0), (BORDER, BORDER), (BORDER, BORDER)), "edge")
    expected = (nearest + USUAL) / 2 if border == "halfway" else np.zeros_like(nearest)
    expected[inner] = maps[inner]
    return expected


def deviation(found, expected):
    assert found.shape == expected.shape and np.abs(expected).max() > 0
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# --- All of it ----------------------------------------------------------------------------------------------------


def compare(arguments, folder):
    """Print a line for each graph, runtime and batch; whether all agree."""
    info = json.loads(run(arguments.binary, "info", arguments.model, "--json"))
    size = info["input"]["height"], info["input"]["width"]
    photos = save_photos(arguments.photos, size, arguments.count, folder / "photos")
    maps, scores = program_judges(arguments, folder / "photos", folder / "out")
    print(f"{len(photos)} photos of {size[0]}x{size[1]}, scores {scores.min():.4f} to {scores.max():.4f}")
    border = (info["recipe"] or {}).get("map_border", "zero")
    agree = True
    for kind in KINDS:
        path = folder / f"{kind}.onnx"
        run(arguments.binary, "export", arguments.model, "--onnx", path, "--input", kind)
        check_file(path, kind, info)
        batch = images(photos, kind)
        for runtime, judge in judges(str(path)):
            for images_at_once in BATCHES:
                found, found_scores = judge_in_batches(judge, batch, images_at_once)
                assert np.allclose(found, bordered(found, border), atol=1e-6)
                of_map, of_score = deviation(resized(found, *size), maps), deviation(found_scores, scores)
                good = max(of_map, of_score) <= arguments.tolerance
                agree &= good
                print(f"{'ok' if good else 'FAILED':6}  {kind:10}  {runtime:22}  batch {images_at_once}  "
                      f"map {of_map:.1e}  score {of_score:.1e}")
    return agree


def main():
    arguments = parse_arguments()
    if not openvino:
        print("openvino is not installed: it is left out", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        if not compare(arguments, Path(folder)):
            sys.exit(f"onnx_check.py: a deviation is above {arguments.tolerance}")


if __name__ == "__main__":
    main()
