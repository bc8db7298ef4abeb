#!/usr/bin/env python3
"""Time efficientad beside ONNX Runtime, OpenVINO and PyTorch on this machine's CPU, in one interleaved run.

    python3 bench/peers.py --json result.json

measures both sizes, on one thread and on all cores, prints tables, and writes the plots beside the JSON. The first
run makes a virtual environment and installs the peers from PyPI (see README.md for what that weighs). In each round
every side runs once in turn, so that whatever else the machine does falls on all of them alike.
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "examples/data"
PHOTO = DATA / "test/scratch/000.png"
PACKAGES = ("numpy", "pillow", "torch", "onnx", "onnxruntime", "openvino", "nncf", "matplotlib")
OURS = "efficientad"
SIZES = ("small", "medium")
# Enough for features and maps of the usual magnitude; the speed does not depend on it.
TRAINING_STEPS = 100
IMAGES_PER_THREAD = 8

# What is measured; the times are also the keys of `efficientad bench --json`, each a median in milliseconds.
INSPECTION = "inspection_ms"
THROUGHPUT = "images_per_second"
TRAINING = "training_step_ms"
TRAINING_WITHOUT_PENALTY = "training_step_without_penalty_ms"
MEASURES = (INSPECTION, THROUGHPUT, TRAINING, TRAINING_WITHOUT_PENALTY)
# What --only names.
KINDS = {"inspection": (INSPECTION,), "throughput": (THROUGHPUT,), "steps": (TRAINING, TRAINING_WITHOUT_PENALTY)}


class Refusal(Exception):
    """Something the user can put right; printed without a traceback."""


def parse_arguments():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, default=tuple(KINDS), metavar="KIND",
        help=f"of {', '.join(KINDS)}, those to measure (default: all)",
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES, help="networks (default: both)")
    parser.add_argument(
        "--threads", nargs="+", type=int, default=sorted({1, cores}), metavar="N",
        help="CPU threads of every side, one setup after the other (default: 1, and as many as there are CPUs)",
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds of inspections (default: 7)")
    parser.add_argument(
        "--long-rounds", type=int, default=3, metavar="N",
        help="of those, rounds that also take throughput and training steps (default: 3)",
    )
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N",
        help="timed inspections or training steps of a side per round, of which the median counts (default: 3)",
    )
    parser.add_argument(
        "--binary", type=Path, default=HERE.parent / "target/release/efficientad", metavar="FILE",
        help="the efficientad program (default: target/release/efficientad)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON, and plots beside it as SVG")
    parser.add_argument(
        "--venv", type=Path, default=HERE / ".venv", metavar="FOLDER",
        help="the peers' virtual environment, made when missing (default: bench/.venv)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER",
        help="small.model and medium.model to run; one that is missing is trained for a moment on examples/data "
        "(default: the folder `models` of the virtual environment)",
    )
    arguments = parser.parse_args()
    arguments.measures = [measure for kind in KINDS if kind in arguments.only for measure in KINDS[kind]]
    if min(*arguments.threads, arguments.rounds, arguments.repeats) < 1:
        parser.error("--threads, --rounds and --repeats need at least 1")
    if not 0 <= arguments.long_rounds <= arguments.rounds:
        parser.error("--long-rounds needs 0 to the number of --rounds")
    if INSPECTION not in arguments.measures:
        if not arguments.long_rounds:
            parser.error("without inspections --long-rounds needs at least 1")
        arguments.rounds = arguments.long_rounds
    arguments.binary = arguments.binary.resolve()
    if not arguments.binary.is_file():
        raise Refusal(f"{arguments.binary} is missing: run `cargo build --release`, or name it with --binary")
    arguments.models = (arguments.models or arguments.venv / "models").resolve()
    return arguments


# --- The peers' environment ---------------------------------------------------------------------------------------


def enter_environment(folder):
    """Return only when this process runs in the virtual environment; else make it and start over inside it."""
    folder = folder.resolve()
    if Path(sys.prefix).resolve() == folder:
        return
    python = folder / "bin/python"
    installed = folder / "peers-installed"
    wanted = " ".join(PACKAGES)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {wanted} into {folder}", file=sys.stderr)
        if not python.exists():
            venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--no-cache-dir", *PACKAGES], check=True)
        installed.write_text(wanted)
    os.execv(python, [str(python), *sys.argv])


def apart(function, *arguments):
    """What the function returns in a process of its own, so that no thread or cache of a setup reaches the next."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


# --- Our side -----------------------------------------------------------------------------------------------------


def run(*command):
    """What efficientad prints."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refusal(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Ours:
    """efficientad, as the program that users run."""

    def __init__(self, binary, model, threads):
        self.binary, self.model, self.threads = binary, model, ("--threads", threads)

    def times(self, size, repeats):
        """`efficientad bench`: the medians of an inspection and of both training steps."""
        report = json.loads(run(self.binary, "bench", "--size", size, *self.threads, "--rounds", repeats, "--json"))
        return {key: report[key] for key in (INSPECTION, TRAINING, TRAINING_WITHOUT_PENALTY)}

    def images_per_second(self, count):
        """`efficientad predict` on copies of the photo, from the first verdict to the last."""
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count + 1):
                shutil.copy(PHOTO, Path(folder, f"{number:06}.png"))
            command = [self.binary, "predict", self.model, folder, *self.threads, "--json"]
            with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE) as process:
                verdicts = [time.perf_counter() for _ in process.stdout]
        if process.returncode or len(verdicts) != count + 1:
            raise Refusal(f"efficientad predict ended with {process.returncode} after {len(verdicts)} verdicts")
        return count / (verdicts[-1] - verdicts[0])

    def write_map(self, folder):
        """The photo's anomaly map, at the photo's size."""
        run(self.binary, "predict", self.model, PHOTO, *self.threads, "--out", folder, "--json")


# --- Models -------------------------------------------------------------------------------------------------------


def prepare(arguments, size):
    """A model of this size and what the peers run of it: {size}.onnx and {size}-int8.xml."""
    import peers_sides

    folder = arguments.models
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{size}.model"
    if not model.exists():
        print(f"{size}: training a model, which takes some minutes", file=sys.stderr)
        command = [arguments.binary, "train", DATA, "--out", model, "--size", size, "--steps", TRAINING_STEPS, "--quiet"]
        if Path(f"{model}.checkpoint").exists():
            command.append("--resume")
        run(*command)
    graph = folder / f"{size}.onnx"
    run(arguments.binary, "export", model, "--onnx", graph)
    if not {INSPECTION, THROUGHPUT} & set(arguments.measures):
        return
    print(f"{size}: quantising", file=sys.stderr)
    peers_sides.write_quantised(graph, sorted(DATA.glob("train/good/*.png")), folder / f"{size}-int8.xml")


# --- Measuring ----------------------------------------------------------------------------------------------------


def measure(arguments, size, threads, progress):
    """One setup: {measure: {side: [one number per round]}}, and what else is to be told of it."""
    import peers_sides

    inspections = bool({INSPECTION, THROUGHPUT} & set(arguments.measures))
    ours = Ours(arguments.binary, arguments.models / f"{size}.model", threads)
    images = IMAGES_PER_THREAD * threads
    peers = peers_sides.make(arguments.models, size, threads, PHOTO, inspections, TRAINING in arguments.measures)
    deviations = peers_sides.map_deviations(peers, OURS, ours.write_map) if inspections else {}
    takes = {
        INSPECTION: {side.name: side.median_inspection for side in peers.inspectors},
        THROUGHPUT: {side.name: side.images_per_second for side in peers.inspectors},
        TRAINING: {side: step[True].median_step for side, step in peers.steps.items()},
        TRAINING_WITHOUT_PENALTY: {side: step[False].median_step for side, step in peers.steps.items()},
    }
    results = {name: {} for name in MEASURES}

    def note(name, side, value):
        results[name].setdefault(side, []).append(value)

    for number in range(arguments.rounds):
        long = number < arguments.long_rounds
        progress.show(size, threads, number)
        now = [name for name in arguments.measures if long or name == INSPECTION]
        if now != [THROUGHPUT]:
            for name, value in ours.times(size, arguments.repeats).items():
                if name in now:
                    note(name, OURS, value)
        if THROUGHPUT in now:
            note(THROUGHPUT, OURS, ours.images_per_second(images))
        for name in now:
            for side, take in takes[name].items():
                note(name, side, take(images if name == THROUGHPUT else arguments.repeats))
    return results, {"map_deviation": deviations, "step_deviation": peers.step_deviations, "skipped": peers.skipped}


class Progress:
    """Estimates the time that is left from the rounds done so far."""

    def __init__(self, arguments, setups):
        self.rounds = [
            (size, threads, number, round_cost(arguments, size, threads, number))
            for size, threads in setups for number in range(arguments.rounds)
        ]
        self.start = time.time()

    def show(self, size, threads, number):
        place = [entry[:3] for entry in self.rounds].index((size, threads, number))
        done, left = (sum(entry[3] for entry in part) for part in (self.rounds[:place], self.rounds[place:]))
        line = f"{size}, {threads} thread(s), round {number + 1}"
        if done:
            line += f", about {(time.time() - self.start) * left / done / 60:.0f} min left"
        print(line, file=sys.stderr)


def round_cost(arguments, size, threads, number):
    """In inspections of a small image on one thread, by every side."""
    repeats = (1 + arguments.repeats) / threads
    cost = {
        INSPECTION: repeats,
        THROUGHPUT: IMAGES_PER_THREAD,
        TRAINING: 4 * repeats,  # a step is some five inspections, for fewer of the sides
        TRAINING_WITHOUT_PENALTY: 3 * repeats,
    }
    taken = arguments.measures if number < arguments.long_rounds else [INSPECTION]
    return sum(cost[name] for name in taken) * (3.3 if size == "medium" else 1)


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main():
    arguments = parse_arguments()
    enter_environment(arguments.venv)
    import peers_report  # both need the packages of the environment entered above
    import peers_sides

    for size in arguments.sizes:
        apart(prepare, arguments, size)
    setups = [(size, threads) for size in arguments.sizes for threads in arguments.threads]
    progress = Progress(arguments, setups)
    result = {
        "cpu": cpu_name(),
        "logical_cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {OURS: run(arguments.binary, "--version").split()[-1]} | peers_sides.versions(),
        "repeats": arguments.repeats,
        "images_per_thread": IMAGES_PER_THREAD,
        "setups": [],
    }
    for size, threads in setups:
        rounds, more = apart(measure, arguments, size, threads, progress)
        summaries = {name: peers_report.summarise(rounds[name], OURS, name == THROUGHPUT) for name in MEASURES}
        result["setups"].append({"size": size, "threads": threads} | summaries | more)
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    peers_report.print_tables(result, MEASURES)
    if arguments.json:
        for name in MEASURES:
            peers_report.plot(result, name, OURS, arguments.json.with_name(f"{arguments.json.stem}-{name}.svg"))


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        sys.exit(f"peers.py: {refusal}")
