"""Inspections as labels of FiftyOne."""

import math
import os
from itertools import islice
from pathlib import Path
from typing import Any, Union

from . import Detector, Inspection

# Photos that are judged at a time.
_CHUNK = 16
GOOD, ANOMALOUS, REGION = "good", "anomalous", "anomaly"
_Path = Union[str, "os.PathLike[str]"]


def add_predictions(
    samples: Any, model: Union[_Path, Detector], field: str = "efficientad", *, map_folder: Union[_Path, None] = None
) -> None:
    """Judges the photos of a dataset or view, and adds three fields to each of its samples.

    The field of the given name has the verdict, `<field>_map` the heat map and `<field>_regions` the regions, as
    `labels` makes them.

    Args:
        samples: A dataset or view of FiftyOne.
        model: A model's file, or a Detector.
        field: The field of the verdicts.
        map_folder: Folder to write heat maps into, as PNG of 8 bits; the database itself keeps them if None, as numbers,
            and takes up to 16 MB a sample.

    Raises:
        ImageError: A photo can't be read or judged. They are judged by 16; those before its 16 have their fields.
    """
    detector = model if isinstance(model, Detector) else Detector(model)
    if map_folder is not None:
        Path(map_folder).mkdir(parents=True, exist_ok=True)
    each = iter(samples)
    with samples.save_context() as saving:
        while chunk := list(islice(each, _CHUNK)):
            found = detector.inspect_batch([sample.filepath for sample in chunk])
            for sample, inspection in zip(chunk, found):
                _add(sample, inspection, detector.threshold, field, map_folder)
                saving.save(sample)


def labels(inspection: Inspection, threshold: Union[float, None]) -> tuple[Any, Any, Any]:
    """An inspection as labels.

    Args:
        inspection: What a Detector says about a photo.
        threshold: The detector's.

    Returns:
        A tuple of the verdict, a Classification ("good" or "anomalous") with score and p_value; the anomaly map, a
        Heatmap from 0 to twice the threshold, or to the map's peak where that is higher; and the regions, Detections
        with area and peak. Without threshold there are neither words nor regions.

        FiftyOne wants confidences from 0 to 1: that of "anomalous" is 1 / (1 + exp(1 - score / threshold)), and that of
        "good" what is missing to 1. They order photos as scores do, and are no probabilities; the p-value is.
    """
    import fiftyone as fo

    word = None if inspection.anomalous is None else ANOMALOUS if inspection.anomalous else GOOD
    verdict = fo.Classification(
        label=word,
        confidence=_confidence(inspection.score, threshold, word),
        score=inspection.score,
        p_value=inspection.p_value,
    )
    return verdict, _heatmap(inspection.map, threshold), _detections(inspection, threshold)


def _heatmap(values, threshold):
    import fiftyone as fo

    # What lies outside of the range is none of FiftyOne's colours.
    low, high = min(0.0, float(values.min())), float(values.max())
    return fo.Heatmap(map=values, range=[low, max(high, 2 * (threshold or 0.0))])


def _detections(inspection, threshold):
    import fiftyone as fo

    height, width = inspection.map.shape
    detections = []
    for region in inspection.regions or []:
        x, y, w, h = region.box
        detection = fo.Detection(
            label=REGION,
            bounding_box=[x / width, y / height, w / width, h / height],
            confidence=_confidence(region.peak[0], threshold, ANOMALOUS),
            area=region.area,
            peak=region.peak[0],
        )
        detections.append(detection)
    return fo.Detections(detections=detections)


def _confidence(score, threshold, word):
    if threshold is None:
        return None
    above = (score - threshold) / (abs(threshold) or 1.0)
    # Above 700 exp overflows.
    return 1 / (1 + math.exp(min(-above if word == ANOMALOUS else above, 700)))


def _add(sample, inspection, threshold, field, map_folder):
    verdict, heatmap, regions = labels(inspection, threshold)
    if map_folder is not None:
        heatmap.export_map(str(Path(map_folder).absolute() / f"{sample.id}.png"), update=True)
    sample[field], sample[f"{field}_map"], sample[f"{field}_regions"] = verdict, heatmap, regions
