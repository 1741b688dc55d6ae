"""The ratio of every solver on every instance as coloured cells with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import altair as alt
import pandas as pd

from slimbench.reports.charts.cells import CELLS, NOT_REACHED
from slimbench.reports.charts.chart import Chart
from slimbench.reports.charts.style import filtered, live

MAX_ROWS: Final = 40
CELL_WIDTH: Final = 84
CELL_HEIGHT: Final = 22
STEPS: Final = (0.0, 1e-9, 0.01, 0.05, 0.1, 0.2, 0.5)  # of 1 - ratio, from one colour to the next
# Near white to dark red: lightness alone orders it, in print and for every kind of colour vision
COLOURS: Final = ("#e3eef7", "#fff3cf", "#fed98e", "#fe9929", "#d95f0e", "#a63603", "#67001f")
MISSING: Final = "#9aa1a9"


def heat_map(rows: pd.DataFrame, worst_first: Sequence[str], extent: str) -> Chart:
    """The worst instances of those shown, the solver with the lowest worst case on the left.

    Parameters
    ----------
    rows : DataFrame
        As ``cells`` gives it.
    worst_first : sequence of str
        All solvers.
    """
    total = rows["instance"].nunique()
    shown = min(total, MAX_ROWS)
    drawn = (
        live(CELLS)
        .transform_filter("datum.planned")
        .transform_joinaggregate(worst="max(gap_low)", mean="mean(gap_low)", groupby=["instance"])
        .transform_window(
            row="dense_rank()",
            sort=[
                alt.SortField("worst", "descending"),
                alt.SortField("mean", "descending"),
                alt.SortField("instance"),
            ],
        )
        .transform_filter(f"datum.row <= {MAX_ROWS}")
        .transform_calculate(cell=f"datum.gap_low >= {NOT_REACHED} ? '\N{MULTIPLICATION SIGN}' : datum.ratio")
    )
    x = alt.X(
        "solver:N",
        sort=list(worst_first),
        axis=alt.Axis(orient="top", labelAngle=-30, title=None, labelLimit=200, domain=False, ticks=False),
    )
    y = alt.Y(
        "instance:N",
        sort=alt.EncodingSortField("row", op="min"),
        axis=alt.Axis(title=None, labelLimit=260, domain=False, ticks=False),
    )
    colour = alt.Color(
        "gap_low:Q",
        scale=alt.Scale(type="threshold", domain=list(STEPS[1:]), range=list(COLOURS)),
        legend=alt.Legend(title="ratio, lower end", labelExpr=_legend_labels(), orient="bottom", columns=7),
    )
    missing = f"datum.gap_low >= {NOT_REACHED}"
    squares = drawn.mark_rect(stroke=None).encode(
        x=x,
        y=y,
        color=alt.condition(missing, alt.value("transparent"), colour),
        tooltip=["solver:N", "instance:N", "ratio:N", alt.Tooltip("runtime_s:Q", format=".3~s")],
    )
    numbers = drawn.mark_text(fontSize=10).encode(
        x=x,
        y=y,
        text="cell:N",
        color=alt.when(missing)
        .then(alt.value(MISSING))
        .when(f"datum.gap_low >= {STEPS[4]}")
        .then(alt.value("#fefefe"))
        .otherwise(alt.value("#111111")),
    )
    limited = f"the {shown} worst of " if shown < total else ""
    return Chart(
        "ratio_by_instance",
        f"Ratio by instance: {limited}{extent}",
        "Worst first: the instance with the lowest ratio of any solver is on top, the solver with the "
        "lowest worst case is on the left. A cell shows the median over repeats; the darker, the further "
        "from the optimum. Two numbers are an interval; a cross is a solver without a placement in half of "
        "its repeats or more, and where there is nothing it is not planned.",
        rows.loc[
            rows["planned"], ["solver", "instance", "dispatch", "gap_low", "gap_high", "ratio", "runtime_s"]
        ],
        filtered(
            alt.layer(squares, numbers).properties(width=alt.Step(CELL_WIDTH), height=alt.Step(CELL_HEIGHT))
        ),
        {CELLS: rows},
    )


def _legend_labels() -> str:
    """An expression for what each colour stands for, by its place in the legend."""
    names = ["1"]
    ends = [f"{1 - step:g}" for step in STEPS[1:]]
    names += [f"{below} to {above}" for above, below in pairwise(ends)]
    names.append(f"below {ends[-1]}")
    return f"{names}[datum.index]"
