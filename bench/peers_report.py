"""Tables and plots of what peers.py measured."""

import statistics

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of the backend)

TITLES = {
    "inspection_ms": "inspection of one image, ms",
    "images_per_second": "throughput, images/s",
    "training_step_ms": "training step, ms",
    "training_step_without_penalty_ms": "training step without penalty, ms",
}
ACCENT, PLAIN, REDUCED, INK = "#0f6b5c", "#b4bcc2", "#d9c9a3", "#24292f"
REDUCED_PRECISION = ("bf16", "int8")


def summarise(rounds, ours, more_is_faster):
    """Median, spread, and as ratio how many times as fast as the side ours is; ours, then the fastest side first."""
    result = {}
    for side, values in rounds.items():
        quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * values
        result[side] = {
            "median": quartiles[1], "min": min(values), "q1": quartiles[0], "q3": quartiles[2], "max": max(values),
            "rounds": values,
        }
    for entry in result.values():
        ratio = entry["median"] / result[ours]["median"]
        entry["ratio"] = 1 / ratio if more_is_faster else ratio
    return dict(sorted(result.items(), key=lambda item: (item[0] != ours, item[1]["ratio"])))


def print_tables(result, measures):
    print(f"{result['cpu']}, {result['logical_cpus']} logical CPUs")
    print(", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    for setup in result["setups"]:
        for measure in measures:
            if setup[measure]:
                print_table(setup, measure)
        for side, reason in setup["skipped"].items():
            print(f"{side} left out: {reason}")


def print_table(setup, measure):
    """The fastest peer is the second line, and its ratio stands in the title."""
    sides = setup[measure]
    deviations, what = deviations_of(setup, measure)
    columns = ("median", "min", "quartile", "quartile", "max", "ratio", *([what] if deviations else []))
    print(f"\n{setup['size']}, {threads(setup)}: {TITLES[measure]}{lead(sides)}")
    width = max(map(len, sides)) + 2
    print(" " * width + "".join(f"{column:>{11 if place < 6 else 17}}" for place, column in enumerate(columns)))
    for side, entry in sides.items():
        numbers = "".join(f"{entry[key]:11.2f}" for key in ("median", "min", "q1", "q3", "max"))
        deviation = f"{deviations[side]:17.1e}" if side in deviations else ""
        print(f"{side:{width}}{numbers}{entry['ratio']:10.2f}x{deviation}")


def deviations_of(setup, measure):
    """{side: a number}, and what it is."""
    if measure == "inspection_ms":
        return setup["map_deviation"], "map off by"
    if measure.startswith("training"):
        return {side: found["gradients"] for side, found in setup["step_deviation"].items()}, "gradients off by"
    return {}, ""


def lead(sides):
    """In words, how ours does beside the fastest of the others."""
    if len(sides) < 2:
        return ""
    ours, fastest = list(sides)[:2]
    return f" ({ours} {sides[fastest]['ratio']:.2f}x as fast as the fastest peer, {fastest})"


def threads(setup):
    return "1 thread" if setup["threads"] == 1 else f"{setup['threads']} threads"


def plot(result, measure, ours, file):
    """Horizontal bars, a panel per size and number of threads."""
    setups = [setup for setup in result["setups"] if setup[measure]]
    if not setups:
        return
    columns = min(2, len(setups))
    rows = -(-len(setups) // columns)
    height = 0.36 * max(len(setup[measure]) for setup in setups) + 0.75
    style = {"font.family": "sans-serif", "font.size": 10, "text.color": INK, "svg.hashsalt": measure}
    with pyplot.rc_context(style):
        figure, panels = pyplot.subplots(
            rows, columns, figsize=(5.6 * columns, height * rows + 0.55), squeeze=False, layout="constrained"
        )
        for panel in panels.flat[len(setups):]:
            panel.set_visible(False)
        for panel, setup in zip(panels.flat, setups):
            draw_bars(panel, setup, setup[measure], ours)
        versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if name != "python")
        figure.suptitle(TITLES[measure].capitalize(), x=0.01, ha="left", fontsize=13, fontweight="bold")
        figure.supxlabel(
            f"{result['cpu']}, {result['logical_cpus']} logical CPUs · medians, whiskers: quartiles · "
            f"(n×): {ours} is n times as fast · sand: less precise than float32\n{versions}",
            x=0.01, ha="left", fontsize=7.5, color="#57606a",
        )
        figure.savefig(file, metadata={"Date": None}, facecolor="white")
        pyplot.close(figure)


def draw_bars(panel, setup, entries, ours):
    medians = [entry["median"] for entry in entries.values()]
    spreads = [
        [entry["median"] - entry["q1"] for entry in entries.values()],
        [entry["q3"] - entry["median"] for entry in entries.values()],
    ]
    panel.barh(
        list(entries), medians, height=0.7, color=[colour(side, ours) for side in entries], xerr=spreads,
        error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
    )
    farthest = max(entry["q3"] for entry in entries.values())
    for place, (side, entry) in enumerate(entries.items()):
        digits = 0 if entry["median"] >= 100 else 1
        label = f"{entry['median']:,.{digits}f}" + ("" if side == ours else f"  ({entry['ratio']:.1f}×)")
        if side.endswith(REDUCED_PRECISION):
            label += f"  map {100 * setup['map_deviation'][side]:.2g} % off"
        weight = "bold" if side == ours else "normal"
        panel.text(entry["q3"] + 0.02 * farthest, place, label, va="center", fontsize=9, fontweight=weight)
    panel.set_title(f"{setup['size'].capitalize()}, {threads(setup)}", loc="left", fontsize=10.5)
    panel.set_xlim(0, 1.6 * farthest)
    panel.margins(y=0.02)
    panel.set_xticks([])
    panel.invert_yaxis()
    panel.tick_params(axis="y", length=0, colors=INK)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.spines["left"].set_color(PLAIN)


def colour(side, ours):
    if side == ours:
        return ACCENT
    return REDUCED if side.endswith(REDUCED_PRECISION) else PLAIN
