"""The program beside the wheel, example photos, and a model that the program trained."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = os.environ["EFFICIENTAD_PROGRAM"]
REPOSITORY = Path(os.environ["EFFICIENTAD_REPOSITORY"])
EXAMPLE = REPOSITORY / "examples" / "data"
STEPS = 3


def program(*words):
    """Runs the program; returns its standard output."""
    run = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def verdicts(*words):
    """The verdicts of `efficientad predict --json`, in order."""
    return [json.loads(line) for line in program("predict", *words, "--json").splitlines()]


def require(module):
    """Skips a test for want of a module, and says so; fails it where all tools must be there."""
    if importlib.util.find_spec(module) is None:
        reason = f"SKIPPED: {module} is not installed"
        if os.environ.get("EFFICIENTAD_REQUIRE_TOOLS") == "1":
            pytest.fail(f"EFFICIENTAD_REQUIRE_TOOLS is set, but {reason}")
        print(reason, file=sys.__stderr__)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A part of the example: 12 photos of good parts to train on, 4 of each kind to judge."""
    folder = tmp_path_factory.mktemp("data") / "brick"
    for kind, most in [("train/good", 12), ("test/good", 4), ("test/chip", 4), ("ground_truth/chip", 4)]:
        (folder / kind).mkdir(parents=True)
        for photo in sorted((EXAMPLE / kind).iterdir())[:most]:
            shutil.copy(photo, folder / kind)
    return folder


@pytest.fixture(scope="session")
def model(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "brick.model"
    program("train", data, "--out", path, "--steps", STEPS, "--quiet")
    return path


@pytest.fixture(scope="session")
def photos(data):
    return sorted((data / "test").rglob("*.*"))


@pytest.fixture(scope="session")
def detector(model):
    import efficientad

    return efficientad.Detector(model)
