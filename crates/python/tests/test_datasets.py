"""A training takes datasets as PyTorch has them; PyTorch itself is not needed."""

import types

import efficientad
import numpy as np
import pytest
from conftest import STEPS
from efficientad._photos import folder_of
from PIL import Image


class Tensor:
    """A tensor of PyTorch, as far as it is looked at here; test_anomalib.py has real ones."""

    __module__ = "torch"

    def __init__(self, values):
        self._values = values
        self.dtype, self.shape = f"torch.{values.dtype}", values.shape

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self._values


class Photos:
    """A map-style dataset."""

    def __init__(self, items):
        self._items = items

    def __len__(self):
        return len(self._items)

    def __getitem__(self, index):
        return self._items[index]


def taken(dataset):
    """The pixels of a dataset as a training finds them."""
    with folder_of(dataset) as folder:
        files = sorted(folder.iterdir())
        assert [int(file.stem) for file in files] == list(range(len(dataset)))
        return [np.asarray(Image.open(file)) for file in files]


@pytest.fixture(scope="module")
def files(data):
    return sorted((data / "train" / "good").iterdir())


@pytest.fixture(scope="module")
def of_files(files, tmp_path_factory):
    """The model of the files that Pillow writes."""
    folder = tmp_path_factory.mktemp("of-files")
    (folder / "photos").mkdir()
    for number, file in enumerate(files):
        Image.open(file).save(folder / "photos" / f"{number:08}.ppm")
    efficientad.train(folder / "photos", folder / "m", steps=STEPS)
    return (folder / "m").read_bytes()


def test_a_dataset_gives_the_model_of_its_files_byte_for_byte(files, of_files, tmp_path):
    """Also if it was stopped."""

    def stop(stage, done, total, report):
        if stage == "training" and done >= 1:
            raise InterruptedError

    photos, out = Photos([(np.asarray(Image.open(file)), 0) for file in files]), tmp_path / "m"
    with pytest.raises(InterruptedError):
        efficientad.train(photos, out, steps=STEPS, progress=stop)
    efficientad.train(photos, out, steps=STEPS, resume=True)
    assert out.read_bytes() == of_files


def test_paths_give_the_same_weights_and_are_known_by_their_content(files, of_files, photos, detector, tmp_path):
    out, other = tmp_path / "m", tmp_path / "other"
    efficientad.train([str(file) for file in files], out, steps=STEPS)
    other.write_bytes(of_files)
    found, same = efficientad.Detector(out), efficientad.Detector(other)
    assert found.inspect(photos[0]).score == same.inspect(photos[0]).score and found.threshold == same.threshold
    assert found.info["data"]["train_files"] == detector.info["data"]["train_files"]


COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = COLOURS[:, :, 0].copy()
CHANNELS_FIRST = np.ascontiguousarray(COLOURS.transpose(2, 0, 1))
PALETTE = Image.fromarray(COLOURS).quantize(8)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (COLOURS, COLOURS),
        (GREY, GREY),
        (GREY[:, :, None], GREY),
        (COLOURS.astype(np.uint16)[:, :, 0] * 257, GREY.astype(np.uint16) * 257),
        (np.dstack([COLOURS, GREY]), COLOURS),
        (np.asfortranarray(COLOURS), COLOURS),
        (Image.fromarray(COLOURS), COLOURS),
        (PALETTE, np.asarray(PALETTE.convert("RGB"))),
        (Image.fromarray(GREY).convert("1"), np.asarray(Image.fromarray(GREY).convert("1").convert("L"))),
        (Tensor(CHANNELS_FIRST), COLOURS),
        (Tensor(GREY[None]), GREY),
        (Tensor(GREY), GREY),
        (Tensor(CHANNELS_FIRST.astype(np.float32) / 255), COLOURS),
        (Tensor(CHANNELS_FIRST * np.float32(1 / 255)), COLOURS),
        (Tensor(GREY / 255), GREY),
        ((COLOURS, 0), COLOURS),
        ([COLOURS, "good", "more"], COLOURS),
        ({"image": COLOURS, "label": 0}, COLOURS),
        (types.SimpleNamespace(image=COLOURS, gt_label=np.bool_(False)), COLOURS),
    ],
)
def test_items_of_every_kind_lose_nothing(item, expected):
    for found in taken(Photos([item, item])):
        assert found.shape == expected.shape and (found == expected).all()


NORMALISED = (CHANNELS_FIRST.astype(np.float32) / 255 - 0.485) / 0.229


@pytest.mark.parametrize(
    ("item", "exception", "reason"),
    [
        (Tensor(NORMALISED), efficientad.ImageError, "photo 1 .*no multiples of 1/255"),
        (Tensor(np.full((3, 4, 4), 0.3, np.float32)), efficientad.ImageError, "multiples of 1/255"),
        (Tensor(np.full((3, 4, 4), 2.0, np.float32)), efficientad.ImageError, "multiples of 1/255"),
        (Tensor(np.full((3, 4, 4), np.nan, np.float32)), efficientad.ImageError, "multiples of 1/255"),
        (Tensor(np.zeros((3, 4, 4), np.float16)), efficientad.ImageError, "float16"),
        (Tensor(np.zeros((5, 7, 3), np.uint8)), efficientad.ImageError, r"\(5, 7, 3\)"),
        (COLOURS / 255, efficientad.ImageError, "float64"),
        (Image.fromarray(COLOURS[:, :, 0].astype(np.int32)), efficientad.ImageError, "mode I"),
        (5, efficientad.ImageError, "int64"),
        ("nowhere.png", efficientad.ImageError, "nowhere.png: .*no such file"),
        ({"picture": COLOURS}, TypeError, "picture"),
    ],
)
def test_what_would_be_another_photo_is_refused(item, exception, reason):
    with pytest.raises(exception, match=reason):
        taken(Photos([COLOURS, item]))


def test_defects_among_the_photos_are_refused():
    with pytest.raises(efficientad.DataError, match="several labels .*0, 1"):
        taken(Photos([(COLOURS, 0), (COLOURS, np.int64(1))]))
    with pytest.raises(efficientad.DataError, match="no photos"):
        taken(Photos([]))


def test_what_is_no_dataset_is_refused(tmp_path):
    for data in [{"image": COLOURS}, (it for it in [COLOURS]), 5]:
        with pytest.raises(TypeError, match="is no data"):
            efficientad.train(data, tmp_path / "m")
        with pytest.raises(TypeError, match="is no data"):
            efficientad.train([COLOURS], tmp_path / "m", validation=data)


def test_an_error_names_the_dataset_not_the_folder_that_is_gone(tmp_path):
    broken = [tmp_path / f"broken{number}.png" for number in range(4)]
    for number, path in enumerate(broken):
        path.write_bytes(b"no image %d" % number)
    with pytest.warns(efficientad.EfficientADWarning, match="skipped: .*00000003.png"):
        with pytest.raises(efficientad.DataError, match="^the dataset: 0 of 4 images") as caught:
            efficientad.train(broken, tmp_path / "m", steps=1)
    assert caught.value.path is None
