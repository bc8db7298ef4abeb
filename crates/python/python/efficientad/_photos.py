"""Photos in memory as files: a training takes folders."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

from ._native import DataError, EfficientADError, ImageError

# What Pillow's images are called whose pixels are taken as they are, and those of more bits than its conversion keeps.
_PLAIN_MODES = ("L", "RGB", "RGBA", "I;16", "I;16N")
_WIDE_MODES = ("I", "F", "I;16B", "I;16L")


@contextmanager
def folder_of(data):
    """The folder that `data` is, or one with the photos of the dataset that it is, named by their numbers."""
    if isinstance(data, (str, bytes, os.PathLike)):
        yield data
        return
    if isinstance(data, Mapping) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise TypeError(f"{type(data).__name__} is no data: give a folder, or a dataset with __len__ and __getitem__")
    with tempfile.TemporaryDirectory(prefix="efficientad-") as parent:
        folder = Path(parent) / "photos"
        folder.mkdir()
        originals = _write_all(data, folder)
        try:
            yield folder
        except EfficientADError as error:
            _call_by_its_name(error, folder, originals)
            raise


def write(photo, place):
    """Writes a photo as a file: one that is one as it is, pixels as PNM. Returns the file."""
    # What a file is is told by its content.
    file = place.with_suffix(".png")
    if isinstance(photo, (str, os.PathLike)):
        link(photo, file)
        return file
    if isinstance(photo, (bytes, bytearray)):
        file.write_bytes(photo)
        return file
    pixels = _pixels(photo)
    height, width = pixels.shape[:2]
    largest = 255 if pixels.dtype.itemsize == 1 else 65535
    file = place.with_suffix(".ppm")
    with file.open("wb") as out:
        out.write(f"P{5 if pixels.ndim == 2 else 6}\n{width} {height}\n{largest}\n".encode())
        out.write(pixels.astype(pixels.dtype.newbyteorder(">")).tobytes())
    return file


def link(original, file):
    """Another name for a file; a copy where the system has no links."""
    if not os.path.isfile(original):
        raise refusal(ImageError, "there is no such file; check the path", Path(original))
    original = os.path.abspath(original)
    try:
        os.symlink(original, file)
    except OSError:
        shutil.copyfile(original, file)


def _write_all(dataset, folder):
    """Writes a dataset's photos; returns what the files are called that were files before."""
    if len(dataset) == 0:
        raise refusal(DataError, "the dataset has no photos")
    originals, labels = {}, set()
    for number in range(len(dataset)):
        photo, label = _photo_and_label(dataset[number])
        labels.add(label)
        try:
            file = write(photo, folder / f"{number:08}")
        except ImageError as error:
            raise refusal(ImageError, f"photo {number} of the dataset: {error.reason}", error.path) from None
        if isinstance(photo, (str, os.PathLike)):
            originals[file] = Path(photo)
    if len(labels) > 1:
        some = ", ".join(sorted(map(repr, labels))[:5])
        reason = f"the dataset has photos of several labels ({some}): all must be of good parts; give these alone"
        raise refusal(DataError, reason)
    return originals


def _photo_and_label(item):
    """The photo of a dataset's item, and what a number or word beside it says."""
    if isinstance(item, Mapping):
        if "image" not in item:
            raise TypeError(f'an item of the dataset has no "image", only {sorted(map(str, item))}')
        return item["image"], _label(item.get("label", item.get("gt_label")))
    if hasattr(item, "image"):
        return item.image, _label(getattr(item, "gt_label", getattr(item, "label", None)))
    if isinstance(item, (tuple, list)) and item:
        return item[0], _label(item[1] if len(item) > 1 else None)
    return item, None


def _label(label):
    if getattr(label, "ndim", None) == 0:
        label = label.item()
    return label if isinstance(label, (bool, int, float, str)) else None


def _pixels(photo):
    """A photo as an array of uint8 or uint16, (height, width) or (height, width, 3)."""
    import numpy as np

    if _is_tensor(photo):
        pixels = _of_tensor(photo)
    elif hasattr(photo, "getbands") and hasattr(photo, "mode"):
        pixels = np.asarray(_plain(photo))
    elif isinstance(photo, np.ndarray) or not hasattr(photo, "__dlpack__"):
        pixels = np.asarray(photo)
    else:
        pixels = np.from_dlpack(photo)
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[:, :, :3]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    is_photo = pixels.ndim in (2, 3) and pixels.shape[2:] in ((), (3,)) and pixels.size > 0
    if pixels.dtype not in (np.uint8, np.uint16) or not is_photo:
        reason = f"{pixels.dtype} of shape {pixels.shape} is no photo: give uint8 or uint16, height × width or × 3"
        raise refusal(ImageError, reason)
    return pixels


def _is_tensor(photo):
    """Whether it is PyTorch's, whose photos are channels × height × width; without importing PyTorch."""
    return any(it.__name__ == "Tensor" and it.__module__.split(".")[0] == "torch" for it in type(photo).__mro__)


def _of_tensor(tensor):
    kind = str(tensor.dtype).removeprefix("torch.")
    shape = tuple(tensor.shape)
    is_photo = len(shape) in (2, 3) and shape[:-2] in ((), (1,), (3,)) and 0 not in shape
    if kind not in ("uint8", "uint16", "float32", "float64") or not is_photo:
        reason = f"a tensor of {kind} and shape {shape} is no photo: give uint8, uint16 or float32, 1 or 3 × height × width"
        raise refusal(ImageError, reason)
    pixels = tensor.detach().cpu().numpy()
    if kind.startswith("float"):
        pixels = _levels(pixels)
    return pixels if pixels.ndim == 2 else pixels.transpose(1, 2, 0)


def _levels(values):
    """Bytes that were divided by 255; what was not is refused, as rounding it would be another photo."""
    import numpy as np

    levels = np.rint(values * 255)
    # Not a number is not close to any.
    if not (np.abs(values * 255 - levels) < 1e-3).all() or levels.min() < 0 or levels.max() > 255:
        reason = (
            f"a tensor of floats from {values.min():.3f} to {values.max():.3f} that are no multiples of 1/255, as after"
            " Normalize or a change of size: give uint8 (ToDtype(torch.uint8, scale=True)), not normalised"
        )
        raise refusal(ImageError, reason)
    return levels.astype(np.uint8)


def _plain(image):
    """An image of Pillow whose pixels are grey or colours."""
    if image.mode in _WIDE_MODES:
        raise refusal(ImageError, f"a PIL image of mode {image.mode} is not taken; give the file, or uint8 or uint16")
    if image.mode in _PLAIN_MODES:
        return image
    return image.convert("L" if image.mode in ("LA", "1") else "RGB")


def refusal(kind, reason, path=None):
    """An exception as the extension module has them."""
    error = kind(reason if path is None else f"{path}: {reason}")
    error.path, error.reason = path, reason
    return error


def _call_by_its_name(error, folder, originals):
    """Has an error name the dataset, or the file that a link leads to: folder and link are gone by then."""
    if error.path != folder and error.path not in originals:
        return
    error.path = originals.get(error.path)
    error.args = (f"{error.path or 'the dataset'}: {error.reason}",)
