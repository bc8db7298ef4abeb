"""Writes the fixtures that crates/metrics is tested against.

Needs numpy, scikit-learn and scipy:

    python3 -m venv .venv && .venv/bin/pip install scikit-learn scipy
    .venv/bin/python tools/sklearn_fixtures.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.ndimage
import scipy.stats
import sklearn
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

FOLDER = Path(__file__).parent.parent / "crates/metrics/tests/fixtures"
EIGHT_CONNECTED = np.ones((3, 3), dtype=int)


def floats(array):
    return [float(value) for value in array]


def image_case(name, scores, anomalous):
    scores = np.asarray(scores, dtype=np.float32)
    anomalous = np.asarray(anomalous, dtype=bool)
    precision, recall, thresholds = precision_recall_curve(anomalous, scores)
    precision, recall = precision[:-1], recall[:-1]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    best = int(np.argmax(np.round(f1, 12)))
    fpr, tpr, roc_thresholds = roc_curve(anomalous, scores, drop_intermediate=False)
    return {
        "name": name,
        "scores": floats(scores),
        "anomalous": anomalous.tolist(),
        "auroc": float(roc_auc_score(anomalous, scores)),
        "average_precision": float(average_precision_score(anomalous, scores)),
        "f1": float(f1[best]),
        "f1_threshold": float(thresholds[best]),
        "f1_precision": float(precision[best]),
        "f1_recall": float(recall[best]),
        "roc_thresholds": floats(roc_thresholds[1:]),
        "fpr": floats(fpr),
        "tpr": floats(tpr),
        "precision": floats(precision),
        "recall": floats(recall),
    }


def image_cases(rng):
    anomalous = rng.random(120) < 0.4
    shifted = rng.normal(size=120) + 1.2 * anomalous
    rare = rng.random(150) < 0.04
    rare[0] = True
    return [
        image_case("continuous", shifted, anomalous),
        image_case("ties", np.round(shifted), anomalous),
        image_case("all_tied", np.full(7, 0.25), [True, False, True, False, False, False, True]),
        image_case("perfect", [0.1, 0.2, 0.3, 0.7], [False, False, True, True]),
        image_case("inverted", [0.9, 0.8, 0.2, 0.1], [False, False, True, True]),
        image_case("two", [-1.5, 2.5], [True, False]),
        image_case("signed_zero", [-0.0, 0.0, -1.0, 1.0], [True, False, False, True]),
        image_case("rare", np.round(rng.normal(size=150) + rare, 1), rare),
        image_case("tiny_scores", shifted * 1e-38, anomalous),
    ]


def blobs(rng, height, width, share):
    noise = scipy.ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.5)
    return noise > np.quantile(noise, 1 - share)


def aupro(maps, masks, limit):
    """Every distinct score is a threshold; overlaps and rates are counted anew at each."""
    thresholds = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    labelled = [scipy.ndimage.label(mask, EIGHT_CONNECTED) for mask in masks]
    good = sum(int((~mask).sum()) for mask in masks)
    points = [(0.0, 0.0)]
    for threshold in thresholds:
        alarms, overlaps = 0, []
        for scores, mask, (labels, regions) in zip(maps, masks, labelled):
            called = scores >= threshold
            alarms += int((called & ~mask).sum())
            overlaps += [float(called[labels == n].mean()) for n in range(1, regions + 1)]
        points.append((alarms / good, float(np.mean(overlaps))))
    rates, means = np.array(points).T
    inside = rates <= limit
    # With several points at the limit, the last one ends the integral; interpolation adds the rest.
    x, y = list(rates[inside]), list(means[inside])
    if x[-1] < limit:
        x0, y0, x1, y1 = x[-1], y[-1], rates[len(x)], means[len(y)]
        x.append(limit)
        y.append(y0 + (y1 - y0) * (limit - x0) / (x1 - x0))
    return float(np.trapezoid(y, x) / limit)


def pixel_case(name, rng, sizes, digits):
    maps, masks = [], []
    for index, (height, width) in enumerate(sizes):
        mask = blobs(rng, height, width, 0.12) if index % 3 else np.zeros((height, width), bool)
        scores = scipy.ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.0)
        maps.append(np.round(scores + 0.4 * mask, digits).astype(np.float32))
        masks.append(mask)
    scores = np.concatenate([m.ravel() for m in maps])
    truth = np.concatenate([m.ravel() for m in masks])
    return {
        "name": name,
        "images": [
            {
                "width": m.shape[1],
                "height": m.shape[0],
                "scores": [float(f"{value:.9g}") for value in m.ravel()],
                "mask": "".join("#" if value else "." for value in mask.ravel()),
            }
            for m, mask in zip(maps, masks)
        ],
        "auroc": float(roc_auc_score(truth, scores)),
        "aupr": float(average_precision_score(truth, scores)),
        "aupro": aupro(maps, masks, 0.3),
        "aupro_005": aupro(maps, masks, 0.05),
    }


def component_cases(rng):
    masks = [rng.random((height, width)) < share for height, width, share in
             [(1, 1, 1.0), (1, 9, 0.5), (9, 1, 0.5), (12, 17, 0.3), (12, 17, 0.5), (20, 11, 0.7)]]
    spiral = ["#########", "........#", "#######.#", "#.....#.#", "#.###.#.#", "#.#...#.#", "#.#####.#",
              "#.......#", "#########"]
    masks += [np.array([[c == "#" for c in row] for row in spiral]),
              np.indices((6, 7)).sum(axis=0) % 2 == 0, blobs(rng, 30, 26, 0.25)]
    cases = []
    for mask in masks:
        labels, regions = scipy.ndimage.label(mask, EIGHT_CONNECTED)
        areas = np.bincount(labels.ravel(), minlength=regions + 1)[1:]
        cases.append({
            "width": mask.shape[1],
            "rows": ["".join("#" if value else "." for value in row) for row in mask],
            "labels": labels.ravel().tolist(),
            "areas": areas.tolist(),
        })
    return cases


def rate_cases():
    counts = [(0, 1), (1, 1), (0, 10), (3, 5), (0, 299), (1, 500), (5, 1000), (50, 1000),
              (0, 100_000), (500, 100_000), (99_999, 100_000)]
    return [
        {
            "name": f"{count} of {trials}",
            "count": count,
            "trials": trials,
            "upper_bound": bound(count, trials, 0.95, "less")[1],
            "interval": bound(count, trials, 0.95, "two-sided"),
        }
        for count, trials in counts
    ]


def bound(count, trials, confidence, alternative):
    test = scipy.stats.binomtest(count, trials, alternative=alternative)
    return [float(rate) for rate in test.proportion_ci(confidence, method="exact")]


def write(name, content):
    content["made_with"] = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__}
    text = json.dumps(content, indent=None, separators=(",", ":"))
    (FOLDER / name).write_text(text.replace('{"name"', '\n{"name"') + "\n")


def main():
    rng = np.random.default_rng(2024)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write("images.json", {"cases": image_cases(rng)})
    write("pixels.json", {"cases": [
        pixel_case("distinct", rng, [(16, 19), (14, 14), (9, 22), (12, 12)], 6),
        pixel_case("ties", rng, [(16, 16), (16, 16), (11, 13)], 1),
    ]})
    write("components.json", {"cases": component_cases(rng)})
    write("rates.json", {"cases": rate_cases()})


if __name__ == "__main__":
    main()
