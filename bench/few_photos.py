#!/usr/bin/env python3
"""What some of a set's good photos give: several draws of each number, one training and one evaluation each.

    python3 bench/few_photos.py ../shared/data/inspection --out few --only tire solar_cells --good 10 20 50 100 \\
        --draws 3 --plot few.svg -- --recipe fast

A draw's number is the seed of its training, too. What stands after -- goes to `efficientad train`. Found and rejected are
the shares of the test photos at the default threshold. What is done is not done again, so that the command can be stopped
and repeated at any time; results stay in a folder of OUT for each draw. --plot draws means over the numbers of photos, and
the draws as points; it needs matplotlib.
"""

import argparse
import pathlib
import random
import shutil
import statistics
import sys

from accuracy import evaluate, train

MEASURES = {
    "image AU-ROC": lambda results: results["image_auroc"],
    "AU-PRO": lambda results: results["aupro"],
    "found": lambda results: share(results, "true_positives", "false_negatives"),
    "rejected": lambda results: share(results, "false_positives", "true_negatives"),
}


class Options(list):
    """Options of a training, as accuracy.train takes them."""

    def options(self):
        return self


def share(results, counted, others):
    verdicts = results["verdicts"]["overall"]
    return verdicts[counted] / (verdicts[counted] + verdicts[others])


def drawn(good, number, seed, folder):
    """A folder of that many photos, drawn by the seed: ten are among the twenty of the same seed."""
    files = sorted(file for file in good.iterdir() if file.is_file())
    if number > len(files):
        raise SystemExit(f"{good} has {len(files)} photos, not {number}")
    random.Random(seed).shuffle(files)
    folder.mkdir(parents=True, exist_ok=True)
    for file in files[:number]:
        shutil.copy2(file, folder)
    return folder


def plot(path, rows):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "few"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(MEASURES), figsize=(3.4 * len(MEASURES), 3.2), layout="constrained")
    for column, (panel, measure) in enumerate(zip(panels, MEASURES)):
        for colour, name in enumerate(dict.fromkeys(name for name, *_ in rows)):
            points = [(number, 100 * values[column]) for of, number, _, values in rows if of == name and values[column] is not None]
            if not points:
                continue
            numbers = sorted({number for number, _ in points})
            means = [statistics.mean(value for number, value in points if number == at) for at in numbers]
            panel.plot(numbers, means, color=f"C{colour}", label=name.replace("_", " "))
            panel.plot(*zip(*points), ".", color=f"C{colour}")
        panel.set(xscale="log", xlabel="good photos", title=f"{measure}, %")
        panel.set_xticks(ticks := sorted({number for _, number, *_ in rows}), ticks)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=pathlib.Path, help="folder of data sets with train/good")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for models and results")
    parser.add_argument("--only", nargs="+", required=True, help="names of the sets to take")
    parser.add_argument("--good", type=int, nargs="+", default=[10, 20, 50, 100], help="numbers of good photos")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--mask-threshold", nargs="+", default=[], metavar="SET=VALUE",
                        help="from which value on a mask's pixel is defect, where that is not 1")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--binary", default="target/release/efficientad")
    words = sys.argv[1:]
    own = words.index("--") if "--" in words else len(words)
    arguments, options = parser.parse_args(words[:own]), words[own + 1 :]
    thresholds = dict(pair.split("=") for pair in arguments.mask_threshold)
    print("| set | good photos | draw | " + " | ".join(MEASURES) + " |")
    print("|---" * (3 + len(MEASURES)) + "|")
    rows = []
    for name in arguments.only:
        dataset = arguments.sets / name
        for number in arguments.good:
            for draw in range(arguments.draws):
                folder = arguments.out / f"{name}-{number}-{draw}"
                photos = drawn(dataset / "train" / "good", number, draw, folder / "good")
                train(arguments.binary, photos, Options([*options, "--seed", str(draw)]), folder)
                shutil.rmtree(photos)
                mask_options = ["--mask-threshold", thresholds.get(name, "1")]
                results = evaluate(arguments.binary, dataset, folder, mask_options)
                values = [measure(results) for measure in MEASURES.values()]
                rows.append((name, number, draw, values))
                cells = ["–" if value is None else f"{100 * value:.1f}" for value in values]
                print(f"| {name} | {number} | {draw} | " + " | ".join(cells) + " |", flush=True)
    if arguments.plot:
        plot(arguments.plot, rows)


if __name__ == "__main__":
    main()
