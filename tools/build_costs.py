#!/usr/bin/env python3
"""What cameras and outputs cost a build: CPU seconds of compiling, and megabytes of the program.

    python3 tools/build_costs.py TARGET

TARGET is a folder for builds, which must not exist. Builds a program without stations, then one with all kinds that are in
the default build, and then with one more kind of camera after the other; of the kinds of outputs each is added to the crate
of outputs alone. Twenty minutes on two cores. The CPU seconds of a step are those of all that cargo started, compilers of C and linkers
among them, less those of what was compiled before and is replaced, as a feature changes a crate that others share. Sizes are of
stripped programs. Features whose system libraries are missing are named and left out (docs/cameras.md has their packages).

Also the compiler that cargo is told to call (RUSTC_WRAPPER): it notes what each crate took.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTES = "BUILD_COSTS_NOTES"
BASE = ["onnxruntime", "server"]
CAMERAS = ["genicam", "v4l2", "gstreamer"]
OUTPUTS = ["mqtt", "webhook", "modbus", "serial", "opcua"]


def compile_and_note(command):
    code = subprocess.call(command)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    word = lambda name: command[command.index(name) + 1] if name in command else ""
    unit = [os.environ.get(name, "") for name in ("CARGO_PKG_NAME", "CARGO_PKG_VERSION")]
    unit += [word("--crate-name"), word("--crate-type")]
    with open(os.environ[NOTES], "a") as notes:
        notes.write("\t".join([*unit, f"{used.ru_utime + used.ru_stime:.2f}"]) + "\n")
    return code


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Builds:
    """Builds in one folder, each adding to those before."""

    def __init__(self, target):
        self.target = target
        self.notes = target / "notes"
        self.known = {}
        target.mkdir(parents=True)

    def build(self, *options):
        """CPU seconds that a build adds; None if it fails."""
        self.notes.write_text("")
        environment = {
            **os.environ,
            "RUSTC_WRAPPER": str(Path(__file__).resolve()),
            NOTES: str(self.notes),
            "CARGO_TARGET_DIR": str(self.target),
        }
        before = cpu_seconds()
        built = subprocess.run(
            ["cargo", "build", "--locked", "--release", *options], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if built.returncode:
            print(*built.stderr.splitlines()[-12:], sep="\n", file=sys.stderr)
            return None
        seconds = cpu_seconds() - before
        for line in self.notes.read_text().splitlines():
            *unit, took = line.split("\t")
            seconds -= self.known.get(tuple(unit), 0.0)
            self.known[tuple(unit)] = float(took)
        return seconds

    def megabytes(self, program):
        stripped = self.target / "stripped"
        subprocess.run(["strip", "-o", stripped, self.target / "release" / program], check=True)
        return stripped.stat().st_size / 1e6


def row(what, seconds, megabytes):
    print(f"| {what} | {seconds:.1f} | {megabytes:+.2f} |", flush=True)


def programs(target):
    """A program without stations, with them, and with the kinds of cameras that are features."""
    builds = Builds(target)
    program = lambda *more: ["-p", "efficientad-cli", "--no-default-features", "--features", ",".join([*BASE, *more])]
    seconds = builds.build(*program())
    without = builds.megabytes("efficientad")
    print("| what | CPU seconds | MB |\n|---|---|---|")
    print(f"| a program without stations | {seconds:.1f} | {without:.2f} |", flush=True)
    seconds = builds.build(*program("station"))
    station = builds.megabytes("efficientad")
    row("stations, all default kinds of cameras and outputs", seconds, station - without)
    for feature in CAMERAS:
        seconds = builds.build(*program("station", feature))
        if seconds is None:
            print(f"| {feature} | not built here | |")
        else:
            row(f"`{feature}` more", seconds, builds.megabytes("efficientad") - station)


def outputs(target):
    """The kinds of outputs, each beside a server, whose crates are not counted."""
    builds = Builds(target)
    options = lambda *more: [
        *["-p", "efficientad-server", "-p", "efficientad-outputs", "--lib", "--example", "deliver"],
        *["--no-default-features", "--features", ",".join(more)],
    ]
    builds.build(*options())
    without = builds.megabytes("examples/deliver")
    for kind in OUTPUTS:
        seconds = builds.build(*options(f"efficientad-outputs/{kind}"))
        row(f"output `{kind}` alone", seconds, builds.megabytes("examples/deliver") - without)


if __name__ == "__main__":
    if NOTES in os.environ and len(sys.argv) > 2:
        sys.exit(compile_and_note(sys.argv[1:]))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1]).resolve()
    programs(target / "programs")
    outputs(target / "outputs")
