#!/usr/bin/env python3
"""The server under load, beside `efficientad predict` on the same photos.

    python3 bench/serving.py part.model examples/data/brick/train/good           # needs wrk and Pillow
    python3 bench/serving.py part.model PHOTOS --rounds 5 --seconds 20 --json serving.json

Every round runs both sides, one after the other: `predict` on copies of the photos, and `serve`, which as many clients
of wrk as `--clients` send the same JPEGs to, each its next photo when it has the verdict on the last. `predict` counts
from the first verdict to the last, without its start, as bench/peers.py counts it. Then 200 clients want more than the
queue takes, and what the server's memory reaches is compared with that of an idle server all of whose sessions have
judged. The start counts from the process to the first answer that says ready.

`--data` has the server record every verdict on the disk before it answers. `--hours` keeps up the load for so long, and
follows the memory.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from PIL import Image

# Each client sends its photos in turn; what came back is told at the end.
SCRIPT = """
local photos, thread_of = {}, {}
function setup(thread) table.insert(thread_of, thread) end
function init(args)
  for _, path in ipairs(args) do
    local file = assert(io.open(path, "rb"))
    table.insert(photos, file:read("*a"))
    file:close()
  end
  sent, verdicts, busy, other = 0, 0, 0, 0
end
function request()
  sent = sent + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "image/jpeg" }, photos[sent % #photos + 1])
end
function response(status, headers, body)
  if status == 200 and body:find('"score"', 1, true) then verdicts = verdicts + 1
  elseif status == 503 and headers["retry-after"] then busy = busy + 1
  else other = other + 1 end
end
function done(summary, latency, requests)
  local counts = { verdicts = 0, busy = 0, other = 0 }
  for _, thread in ipairs(thread_of) do
    for name in pairs(counts) do counts[name] = counts[name] + thread:get(name) end
  end
  local errors = summary.errors
  io.write(string.format('RESULT {"verdicts": %d, "busy": %d, "other": %d, "broken": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f}\\n',
    counts.verdicts, counts.busy, counts.other, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def memory_mib(pid, field="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024


class Server:
    """`efficientad serve` on a port that is free."""

    def __init__(self, program, model, folder, data):
        models = folder / "models"
        models.mkdir()
        shutil.copy(model, models / "part.model")
        command = [program, "serve", "--models", models, "--listen", "127.0.0.1:0", "--log-json"]
        if data:
            (folder / "data").mkdir()
            command += ["--data", folder / "data", "--keep-photos", "none"]
        started = time.perf_counter()
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log)
        self.address = self.wait_ready()
        self.start_seconds = time.perf_counter() - started

    def wait_ready(self):
        while self.process.poll() is None:
            found = re.search(r"https?://(127\.0\.0\.1:\d+)", pathlib.Path(self.log.name).read_text())
            if found:
                try:
                    with urllib.request.urlopen(f"http://{found[1]}/v2/models/part/ready") as answer:
                        if answer.status == 200:
                            return found[1]
                except OSError:
                    pass
            time.sleep(0.005)
        sys.exit(pathlib.Path(self.log.name).read_text())

    def load(self, script, photos, clients, seconds):
        """What so many clients get in so many seconds."""
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "120s", "-s", script,
                   f"http://{self.address}/api/models/part/inspect", "--", *photos]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(re.search(r"RESULT (.*)", out)[1])
        return {**found, "images_per_second": found["verdicts"] / found["seconds"]}

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, "the server did not end well"


def predict(program, model, photos, folder):
    """Photos a second of `predict`, from the first verdict to the last."""
    process = subprocess.Popen([program, "predict", model, *photos, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    times = [time.perf_counter() for line in process.stdout if line.strip()]
    # 1: one of the photos is anomalous.
    assert process.wait() in (0, 1) and len(times) == len(photos), len(times)
    return (len(times) - 1) / (times[-1] - times[0])


def make_photos(source, folder, count):
    """`count` different JPEGs of 384×384 pixels."""
    files = sorted(it for it in source.rglob("*") if it.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"))
    paths = []
    for number in range(count):
        path = folder / f"{number:03}.jpg"
        photo = Image.open(files[number % len(files)]).convert("RGB").resize((384, 384))
        photo.rotate(number // len(files)).save(path, quality=90)
        paths.append(path)
    return paths


def follow(server, script, photos, clients, hours):
    """Memory during hours of load, a value a minute."""
    memory = []
    for _ in range(round(hours * 60)):
        found = server.load(script, photos, clients, 59)
        memory.append(memory_mib(server.process.pid))
        print(f"minute {len(memory)}: {memory[-1]:.1f} MiB, {found['verdicts']} verdicts", flush=True)
        assert not found["other"] and not found["broken"], found
    return memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--program", default="target/release/efficientad")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20, help="of load in a round")
    parser.add_argument("--count", type=int, default=200, help="photos of predict in a round")
    parser.add_argument("--data", action="store_true")
    parser.add_argument("--hours", type=float, default=0)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        script = folder / "load.lua"
        script.write_text(SCRIPT)
        photos = make_photos(arguments.photos, folder, arguments.count)
        server = Server(arguments.program, arguments.model, folder, arguments.data)
        result = {"clients": arguments.clients, "start_seconds": server.start_seconds, "rounds": []}
        print(f"ready after {server.start_seconds:.3f} s")
        threads = len(os.sched_getaffinity(0))
        server.load(script, photos, threads, 3)
        result["idle_mib"] = memory_mib(server.process.pid)
        for _ in range(arguments.rounds):
            alone = predict(arguments.program, arguments.model, photos, folder)
            found = server.load(script, photos, arguments.clients, arguments.seconds)
            assert not found["busy"] and not found["other"] and not found["broken"], found
            share = found["images_per_second"] / alone
            # The time of a photo that waits for all others, over that of one.
            queueing = found["p99_ms"] / 1e3 * found["images_per_second"] / arguments.clients
            result["rounds"].append({"predict": alone, "share": share, "p99_by_queue": queueing, **found})
            print(f"predict {alone:.2f}/s, serve {found['images_per_second']:.2f}/s: {share:.3f}; p50 {found['p50_ms']:.0f} ms, "
                  f"p99 {found['p99_ms']:.0f} ms = {queueing:.2f} × queue × service time", flush=True)
        for name in ("share", "p99_by_queue"):
            print(f"median {name}: {statistics.median(it[name] for it in result['rounds']):.3f}")
        crowd = server.load(script, photos, 200, arguments.seconds)
        result["crowd"] = {**crowd, "peak_mib": memory_mib(server.process.pid, "VmHWM")}
        print(f"200 clients: {crowd['verdicts']} verdicts, {crowd['busy']} busy, {crowd['other']} other answers, {crowd['broken']} broken; "
              f"memory {result['idle_mib']:.1f} MiB idle with sessions, {result['crowd']['peak_mib']:.1f} MiB at most")
        if arguments.hours:
            result["memory_mib"] = follow(server, script, photos, arguments.clients, arguments.hours)
        server.stop()
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
