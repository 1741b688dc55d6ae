"""Figures of ratio, latency and time against the size of instances."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from slimbench.reports.charts import style
from slimbench.reports.charts.cells import CELLS, FACTORS, NOT_REACHED
from slimbench.reports.charts.chart import Chart

PANEL = 230
FITS = "fits"
_KEYS = ("solver", "instance", "dispatch")
SIZES = tuple(factor for factor in FACTORS if factor != "activations")  # what a suite sets


def ratio_by_size(rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart | None:
    """Geometric mean of the ratio against whatever varies in the run; None if nothing does."""
    drawn = rows[rows["gap_low"] < NOT_REACHED]
    factors = _varying(drawn)
    if not factors:
        return None
    points = (
        _unfolded(factors)
        .transform_filter(f"datum.gap_low < {NOT_REACHED}")
        .transform_aggregate(
            low="mean(log_ratio_low)",
            high="mean(log_ratio_high)",
            n="count()",
            groupby=["solver", "factor", "value"],
        )
        .transform_calculate(gap="1 - exp(datum.low)", gap_high="max(0, 1 - exp(datum.high))")
    )
    y = alt.Y(
        "gap:Q",
        scale=style.gap_scale(float(drawn["gap_low"].max()), upwards=True),
        axis=style.gap_axis("ratio, geometric mean"),
    )
    return Chart(
        "ratio_by_size",
        f"Ratio by size: {extent}",
        "Higher is better. Each panel orders the same instances by one property and shows for each of its "
        "values the geometric mean of the ratio's lower end, over the instances with a placement; a bar "
        "reaches up to what is possible where optima are open. Properties that vary together in the "
        "suite cannot be told apart here.",
        drawn[[*_KEYS, *factors, "gap_low", "gap_high"]],
        _panels(points, y, ("gap", "gap_high"), factors, solvers),
        {CELLS: rows},
    )


def latency_by_size(rows: pd.DataFrame, solvers: Sequence[str], extent: str) -> Chart | None:
    """Latency left of that without any cached expert, against whatever varies; None if nothing does."""
    drawn = rows[rows["latency_share"].notna()]
    factors = _varying(drawn)
    if not factors:
        return None
    points = (
        _unfolded(factors)
        .transform_filter("datum.latency_share != null")
        .transform_aggregate(
            latency="mean(latency_share)", n="count()", groupby=["solver", "factor", "value"]
        )
    )
    y = alt.Y(
        "latency:Q",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(title="latency ÷ latency without caching", format=".0%"),
    )
    return Chart(
        "latency_by_size",
        f"Latency by size: {extent}",
        "Lower is better. Latency per token as a share of what it is when no expert is cached, the mean over "
        "the instances of each value with a placement (medians over repeats).",
        drawn[[*_KEYS, *factors, "latency_share"]],
        _panels(points, y, ("latency", "latency"), factors, solvers),
        {CELLS: rows},
    )


def scaling(
    data: pd.DataFrame, fits: pd.DataFrame, rows: pd.DataFrame, solvers: Sequence[str], extent: str
) -> Chart | None:
    """Wall time against activations with a power law fitted; None if all instances are of one size."""
    drawn = rows[rows["runtime_s"].notna()]
    if drawn["activations"].nunique() < 2:
        return None
    look = style.solver_look(solvers, lines=False)
    known = style.live(CELLS).transform_filter("datum.runtime_s != null")
    x = alt.X(
        "activations:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(title="activations (log scale)", format="~s", tickCount=6),
    )
    y = alt.Y("runtime_s:Q", scale=alt.Scale(type="log"), axis=style.seconds_axis("wall time (log scale)"))
    points = known.mark_point(filled=True, opacity=0.4, size=24).encode(
        x=x,
        y=y,
        tooltip=["solver:N", "instance:N", "activations:Q",
                 alt.Tooltip("runtime_s:Q", format=".3~s")],
        **look,
    )  # fmt: skip
    ends = fits.dropna(subset=["exponent"])
    line = pd.DataFrame(
        {
            "solver": [*ends["solver"], *ends["solver"]],
            "activations": [*ends["activations_min"], *ends["activations_max"]],
            "runtime_s": [*ends["seconds_at_min"], *ends["seconds_at_max"]],
        }
    )
    unfiltered = [parameter for parameter in style.SHOWN if parameter != "shown_solvers"]
    lines = (
        style.live(FITS, ["shown_solvers"])
        .transform_filter(" && ".join(f"{parameter} == null" for parameter in unfiltered))
        .mark_line(strokeWidth=2, clip=True)
        .encode(x=x, y=y, **style.solver_look(solvers, lines=True))
    )
    return Chart(
        "time_by_size",
        f"Time against size: {extent}",
        "Lower and flatter is better. Each mark is a solver on one instance; the line is time = a · "
        "activations^b, by Theil and Sen on logarithms over all instances, as in the table of fits; "
        "it is not drawn where a filter leaves out instances.",
        data,
        style.filtered(alt.layer(points, lines).properties(width=style.WIDTH, height=style.HEIGHT)),
        {CELLS: rows, FITS: line},
    )


def _varying(rows: pd.DataFrame) -> list[str]:
    return [factor for factor in SIZES if len(rows[factor].dropna().unique()) > 1]


def _unfolded(factors: list[str]) -> alt.Chart:
    return (
        style.live(CELLS)
        .transform_fold([*factors], as_=["factor", "value"])
        .transform_filter("datum.value != null")
    )


def _panels(
    points: alt.Chart, y: alt.Y, ends: tuple[str, str], factors: list[str], solvers: Sequence[str]
) -> alt.TopLevelMixin:
    """A plot for each factor, one beside another; a bar runs from one end of an interval to the other."""
    plots = []
    for factor in factors:
        title, step = FACTORS[factor], 0.01 if factor == "capacity_share" else 1
        x = alt.X(
            "value:Q",
            scale=alt.Scale(zero=False, nice=False, padding=12),
            axis=alt.Axis(title=title, tickCount=5, tickMinStep=step),
        )
        tooltip = [
            alt.Tooltip("value:Q", title=title),
            *(alt.Tooltip(f"{end}:Q", format=".4f") for end in dict.fromkeys(ends)),
            alt.Tooltip("n:Q", title="instances"),
        ]
        own = points.transform_filter(f"datum.factor == '{factor}'")
        plots.append(
            alt.layer(*style.solver_lines(own, x, y, ends, solvers, tooltip)).properties(
                width=PANEL, height=PANEL
            )
        )
    return style.panels(plots, 3)
