#!/usr/bin/env python3
"""Other methods on the same photos: PaDiM, PatchCore and EfficientAd of anomalib, beside this program's results.

    python3 bench/methods.py ../shared/data/inspection --backbone trunk.onnx --out methods \\
        --only cookies tire --mask-threshold magnetic_tile=128 --ours accuracy
    … --methods efficientad --natural ../shared/data/natural --steps 400

PaDiM and PatchCore are anomalib's own, but for the backbone: an ONNX file that makes of a photo (1×3×H×W, 0 to 1) two tensors, of
stride 8 and 16 — the very network that the built-in teachers were distilled from — run by ONNX Runtime. Photos are resized to
256×256 as this program does, without a crop. EfficientAd is anomalib's own by its own settings, but for the teacher, which is the
built-in one of this program, and --steps instead of 70,000; every tenth good photo is held back for its maps' quantiles.

Each method and set is a process of its own, whose time and memory count; what is done is not done again. Image scores are
the methods' own; maps are resized to the photos and measured as `efficientad eval` does. --ours takes image AU-ROC, pixel
AU-ROC and AU-PRO from the folders that bench/accuracy.py left.

Needs anomalib, onnx, onnxruntime, safetensors and scikit-learn.
"""

import argparse
import json
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import time
import types

SIZE = 256
LAYERS = ["layer2", "layer3"]
CHANNELS = [512, 1024]
PADIM_FEATURES = 550
"""As anomalib takes of a wide ResNet-50."""
TEACHER = pathlib.Path(__file__).parent.parent / "crates/efficientad/assets/teacher_small.safetensors"
COLUMNS = ("image_auroc", "pixel_auroc", "aupro")
FPR_LIMIT = 0.3


def trunk(path, threads):
    """The backbone in the place of anomalib's feature extractor."""
    import onnx
    import onnxruntime
    import torch

    graph = onnx.load(path)
    for value in (*graph.graph.input, *graph.graph.output):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}{axis}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()

    class Trunk(torch.nn.Module):
        out_dims = CHANNELS

        def forward(self, image):
            features = session.run(LAYERS, {entry.name: image.numpy()})
            return dict(zip(LAYERS, map(torch.from_numpy, features)))

    return Trunk()


def padim(arguments, good):
    import torch
    from anomalib.models.image.padim.torch_model import PadimModel

    model = PadimModel(backbone="resnet18", layers=LAYERS, pre_trained=False, n_features=1)
    model.n_features_original, model.n_features = sum(CHANNELS), PADIM_FEATURES
    model.idx = torch.randperm(model.n_features_original)[: model.n_features]
    remember(model, arguments, good)
    # PyTorch 2.15 fails to invert many matrices on several threads (oneMKL, SLASWP).
    torch.set_num_threads(1)
    model.fit()
    torch.set_num_threads(arguments.threads)
    return model


def patchcore(arguments, good):
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(layers=LAYERS, backbone="resnet18", pre_trained=False)
    remember(model, arguments, good)
    model.subsample_embedding(arguments.coreset)
    return model


def remember(model, arguments, good):
    """Shows the model all photos by the backbone."""
    model.feature_extractor = trunk(arguments.backbone, arguments.threads)
    model.train()
    for path in good:
        model(read(path)[0])


def efficientad(arguments, good):
    import torch
    from anomalib.models import EfficientAd
    from safetensors.torch import load_file

    module = EfficientAd()
    model = module.model
    teacher = load_file(arguments.teacher)
    model.teacher.load_state_dict({name.removeprefix("teacher."): weights.float() for name, weights in teacher.items()})
    order = random.Random(0)
    training = [path for number, path in enumerate(good) if number % 10]
    natural = sorted(path for path in arguments.natural.rglob("*.*") if path.is_file())
    batches = (types.SimpleNamespace(image=read(path)[0]) for path in training)
    model.mean_std.update(module.teacher_channel_mean_std(batches))
    learned = [*model.student.parameters(), *model.ae.parameters()]
    optimizer = torch.optim.Adam(learned, lr=module.lr, weight_decay=module.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, int(0.95 * arguments.steps), gamma=0.1)
    model.train()
    for step in range(arguments.steps):
        if step % len(training) == 0:
            order.shuffle(training)
        optimizer.zero_grad()
        sum(model(read(training[step % len(training)])[0], penalty_photo(order.choice(natural), order))).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    is_good = torch.tensor([0])
    held_back = (types.SimpleNamespace(image=read(path)[0], gt_label=is_good) for path in good[::10])
    model.quantiles.update(module.map_norm_quantiles(held_back))
    return model


METHODS = {"padim": padim, "patchcore": patchcore, "efficientad": efficientad}


def penalty_photo(path, order):
    """Resized to twice the input, its middle, three of ten without colours: what anomalib makes of a natural photo."""
    from PIL import Image

    with Image.open(path) as photo:
        photo = photo.convert("RGB").resize((2 * SIZE, 2 * SIZE), Image.BILINEAR)
    middle = photo.crop((SIZE // 2, SIZE // 2, SIZE // 2 + SIZE, SIZE // 2 + SIZE))
    if order.random() < 0.3:
        middle = middle.convert("L").convert("RGB")
    return as_tensor(middle)


def photos(folder):
    return sorted(path for path in folder.iterdir() if path.is_file())


def read(path):
    """The photo as a tensor, and its height and width."""
    from PIL import Image

    with Image.open(path) as photo:
        return as_tensor(photo.convert("RGB").resize((SIZE, SIZE), Image.BILINEAR)), photo.size[::-1]


def as_tensor(photo):
    """1×3×H×W, 0 to 1."""
    import numpy
    import torch

    return torch.from_numpy(numpy.asarray(photo, dtype=numpy.float32) / 255).permute(2, 0, 1)[None].contiguous()


def defects(dataset, path, threshold, inverted):
    """The mask of a test photo; None if it has none."""
    import numpy
    from PIL import Image

    kind = path.parent.name
    if kind == "good":
        return False
    found = list((dataset / "ground_truth" / kind).glob(f"{path.stem}_mask.*"))
    if not found:
        return None
    with Image.open(found[0]) as mask:
        is_defect = numpy.asarray(mask.convert("L")) >= threshold
    return ~is_defect if inverted else is_defect


def overlap_area(maps, masks):
    """AU-PRO up to a false-positive rate of 0.3, and the pixels' AU-ROC."""
    import numpy
    import scipy.ndimage
    from sklearn.metrics import roc_auc_score

    scores, shares, good = [], [], []
    for scored, mask in zip(maps, masks):
        labels, _ = scipy.ndimage.label(mask, numpy.ones((3, 3)))
        areas = numpy.bincount(labels.ravel())
        scores.append(scored.ravel())
        shares.append(numpy.where(mask, 1 / areas[labels], 0).ravel())
        good.append(~mask.ravel())
    scores, shares, good = map(numpy.concatenate, (scores, shares, good))
    pixel_auroc = roc_auc_score(~good, scores)
    order = numpy.argsort(-scores, kind="stable")
    last = numpy.append(numpy.diff(scores[order]) != 0, True)
    rates = numpy.cumsum(good[order])[last] / numpy.count_nonzero(good)
    overlaps = numpy.cumsum(shares[order])[last] / shares.sum()
    rates, overlaps = numpy.insert(rates, 0, 0), numpy.insert(overlaps, 0, 0)
    inside = rates < FPR_LIMIT
    at_limit = numpy.interp(FPR_LIMIT, rates, overlaps)
    area = numpy.trapezoid([*overlaps[inside], at_limit], [*rates[inside], FPR_LIMIT])
    return area / FPR_LIMIT, pixel_auroc


def run(arguments, method, dataset):
    """Trains and judges; all numbers."""
    import numpy
    import torch
    from sklearn.metrics import roc_auc_score

    torch.set_num_threads(arguments.threads)
    thresholds = dict(pair.split("=") for pair in arguments.mask_threshold)
    torch.manual_seed(0)
    start = time.monotonic()
    model = METHODS[method](arguments, photos(dataset / "train" / "good"))
    seconds = time.monotonic() - start
    model.eval()
    torch.set_grad_enabled(False)
    scores, anomalous, times, maps, masks = [], [], [], [], []
    for kind in sorted(path for path in (dataset / "test").iterdir() if path.is_dir()):
        for path in photos(kind):
            image, size = read(path)
            start = time.monotonic()
            judged = model(image)
            times.append(time.monotonic() - start)
            scores.append(float(judged.pred_score))
            anomalous.append(kind.name != "good")
            threshold = int(thresholds.get(dataset.name, 1))
            mask = defects(dataset, path, threshold, dataset.name in arguments.invert_masks)
            if mask is not None:
                resized = torch.nn.functional.interpolate(judged.anomaly_map, size, mode="bilinear")
                maps.append(resized[0, 0].numpy())
                masks.append(numpy.zeros(size, bool) if mask is False else mask)
    measured = {"image_auroc": float(roc_auc_score(anomalous, scores)), "pixel_auroc": None, "aupro": None}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if any(mask.any() for mask in masks):
        measured["aupro"], measured["pixel_auroc"] = map(float, overlap_area(maps, masks))
    return {**measured, "seconds": seconds, "inspection_ms": 1000 * statistics.median(times), "peak_mib": peak}


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def numbers(measured):
    values = [measured.get(column) for column in COLUMNS]
    return " / ".join("–" if value is None else f"{100 * value:.1f}" for value in values)


def ours(folder, name):
    found = sorted(folder.glob(f"{name}-*/results.json"))
    return [f"efficientad, {path.parent.name.removeprefix(name + '-')}" for path in found], [
        json.loads(path.read_text()) for path in found
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=pathlib.Path, help="folder of data sets laid out as MVTec AD")
    parser.add_argument("--backbone", type=pathlib.Path, help="of PaDiM and PatchCore")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", help="names of the sets to take; all if not given")
    parser.add_argument("--methods", nargs="+", choices=METHODS, help="default: those whose photos or backbone are given")
    parser.add_argument("--coreset", type=float, default=0.01, help="share of patches that PatchCore keeps")
    parser.add_argument("--teacher", type=pathlib.Path, default=TEACHER, help="of EfficientAd")
    parser.add_argument("--natural", type=pathlib.Path, help="folder of natural photos, for EfficientAd's penalty")
    parser.add_argument("--steps", type=int, default=400, help="of EfficientAd")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mask-threshold", nargs="+", default=[], metavar="SET=VALUE")
    parser.add_argument("--invert-masks", nargs="+", default=[], metavar="SET")
    parser.add_argument("--ours", type=pathlib.Path, metavar="FOLDER", help="what bench/accuracy.py left")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "SET"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        method, name = arguments.one
        print(json.dumps(run(arguments, method, arguments.sets / name)))
        return
    needs = {"padim": arguments.backbone, "patchcore": arguments.backbone, "efficientad": arguments.natural}
    methods = arguments.methods or [method for method, need in needs.items() if need]
    if not methods or not all(needs[method] for method in methods):
        parser.error("PaDiM and PatchCore need --backbone, EfficientAd --natural")
    names = arguments.only or sorted(path.name for path in arguments.sets.iterdir() if path.is_dir())
    arguments.out.mkdir(parents=True, exist_ok=True)
    row(["set", "method", "image AU-ROC / pixel AU-ROC / AU-PRO", "training", "inspection", "peak memory"])
    row(["---"] * 6)
    for name in names:
        for method in methods:
            title = f"{method}-{arguments.steps}" if method == "efficientad" else method
            results = arguments.out / f"{name}-{title}.json"
            if not results.exists():
                command = [sys.executable, *sys.argv, "--one", method, name]
                results.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            measured = json.loads(results.read_text())
            costs = [f"{measured['seconds']:.0f} s", f"{measured['inspection_ms']:.0f} ms", f"{measured['peak_mib']:.0f} MiB"]
            row([name, title, numbers(measured), *costs])
        if arguments.ours:
            for title, measured in zip(*ours(arguments.ours, name)):
                row([name, title, numbers(measured), "", "", ""])


if __name__ == "__main__":
    main()
