#!/usr/bin/env python3
"""The Python module beside `efficientad predict --json`, on the same photos.

    pip install target/wheels/*.whl
    python3 bench/python.py --data FOLDER                      # photos of any kind, 100 of them
    python3 bench/python.py --data FOLDER --model part.model --rounds 9 --json python.json

Every round runs both sides, the first of them in turns: a process that judges the photos once, and one that judges them
three times. Half of the difference is what the photos cost, without start and end of either side; what the first process
took, start included, is told beside it. Each time is wall time and CPU time of the process, and both sides must print the
same lines. On the side of Python it is a loop around `Detector.inspect_batch` that prints `to_json()`. Of the rounds the
median counts. Without `--model`, a model is trained for one step: its figures mean nothing, and its speed is that of any other.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

REPEATED = 3
SCRIPT = """
import sys
import efficientad

detector = efficientad.Detector(sys.argv[1], threads=int(sys.argv[2]))
with open(sys.argv[3], encoding="utf-8") as file:
    photos = file.read().splitlines()
most = int(sys.argv[4])
for first in range(0, len(photos), most):
    for inspection in detector.inspect_batch(photos[first : first + most]):
        print(inspection.to_json())
"""


def photos_of(data, most):
    """Photos below a folder, without masks."""
    ends = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
    found = sorted(it for it in pathlib.Path(data).rglob("*") if it.suffix.lower() in ends)
    photos = [it for it in found if "ground_truth" not in it.parts][:most]
    if len(photos) < most:
        sys.exit(f"{data}: {len(photos)} photos, {most} are wanted")
    return [it.absolute() for it in photos]


def timed(command):
    """Runs a process; returns its lines, wall seconds and CPU seconds."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        child = subprocess.Popen([str(it) for it in command], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{command[0]} ended with {child.returncode}")
        out.seek(0)
        return out.read().splitlines(), wall, usage.ru_utime + usage.ru_stime


def sides(arguments, model, photos, folder):
    """The command of each side for photos once and repeated."""
    commands = {"program": [], "python": []}
    for times in (1, REPEATED):
        # Links, as one call takes no photo twice.
        place = folder / str(times)
        place.mkdir()
        links = []
        for number in range(times):
            for i, photo in enumerate(photos):
                links.append(place / f"{number}-{i:05}{photo.suffix}")
                links[-1].symlink_to(photo)
        listed = folder / f"{times}.txt"
        listed.write_text("\n".join(map(str, links)), encoding="utf-8")
        threads = arguments.threads
        commands["program"].append([arguments.program, "predict", model, *links, "--json", "--threads", threads])
        commands["python"].append([sys.executable, "-c", SCRIPT, model, threads, listed, len(photos)])
    return commands


def measure(commands, rounds):
    """Seconds of each side and round: the process with the photos once, and the photos alone."""
    taken = {side: [] for side in commands}
    for number in range(rounds):
        lines = {}
        for side in sorted(commands, reverse=number % 2 == 1):
            (lines[side], *once), (_, *repeated) = map(timed, commands[side])
            alone = [(more - less) / (REPEATED - 1) for more, less in zip(repeated, once)]
            taken[side].append([*once, *alone])
        if lines["program"] != lines["python"]:
            sys.exit("both sides must say the same: the module is not of this program")
    names = ["process_wall_s", "process_cpu_s", "photos_wall_s", "photos_cpu_s"]
    return {side: {name: list(values) for name, values in zip(names, zip(*rows))} for side, rows in taken.items()}


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", required=True)
    words.add_argument("--model", type=pathlib.Path)
    words.add_argument("--program", default="target/release/efficientad")
    words.add_argument("--photos", type=int, default=100)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--json", type=pathlib.Path)
    arguments = words.parse_args()
    photos = photos_of(arguments.data, arguments.photos)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = arguments.model
        if model is None:
            model, good = folder / "m", folder / "good"
            good.mkdir()
            for i, photo in enumerate(photos[:12]):
                (good / f"{i}{photo.suffix}").symlink_to(photo)
            command = [arguments.program, "train", good, "--out", model, "--steps", "1", "--photos", "none", "--quiet"]
            subprocess.run(command, check=True)
        taken = measure(sides(arguments, model.absolute(), photos, folder), arguments.rounds)
    print(f"{len(photos)} photos, {arguments.threads} threads, {arguments.rounds} rounds: medians in seconds")
    print(f"{'':>16}{'program':>10}{'python':>10}{'ratio':>8}   (ratios of the rounds)")
    for name in taken["program"]:
        ours, theirs = (statistics.median(taken[side][name]) for side in ("python", "program"))
        ratios = sorted(a / b for a, b in zip(taken["python"][name], taken["program"][name]))
        print(f"{name:>16}{theirs:10.3f}{ours:10.3f}{ours / theirs:8.3f}   ({ratios[0]:.3f} to {ratios[-1]:.3f})")
    if arguments.json:
        arguments.json.write_text(json.dumps({"photos": len(photos), "threads": arguments.threads, **taken}, indent=1))


if __name__ == "__main__":
    main()
