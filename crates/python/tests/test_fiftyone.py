"""Inspections are labels of FiftyOne, in its real database."""

import importlib.util
import json
import subprocess
import time
from contextlib import contextmanager

import efficientad
import numpy as np
import pytest
from conftest import require
from PIL import Image


@contextmanager
def database(folder):
    """FiftyOne's database, started here, and its address: where FiftyOne starts it, it may take a port of its own for the
    database's on a machine that is busy."""
    folder.mkdir()
    log = folder / "log"
    (package,) = importlib.util.find_spec("fiftyone").submodule_search_locations
    command = [f"{package}/db/bin/mongod", "--dbpath", folder, "--logpath", log, "--port", "0", "--nounixsocket"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until, port = time.monotonic() + 60, None
        while port is None:
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
            entries = [json.loads(line) for line in log.read_text().splitlines(True) if line.endswith("\n")] if log.exists() else []
            port = next((it["attr"]["port"] for it in entries if it["msg"] == "Waiting for connections"), None)
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def fo(tmp_path_factory):
    require("fiftyone")
    home = tmp_path_factory.mktemp("fiftyone")
    with pytest.MonkeyPatch.context() as patch, database(home / "database") as address:
        # Before its import.
        patch.setenv("HOME", str(home))
        patch.setenv("FIFTYONE_DATABASE_URI", address)
        patch.setenv("FIFTYONE_DO_NOT_TRACK", "true")
        import fiftyone

        yield fiftyone


@pytest.fixture
def dataset(fo, photos):
    dataset = fo.Dataset()
    for photo in photos:
        label = "good" if photo.parent.name == "good" else "anomalous"
        dataset.add_sample(fo.Sample(filepath=str(photo), ground_truth=fo.Classification(label=label)))
    yield dataset
    dataset.delete()


def test_its_evaluation_is_that_of_the_program(dataset, detector, data):
    from efficientad.fiftyone import add_predictions

    add_predictions(dataset, detector)
    dataset.reload()
    results = dataset.evaluate_classifications(
        "efficientad", gt_field="ground_truth", eval_key="eval", method="binary", classes=["good", "anomalous"]
    )
    expected = efficientad.evaluate(detector, data)
    assert results.average_precision() == pytest.approx(expected["image_aupr"], abs=1e-9)
    anomalous = sum(it["anomalous"] for it in expected["images"])
    found = dataset.values("efficientad.label")
    assert found.count("anomalous") == anomalous and found.count("good") == len(found) - anomalous
    outcomes = dataset.count_values("eval")
    assert outcomes.get("TP", 0) + outcomes.get("FP", 0) == anomalous


def test_the_database_keeps_what_the_detector_says(dataset, detector):
    from efficientad.fiftyone import add_predictions

    strict = detector.with_threshold(detector.threshold * 0.9)
    add_predictions(dataset, strict, field="found")
    regions = 0
    for sample in dataset:
        expected = strict.inspect(sample.filepath)
        assert (sample.found.score, sample.found.p_value) == (expected.score, expected.p_value)
        assert (sample.found.confidence >= 0.5) and (sample.found.label == "anomalous") == expected.anomalous
        assert (sample.found_map.map == expected.map).all()
        low, high = sample.found_map.range
        assert low <= expected.map.min() and high >= expected.map.max() and high >= 2 * strict.threshold
        height, width = expected.map.shape
        for detection, region in zip(sample.found_regions.detections, expected.regions, strict=True):
            box = np.array(detection.bounding_box) * [width, height, width, height]
            assert box == pytest.approx(region.box) and detection.area == region.area
            assert detection.peak == region.peak[0] and detection.confidence >= 0.5
            regions += 1
    assert regions > 0, "the test has regions to look at"


def test_heat_maps_are_files_where_a_folder_is_given(dataset, model, detector, tmp_path):
    from efficientad.fiftyone import add_predictions

    add_predictions(dataset[:2], model, map_folder=tmp_path / "maps")
    first, second, third = dataset[:3]
    assert third.efficientad is None and first.efficientad_map.map is None
    for sample in [first, second]:
        pixels = np.asarray(Image.open(sample.efficientad_map.map_path))
        expected = detector.inspect(sample.filepath).map
        assert pixels.dtype == np.uint8 and pixels.shape == expected.shape
        low = float(min(0, expected.min()))
        high = float(max(expected.max(), 2 * detector.threshold))
        # In FiftyOne's own order of operations, which decides on which level its rounding ends.
        assert (pixels == (255.0 / (high - low) * (expected - low)).astype(np.uint8)).all()


def test_without_threshold_there_are_scores_and_maps(fo, detector, photos):
    from efficientad.fiftyone import labels

    inspection = detector.inspect(photos[0])
    verdict, heatmap, _ = labels(inspection, None)
    assert (verdict.confidence, verdict.score) == (None, inspection.score)
    assert heatmap.range[1] == float(inspection.map.max())


def test_a_photo_that_can_not_be_read_is_named(fo, dataset, detector, tmp_path):
    from efficientad.fiftyone import add_predictions

    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    dataset.add_sample(fo.Sample(filepath=str(broken)))
    with pytest.raises(efficientad.ImageError) as caught:
        add_predictions(dataset, detector)
    assert caught.value.path == broken
