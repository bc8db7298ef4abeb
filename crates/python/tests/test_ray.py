"""Ray scores and trains as the program does, whatever nodes and workers are lost.

A real cluster of several raylets on this machine. EFFICIENTAD_RAY_PHOTOS and EFFICIENTAD_RAY_PARTS say how many photos
and parts are worked at when a node is killed: some by default, 2000 and 6 for the full size.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import EXAMPLE, PROGRAM, REPOSITORY, STEPS, program, verdicts
from PIL import Image


def _missing_tool():
    """Why there is nothing to test with; loudly, and as a failure where tools are required."""
    try:
        import pyftpdlib  # noqa: F401
        import ray.data  # noqa: F401
    except ImportError as error:
        if os.environ.get("EFFICIENTAD_REQUIRE_TOOLS") == "1":
            raise
        warnings.warn(f"SKIPPED: the tests of Ray: {error}", stacklevel=1)
        pytest.skip(f"SKIPPED: {error}", allow_module_level=True)


os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# What is spilled here is some megabytes, which a disk that is nearly full has.
os.environ["RAY_local_fs_capacity_threshold"] = "1"
_missing_tool()

import efficientad  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import ray  # noqa: E402
from efficientad.ray import score, train_many  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

PHOTOS = int(os.environ.get("EFFICIENTAD_RAY_PHOTOS", 32))
PARTS = int(os.environ.get("EFFICIENTAD_RAY_PARTS", 2))
# Long enough to be killed in the middle.
OPTIONS = {"steps": 5, "checkpoint_every": "1steps"}
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::efficientad.EfficientADWarning")


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    ray.init(address=cluster.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def second(cluster):
    """A node besides the first, to be killed."""
    node = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folders of four photos each."""
    folder = tmp_path_factory.mktemp("parts")
    photos = sorted((EXAMPLE / "train" / "good").iterdir())
    for number in range(PARTS):
        (folder / f"part-{number}").mkdir()
        for photo in photos[4 * number : 4 * number + 4]:
            shutil.copy(photo, folder / f"part-{number}")
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def alone(parts, tmp_path_factory):
    """What the program makes of a part, undisturbed: the bytes of its model."""
    folder = tmp_path_factory.mktemp("alone")

    def bytes_of(part):
        out = folder / f"{part}.model"
        if not out.exists():
            program("train", parts[part], "--out", out, "--steps", OPTIONS["steps"], "--quiet")
        return out.read_bytes()

    return bytes_of


def until(there, work):
    """Waits for something that comes while the work goes on."""
    while not there():
        assert work.is_alive(), work.result()
        time.sleep(0.05)


class Work(threading.Thread):
    """A call whose result is waited for later."""

    def __init__(self, call):
        super().__init__()
        self._call = call
        self.start()

    def run(self):
        try:
            self._result = self._call()
        except BaseException as error:
            self._result = error

    def result(self):
        self.join()
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def workers(part):
    """The processes that train a part."""
    title = f"ray::train {part}".encode()
    return [int(it.parent.name) for it in Path("/proc").glob("[0-9]*/cmdline") if title in content(it)]


def kill_worker(part):
    (worker,) = workers(part)
    os.kill(worker, signal.SIGKILL)


def content(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_photos_are_scored_once_each_though_a_node_is_killed(cluster, second, model, photos):
    expected = [np.float32(it["score"]) for it in verdicts(model, *photos)]
    rows = [{"path": str(photos[it % len(photos)]), "number": it} for it in range(PHOTOS)]
    blocks = max(10, PHOTOS // 20)
    ds = score(ray.data.from_items(rows, override_num_blocks=blocks), model, concurrency=2, batch_size=4)
    found = []
    for batch in ds.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        found += batch.to_pylist()
        if second in cluster.worker_nodes and len(found) >= PHOTOS / 4:
            assert len(found) < PHOTOS
            cluster.remove_node(second, allow_graceful=False)
    assert second not in cluster.worker_nodes
    assert sorted(it["number"] for it in found) == list(range(PHOTOS))
    for it in found:
        assert it["error"] is None and it["path"] == rows[it["number"]]["path"]
        assert np.float32(it["score"]) == expected[it["number"] % len(photos)]


def test_parts_are_trained_to_the_same_bytes_though_a_node_is_killed(cluster, parts, alone, tmp_path):
    models, tagged = tmp_path / "models", next(iter(parts))
    second = cluster.add_node(resources={"line": 1}, **NODE)
    cluster.wait_for_nodes()
    work = Work(lambda: train_many(parts, models, resources=lambda it: {"line": 1} if it == tagged else {}, **OPTIONS))
    until(lambda: (models / f"{tagged}.model.checkpoint").exists(), work)
    cluster.remove_node(second, allow_graceful=False)
    third = cluster.add_node(resources={"line": 1}, **NODE)
    rows = work.result().to_pylist()
    cluster.remove_node(third)
    assert [it["part"] for it in rows] == list(parts) and {it["status"] for it in rows} == {"trained"}, rows
    assert rows[0]["resumed"] and f"({third.node_id[:8]})" in rows[0]["node"], rows
    for part in parts:
        assert (models / f"{part}.model").read_bytes() == alone(part), part
    assert sorted(it.name for it in models.iterdir()) == sorted([f"{it}.model" for it in parts] + ["parts.parquet"])


def test_what_fails_is_a_row_and_goes_on_the_next_time(cluster, parts, alone, tmp_path):
    part = next(iter(parts))
    models = tmp_path / "models"
    listed = tmp_path / "parts.csv"
    listed.write_text(f"Part, photos\nmissing, none\n{part},{parts[part]}\n")
    work = Work(lambda: train_many(listed, models, max_retries=0, **OPTIONS))
    until(lambda: (models / f"{part}.model.checkpoint").exists(), work)
    kill_worker(part)
    table = work.result()
    missing, lost = table.to_pylist()
    assert missing["status"] == lost["status"] == "failed"
    assert missing["error"] == f"{tmp_path / 'none'}: no such folder; check the path"
    assert lost["error"].startswith("after the last of its tries: ") and lost["model"] is None
    assert pq.read_table(models / "parts.parquet").equals(table)

    told = []
    again = train_many(listed, models, progress=lambda *it: told.append(it), **OPTIONS).to_pylist()[1]
    assert (again["status"], again["resumed"], again["steps"]) == ("trained", True, OPTIONS["steps"]), again
    model = models / f"{part}.model"
    assert model.read_bytes() == alone(part)
    assert again["model"] == str(model) and again["sha256"] == efficientad.Detector(model).sha256
    assert [it[:3] for it in told] == [("parts", 1, 2), ("parts", 2, 2)] and told[0][3]["part"] == "missing"

    changed = model.stat().st_mtime_ns
    (kept,) = train_many({part: parts[part]}, models, **OPTIONS).to_pylist()
    assert kept["status"] == "kept" and kept["threshold"] == again["threshold"] and model.stat().st_mtime_ns == changed
    model.write_bytes(b"no model")
    (broken,) = train_many({part: parts[part]}, models, **OPTIONS).to_pylist()
    assert broken["status"] == "failed" and str(model) in broken["error"]


def test_a_caller_that_is_stopped_leaves_checkpoints(cluster, parts, tmp_path):
    part = next(iter(parts))
    models = tmp_path / "models"

    def progress(stage, done, total, row):
        while not (models / f"{part}.model.checkpoint").exists():
            time.sleep(0.05)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listed = {"missing": tmp_path / "none", part: parts[part]}
        train_many(listed, models, progress=progress, **OPTIONS | {"steps": 1000})
    assert not workers(part)
    assert [it.name for it in models.iterdir()] == [f"{part}.model.checkpoint"]


@pytest.fixture
def ftp(tmp_path):
    """A server of files, as an object store is one: its folder and its URL."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    folder = tmp_path / "store"
    folder.mkdir()
    handler = type("Handler", (FTPHandler,), {"authorizer": DummyAuthorizer()})
    handler.authorizer.add_user("user", "word", str(folder), perm="elradfmwMT")
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, "ftp://user:word@127.0.0.1:%d" % server.address[1]
    server.close_all()


def test_a_store_of_objects_has_models_checkpoints_and_photos(cluster, parts, alone, photos, ftp, tmp_path):
    folder, url = ftp
    part = next(iter(parts))
    shutil.copytree(parts[part], folder / "photos" / part)
    work = Work(lambda: train_many({part: f"{url}/photos/{part}"}, f"{url}/models", **OPTIONS))
    until(lambda: (folder / "models" / f"{part}.model.checkpoint").exists(), work)
    kill_worker(part)
    (row,) = work.result().to_pylist()
    assert (row["status"], row["resumed"]) == ("trained", True), row
    assert (folder / "models" / f"{part}.model").read_bytes() == alone(part)
    names = sorted(it.name for it in (folder / "models").iterdir() if not it.name.endswith(".tmp"))
    assert names == [f"{part}.model", "parts.parquet"]
    (kept,) = train_many({part: f"{url}/photos/{part}"}, f"{url}/models", **OPTIONS).to_pylist()
    assert kept["status"] == "kept" and kept["sha256"] == row["sha256"] and kept["model"] == row["model"]

    shutil.copy(photos[0], folder / "photo.png")
    rows = [{"path": f"{url}/photo.png"}, {"path": f"{url}/none.png"}]
    judged, missing = score(ray.data.from_items(rows), row["model"]).sort("error", descending=True).take_all()[::-1]
    (expected,) = verdicts(folder / "models" / f"{part}.model", photos[0])
    assert np.float32(judged["score"]) == np.float32(expected["score"]) and judged["error"] is None
    assert missing["score"] is None and "none.png: no such file" in missing["error"]


def test_rows_that_can_not_be_judged_say_why(cluster, model, photos, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [str(photos[0]), str(tmp_path / "broken.png"), str(tmp_path / "none.png"), None]
    rows = [{"file": path, "number": it, "other": [it] if it else None} for it, path in enumerate(paths)]
    ds = score(ray.data.from_items(rows), model.read_bytes(), column="file", false_reject=0.2)
    found = sorted(ds.take_all(), key=lambda it: it["number"])
    for it, row in zip(found, rows, strict=True):
        assert {name: it[name] for name in row} == row
    (expected,) = verdicts(model, photos[0], "--false-reject", "20%")
    assert found[0] == rows[0] | {
        "score": np.float32(expected["score"]),
        "anomalous": expected["anomalous"],
        "p_value": expected["p_value"],
        "region_count": expected["region_count"],
        "error": None,
    }
    for it, reason in zip(found[1:], ["broken.png: ", "none.png: ", "null"]):
        assert reason in it["error"]
        assert [it[name] for name in ("score", "anomalous", "p_value", "region_count")] == [None] * 4


def test_bytes_and_arrays_are_photos(cluster, second, model, photos, tmp_path):
    for photo in photos[:2]:
        shutil.copy(photo, tmp_path)
    shutil.copy(photos[-1], tmp_path / "last.png")
    # Of another size: a column of arrays that differ.
    Image.open(photos[0]).resize((90, 70)).save(tmp_path / "small.png")
    expected = {it["path"]: np.float32(it["score"]) for it in verdicts(model, *sorted(tmp_path.iterdir()))}
    for ds, column in [
        (ray.data.read_binary_files(str(tmp_path), include_paths=True), "bytes"),
        (ray.data.read_images(str(tmp_path), include_paths=True, mode="RGB"), "image"),
    ]:
        found = score(ds, str(model)).take_all()
        assert {it["path"]: np.float32(it["score"]) for it in found} == expected
        assert column not in found[0]
        assert column in score(ds.limit(1), model, keep_photos=True).take_all()[0]


def test_jobs_that_make_no_sense_are_refused(cluster, parts, model, photos, tmp_path):
    with pytest.raises(efficientad.ModelError, match="no such file"):
        score(ray.data.from_items([{"path": "x"}]), tmp_path / "none.model")
    (tmp_path / "wrong.model").write_bytes(b"no model")
    with pytest.raises(efficientad.ModelError, match="wrong.model"):
        score(ray.data.from_items([{"path": "x"}]), tmp_path / "wrong.model")
    for row, reason in [({"photo": "x"}, "give column="), ({"path": "x", "score": 1}, "have score already")]:
        with pytest.raises(ValueError, match=reason):
            score(ray.data.from_items([row]), model)
    unknown = ray.data.from_items([{"path": "x"}]).map(lambda row: {"photo": row["path"]})
    with pytest.raises(Exception, match="give column="):
        score(unknown, model).take_all()
    for wrong, kind in [({"epochs": 3}, TypeError), ({"steps": 0}, ValueError), ({"out": "x"}, TypeError)]:
        with pytest.raises(kind, match=next(iter(wrong))):
            train_many(parts, tmp_path / "models", **wrong)
    for listed, reason in [
        ({"../b": "x"}, "no name of a part"),
        ([("a", "x"), ("A", "y")], "there twice"),
        ({"a": ""}, "no photos"),
        ({}, "there are no parts"),
        (tmp_path / "none.csv", "no such file"),
    ]:
        with pytest.raises(efficientad.DataError, match=reason):
            train_many(listed, tmp_path / "models")
    for text, reason in [("part,folder\na,b\n", "part,photos"), ("part,photos\na\n", "2 fields"), ("", "part,photos")]:
        (tmp_path / "parts.csv").write_text(text)
        with pytest.raises(efficientad.DataError, match=reason):
            train_many(tmp_path / "parts.csv", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_nodes_that_compute_otherwise_are_refused_or_made_to_agree(cluster, model, photos):
    other = cluster.add_node(resources={"other": 1}, env_vars={"EFFICIENTAD_INSTRUCTION_SET": "portable"}, **NODE)
    cluster.wait_for_nodes()
    rows = ray.data.from_items([{"path": str(photos[0])}])
    with pytest.raises(Exception, match=r"computes by cpu \(portable, f32\).*instruction_set="):
        score(rows, model, resources={"other": 1}).take_all()
    run = subprocess.run(
        [PROGRAM, "predict", model, photos[0], "--json"],
        capture_output=True,
        env={**os.environ, "EFFICIENTAD_INSTRUCTION_SET": "portable"},
    )
    expected = np.float32(json.loads(run.stdout)["score"])
    (found,) = score(rows, model, instruction_set="portable").take_all()
    assert np.float32(found["score"]) == expected
    cluster.remove_node(other)


def test_the_script_of_the_documentation(data, tmp_path):
    text = (REPOSITORY / "docs" / "ray.md").read_text(encoding="utf-8")
    script = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(script.splitlines()) <= 10
    assert "steps=300" in script and "examples/data" in script
    script = script.replace("steps=300", f"steps={STEPS}").replace("examples/data", data.as_posix())
    words = [sys.executable, "-c", script]
    # A cluster of its own, which works where the script does.
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    run = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr
    table = pq.read_table(tmp_path / "verdicts")
    assert table.num_rows == len(list((data / "test").rglob("*.png"))) and table["error"].null_count == table.num_rows
    assert (tmp_path / "models" / "brick.model").exists()


def test_the_hints_are_right(tmp_path):
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\n")
    words = [sys.executable, "-m", "mypy", "--strict", "--config-file", "mypy.ini", "-p", "efficientad.ray"]
    run = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout
