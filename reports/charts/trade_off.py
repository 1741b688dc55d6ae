"""Figure of ratio against time, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from slimbench.reports.charts import style
from slimbench.reports.charts.cells import CELLS, NOT_REACHED
from slimbench.reports.charts.chart import Chart
from slimbench.reports.statistics.ratios import TIME_SHIFT_S


def trade_off(rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart:
    """Each solver by its time and ratio as in ``pareto_front``, and each instance behind it."""
    known = rows["runtime_s"].notna() & (rows["gap_low"] < NOT_REACHED)
    worst = float(rows.loc[rows["gap_low"] < NOT_REACHED, "gap_low"].max()) if known.any() else 1.0
    look = style.solver_look(solvers, lines=False)
    drawn = style.live(CELLS).transform_filter(f"datum.runtime_s != null && datum.gap_low < {NOT_REACHED}")
    x = alt.X(
        "runtime_s:Q",
        scale=alt.Scale(type="log"),
        axis=style.seconds_axis("wall time of the solver (log scale)"),
    )
    y = alt.Y(
        "gap_low:Q",
        scale=style.gap_scale(worst, upwards=True),
        axis=style.gap_axis("ratio (axis stretched towards the optimum)"),
    )
    instances = drawn.mark_point(filled=True, opacity=0.3, size=22).encode(
        x=x,
        y=y,
        tooltip=["solver:N", "instance:N", "ratio:N", alt.Tooltip("runtime_s:Q", format=".3~s")],
        **look,
    )
    wholes = (
        style.live(CELLS)
        .transform_joinaggregate(
            answered="valid(log_ratio_low)", asked="count(instance)", groupby=["instance"]
        )
        .transform_filter("datum.answered == datum.asked")
        .transform_calculate(log_time=f"log(1 + datum.time_s / {TIME_SHIFT_S})")
        .transform_aggregate(
            log_time="mean(log_time)",
            low="mean(log_ratio_low)",
            high="mean(log_ratio_high)",
            n="count()",
            groupby=["solver"],
        )
        .transform_calculate(
            runtime_s=f"{TIME_SHIFT_S} * (exp(datum.log_time) - 1)",
            gap_low="1 - exp(datum.low)",
            gap_high="max(0, 1 - exp(datum.high))",
        )
    )
    bars = wholes.mark_rule(strokeWidth=2).encode(x=x, y=y, y2=alt.Y2("gap_high:Q"), color=look["color"])
    marks = wholes.mark_point(filled=True, size=150, stroke="#1b1f24", strokeWidth=1, opacity=1).encode(
        x=x,
        y=y,
        tooltip=["solver:N", alt.Tooltip("gap_low:Q", title="1 - ratio", format=".4f"),
                 alt.Tooltip("runtime_s:Q", format=".3~s"), alt.Tooltip("n:Q", title="instances")],
        **look,
    )  # fmt: skip
    front = (
        wholes.transform_window(
            least="min(gap_low)", sort=[alt.SortField("runtime_s"), alt.SortField("gap_low")], frame=[None, 0]
        )
        .transform_window(before="lag(least)", sort=[alt.SortField("runtime_s"), alt.SortField("gap_low")])
        .transform_filter("datum.before == null || datum.gap_low < datum.before")
        .mark_line(interpolate="step-after", strokeDash=[4, 3], color="#777777", strokeWidth=1.5)
        .encode(x=x, y=y, order="runtime_s:Q")
    )
    data = rows[known][["solver", "instance", "runtime_s", "gap_low", "gap_high", "ratio"]]
    return Chart(
        "ratio_against_time",
        f"Ratio against time: {extent}",
        "Up and to the left is better. Each small mark is a solver on one instance (medians over repeats), "
        "each large one the geometric means of its ratio and of its time (shifted by 1 s, a failed run with "
        "its limit) over the instances on which every solver shown has a placement. Marks show the lower end "
        "of a ratio; a bar reaches up to what is possible where the optimum is open. The dashed line is the "
        "Pareto front: no solver shown is both faster and closer to the optimum than one on it.",
        data,
        style.filtered(
            alt.layer(instances, front, bars, marks).properties(width=style.WIDTH, height=style.HEIGHT)
        ),
        {CELLS: rows},
    )
