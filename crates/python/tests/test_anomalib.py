"""anomalib's datamodules are data, and its metrics say of inspections what `evaluate` says."""

import re

import efficientad
import numpy as np
import pytest
from conftest import REPOSITORY, STEPS, require
from PIL import Image


@pytest.fixture(scope="module", autouse=True)
def anomalib():
    require("anomalib")
    import efficientad.anomalib

    return efficientad.anomalib


def folder(data, **options):
    from anomalib.data import Folder

    return Folder(
        name="brick",
        root=data,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir="test/chip",
        mask_dir="ground_truth/chip",
        num_workers=0,
        val_split_mode="none",
        **options,
    )


def test_its_metrics_are_those_of_the_evaluation(anomalib, data, model, detector):
    from anomalib.metrics import AUPRO, AUROC, F1Max

    scores, maps = ["pred_score", "gt_label"], ["anomaly_map", "gt_mask"]
    metrics = {
        "image_auroc": AUROC(fields=scores),
        "image_f1": F1Max(fields=scores),
        "pixel_auroc": AUROC(fields=maps),
        "aupro": AUPRO(fields=maps),
    }
    source = folder(data)
    for batch in anomalib.predict(detector, source):
        for metric in metrics.values():
            metric.update(batch)
    found = anomalib.evaluate(model, source)
    expected = efficientad.evaluate(model, data)
    for name, metric in metrics.items():
        assert found[name] == expected[name]
        # Its sums are of 32 bits.
        assert float(metric.compute()) == pytest.approx(expected[name], abs=1e-6), name
    assert {it["path"]: it["score"] for it in found["images"]} == {
        str(data / it["path"]): it["score"] for it in expected["images"]
    }


def test_a_batch_is_a_photo_and_what_is_known_of_it(anomalib, data, detector):
    from anomalib.data import ImageBatch

    source = folder(data)
    batches = list(anomalib.predict(detector, source))
    assert len(batches) == len(source.test_data.samples)
    for batch in batches:
        (path,) = batch.image_path
        expected = detector.inspect(path)
        assert isinstance(batch, ImageBatch) and float(batch.pred_score[0]) == np.float32(expected.score)
        assert (batch.anomaly_map.numpy() == expected.map).all() and bool(batch.pred_label[0]) == expected.anomalous
        assert (batch.pred_mask.numpy() == (expected.map >= detector.threshold)).all()
        is_defect = "chip" in path
        assert bool(batch.gt_label[0]) == is_defect == bool(batch.gt_mask.any())
        assert (batch.image.numpy()[0, 0] * 255).round().astype(np.uint8).tolist() == np.asarray(Image.open(path)).tolist()


def test_a_training_takes_its_photos_and_leaves_its_split_alone(anomalib, data, detector, photos, tmp_path):
    source = folder(data)
    anomalib.train(source, tmp_path / "m", steps=STEPS)
    train_data, test_data = source.train_data, source.test_data
    trained = efficientad.Detector(tmp_path / "m")
    assert trained.info["data"]["train_files"] == detector.info["data"]["train_files"]
    assert trained.inspect(photos[0]).score == detector.inspect(photos[0]).score
    anomalib.evaluate(trained, source)
    assert source.train_data is train_data and source.test_data is test_data


def test_datasets_and_tables_of_samples_are_taken_too(anomalib, data, detector):
    source = folder(data)
    source.setup()
    expected = anomalib.evaluate(detector, source)["images"]
    table = source.test_data.samples
    assert anomalib.evaluate(detector, source.test_data)["images"] == expected
    assert anomalib.evaluate(detector, table)["images"] == expected
    with pytest.raises(efficientad.DataError, match="no column label_index"):
        anomalib.evaluate(detector, table.drop(columns="label_index"))
    with pytest.raises(efficientad.DataError, match="others than normal ones"):
        anomalib.train(source.test_data, "m")
    unknown = table.assign(label_index=-1)
    with pytest.raises(efficientad.DataError, match="not known whether it is good"):
        anomalib.evaluate(detector, unknown)
    assert next(anomalib.predict(detector, unknown)).gt_label is None
    with pytest.raises(efficientad.DataError, match="'ok', says that it is good"):
        anomalib.evaluate(detector, table.assign(label="ok"))
    with pytest.raises(efficientad.DataError, match="twice"):
        anomalib.evaluate(detector, table.iloc[[0, 0]])


def test_what_can_not_be_read_is_called_by_its_name(anomalib, data, detector, tmp_path):
    source = folder(data)
    source.setup()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    table = source.test_data.samples
    with pytest.warns(efficientad.EfficientADWarning, match="skipped: .*broken.png"):
        found = anomalib.evaluate(detector, table.assign(image_path=[str(broken), *table.image_path[1:]]))
    assert [it["path"] for it in found["images"]] == list(table.image_path[1:])
    with pytest.warns(efficientad.EfficientADWarning, match="image metrics only: .*broken.png"):
        anomalib.evaluate(detector, table.assign(mask_path=[str(broken), *table.mask_path[1:]]))


def test_datasets_of_pytorch_lose_nothing(data):
    import torch
    from efficientad._photos import folder_of
    from torchvision.transforms import v2

    def taken(dataset):
        with folder_of(dataset) as folder:
            return [np.asarray(Image.open(file)) for file in sorted(folder.iterdir())]

    files = sorted((data / "train" / "good").iterdir())[:4]
    expected = [np.asarray(Image.open(file)) for file in files]
    to_bytes = v2.Compose([v2.PILToTensor()])
    to_floats = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    to_16_bits = v2.Compose([v2.ToImage(), v2.ToDtype(torch.uint16, scale=True)])

    class Files(torch.utils.data.Dataset):
        def __init__(self, transform):
            self.transform = transform

        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return self.transform(Image.open(files[index])), torch.tensor(0)

    for transform in [to_bytes, to_floats, lambda image: to_floats(image).requires_grad_()]:
        assert all((found == it).all() for found, it in zip(taken(Files(transform)), expected, strict=True))
    assert len(taken(torch.utils.data.Subset(Files(to_bytes), [0, 2]))) == 2
    wide = to_16_bits(Image.open(files[0])).numpy()[0]
    assert wide.max() > 255 and (taken(Files(to_16_bits))[0] == wide).all()
    source = folder(data)
    source.setup()
    # Read as colours.
    assert (taken(source.train_data)[0] == expected[0][:, :, None]).all()
    for transform in [v2.Compose([to_floats, v2.Normalize([0.485], [0.229])]), v2.Compose([to_floats, v2.Resize(100)])]:
        with pytest.raises(efficientad.ImageError, match="no multiples of 1/255"):
            taken(Files(transform))


def test_the_script_of_the_documentation(data, tmp_path, monkeypatch, capsys):
    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    (script,) = [it for it in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if "from anomalib" in it]
    assert "steps=300" in script
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "data").symlink_to(data)
    exec(script.replace("steps=300", f"steps={STEPS}"), {})
    printed = re.sub(r"tensor\(([0-9.]+)\)", r"\1", capsys.readouterr().out)
    ours, theirs, our_aupro, their_aupro = map(float, printed.split()[-4:])
    assert (ours, our_aupro) == pytest.approx((theirs, their_aupro), abs=1e-4)
