"""anomalib's datamodules as data, and inspections as anomalib's metrics take them.

A datamodule (`Folder`, `MVTecAD`, …) keeps its splits and labels. One that is not set up is set up once: each set-up draws
its splits anew. In its place any function here takes one of its datasets, or the table `samples` of one.
"""

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

from . import Detector
from . import evaluate as _evaluate
from . import train as _train
from ._native import DataError
from ._photos import link, refusal

# Photos that are judged at a time by `predict`.
_CHUNK = 16
_GOOD, _DEFECT = 0, 1
_Path = Union[str, "os.PathLike[str]"]


def train(data: Any, out: _Path, **options: Any) -> dict[str, Any]:
    """Learns from the photos of good parts that `data` has for training, some of which are held back.

    Its validation set is not looked at: most datamodules make it of test photos.

    Args:
        data: A datamodule, a dataset of one, or its table of samples.
        out: The model's file.
        options: As of `efficientad.train`.

    Returns:
        What `efficientad.train` does.
    """
    samples = _samples(data, "train")
    if any(it.label_index != _GOOD for it in samples):
        raise refusal(DataError, "the training photos have others than normal ones among them; take these out")
    return _train([it.image_path for it in samples], out, **options)


def evaluate(
    model: Union[_Path, Detector], data: Any, *, mask_threshold: int = 1, **options: Any
) -> dict[str, Any]:
    """Judges the test photos of `data`, and measures how well that works.

    Args:
        model: A model's file, or a Detector.
        data: A datamodule, a dataset of one, or its table of samples.
        mask_threshold: From which value of a mask on a pixel is of a defect; the default is anomalib's.
        options: As of `efficientad.evaluate`.

    Returns:
        What `efficientad.evaluate` does, with the photos' own paths.
    """
    samples = _samples(data, "test")
    with tempfile.TemporaryDirectory(prefix="efficientad-") as folder:
        table, originals = _as_table(samples, Path(folder))
        found = _evaluate(model, table, mask_threshold=mask_threshold, **options)
    defects = {str(it.image_path): _label(it) for it in samples if it.label_index == _DEFECT}
    for image in found["images"]:
        image["path"] = originals[table.parent / image["path"]]
        if image["path"] in defects and not image["defective"]:
            reason = f"the label of an abnormal photo, {defects[image['path']]!r}, says that it is good; rename it"
            raise refusal(DataError, reason, Path(image["path"]))
    return found


def predict(model: Union[_Path, Detector], data: Any) -> Iterator[Any]:
    """Judges the test photos of `data`; yields an `anomalib.data.ImageBatch` of each, with what is known of it.

    A batch has one photo, so that photos may differ in size: image, gt_label, gt_mask, image_path, mask_path, pred_score,
    anomaly_map (in pixels of the photo; the score is its highest value), and pred_label and pred_mask by the model's
    threshold. Scores are not normalised to 0..1, which no metric of anomalib needs.

    Args:
        model: A model's file, or a Detector.
        data: A datamodule, a dataset of one, or its table of samples.
    """
    detector = model if isinstance(model, Detector) else Detector(model)
    samples = _samples(data, "test")
    for first in range(0, len(samples), _CHUNK):
        chunk = samples[first : first + _CHUNK]
        for sample, inspection in zip(chunk, detector.inspect_batch([it.image_path for it in chunk])):
            yield _batch(sample, inspection, detector.threshold)


def _batch(sample, inspection, threshold):
    import torch
    from anomalib.data import ImageBatch
    from anomalib.data.utils import read_image

    anomaly_map = torch.from_numpy(inspection.map)[None]
    is_judged = threshold is not None
    return ImageBatch(
        image=read_image(sample.image_path, as_tensor=True)[None],
        image_path=[str(sample.image_path)],
        mask_path=[_mask_path(sample)] if _mask_path(sample) else None,
        gt_label=None if sample.label_index not in (_GOOD, _DEFECT) else torch.tensor([sample.label_index]),
        gt_mask=_mask(sample, anomaly_map),
        pred_score=torch.tensor([inspection.score]),
        anomaly_map=anomaly_map,
        pred_label=torch.tensor([inspection.anomalous]) if is_judged else None,
        pred_mask=anomaly_map >= threshold if is_judged else None,
    )


def _mask(sample, anomaly_map):
    """Where the defect is; None where that is not known."""
    import torch
    from anomalib.data.utils import read_mask

    if sample.label_index == _GOOD:
        return torch.zeros(anomaly_map.shape, dtype=torch.bool)
    return read_mask(_mask_path(sample), as_tensor=True)[None] if _mask_path(sample) else None


def _samples(data, part):
    """Rows of the table of samples, with image_path and label_index, perhaps label and mask_path."""
    if hasattr(data, "setup"):
        if getattr(data, f"{part}_data", None) is None:
            data.setup()
        data = getattr(data, f"{part}_data")
    table = data
    if hasattr(data, "samples"):
        table = data.samples
    elif "split" in data.columns:
        table = data[data["split"].astype(object) == part]
    absent = {"image_path", "label_index"} - set(table.columns)
    if absent:
        raise refusal(DataError, f"the samples have no column {min(absent)}; give a datamodule of anomalib, or its samples")
    if len(table) == 0:
        raise refusal(DataError, f"there are no photos to {part} with")
    return list(table.itertuples(index=False))


def _as_table(samples, folder):
    """A data set of links, with the table that says what is what, and what each was called."""
    root = Path(*_common(Path(it.image_path).absolute().parent.parts for it in samples))
    # Hidden, so that it is not among the files that are no photos.
    table, originals = folder / ".samples.csv", {}
    with table.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["path", "label", "mask", "split"])
        for number, sample in enumerate(samples):
            if sample.label_index not in (_GOOD, _DEFECT):
                reason = "it is not known whether it is good; leave it out, or use predict"
                raise refusal(DataError, reason, Path(sample.image_path))
            name = Path(sample.image_path).absolute().relative_to(root)
            if folder / name in originals:
                raise refusal(DataError, "the photo is among the samples twice", Path(sample.image_path))
            originals[folder / name] = str(sample.image_path)
            _link(sample.image_path, folder / name)
            mask = ""
            if sample.label_index == _DEFECT and _mask_path(sample):
                mask = f"masks-of-anomalib/{number}/{Path(_mask_path(sample)).name}"
                _link(_mask_path(sample), folder / mask)
            rows.writerow([name.as_posix(), _label(sample), mask, "test"])
    return table, originals


def _link(original, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    link(original, file)


def _common(paths):
    """The parts that paths begin with."""
    for parts in zip(*paths):
        if len(set(parts)) > 1:
            return
        yield parts[0]


def _label(sample):
    if sample.label_index == _GOOD:
        return "0"
    label = getattr(sample, "label", None)
    return str(getattr(label, "value", label) or "1")


def _mask_path(sample):
    # Not a number, where the table has no text.
    path = getattr(sample, "mask_path", None)
    return str(path) if isinstance(path, (str, Path)) and str(path) else None
