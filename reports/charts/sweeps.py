"""Latency, ratio and time against a parameter that a suite sweeps, with confidence intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.charts import style
from slimbench.reports.charts.chart import Chart, plain
from slimbench.reports.statistics.sweeps import PARAMETERS, sweep_table
from slimbench.reports.tables.numbers import count_text, value_text

PANEL: Final = 220  # two and their axes fit half of a page
MAX_PANELS: Final = 16
SOURCE: Final = "sweeps"
NUMBER: Final = "format(datum.value, ',~g')"
DECADES_S: Final = tuple(10.0**k for k in range(-4, 5))
_LIMITS: Final = "bars are 95 % confidence intervals (Student's t) over the instances that differ in seed"


def sweeps(results: Results, names: Mapping[str, str]) -> Iterator[Chart]:
    """Three figures, with a panel for each sweep; none where the suite sweeps nothing."""
    table = sweep_table(results)
    if table.empty:
        return
    rows = table.assign(
        solver=table["solver"].map(names),
        suite=table["suite"].map(plain),
        panel=table["sweep"].map(plain) + ", " + table["parameter"].map(PARAMETERS),
        value=table["value"].map(value_text).map(plain),
        number=pd.to_numeric(table["value"], errors="coerce"),
        gap=1 - table["ratio_low"],
        gap_most=1 - table["ratio_least"].fillna(table["ratio_low"]),
        gap_least=1 - table["ratio_most"].fillna(table["ratio_high"]),
    )
    panels = list(dict.fromkeys(rows["panel"]))
    left_out = len(panels) - MAX_PANELS
    more = f" {MAX_PANELS} sweeps are drawn, {left_out} more are in the CSV alone." if left_out > 0 else ""
    drawn = rows[rows["panel"].isin(panels[:MAX_PANELS])]
    seeds = table["n_instances"].max()
    extent = (
        f"{count_text(len(panels), 'sweep')}, {count_text(table['solver'].nunique(), 'solver')}, "
        f"{count_text(int(seeds), 'seed')}"
    )
    solvers = list(names.values())
    latency = alt.Y("latency_s:Q", scale=alt.Scale(zero=False), axis=style.seconds_axis("latency per token"))
    ratio = alt.Y(
        "gap:Q",
        scale=style.gap_scale(float(drawn["gap_most"].max()), upwards=True),
        axis=style.gap_axis("ratio, mean"),
    )
    time = alt.Y(
        "runtime_s:Q",
        scale=alt.Scale(type="log"),
        axis=style.seconds_axis("wall time (log scale)", DECADES_S),
    )
    drawings = (
        (
            "latency",
            "Lower is better. Each panel changes one parameter of the instances and leaves all others: mean "
            f"latency per token over the instances with a placement; {_LIMITS} alone.",
            _panels(drawn, latency, ("latency_s_low", "latency_s_high"), solvers, "independent"),
        ),
        (
            "ratio",
            "Higher is better. The same sweeps: mean of saving ÷ optimal saving, its lower end; "
            f"{_LIMITS} alone, and reach up to what is possible where optima are open.",
            _panels(drawn, ratio, ("gap_most", "gap_least"), solvers, "shared"),
        ),
        (
            "time",
            "Lower is better. The same sweeps: geometric mean of the wall time over the instances that ended "
            f"ok; {_LIMITS} alone, of the mean logarithm.",
            _panels(drawn, time, ("runtime_s_low", "runtime_s_high"), solvers, "shared"),
        ),
    )
    for what, how_to_read, drawing in drawings:
        title = f"{what.capitalize()} by parameter: {extent}"
        yield Chart(f"sweep_{what}", title, how_to_read + more, table, drawing, {SOURCE: drawn})


def _panels(
    rows: pd.DataFrame, y: alt.Y, limits: tuple[str, str], solvers: Sequence[str], scale_of_y: Any
) -> alt.TopLevelMixin:
    plots = []
    for panel, own in rows.groupby("panel", sort=False):
        title = PARAMETERS[own["parameter"].iloc[0]]
        if own["number"].notna().all():
            x = alt.X(
                "number:Q",
                scale=alt.Scale(zero=False, nice=False, padding=12),
                axis=alt.Axis(title=title, values=sorted(set(own["number"])), labelExpr=NUMBER),
            )
        else:
            ordered = list(dict.fromkeys(own.sort_values("position", kind="stable")["value"]))
            x = alt.X("value:O", sort=ordered, axis=alt.Axis(title=title, labelAngle=-35))
        tooltip = [
            alt.Tooltip("value:N", title=title),
            alt.Tooltip("latency_s:Q", title="latency, s", format=".4~g"),
            alt.Tooltip("ratio_low:Q", title="ratio", format=".4f"),
            alt.Tooltip("runtime_s:Q", title="wall time, s", format=".3~g"),
            alt.Tooltip("n_placed:Q", title="placements"),
            alt.Tooltip("n_instances:Q", title="instances"),
        ]
        shown = style.live(SOURCE).transform_filter(alt.FieldEqualPredicate(field="panel", equal=str(panel)))
        lines = alt.layer(*style.solver_lines(shown, x, y, limits, solvers, tooltip))
        plots.append(lines.properties(width=PANEL, height=PANEL, title=str(own["sweep"].iloc[0])))
    return style.panels(plots, 2, scale_of_y)
