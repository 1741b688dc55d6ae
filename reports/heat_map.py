"""The ratio of every solver on every instance as coloured cells with their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from slimbench.reports.drawing import INK, plain
from slimbench.reports.numbers import DASH, ratio_text

MOST_ROWS: Final = 40
STEPS: Final = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
# Dark red to near white: lightness alone orders it, in print and for every kind of colour vision
COLOURS: Final = ("#67001f", "#a63603", "#d95f0e", "#fe9929", "#fed98e", "#fff3cf", "#e3eef7")
_DARK: Final = frozenset(COLOURS[:3])
_TEXT_ON: Final = {True: "#fefefe", False: "#111111"}
_EMPTY: Final = "#9aa1a9"


def draw(data: pd.DataFrame, solvers: Sequence[str]) -> tuple[Figure, int, int]:
    """The figure, the number of instances it shows (the worst ``MOST_ROWS``), and how many there are.

    Parameters
    ----------
    data : DataFrame
        As ``per_instance`` gives it.
    solvers
        From left to right.
    """
    worst = data.groupby("instance_hash", sort=False)["reached_low"].agg(["min", "mean"])
    hashes = list(worst.sort_values(["min", "mean"], kind="stable").index)
    rows = {key: i for i, key in enumerate(hashes[:MOST_ROWS])}
    columns = {solver: j for j, solver in enumerate(solvers)}
    names = data.drop_duplicates("instance_hash").set_index("instance_hash")["instance"]

    longest = max(map(len, solvers))
    width = 2.4 + max(0.95 * len(columns), 5.2)
    figure = Figure(figsize=(width, 1.5 + 0.075 * min(longest, 30) + 0.3 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for cell in data[data["instance_hash"].isin(list(rows))].to_dict("records"):
        _cell(axes, rows[cell["instance_hash"]], columns[cell["solver"]], cell)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.set_xticks([j + 0.5 for j in range(len(columns))], [plain(s, 30) for s in columns],
                    rotation=30, ha="left", rotation_mode="anchor", fontsize=9)  # fmt: skip
    axes.set_yticks([i + 0.5 for i in range(len(rows))], [plain(str(names[key]), 34) for key in rows],
                    fontsize=9)  # fmt: skip
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    keys = [Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor=INK, linewidth=0.4) for colour in COLOURS]
    labels = [f"below {STEPS[1]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(STEPS[1:])), "1, proven"]
    figure.legend(keys, labels, loc="outside lower left", ncols=len(keys), fontsize=8, handlelength=1.2,
                  columnspacing=1, title="ratio to the optimum (low end)", title_fontsize=8,
                  alignment="left")  # fmt: skip
    return figure, len(rows), len(hashes)


def _cell(axes: Axes, row: int, column: int, cell: dict[Any, Any]) -> None:
    low, high = cell["ratio_low"], cell["ratio_high"]
    missing = math.isnan(low)
    text = "\N{MULTIPLICATION SIGN}" if missing else ratio_text(low, high).replace(DASH, f"{DASH}\n")
    colour = "none" if missing else colour_of(low)
    axes.add_patch(
        Rectangle((column + 0.03, row + 0.06), 0.94, 0.88, facecolor=colour,
                  edgecolor=_EMPTY if missing else "none", linewidth=0.6)
    )  # fmt: skip
    axes.text(
        column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8 if low == high else 7,
        linespacing=0.9, color=_EMPTY if missing else _TEXT_ON[colour in _DARK],
    )  # fmt: skip


def colour_of(ratio: float) -> str:
    """The lightest colour is for 1 alone."""
    return COLOURS[sum(ratio >= step for step in STEPS) - 1]
