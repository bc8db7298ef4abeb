"""Jobs do what the program does, byte for byte, and can be watched and stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings

import efficientad
import pytest
from conftest import STEPS, program
from PIL import Image


def test_a_model_is_the_programs_byte_for_byte(data, model, tmp_path):
    told = []
    out = tmp_path / "m"
    result = efficientad.train(data, out, steps=STEPS, progress=lambda *it: told.append(it))
    assert out.read_bytes() == model.read_bytes()
    assert result["model"] == str(out) and result["steps"] == STEPS and result["skipped"] == 0
    document = json.loads(program("info", out, "--json"))
    assert result["threshold"] == document["threshold"]
    stages = {stage for stage, *_ in told}
    assert {"training", "reading images"} <= stages, stages
    assert all(0 <= done <= total for _, done, total, _ in told)
    reports = [report for *_, report in told if report is not None]
    assert reports[-1]["step"] == STEPS and reports[-1]["losses"]["total"] > 0


def test_options_are_those_of_the_program(data, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    options = dict(steps=2, seed=5, input=(256, 260), false_reject=0.05, photos="none", position_weights=False,
                   augment=["flip-vertical", "shift"])
    efficientad.train(str(data), str(ours), learning_rate=2e-4, threads=1, **options)
    words = "--steps 2 --seed 5 --input 256x260 --false-reject 0.05 --photos none --no-position-weights"
    words += " --augment shift,flip-vertical"
    program("train", data, "--out", theirs, "--learning-rate", 2e-4, "--quiet", *words.split())
    assert ours.read_bytes() == theirs.read_bytes()


def test_an_exception_stops_a_training_that_can_go_on(data, model, tmp_path):
    class Enough(Exception):
        pass

    def progress(stage, done, total, report):
        if stage == "training" and done >= 1:
            raise Enough

    out = tmp_path / "m"
    with pytest.raises(Enough) as caught:
        efficientad.train(data, out, steps=STEPS, progress=progress)
    checkpoint = tmp_path / "m.checkpoint"
    assert checkpoint.exists() and not out.exists()
    if sys.version_info >= (3, 11):
        assert str(checkpoint) in caught.value.__notes__[0]
    with pytest.raises(efficientad.ModelError) as refused:
        efficientad.train(data, out, steps=STEPS)
    assert refused.value.path == checkpoint
    efficientad.train(data, out, steps=STEPS, resume=True)
    assert out.read_bytes() == model.read_bytes() and not checkpoint.exists()


STOPPED = """
import signal, sys, efficientad
# What was begun in the background, as CI may be, ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
def progress(stage, done, total, report):
    if report is not None and report["step"] == 1:
        print("begun", flush=True)
try:
    efficientad.train(sys.argv[1], sys.argv[2], steps=1000, progress=progress)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_a_training_with_its_checkpoint(data, tmp_path):
    out = tmp_path / "m"
    words = [sys.executable, "-c", STOPPED, str(data), str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == "interrupted\n"
    assert child.returncode == 0
    assert (tmp_path / "m.checkpoint").exists() and not out.exists()


def test_wrong_options_are_called_by_their_keywords(data, tmp_path):
    for options, reason in [
        (dict(steps=0), "steps="),
        (dict(false_reject=2), "false_reject="),
        (dict(size="large"), "size="),
        (dict(tile=256, letterbox=True), "letterbox="),
        (dict(overlap=5), "tile="),
    ]:
        with pytest.raises(ValueError, match=reason):
            efficientad.train(data, tmp_path / "m", **options)
    with pytest.raises(TypeError):
        efficientad.train(data, tmp_path / "m", epochs=5)


def test_data_that_is_none_is_named(tmp_path):
    with pytest.raises(efficientad.DataError) as caught:
        efficientad.train(tmp_path / "none", tmp_path / "m")
    assert caught.value.path == tmp_path / "none" and caught.value.reason == "no such folder; check the path"


def test_names_that_look_like_options_are_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(efficientad.DataError, match="--help: no such folder"):
        efficientad.train("--help", "--version")


def test_skipped_photos_are_warned_of(data, tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    for photo in sorted((data / "train").rglob("*.*")):
        shutil.copy(photo, folder)
    (folder / "zz.png").write_bytes(b"no image")
    with pytest.warns(efficientad.EfficientADWarning, match="skipped: .*zz.png"):
        result = efficientad.train(folder, tmp_path / "m", steps=1)
    assert result["skipped"] == 1
    (tmp_path / "m").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", efficientad.EfficientADWarning)
        with pytest.raises(efficientad.EfficientADWarning):
            efficientad.train(folder, tmp_path / "m", steps=1)
    assert not (tmp_path / "m").exists()


def test_evaluation_is_the_programs(data, model, detector, tmp_path):
    expected = json.loads(program("eval", model, data, "--json"))
    found = efficientad.evaluate(model, data, report=tmp_path / "report", out=tmp_path / "out")
    assert found["image_auroc"] == expected["image_auroc"] and found["aupro"] == expected["aupro"]
    assert found["verdicts"] == expected["verdicts"] and found["kinds"] == expected["kinds"]
    assert [it["path"] for it in found["images"]] == [it["path"] for it in expected["images"]]
    assert list((tmp_path / "report").iterdir()) and (tmp_path / "out" / "results.json").exists()
    assert efficientad.evaluate(detector, data)["verdicts"] == expected["verdicts"]


def test_calibration_is_the_programs(data, model, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(data / "test" / "good", folder)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    result = efficientad.calibrate(model, folder, out=ours, false_reject=0.1)
    document = json.loads(program("calibrate", model, folder, "--out", theirs, "--false-reject", "10%", "--json"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert result["threshold"]["images"] == document["threshold"]["images"]
    with pytest.raises(efficientad.DataError) as caught:
        efficientad.calibrate(model, [tmp_path / "empty"])
    assert caught.value.reason


def test_export_is_the_programs(model, tmp_path):
    for kind in ["normalized", "u8"]:
        ours, theirs = tmp_path / f"{kind}.onnx", tmp_path / f"{kind}-theirs.onnx"
        efficientad.export_onnx(model, ours, input=kind)
        program("export", model, "--onnx", theirs, "--input", kind)
        assert ours.read_bytes() == theirs.read_bytes()
    with pytest.raises(ValueError, match="input="):
        efficientad.export_onnx(model, tmp_path / "m.onnx", input="f16")
    with pytest.raises(efficientad.EfficientADError, match="out="):
        efficientad.export_onnx(model, model)


def test_import_names_what_can_not_be_imported(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no weights")
    with pytest.raises(efficientad.ModelError) as caught:
        efficientad.import_weights(file, tmp_path / "m")
    assert caught.value.path == file


def test_progress_as_bars(data, tmp_path, capfd):
    efficientad.train(data, tmp_path / "m", steps=2, progress=True)
    assert "training" in capfd.readouterr().err


def test_a_training_leaves_other_threads_alone(data, tmp_path):
    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.wait(0.01):
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    efficientad.train(data, tmp_path / "m", steps=1)
    done.set()
    thread.join()
    assert counted > 10


def test_the_command_line_is_the_programs(model, photos, tmp_path):
    def ours(*words):
        return subprocess.run([sys.executable, "-m", "efficientad", *map(str, words)], capture_output=True, text=True)

    words = ["predict", model, *photos[:3], "--json"]
    run = ours(*words)
    assert (run.returncode, run.stdout) == (0, program(*words))
    assert ours("--version").stdout == program("--version")
    refused = ours("predict", tmp_path / "none", photos[0])
    assert refused.returncode == 2 and refused.stderr.startswith("efficientad: ")
    assert ours("no-such-command").returncode == 2
    Image.new("RGB", (40, 30)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert ours("predict", model, tmp_path / "good.png", tmp_path / "bad.png").returncode == 1
