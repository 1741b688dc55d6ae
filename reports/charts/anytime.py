"""Anytime figure: gaps of bounds and incumbents over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import numpy as np

from slimbench.bench.results.results import Results
from slimbench.reports.charts.cells import labels
from slimbench.reports.charts.chart import Chart
from slimbench.reports.charts.style import filtered, live, seconds_axis, solver_look
from slimbench.reports.statistics.anytime import anytime_curves
from slimbench.reports.tables.numbers import count_text

PANEL: Final = 300
LINEAR: Final = 1e-4  # the axis is linear below this gap and logarithmic above
LARGEST: Final = 10.0  # gaps above this are not drawn
TICKS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)


def anytime(results: Results, solvers: Sequence[str], extent: str) -> Chart | None:
    """One plot a dispatch; None if no solver reported a bound, or a second incumbent."""
    data = anytime_curves(results)
    if data.empty:
        return None
    names = labels(results.runs["solver"])
    rows = data.assign(
        solver=data["solver"].map(names),
        above=data["bound_gap"].where(data["bound_gap"] <= LARGEST),
        below=-data["saving_gap"],
    )
    bounds = rows["above"].dropna().to_numpy(float)
    top = next((tick for tick in TICKS if tick >= np.max(bounds, initial=LINEAR)), LARGEST)
    y_axis = alt.Axis(
        title="incumbent below, bound above the best known saving",
        values=[*(-tick for tick in TICKS), 0, *TICKS],
        labelExpr="datum.value == 0 ? '0' : format(100 * datum.value, '+~g') + ' %'",
    )
    scale = alt.Scale(type="symlog", constant=LINEAR, domain=[-1, top], nice=False)
    x = alt.X(
        "seconds:Q", scale=alt.Scale(type="log", nice=False), axis=seconds_axis("wall time (log scale)")
    )
    plots = []
    for dispatch in data["dispatch"].unique():
        own = live("anytime", ("shown_solvers", "shown_dispatches")).transform_filter(
            alt.FieldEqualPredicate(field="dispatch", equal=dispatch)
        )
        look = solver_look(solvers, lines=True)
        sides = [
            own.transform_filter(f"isValid(datum.{side})")
            .mark_line(interpolate="step-after", strokeWidth=1.8)
            .encode(x=x, y=alt.Y(f"{side}:Q", scale=scale, axis=y_axis), **look)
            for side in ("above", "below")
        ]
        middle = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule().encode(y="zero:Q")
        plots.append(alt.layer(middle, *sides).properties(width=PANEL, height=PANEL, title=str(dispatch)))
    return Chart(
        "anytime",
        f"Gap over time: {count_text(data['solver'].nunique(), 'solver')} of {extent}",
        "The sooner both curves of a solver meet the middle line, the better. The upper one is its bound, "
        "the lower one its incumbent, both relative to the best known saving, as medians over the instances "
        "of one dispatch on which the solver ran; at the bottom, -100 %, it has no placement yet. The axis "
        "is linear within 0.01 % of the line. Drawn are solvers that reported a bound or two incumbents, "
        "but no call that differs from another one in its reductions alone.",
        data,
        filtered(alt.hconcat(*plots)),
        {"anytime": rows[["dispatch", "solver", "seconds", "above", "below"]]},
    )
