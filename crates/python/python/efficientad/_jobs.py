"""Jobs with keywords; what they do is in the extension module."""

import os
from contextlib import ExitStack, contextmanager

from . import _native
from ._photos import folder_of


def train(
    data,
    out,
    *,
    recipe=None,
    steps=None,
    size=None,
    input=None,
    seed=None,
    learning_rate=None,
    channel_weights=True,
    position_weights=True,
    augment=(),
    tile=None,
    overlap=None,
    letterbox=False,
    region=None,
    exclude=None,
    validation=None,
    photos=None,
    teacher=None,
    false_reject=None,
    continue_from=None,
    old=(),
    resume=False,
    checkpoint_every=None,
    orientation=None,
    bits=None,
    range=None,
    threads=None,
    device=None,
    precision=None,
    progress=None,
):
    """Learns from photos of good parts and writes a model's file, byte for byte that of `efficientad train`.

    Every keyword is an option of the command line; `efficientad train --help` says more.

    Args:
        data: Folder of photos of good parts, or of a data set; or a dataset as PyTorch has them, with `__len__` and
            `__getitem__`, such as a list. An item is a photo, a tuple that begins with one, or a dict with an "image";
            a photo is a path, the bytes of an image file, an array (height, width) or (height, width, 3) of uint8 or
            uint16, a PIL image, or a tensor of PyTorch, (channels, height, width) of uint8, uint16, or floats that are
            bytes divided by 255. All are of good parts: labels that differ are refused.
        out: The model's file. While the training goes on, a checkpoint is beside it.
        recipe: "fast" or "paper" instead of the default.
        steps: Training steps, one photo each.
        size: "small" or "medium".
        input: Side of the networks' input in pixels, or (height, width).
        seed: The same seed gives the same model, bit for bit.
        learning_rate: Highest learning rate.
        channel_weights: Whether channels that the student predicts better on good photos count more.
        position_weights: Whether what is usual at a place of the photo counts less there.
        augment: Of "flip-horizontal", "flip-vertical" and "shift" the changes after which a good part is still one.
        tile, overlap: Sides of tiles, and what neighbours share, in pixels of the photo.
        letterbox: Whether photos keep their proportions.
        region, exclude: A mask, or JSON of polygons: inspect only this, or all but this.
        validation: Folder or dataset of good photos to hold back instead of some of the dataset.
        photos: Folder of natural photos for the penalty, or "none".
        teacher: File of a teacher.
        false_reject: Share of good parts that may be called anomalous, from 0 to 1.
        continue_from: A finished model to go on from.
        old: With continue_from, folders of data sets that it was trained on.
        resume: Go on from the checkpoint beside `out`.
        checkpoint_every: Seconds, or text as "5m" or "500steps".
        orientation: "stored" or "exif".
        bits: How many of 16 bits the camera uses.
        range: (black, white) of floating point photos.
        threads: As many as the CPU runs if None. The model does not depend on it.
        device: "cpu" (if None), "gpu", "gpu:1" or "auto", where the module was built with GPUs (docs/gpu.md).
        precision: What steps compute in where the device has it: "f32" (if None), "f16" or "bf16".
        progress: True for bars of tqdm, or a callable of (stage: str, done: int, total: int, report: dict or None).
            What it raises ends the training, with the checkpoint written, as Ctrl-C does.

    Returns:
        A dict of model (its file), steps, threshold (value and what it promises), held_back (what a continuation
        changed), and skipped (number of unreadable photos).

    Raises:
        ImageError, DataError, ModelError: By cause, with .path and .reason.
        ValueError: An option can't be so.
    """
    if input is not None and not isinstance(input, int):
        height, width = input
        input = f"{height}x{width}"
    if range is not None:
        low, high = range
        range = f"{low},{high}"
    if not isinstance(augment, str):
        augment = ",".join(augment)
    named = {
        "out": out,
        "recipe": recipe,
        "steps": steps,
        "size": size,
        "input": input,
        "seed": seed,
        "learning-rate": learning_rate,
        "augment": augment or None,
        "tile": tile,
        "overlap": overlap,
        "region": region,
        "exclude": exclude,
        "photos": photos,
        "teacher": teacher,
        "false-reject": false_reject,
        "continue": continue_from,
        "checkpoint-every": checkpoint_every,
        "orientation": orientation,
        "bits": bits,
        "range": range,
        "threads": threads,
        "device": device,
        "precision": precision,
    }
    flags = {"no-channel-weights": not channel_weights, "no-position-weights": not position_weights, "letterbox": letterbox, "resume": resume}
    words = [_word(name, value) for name, value in named.items() if value is not None]
    words += [_word("old", folder) for folder in ([old] if isinstance(old, (str, os.PathLike)) else old)]
    words += [f"--{name}" for name, is_set in flags.items() if is_set]
    with ExitStack() as until_done:
        if validation is not None:
            words.append(_word("validation", until_done.enter_context(folder_of(validation))))
        # What follows is no option, whatever it begins with.
        words += ["--", os.fspath(until_done.enter_context(folder_of(data)))]
        return _native.train(words, until_done.enter_context(_progress(progress)))


def calibrate(model, good, *, progress=None, **options):
    """Takes a model's threshold and p-values from photos of good parts that it was not trained on.

    Args:
        model: The model's file.
        good: A photo or folder, or several.
        out: The file to write; the model's own if None, which is kept beside itself first.
        defects: Folder of photos of defects, to see what is caught.
        false_reject: Share of good parts that may be called anomalous, from 0 to 1; the model's if None.
        surely_good: Whether photos are of good parts whatever their folder is called.
        threads, device, progress: As of train.
        precision: What the device judges in.

    Returns:
        The dict that `efficientad calibrate --json` prints.
    """
    with _progress(progress) as told:
        return _native.calibrate(model, good, progress=told, **options)


def evaluate(model, data, *, progress=None, **options):
    """Judges a data set's test images, and measures how well that works.

    Args:
        model: A model's file, or a Detector.
        data: Folder of the data set.
        out: Folder for anomaly maps, overlays and results.json.
        report: Folder for a page that shows the results.
        mask_threshold, invert_masks: Which values of masks are defects; told by their look if not given.
        threads, device, precision: As of a Detector, which keeps its own.
        progress: As of train.

    Returns:
        The dict that `efficientad eval --json` prints: image_auroc, pixel_auroc, aupro, …, kinds, verdicts, images.
    """
    with _progress(progress) as told:
        return _native.evaluate(model, data, progress=told, **options)


def import_weights(files, out, *, progress=None, **options):
    """Turns weights of nelson1425/EfficientAD or anomalib into a file of a teacher or model.

    Nothing that a file asks to run is run.

    Args:
        files: A file, or several.
        out: The file to write.
        good: Folder of photos of good parts, for what the files lack.
        threads, progress: As of train.

    Returns:
        A dict of kind ("teacher" or "model"), size, threshold and skipped.
    """
    with _progress(progress) as told:
        return _native.import_weights(files, out, progress=told, **options)


def _word(name, value):
    """An option with its value, whatever that begins with."""
    value = os.fspath(value) if isinstance(value, (str, bytes, os.PathLike)) else str(value)
    return f"--{name}={os.fsdecode(value)}"


@contextmanager
def _progress(progress):
    if progress is not True:
        yield progress or None
        return
    from ._progress import Bar

    bar = Bar()
    try:
        yield bar
    finally:
        bar.close()
