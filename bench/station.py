#!/usr/bin/env python3
"""From a camera's frame to the verdict at an MQTT client, beside the bare inspection of the same photos.

    python3 bench/station.py part.model examples/data/brick/train/good       # needs mosquitto, mosquitto_sub and the Python module
    python3 bench/station.py part.model PHOTOS --rounds 5 --frames 40 --json station.json

Every round runs both sides, one after the other. The station's camera is an HTTP server of Python's standard library, which
gives a photo at each request; the station asks for one each `--interval` milliseconds, long enough that no photo waits for
another. The time begins where the station has the photo's last byte (`captured` of the record) and ends where
mosquitto_sub, another process, has written the message. The bare inspection is `Detector.inspect` of the bytes of the same
photos, decoding included, by as many threads.
"""

import argparse
import datetime
import http.server
import itertools
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import efficientad

STATION = """
name = "bench"
[cameras.camera]
kind = "http"
url = "http://127.0.0.1:{camera}/photo"
trigger = "interval"
interval_ms = {interval}
[lines.line]
camera = "camera"
model = "{model}"
[outputs.broker]
kind = "mqtt"
url = "mqtt://127.0.0.1:{broker}"
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def camera(photos):
    """A camera that gives one photo after the other."""
    turn = itertools.cycle(photos)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            photo = next(turn)
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(photo)))
            self.end_headers()
            self.wfile.write(photo)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Broker:
    """mosquitto, and a client that writes down what it gets."""

    def __init__(self, folder):
        self.port = free_port()
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        broker = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.broker = subprocess.Popen([broker, "-c", settings], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.05)
        command = ["mosquitto_sub", "-p", str(self.port), "-q", "1", "-t", "efficientad/bench/line/verdict"]
        self.client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def messages(self):
        """Each with the time, in seconds since 1970, at which it was there."""
        for line in self.client.stdout:
            now = time.time()
            yield now, json.loads(line)

    def stop(self):
        self.client.terminate()
        self.broker.terminate()


def station_round(args, photos, folder):
    """Milliseconds from frame to message."""
    server, broker = camera(photos), Broker(folder)
    file = folder / "station.toml"
    model = args.model.resolve()
    file.write_text(STATION.format(camera=server.server_port, interval=args.interval, model=model, broker=broker.port))
    command = [args.program, "run", file, "--threads", str(args.threads)]
    station = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = []
    # The first ones wait for memory to be mapped.
    for now, record in itertools.islice(broker.messages(), args.warm_up + args.frames):
        # Python reads six digits of a second's fraction, and the record may have nine.
        date, _, fraction = record["captured"].rstrip("Z").partition(".")
        captured = datetime.datetime.fromisoformat(date + "+00:00").timestamp() + float(f"0.{fraction or 0}")
        times.append((now - captured) * 1e3)
    station.terminate()
    assert station.wait(60) == 0, "the station did not end well"
    broker.stop()
    server.shutdown()
    return times[args.warm_up:]


def bare_round(args, photos):
    """Milliseconds of an inspection."""
    detector = efficientad.Detector(str(args.model), threads=args.threads)
    times = []
    for photo in itertools.islice(itertools.cycle(photos), args.warm_up + args.frames):
        begun = time.perf_counter()
        detector.inspect(photo)
        times.append((time.perf_counter() - begun) * 1e3)
        # As the camera does: caches are as cold as they are there.
        time.sleep(max(0, args.interval / 1e3 - (time.perf_counter() - begun)))
    return times[args.warm_up:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path, help="folder of PNG or JPEG files")
    parser.add_argument("--program", default="target/release/efficientad")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=40, help="frames that are timed in a round")
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--interval", type=int, default=500, help="milliseconds from frame to frame")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    files = sorted(path for path in args.photos.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    photos = [path.read_bytes() for path in files[:args.frames]]
    rounds = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            station = station_round(args, photos, pathlib.Path(folder))
        bare = bare_round(args, photos)
        rounds.append({"station_ms": station, "bare_ms": bare})
        both = [statistics.median(times) for times in (station, bare)]
        print(f"round {number + 1}: frame to message {both[0]:.1f} ms, bare inspection {both[1]:.1f} ms, "
              f"difference {both[0] - both[1]:.1f} ms", flush=True)
    station, bare = ([time for it in rounds for time in it[side]] for side in ("station_ms", "bare_ms"))
    differences = [statistics.median(it["station_ms"]) - statistics.median(it["bare_ms"]) for it in rounds]
    print(f"medians: frame to message {statistics.median(station):.1f} ms, bare inspection {statistics.median(bare):.1f} ms; "
          f"difference of a round {statistics.median(differences):.1f} ms ({min(differences):.1f} to {max(differences):.1f})")
    if args.json:
        args.json.write_text(json.dumps({"threads": args.threads, "interval_ms": args.interval, "rounds": rounds}))


if __name__ == "__main__":
    sys.exit(main())
