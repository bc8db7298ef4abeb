"""Detectors say what the program says, of whatever Python calls a photo."""

import gc
import io
import json
import subprocess
import sys
import threading
import time

import efficientad
import numpy as np
import pytest
from conftest import program, verdicts
from PIL import Image


def test_verdicts_are_those_of_the_program(model, photos, detector):
    expected = verdicts(model, *photos)
    found = [detector.inspect(photo) for photo in photos]
    assert [json.loads(it.to_json()) for it in found] == expected
    batch = detector.inspect_batch(map(str, photos))
    assert [json.loads(it.to_json()) for it in batch] == expected
    for it, verdict in zip(found, expected):
        assert np.float32(it.score) == np.float32(verdict["score"])
        assert (it.anomalous, it.p_value) == (verdict["anomalous"], verdict["p_value"])
        assert it.region_count == verdict["region_count"]
        for region, listed in zip(it.regions, verdict["regions"], strict=True):
            box = listed["box"]
            assert region.box == (box["x"], box["y"], box["width"], box["height"])
            assert (region.area, region.peak[1:]) == (listed["area"], (listed["peak"]["x"], listed["peak"]["y"]))


def test_maps_are_those_of_the_program(model, photos, detector, tmp_path):
    program("predict", model, photos[0], "--out", tmp_path)
    (file,) = tmp_path.rglob("*.tif*")
    expected = np.asarray(Image.open(file))
    found = detector.inspect(photos[0])
    assert found.map.dtype == np.float32 and found.map.tobytes() == expected.tobytes()
    assert found.map.max() == np.float32(found.score)


def test_a_map_is_the_detectors_own_memory_and_outlives_it(detector, photos):
    inspection = detector.inspect(photos[0])
    first, second = inspection.map, inspection.map
    assert first is second and first.flags.c_contiguous and not first.flags.owndata
    owner = first
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert type(owner.base).__name__ == "PySliceContainer", "memory of the extension, not numpy's"
    expected = first.copy()
    del inspection, second, owner
    gc.collect()
    assert (first == expected).all()


def same(found, expected):
    return found.score == expected.score and (found.map == expected.map).all()


def test_every_kind_of_photo_is_the_same_photo(detector, photos, tmp_path):
    pixels = np.asarray(Image.open(photos[0]).convert("RGB"))
    png = tmp_path / "photo.png"
    Image.fromarray(pixels).save(png)
    expected = detector.inspect(png)
    wide = np.zeros((pixels.shape[0], pixels.shape[1] * 2, 3), np.uint8)
    wide[:, ::2] = pixels
    with_alpha = np.dstack([pixels, np.full(pixels.shape[:2], 7, np.uint8)])
    forms = {
        "text": str(png),
        "bytes": png.read_bytes(),
        "bytearray": bytearray(png.read_bytes()),
        "array": pixels,
        "not contiguous": wide[:, ::2],
        "Fortran order": np.asfortranarray(pixels),
        "alpha": with_alpha,
        "16 bits": pixels.astype(np.uint16) << 8,
        "PIL": Image.open(png),
        "PIL with alpha": Image.fromarray(with_alpha),
        "DLPack": DlpackOnly(pixels),
    }
    for name, form in forms.items():
        assert same(detector.inspect(form), expected), name
    grey = pixels[:, :, 0].copy()
    expected = detector.inspect(np.dstack([grey] * 3))
    for form in [grey, grey[:, :, None], grey.astype(np.uint16) << 8, Image.fromarray(grey)]:
        assert same(detector.inspect(form), expected)
    palette = Image.open(png).quantize(16)
    assert same(detector.inspect(palette), detector.inspect(palette.convert("RGB")))
    one_bit = Image.fromarray(grey).convert("1")
    assert same(detector.inspect(one_bit), detector.inspect(one_bit.convert("L")))


class DlpackOnly:
    """An array of another library: nothing but DLPack."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (np.zeros((4, 4), np.float32), "float32"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((4, 4, 4), np.uint16), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((0, 4), np.uint8), "which is none"),
        (b"no image", "is not an image"),
        (Image.new("F", (4, 4)), "mode F"),
    ],
)
def test_what_is_no_photo_is_refused(detector, photo, reason):
    with pytest.raises(efficientad.ImageError, match=reason) as caught:
        detector.inspect(photo)
    assert reason in caught.value.reason and caught.value.path is None


def test_errors_tell_path_and_reason(detector, tmp_path, photos):
    with pytest.raises(TypeError, match="int is no photo"):
        detector.inspect(5)
    broken = tmp_path / "part: 1.png"
    broken.write_bytes(b"no image")
    with pytest.raises(efficientad.ImageError) as caught:
        detector.inspect(broken)
    assert caught.value.path == broken and caught.value.reason.startswith("is not an image")
    missing = tmp_path / "missing.png"
    with pytest.raises(efficientad.ImageError) as caught:
        detector.inspect(missing)
    assert caught.value.path == missing and "cannot be read" in caught.value.reason
    with pytest.raises(efficientad.ModelError) as caught:
        efficientad.Detector(tmp_path / "missing.model")
    assert caught.value.path == tmp_path / "missing.model"
    assert caught.value.reason == "there is no such file; check the path"
    assert issubclass(efficientad.ModelError, efficientad.EfficientADError)
    batch = [photos[0], broken, photos[1]]
    with pytest.raises(efficientad.ImageError):
        detector.inspect_batch(batch)
    first, error, second = detector.inspect_batch(batch, return_errors=True)
    assert isinstance(error, efficientad.ImageError) and error.path == broken
    assert same(first, detector.inspect(photos[0])) and same(second, detector.inspect(photos[1]))


def test_what_an_iterator_of_photos_raises_comes_out(detector, photos):
    def photos_of_a_camera():
        yield photos[0]
        raise ConnectionError("the camera is gone")

    with pytest.raises(ConnectionError, match="camera"):
        detector.inspect_batch(photos_of_a_camera())


def test_another_threshold_leaves_the_detector_as_it_is(detector, photos):
    before = detector.threshold
    strict = detector.with_threshold(-1e9)
    assert strict.inspect(photos[0]).anomalous and strict.threshold == -1e9
    assert detector.threshold == before
    half = detector.with_false_reject(0.5)
    assert half.sha256 == detector.sha256 and "50" in half.promise
    expected = verdicts(detector.path, *photos, "--false-reject", "50%")
    assert [json.loads(it.to_json()) for it in half.inspect_batch(photos)] == expected
    with pytest.raises(ValueError, match="false_reject="):
        detector.with_false_reject(2)


def test_a_device_is_the_one_that_was_asked_for_or_none(model, photos, detector):
    asked = efficientad.Detector(model, device="cpu", precision="f32")
    assert asked.engine == detector.engine
    assert asked.inspect(photos[0]).score == detector.inspect(photos[0]).score
    for options, reason in [
        ({"device": "gpu"}, "built without GPUs"),
        ({"device": "tpu"}, "device=: choose cpu, gpu"),
        ({"precision": "f16"}, "the CPU does not compute in f16"),
        ({"precision": "f8"}, "precision=: choose f32"),
    ]:
        with pytest.raises(ValueError, match=reason):
            efficientad.Detector(model, **options)
    with pytest.raises(ValueError, match="built without GPUs"):
        efficientad.train("parts", "part.model", device="gpu")


def test_threads_inspect_at_once_and_alike(detector, photos):
    expected = [detector.inspect(photo).score for photo in photos]
    found = [None] * len(photos)
    running, most = 0, 0
    lock = threading.Lock()

    def work(first):
        nonlocal running, most
        for i in range(first, len(photos), 4):
            with lock:
                running += 1
                most = max(most, running)
            found[i] = detector.inspect(photos[i]).score
            with lock:
                running -= 1

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == expected
    assert most > 1, "Python's lock is released while a photo is inspected"


def test_an_inspection_leaves_pythons_lock_alone(detector, photos):
    """Another thread counts while a large photo is inspected."""
    image = np.asarray(Image.open(photos[0]).convert("RGB").resize((2000, 2000)))
    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    detector.inspect(image)
    done.set()
    thread.join()
    assert counted > 3


def test_the_import_takes_neither_numpy_nor_others():
    script = "import efficientad, sys; print([it for it in ('numpy', 'PIL', 'tqdm', 'sklearn') if it in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_info_is_that_of_the_program(model, detector):
    document = json.loads(program("info", model, "--json"))
    known = {name: document[name] for name in detector.info if name in document}
    assert known.keys() >= {"size", "recipe", "data", "threshold"}
    assert json.loads(json.dumps(detector.info["data"])) == known["data"]


def test_bytes_of_io_are_not_taken_for_a_photo(detector, photos):
    with pytest.raises(TypeError):
        detector.inspect(io.BytesIO(photos[0].read_bytes()))
