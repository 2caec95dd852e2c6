"""The race as a picture: bars by case, a colour for each target, a column for each group.

    /usr/bin/python3 bench/lib/plot.py RESULTS.json PICTURE.png

A program of its own: Debian's matplotlib is there for Debian's Python only."""

import json
import math
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)

MEASURES = (("IOPS per CPU second", lambda row: row["iops_per_cpu_s"]),
            ("IOPS", lambda row: row["iops"]),
            ("latency µs: p50, and p99 above it", lambda row: row["latency_us"]["p50"]))
LEGEND_COLUMNS = 4
# a family of targets has one colour, in shades
FAMILIES = {"ringlun": "Blues", "tgt": "Oranges", "istgt": "Reds", "bare": "Greys", "fio": "Greens"}


def colours_of(targets):
    """The same for a target in every group."""
    families = {}
    for target in targets:
        families.setdefault(target.split()[0], []).append(target)
    colours = {}
    for family, members in families.items():
        shades = pyplot.get_cmap(FAMILIES.get(family, "Purples"))
        for i, member in enumerate(members):
            colours[member] = shades(0.85 - 0.4 * i / max(len(members) - 1, 1))
    return colours


def bars(axes, rows, targets, cases, colours, measure):
    title, value = measure
    width = 0.8 / len(targets)
    for i, target in enumerate(targets):
        for j, case in enumerate(cases):
            row = next((row["median"] for row in rows
                        if row["target"] == target and row["case"] == case), None)
            if not row:
                continue
            x = j - 0.4 + width * (i + 0.5)
            if title.startswith("latency"):
                axes.bar(x, row["latency_us"]["p99"], width, color=colours[target], alpha=0.35)
            axes.bar(x, value(row), width, color=colours[target])
            if title == "IOPS":
                axes.vlines(x, row["iops_min"], row["iops_max"], color="black", linewidth=0.8)
    axes.set_yscale("log")
    # whole decades: where a bar begins says nothing on such an axis
    axes.set_ylim(bottom=10 ** math.floor(math.log10(axes.get_ylim()[0])))
    axes.set_ylabel(f"{title} (log{', line: min..max' if title == 'IOPS' else ''})")
    axes.set_xticks(range(len(cases)), cases, rotation=30, ha="right", fontsize=8)
    axes.grid(axis="y", which="both", alpha=0.3, linewidth=0.5)
    axes.set_axisbelow(True)


def draw(path, results):
    rows = [row for row in results["rows"] if row["median"]]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    colours = colours_of(dict.fromkeys(row["target"] for row in rows))
    figure, grid = pyplot.subplots(len(MEASURES), len(groups), squeeze=False,
                                   figsize=(7 * len(groups), 4 * len(MEASURES)))
    for column, group in enumerate(groups):
        here = [row for row in rows if row["group"] == group]
        targets = list(dict.fromkeys(row["target"] for row in here))
        cases = list(dict.fromkeys(row["case"] for row in here))
        for line, measure in enumerate(MEASURES):
            bars(grid[line][column], here, targets, cases, colours, measure)
        lines = -(-len(targets) // LEGEND_COLUMNS)
        # above the axes: a legend within hides bars
        grid[0][column].set_title(f"{group}: {results['groups'][group]}", fontsize=10,
                                  pad=10 + 13 * lines)
        grid[0][column].legend([pyplot.Rectangle((0, 0), 1, 1, color=colours[name])
                                for name in targets], targets, fontsize=8, frameon=False,
                               ncol=LEGEND_COLUMNS, loc="lower center", bbox_to_anchor=(0.5, 1))
    machine = results["machine"]
    rounds, seconds = results["options"]["rounds"], results["options"]["seconds"]
    figure.suptitle(f"{machine['cpu']}, {machine['cpus']} cores, Linux {machine['kernel']}, "
                    f"ringlun {machine['ringlun']}; " + (f"medians of {rounds} rounds"
                                                         if rounds > 1 else "one round")
                    + f" of {seconds:g} s", fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(path, dpi=100, format="png")
    pyplot.close(figure)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        draw(sys.argv[2], json.load(file))
