"""Figures of performance profiles of ratios and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.charts import style
from slimbench.reports.charts.cells import CELLS, NOT_REACHED
from slimbench.reports.charts.chart import Chart
from slimbench.reports.statistics.profiles import ratio_profile, time_distribution, time_profile
from slimbench.reports.tables.numbers import count_text

MAX_NAMED: Final = 3  # solvers that a caption names
NEVER: Final = 1e300  # seconds of a run that did not finish: it sorts last, and is not drawn


def ratio_profiles(results: Results, rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart:
    """Share of instances on which a ratio of at least tau is reached: the distribution of the ratio."""
    worst = rows.loc[rows["gap_high"] < NOT_REACHED, "gap_low"]
    curves = (
        style.live(CELLS)
        .transform_fold(["gap_low", "gap_high"], as_=["end", "gap"])
        .transform_window(share="cume_dist()", sort=[alt.SortField("gap")], groupby=["solver", "end"])
        .transform_filter(f"datum.gap < {NOT_REACHED}")
    )
    end = alt.Opacity("end:O", scale=alt.Scale(domain=["gap_low", "gap_high"], range=[1, 0.35]), legend=None)
    drawing = _steps(
        curves,
        "gap",
        alt.X(
            "gap:Q",
            scale=style.gap_scale(float(worst.max()) if len(worst) else 1.0),
            axis=style.gap_axis("at least this ratio, τ (axis stretched towards the optimum)"),
        ),
        solvers,
        ("solver", "end"),
        opacity=end,
    )
    return Chart(
        "ratio_profile",
        f"Ratio profile: {extent}",
        "Higher is better. The curve at τ gives the share of instances on which the solver reached at least "
        "τ of the optimum: its start on the left is the share solved to optimality. Full lines are what the "
        f"bounds make certain, faint ones what is possible where the optimum is open. {_one_set(rows)}",
        ratio_profile(results),
        drawing,
        {CELLS: rows},
    )


def time_profiles(results: Results, rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart:
    """Dolan and Moré's performance profile of wall time."""
    curves = (
        style.live(CELLS)
        .transform_calculate(seconds=f"datum.finished_s == null ? {NEVER} : datum.finished_s")
        .transform_joinaggregate(fastest="min(seconds)", groupby=["instance"])
        .transform_calculate(factor="datum.seconds / datum.fastest")
        .transform_calculate(factor=f"datum.seconds < {NEVER} ? datum.factor : {NEVER}")
        .transform_window(share="cume_dist()", sort=[alt.SortField("factor")], groupby=["solver"])
        .transform_filter(f"datum.factor < {NEVER}")
    )
    x = alt.X(
        "factor:Q",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(
            title="time at most τ times that of the fastest solver shown (wall clock, log scale)",
            labelExpr="format(datum.value, ',~g') + '\N{MULTIPLICATION SIGN}'",
            tickCount=6,
        ),
    )
    return Chart(
        "time_profile",
        f"Time profile: {extent}",
        "Higher and further left is faster. The curve at τ gives the share of instances that the solver "
        "finished within τ times the time of the fastest solver there; its start on the left is the share on "
        "which it was the fastest itself. Who is fastest depends on who is shown; speed says nothing about "
        f"the ratio. {_one_set(rows)}",
        time_profile(results),
        _steps(curves, "factor", x, solvers),
        {CELLS: rows},
    )


def time_distributions(results: Results, rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart:
    """Empirical distribution of wall time."""
    curves = (
        style.live(CELLS)
        .transform_calculate(seconds=f"datum.finished_s == null ? {NEVER} : datum.finished_s")
        .transform_window(share="cume_dist()", sort=[alt.SortField("seconds")], groupby=["solver"])
        .transform_filter(f"datum.seconds < {NEVER}")
    )
    x = alt.X(
        "seconds:Q", scale=alt.Scale(type="log", nice=False), axis=style.seconds_axis("wall time (log scale)")
    )
    return Chart(
        "time_distribution",
        f"Distribution of time: {extent}",
        "Higher and further left is faster. The curve at t gives the share of instances that the solver "
        f"finished within t of wall time (medians over repeats). {_one_set(rows)}",
        time_distribution(results),
        _steps(curves, "seconds", x, solvers),
        {CELLS: rows},
    )


def _one_set(rows: pd.DataFrame) -> str:
    """Which instances a share is of, and which solvers are not planned on all of them."""
    total = rows["instance"].nunique()
    text = (
        f"Every share is of the same {count_text(total, 'instance')}, all those of the run (of those shown, "
        "where some are not): where a run failed, has not ended or is not planned, nothing is ever reached"
    )
    planned = rows.groupby("solver", sort=False)["planned"].sum()
    partly = [f"{solver} on {count}" for solver, count in planned[planned < total].items()]
    if not partly:
        return f"{text}."
    more = f" and {len(partly) - MAX_NAMED} solvers more" if len(partly) > MAX_NAMED else ""
    return f"{text}. Not planned on all: {', '.join(partly[:MAX_NAMED])} of {total}{more}."


def _steps(
    curves: alt.Chart,
    field: str,
    x: alt.X,
    solvers: Sequence[str],
    by: Sequence[str] = ("solver",),
    **look: Any,
) -> alt.TopLevelMixin:
    """Curves that rise where the share does, each drawn on to the right edge of the plot."""
    look |= style.solver_look(solvers, lines=True)
    look["detail"] = [alt.Detail(f"{name}:N") for name in by]
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=style.share_axis())
    lines = curves.mark_line(interpolate="step-after", strokeWidth=2, clip=True).encode(x=x, y=y, **look)
    ends = (
        curves.transform_aggregate(last=f"max({field})", final="max(share)", groupby=list(by))
        .mark_rule(strokeWidth=2, clip=True)
        .encode(x="last:Q", x2=alt.value("width"), y="final:Q", **look)
    )
    tooltip = ["solver:N", alt.Tooltip("share:Q", format=".1%"), alt.Tooltip(f"{field}:Q", format=".4g")]
    points = curves.mark_point(opacity=0, size=80).encode(x=x, y=y, tooltip=tooltip)
    return style.filtered(alt.layer(lines, ends, points).properties(width=style.WIDTH, height=style.HEIGHT))
