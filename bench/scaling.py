#!/usr/bin/env python3
"""How the work spreads over threads: times at one thread and more, and the part that does not spread.

    python3 bench/scaling.py                    # 1 and 2 threads on two cores; 1, 2, 4, … on more
    python3 bench/scaling.py --sizes small --rounds 3 --json scaling.json

Every round runs `efficientad bench` once with each number of threads, so that a busy moment falls on
all of them; the medians over the rounds count. The serial share s is the one of Amdahl's law,
time(n) / time(1) = s + (1 - s) / n, fitted by least squares to all n above 1. It holds everything
that keeps threads from being twice as fast: serial code, waiting, uneven tasks, and memory that
they share. From it the table says what 8 and 16 cores would give, if nothing else changed: a
forecast, not a measurement. Needs nothing but Python.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

WORKS = {
    "inspection_ms": "inspection",
    "training_step_ms": "training step",
    "training_step_without_penalty_ms": "training step without penalty",
}
FORECASTS = (8, 16)


def bench(binary, size, threads, repeats):
    command = [binary, "bench", "--size", size, "--threads", str(threads), "--rounds", str(repeats), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def serial_share(times):
    """The least-squares share s of time(n)/time(1) - 1/n = s (1 - 1/n)."""
    pairs = [(1 - 1 / n, time / times[1] - 1 / n) for n, time in times.items() if n > 1]
    return sum(x * y for x, y in pairs) / sum(x * x for x, _ in pairs)


def speedup(share, cores):
    return 1 / (share + (1 - share) / cores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["small", "medium"], choices=["small", "medium"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5, help="of each work within a round (default: 5)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all times as well")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    counts = [1 << power for power in range(cores.bit_length()) if 1 << power < cores] + [cores]
    if cores == 1:
        parser.error("one CPU alone says nothing about more of them")
    rounds = {size: {n: [] for n in counts} for size in arguments.sizes}
    for _ in range(arguments.rounds):
        for size in arguments.sizes:
            for threads in counts:
                rounds[size][threads].append(bench(arguments.binary, size, threads, arguments.repeats))
    print("| size | work | " + " | ".join(f"{n} threads" for n in counts) + " | serial share | "
          + " | ".join(f"{n} cores, forecast" for n in FORECASTS) + " |")
    print("|---" * (3 + len(counts) + len(FORECASTS)) + "|")
    for size in arguments.sizes:
        for key, work in WORKS.items():
            times = {n: statistics.median(timing[key] for timing in rounds[size][n]) for n in counts}
            share = serial_share(times)
            cells = [f"{time:.0f} ms ({times[1] / time:.2f}×)" for time in times.values()]
            cells.append(f"{100 * share:.1f} %")
            cells += [f"{speedup(share, n):.1f}×" for n in FORECASTS]
            print(f"| {size} | {work} | " + " | ".join(cells) + " |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=1) + "\n")


if __name__ == "__main__":
    main()
