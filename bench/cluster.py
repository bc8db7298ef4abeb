#!/usr/bin/env python3
"""Ray beside the bare program: what scoring and training cost more, and what one driver can feed.

    pip install "efficientad[ray]"              # the wheel; and a built program
    python3 bench/cluster.py --json cluster.json

A cluster of two nodes of one CPU each is started on this machine. Both sides work at the same photos with two threads, in
turns: `efficientad predict --json --threads 2` beside `efficientad.ray.score` with two actors, two processes of `efficientad
train-parts` beside `efficientad.ray.train_many`. Times of Ray are those of a cluster that is up. Results must be
equal. Then rows without photos pass through the actors: what is left is Ray alone. Start it from the repository's
folder, on a machine left alone.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import numpy as np
import ray
from efficientad.ray import score, train_many
from ray.cluster_utils import Cluster

EXAMPLE = pathlib.Path("examples/data")
NODE = {"num_cpus": 1, "object_store_memory": 200 << 20}


def timed(call):
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


def score_bare(program, model, photos):
    words = [program, "predict", model, *photos, "--json", "--threads", "2"]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    return {it["path"]: np.float32(it["score"]) for it in map(json.loads, run.stdout.splitlines())}


def score_by_ray(model, rows, batch):
    ds = ray.data.from_items(rows, override_num_blocks=max(4, len(rows) // batch))
    began, first, found = time.monotonic(), None, []
    cpu = time.process_time()
    for table in score(ds, model, concurrency=2, batch_size=batch).iter_batches(batch_size=None, batch_format="pyarrow"):
        first = first or time.monotonic() - began
        found.append(table)
    measured = {"first_row_s": first, "driver_cpu_s": time.process_time() - cpu,
                "bytes_a_row": sum(table.nbytes for table in found) / len(rows)}
    return measured, [row for table in found for row in table.to_pylist()]


def train_bare(program, parts, models, steps):
    words = [program, "train-parts", parts, "--models", models]
    options = ["--", "--steps", str(steps), "--threads", "1", "--quiet"]
    running = [subprocess.Popen([*words, "--shard", f"{it}/2", *options], stderr=subprocess.DEVNULL) for it in range(2)]
    assert [it.wait() for it in running] == [0, 0]


def list_of_parts(folder, count):
    photos = sorted((EXAMPLE / "train" / "good").iterdir())
    lines = ["part,photos"]
    for number in range(count):
        place = folder / "photos" / str(number)
        place.mkdir(parents=True)
        for photo in photos[4 * number:4 * number + 4]:
            shutil.copy(photo, place)
        lines.append(f"part-{number},{place}")
    (folder / "parts.csv").write_text("\n".join(lines) + "\n")
    return folder / "parts.csv"


def scoring(arguments, model, folder):
    sources = sorted((EXAMPLE / "test").rglob("*.png"))
    photos = [folder / f"{number:05}.png" for number in range(arguments.photos)]
    for number, photo in enumerate(photos):
        shutil.copy(sources[number % len(sources)], photo)
    rows = [{"path": str(photo)} for photo in photos]
    rounds = {"bare_s": [], "ray_s": [], "first_row_s": [], "driver_cpu_s": [], "bytes_a_row": []}
    for _ in range(arguments.rounds):
        bare, expected = timed(lambda: score_bare(arguments.binary, model, photos))
        by_ray, (measured, found) = timed(lambda: score_by_ray(model, rows, 32))
        assert {it["path"]: np.float32(it["score"]) for it in found} == expected and len(found) == len(photos)
        for name, value in {"bare_s": bare, "ray_s": by_ray, **measured}.items():
            rounds[name].append(value)
    return {"photos": len(photos), "model_bytes": model.stat().st_size} | rounds


def training(arguments, folder):
    parts = list_of_parts(folder, arguments.parts)
    bare, _ = timed(lambda: train_bare(arguments.binary, parts, folder / "bare", arguments.steps))
    by_ray, table = timed(lambda: train_many(parts, folder / "ray", steps=arguments.steps))
    for part, status in zip(table["part"].to_pylist(), table["status"].to_pylist()):
        assert status == "trained"
        assert (folder / "bare" / f"{part}.model").read_bytes() == (folder / "ray" / f"{part}.model").read_bytes()
    return {"parts": arguments.parts, "steps": arguments.steps, "bare_s": bare, "ray_s": by_ray}


def without_photos(arguments, model, batch):
    rows = [{"path": None, "number": number} for number in range(arguments.empty)]
    measured, _ = score_by_ray(model, rows + [{"path": "none", "number": -1}], batch)
    seconds, (_, found) = timed(lambda: score_by_ray(model, rows + [{"path": "none", "number": -1}], batch))
    assert len(found) == len(rows) + 1
    return {"rows": len(rows), "batch": batch, "seconds": seconds, "first_row_s": measured["first_row_s"],
            "driver_cpu_s": measured["driver_cpu_s"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--empty", type=int, default=20000, help="rows without photos")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    start, cluster = timed(lambda: Cluster(initialize_head=True, head_node_args=NODE))
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    result = {"cluster_start_s": start}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        result["training"] = training(arguments, folder)
        print(json.dumps(result), flush=True)
        model = folder / "ray" / "part-0.model"
        (folder / "many").mkdir()
        result["scoring"] = scoring(arguments, model, folder / "many")
        print(json.dumps(result), flush=True)
        result["without_photos"] = [without_photos(arguments, model, batch) for batch in (32, 256)]
    for name in ("scoring", "training"):
        ratio = statistics.median(np.atleast_1d(result[name]["ray_s"])) / statistics.median(np.atleast_1d(result[name]["bare_s"]))
        print(f"{name}: with Ray {ratio:.3f} times as long")
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
