"""How all figures look: colours, axes of ratios and shares, legends, and SVG of reproducible bytes."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from slimbench.bench.ratio_intervals import FloatArray

INK: Final = "#1b1f24"  # text and axes; the page makes all three follow light and dark
FAINT: Final = "#d4d8dd"  # grid lines
PAPER: Final = "#ffffff"
PALETTE: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b8860b",
    "#56b4e9",
    "#7a5195",
    "#8c8c8c",
    "#6b4423",
)
MARKERS: Final = "osD^vPX*ph"
DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
CHARACTERS_PER_INCH: Final = 13.8  # of legends
ROW_INCHES: Final = 0.2
ROWS_INCLUDED: Final = 3  # that fit below a plot; further ones make the figure higher
STRETCH: Final = 0.001  # ratios that are nearer to 1 than this are drawn close together
RATIO_TICKS: Final = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.hashsalt": "slimbench",
    "svg.fonttype": "path",
    "path.simplify": False,
    "text.parse_math": False,  # names may hold $
}


@dataclass(frozen=True)
class Style:
    """How one solver is drawn."""

    color: str
    marker: str
    dashes: Any


def plain(name: str, length: int = 60) -> str:
    """``name`` as SVG can hold it, without control characters, and cut to ``length``."""
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)
    return name if len(name) <= length else f"{name[: length - 1]}…"


def styles(solvers: Iterable[str]) -> dict[str, Style]:
    """The same in every figure; of the first 36 no two lines are alike, of the first 90 no two marks."""
    n = len(PALETTE)
    return {
        solver: Style(PALETTE[i % n], MARKERS[i % len(MARKERS)], DASHES[(i % n + i // n) % len(DASHES)])
        for i, solver in enumerate(solvers)
    }


def frame(title: str) -> tuple[Figure, Axes]:
    """An empty figure with one plot."""
    figure = Figure(figsize=(7.6, 4.8), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure, figure.add_subplot()


def share_axis(axes: Axes) -> None:
    """Make the y axis one of shares of the instances."""
    axes.set_ylabel("share of instances")
    axes.set_ylim(-0.02, 1.03)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f} %"))


def ratio_axis(axes: Axes, which: str, values: FloatArray) -> None:
    """Stretch the axis of ratios towards 1, and let it reach down to the worst value shown."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("function", functions=(_stretch, _unstretch))
    worst = min((float(v) for v in values if math.isfinite(v)), default=0.0)
    lowest = max((tick for tick in RATIO_TICKS if tick <= worst), default=0.0)
    (axes.set_xlim if which == "x" else axes.set_ylim)(min(lowest, RATIO_TICKS[-3]), 1)
    axis.set_major_locator(FixedLocator(RATIO_TICKS))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))


def _stretch(ratio: FloatArray) -> FloatArray:
    return -np.log10(np.maximum(1 - np.asarray(ratio, np.float64), 0) + STRETCH)


def _unstretch(position: FloatArray) -> FloatArray:
    return np.asarray(1 + STRETCH - 10 ** -np.asarray(position, np.float64), np.float64)


def legend(figure: Figure, looks: dict[str, Style], *, lines: bool) -> None:
    """Name the solvers below the plot, by their lines or by their marks; many make the figure higher."""
    handles = [
        Line2D([], [], color=s.color, linestyle=s.dashes, linewidth=1.8)
        if lines
        else Line2D([], [], color=s.color, linestyle="", marker=s.marker, markersize=7)
        for s in looks.values()
    ]
    names = [plain(solver) for solver in looks]
    width = figure.get_figwidth()
    columns = max(1, int(min(width / 1.9, CHARACTERS_PER_INCH * width / (max(map(len, names)) + 8))))
    rows = math.ceil(len(names) / columns)
    figure.set_figheight(figure.get_figheight() + ROW_INCHES * max(0, rows - ROWS_INCLUDED))
    figure.legend(handles, names, loc="outside lower left", ncols=columns)


def svg(figure: Figure) -> bytes:
    """The figure as SVG without a date."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)  # names may use any script
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
