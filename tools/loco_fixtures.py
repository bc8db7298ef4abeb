"""Writes the fixture that the evaluation of MVTec LOCO's layout is tested against: maps, regions with their saturation
thresholds, and the area under the saturated per-region overlap (Bergmann et al., IJCV 2022), counted anew at each threshold.

Needs numpy, scipy and scikit-learn:

    python3 -m venv .venv && .venv/bin/pip install scikit-learn
    .venv/bin/python tools/loco_fixtures.py
"""

import json
from pathlib import Path

import numpy as np
import scipy.ndimage
from sklearn.metrics import roc_auc_score

FIXTURE = Path(__file__).parent.parent / "crates/evaluation/tests/fixtures/loco.json"
LIMITS = {"aupro": 0.3, "aupro_05": 0.05}
SATURATIONS = [
    {"defect_name": "missing_part", "pixel_value": 255, "saturation_threshold": 25, "relative_saturation": False},
    {"defect_name": "additional_part", "pixel_value": 254, "saturation_threshold": 0.5, "relative_saturation": True},
    {"defect_name": "larger_than_any", "pixel_value": 253, "saturation_threshold": 100000, "relative_saturation": False},
    {"defect_name": "scratch", "pixel_value": 1, "saturation_threshold": 1, "relative_saturation": True},
]


def saturation_area(pixel_value, area):
    """Pixels that must be found for the region to count as found."""
    entry = next(entry for entry in SATURATIONS if entry["pixel_value"] == pixel_value)
    threshold = entry["saturation_threshold"]
    return int(threshold * area) if entry["relative_saturation"] else min(threshold, area)


def make_image(rng, kind, pixel_values):
    height, width = rng.integers(18, 30, 2)
    regions = []
    for value in pixel_values:
        noise = scipy.ndimage.gaussian_filter(rng.normal(size=(height, width)), 2.5)
        regions.append((value, noise > np.quantile(noise, 1 - rng.uniform(0.03, 0.2))))
    defect = np.any([mask for _, mask in regions], axis=0) if regions else np.zeros((height, width), bool)
    scores = scipy.ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.0) + 0.4 * defect
    return {"kind": kind, "scores": np.round(scores, 3).astype(np.float32), "regions": regions}


def curve(images):
    """False-positive rate and mean saturated overlap at each distinct score, after (0, 0)."""
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([image["scores"].ravel() for image in images]))[::-1]:
        alarms, good, overlaps = 0, 0, []
        for image in images:
            called = image["scores"] >= threshold
            defect = np.zeros(called.shape, bool)
            for value, mask in image["regions"]:
                defect |= mask
                found = np.count_nonzero(called & mask) / saturation_area(value, np.count_nonzero(mask))
                overlaps.append(min(found, 1.0))
            alarms += np.count_nonzero(called & ~defect)
            good += np.count_nonzero(~defect)
        points.append((alarms / good, np.mean(overlaps)))
    return np.array(points).T


def area(rates, overlaps, limit):
    at_limit = np.interp(limit, rates, overlaps)
    inside = rates < limit
    return np.trapezoid([*overlaps[inside], at_limit], [*rates[inside], limit]) / limit


def metrics(images):
    rates, overlaps = curve(images)
    scores = [image["scores"].max() for image in images]
    anomalous = [image["kind"] != "good" for image in images]
    areas = {name: float(area(rates, overlaps, limit)) for name, limit in LIMITS.items()}
    return {"image_auroc": float(roc_auc_score(anomalous, scores)), **areas}


def main():
    rng = np.random.default_rng(2022)
    images = [make_image(rng, "good", []) for _ in range(5)]
    images += [make_image(rng, "logical_anomalies", values) for values in [[255], [254, 253], [255, 254, 255], [253]]]
    images += [make_image(rng, "structural_anomalies", values) for values in [[1], [1, 1], [1, 254]]]
    kinds = {
        kind: metrics([image for image in images if image["kind"] in ("good", kind)])
        for kind in ("logical_anomalies", "structural_anomalies")
    }
    stored = [
        {
            "kind": image["kind"],
            "width": image["scores"].shape[1],
            "scores": [float(f"{value:.9g}") for value in image["scores"].ravel()],
            "regions": [
                {"pixel_value": value, "mask": "".join("#" if inside else "." for inside in mask.ravel())}
                for value, mask in image["regions"]
            ],
        }
        for image in images
    ]
    content = {"saturations": SATURATIONS, "overall": metrics(images), "kinds": kinds, "images": stored}
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_text(json.dumps(content, separators=(",", ":")).replace('{"kind"', '\n{"kind"') + "\n")


if __name__ == "__main__":
    main()
