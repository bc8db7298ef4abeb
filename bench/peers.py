#!/usr/bin/env python3
"""Time efficientad beside ONNX Runtime, OpenVINO and PyTorch on this machine's CPU, in one interleaved run.

    python3 bench/peers.py --size small --threads 2 --json result.json

The first run makes a virtual environment and installs the peers from PyPI (see README.md for what that weighs).
In each round every side runs once in turn, so that whatever else the machine does falls on all of them alike.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "openvino")
OURS = "efficientad"
# The keys of `efficientad bench --json` that are read, each a median in milliseconds.
INSPECTION = "inspection_ms"
TRAINING = "training_step_ms"


class Refusal(Exception):
    """Something the user can put right; printed without a traceback."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=["small", "medium"], default="small", help="network (default: small)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of every side (default: 1)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds of inspections (default: 7)")
    parser.add_argument(
        "--repeats", type=int, default=10, metavar="N", help="inspections a side makes per round (default: 10)"
    )
    parser.add_argument(
        "--training-rounds", type=int, default=3, metavar="N",
        help="rounds that also take one training step per side; 0 for none (default: 3)",
    )
    parser.add_argument(
        "--binary", type=Path, default=HERE.parent / "target/release/efficientad", metavar="FILE",
        help="the efficientad program (default: target/release/efficientad)",
    )
    parser.add_argument("--peers-only", action="store_true", help="leave efficientad out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")
    parser.add_argument(
        "--venv", type=Path, default=HERE / ".venv", metavar="FOLDER",
        help="the peers' virtual environment, made when missing (default: bench/.venv)",
    )
    arguments = parser.parse_args()
    if min(arguments.threads, arguments.rounds, arguments.repeats) < 1 or arguments.training_rounds < 0:
        parser.error("--threads, --rounds and --repeats need at least 1, --training-rounds at least 0")
    return arguments


# --- The peers' environment ---------------------------------------------------------------------------------------


def enter_environment(folder):
    """Return only when this process runs in the virtual environment; else make it and start over inside it."""
    folder = folder.resolve()
    if Path(sys.prefix).resolve() == folder:
        return
    python = folder / "bin/python"
    ready = folder / "peers-installed"
    if not ready.exists():
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--no-cache-dir", *PACKAGES], check=True)
        ready.touch()
    os.execv(python, [str(python), *sys.argv])


# --- Our side -----------------------------------------------------------------------------------------------------


class Ours:
    """`efficientad bench` as a program of its own: one call per round gives both medians."""

    def __init__(self, binary, size, threads):
        if not binary.is_file():
            raise Refusal(
                f"{binary} is missing: run `cargo build --release`, name it with --binary, or give --peers-only"
            )
        self.command = [str(binary), "bench", "--size", size, "--threads", str(threads), "--json"]
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
        self.version = version.stdout.split()[-1] if version.stdout.strip() else "unknown"

    def measure(self):
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        line = " ".join(self.command)
        if done.returncode:
            raise Refusal(f"`{line}` ended with {done.returncode}: {done.stderr.strip()}")
        try:
            report = json.loads(done.stdout)
            return {key: float(report[key]) for key in (INSPECTION, TRAINING)}
        except (json.JSONDecodeError, TypeError, KeyError, ValueError) as error:
            raise Refusal(f"`{line}` must print a JSON object with {INSPECTION} and {TRAINING}: {error!r}") from error


# --- Measuring ----------------------------------------------------------------------------------------------------


def milliseconds(action):
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def inspection_median(inspect, repeats):
    inspect()  # wakes the side's threads and fills the caches after the side before it
    return statistics.median(milliseconds(inspect) for _ in range(repeats))


def measure(arguments, ours, inspectors, trainers):
    """{kind: {side: [one number per round]}}."""
    rounds = {INSPECTION: {}, TRAINING: {}}

    def note(kind, side, value):
        rounds[kind].setdefault(side, []).append(value)

    for step in trainers.values() if arguments.training_rounds else ():
        step()  # allocates the optimiser's state
    for number in range(max(arguments.rounds, arguments.training_rounds)):
        print(f"round {number + 1}", file=sys.stderr)
        if ours:
            report = ours.measure()
            note(INSPECTION, OURS, report[INSPECTION])
            note(TRAINING, f"{OURS} with penalty", report[TRAINING])
        if number < arguments.rounds:
            for side, inspect in inspectors.items():
                note(INSPECTION, side, inspection_median(inspect, arguments.repeats))
        if number < arguments.training_rounds:
            for side, step in trainers.items():
                note(TRAINING, side, milliseconds(step))
    return rounds


# --- Reporting ----------------------------------------------------------------------------------------------------


def summarise(rounds):
    """Median, spread and the ratio to efficientad's median, per side."""
    result = {}
    for side, values in rounds.items():
        result[side] = {
            "median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values,
        }
    reference = next((side for side in result if side.startswith(OURS)), None)
    for entry in result.values():
        entry["ratio"] = entry["median"] / result[reference]["median"] if reference else None
    return result


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def print_table(title, entries):
    if not entries:
        return
    print(f"\n{title:36} {'median':>9} {'min':>9} {'max':>9} {'ratio':>7}")
    for side, entry in entries.items():
        ratio = f"{entry['ratio']:6.2f}x" if entry["ratio"] else "      -"
        print(f"{side:36} {entry['median']:9.1f} {entry['min']:9.1f} {entry['max']:9.1f} {ratio}")


def main():
    arguments = parse_arguments()
    ours = None if arguments.peers_only else Ours(arguments.binary, arguments.size, arguments.threads)
    enter_environment(arguments.venv)
    import peers_sides  # needs the packages of the environment entered above

    inspectors, trainers = peers_sides.make(arguments.size, arguments.threads)
    rounds = measure(arguments, ours, inspectors, trainers)
    result = {
        "size": arguments.size,
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "cpu": cpu_name(),
        "logical_cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": peers_sides.versions() | ({OURS: ours.version} if ours else {}),
        INSPECTION: summarise(rounds[INSPECTION]),
        TRAINING: summarise(rounds[TRAINING]),
    }
    print(f"{result['cpu']}, {result['logical_cpus']} logical CPUs; {arguments.size}, {arguments.threads} thread(s)")
    print(", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    print_table("inspection, ms", result[INSPECTION])
    print_table("training step, ms", result[TRAINING])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        sys.exit(f"peers.py: {refusal}")
