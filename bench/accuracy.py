#!/usr/bin/env python3
"""Trains and evaluates on inspection sets, and prints tables: the README's, of recipes, of teachers, of photos.

    python3 bench/accuracy.py ../shared/data/inspection --out accuracy --steps 2000 10000 \\
        --mask-threshold magnetic_tile=128 --invert-masks paper_pa_bdp01_tl
    … --steps 400 --recipe default fast --seed 0 1
    … --steps 400 --teacher built-in a.teacher b.teacher
    … --steps 400 --photos procedural none ../shared/data/natural
    … --steps 400 2000 10000 --seed 0 1 --plot learning.svg

Every set and combination of steps, recipe, teacher, penalty photos and seed is one training with the
program's defaults for all else, and one evaluation; means are over the sets that have the number. What
is done is not done again, and a training that was cut short goes on from its checkpoint, so that the
command can be stopped and repeated at any time. Results stay in a folder of OUT for each, as
results.json (of `efficientad eval`) and seconds.txt (of training). --plot draws the numbers over the
steps, beside those of --reference; it needs matplotlib.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import time
import zlib
from typing import NamedTuple

COLUMNS = ("image_auroc", "pixel_auroc", "aupro")
TITLES = ("image AU-ROC", "pixel AU-ROC", "AU-PRO")


class Variant(NamedTuple):
    """What trainings are compared by, in words of the program's options."""

    steps: int
    recipe: str
    teacher: str
    photos: str
    seed: int

    def options(self):
        options = ["--steps", str(self.steps), "--seed", str(self.seed)]
        if self.recipe != "default":
            options += ["--recipe", self.recipe]
        if self.teacher != "built-in":
            options += ["--teacher", self.teacher]
        if self.photos != "procedural":
            options += ["--photos", self.photos]
        return options

    def cells(self):
        teacher, photos = (pathlib.Path(value).stem for value in (self.teacher, self.photos))
        return [f"{self.steps:,}", self.recipe, teacher, photos, str(self.seed)]

    def folder(self, name):
        """Of a set; teachers of one name are told apart by their contents."""
        steps, recipe, teacher, photos, seed = self.cells()
        if self.teacher != "built-in":
            teacher += f"-{zlib.crc32(pathlib.Path(self.teacher).read_bytes()):08x}"
        return "-".join([name, steps.replace(",", ""), recipe, teacher, photos, seed])


def train(binary, dataset, variant, folder):
    """Trains until the model is there; adds the time it took to seconds.txt."""
    model = folder / "model"
    if model.exists():
        return
    command = [binary, "train", dataset, "--out", model, "--quiet", *variant.options()]
    if pathlib.Path(f"{model}.checkpoint").exists():
        command.append("--resume")
    seconds = folder / "seconds.txt"
    before = float(seconds.read_text()) if seconds.exists() else 0.0
    start = time.monotonic()
    try:
        subprocess.run(command, check=True)
    finally:
        seconds.write_text(f"{before + time.monotonic() - start:.0f}\n")


def evaluate(binary, dataset, folder, mask_options):
    results = folder / "results.json"
    if not results.exists():
        command = [binary, "eval", folder / "model", dataset, "--json", *mask_options]
        output = subprocess.run(command, check=False, capture_output=True, text=True)
        if output.returncode > 1:
            raise SystemExit(output.stderr)
        results.write_text(output.stdout)
    return json.loads(results.read_text())


def row(cells, values, minutes):
    values = ["–" if value is None else f"{100 * value:.1f}" for value in values]
    print("| " + " | ".join([*cells, *values, f"{minutes:.0f} min"]) + " |", flush=True)


def plot(file, results, references):
    """Learning curves: a panel for each number, a colour for each set, a line for each variant of a set.

    References, numbers in % by set, are dotted lines.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "learning"
    from matplotlib import pyplot

    steps = sorted({variant.steps for _, variant, _ in results})
    figure, panels = pyplot.subplots(1, len(COLUMNS), figsize=(4 * len(COLUMNS), 3.4), layout="constrained")
    names = list(dict.fromkeys(name for name, _, _ in results))
    for column, panel in enumerate(panels):
        for number, name in enumerate(names):
            lines = {}
            for of, variant, values in results:
                if of == name and values[column] is not None:
                    point = (variant.steps, 100 * values[column])
                    lines.setdefault(variant._replace(steps=0), []).append(point)
            for line, points in enumerate(lines.values()):
                label = None if line else name.replace("_", " ")
                panel.plot(*zip(*sorted(points)), marker="o", markersize=3, color=f"C{number}", label=label)
            if name in references:
                panel.axhline(references[name][column], linestyle=":", color=f"C{number}")
        panel.set(xscale="log", xlabel="steps", ylabel=f"{TITLES[column]}, %")
        panel.set_xticks(steps, [f"{value:,}" for value in steps])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=pathlib.Path, help="folder of data sets")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for models and results")
    parser.add_argument("--steps", type=int, nargs="+", default=[2000, 10000])
    parser.add_argument("--recipe", nargs="+", default=["default"], help="default, fast, paper")
    parser.add_argument("--teacher", nargs="+", default=["built-in"], help="built-in, or teachers' files")
    parser.add_argument("--photos", nargs="+", default=["procedural"], help="procedural, none, or folders of photos")
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", help="names of the sets to take; all if not given")
    parser.add_argument("--mask-threshold", nargs="+", default=[], metavar="SET=VALUE",
                        help="from which value on a mask's pixel is defect, where that is not 1")
    parser.add_argument("--invert-masks", nargs="+", default=[], metavar="SET",
                        help="sets whose masks show defects dark")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw learning curves")
    parser.add_argument("--reference", nargs="+", default=[], metavar="SET=IMAGE,PIXEL,AUPRO",
                        help="numbers in %% for --plot to draw as dotted lines")
    parser.add_argument("--binary", default="target/release/efficientad")
    arguments = parser.parse_args()
    names = arguments.only or sorted(path.name for path in arguments.sets.iterdir() if path.is_dir())
    mask_thresholds = dict(pair.split("=") for pair in arguments.mask_threshold)
    print("| set | " + " | ".join([*Variant._fields, *COLUMNS]) + " | training |")
    print("|---" * (len(Variant._fields) + len(COLUMNS) + 2) + "|")
    results = []
    values_of = (getattr(arguments, field) for field in Variant._fields)
    for variant in itertools.starmap(Variant, itertools.product(*values_of)):
        cells = variant.cells()
        all_minutes = 0
        for name in names:
            folder = arguments.out / variant.folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            dataset = arguments.sets / name
            train(arguments.binary, dataset, variant, folder)
            mask_options = ["--mask-threshold", mask_thresholds.get(name, "1")]
            mask_options += ["--invert-masks"] if name in arguments.invert_masks else []
            measured = evaluate(arguments.binary, dataset, folder, mask_options)
            values = [measured.get(column) for column in COLUMNS]
            minutes = float((folder / "seconds.txt").read_text()) / 60
            row([name, *cells], values, minutes)
            results.append((name, variant, values))
            all_minutes += minutes
        all_values = (values for _, of, values in results if of == variant)
        known = ([value for value in column if value is not None] for column in zip(*all_values))
        row(["mean", *cells], [statistics.mean(column) if column else None for column in known], all_minutes)
    if arguments.plot:
        references = dict(pair.split("=") for pair in arguments.reference)
        references = {name: [float(value) for value in values.split(",")] for name, values in references.items()}
        plot(arguments.plot, results, references)


if __name__ == "__main__":
    main()
