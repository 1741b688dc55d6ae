"""How bounds and incumbents close in on the optimum over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from slimbench.bench.ratio_intervals import FloatArray, worthwhile_savings
from slimbench.bench.references import AGREEMENT
from slimbench.bench.results import NOT_RUN, Results
from slimbench.reports.drawing import INK, Style, plain
from slimbench.reports.numbers import time_text
from slimbench.reports.reductions import split_reductions

CLOCK_S: Final = 1e-3  # earlier is drawn as this
MOST_POINTS: Final = 200  # of one curve
LINEAR: Final = 1e-4  # the axis is linear below this gap and logarithmic above
LARGEST: Final = 10.0  # gaps above this are not drawn
GAP_TICKS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_COLUMNS: Final = ("dispatch", "solver", "seconds", "bound_gap", "saving_gap", "n_runs")


def anytime_curves(results: Results) -> pd.DataFrame:
    """Median gaps over time of the solvers that reported a bound, or two incumbents, in some run.

    A call that differs in its reductions alone from another one in the run has no curve of its own.

    Returns
    -------
    DataFrame
        By ``dispatch`` and ``solver``: ``seconds`` since the start, ``bound_gap`` = least bound / best known
        saving - 1 (inf before the first bound) and ``saving_gap`` = 1 - best saving / best known saving (1
        before the first placement), medians over the ``n_runs`` runs on instances on which something can be
        saved; a run that has ended keeps its last values.
    """
    runs = results.runs.assign(best_s=worthwhile_savings(results))
    runs = runs[runs["status"].ne(NOT_RUN) & runs["best_s"].notna()]
    steps = results.trajectories.merge(runs[["run_id", "best_s"]], on="run_id")
    bound_gap = steps["bound_saving_s"] / steps["best_s"] - 1
    steps["bound_gap"] = bound_gap.where(bound_gap >= -AGREEMENT).clip(lower=0)  # a disproved bound is none
    steps["bound_gap"] = steps.groupby("run_id")["bound_gap"].ffill()
    steps["saving_gap"] = (1 - steps["saving_s"] / steps["best_s"]).clip(lower=0)
    by_run = dict(iter(steps.groupby("run_id")))
    solvers = set(runs["solver"])
    parts = []
    for (dispatch, solver), own in runs.groupby(["dispatch", "solver"], sort=False):
        base, reductions = split_reductions(str(solver))
        trails = [by_run.get(run_id, steps.iloc[:0]) for run_id in own["run_id"]]
        if any(map(_tells, trails)) and not (reductions and base in solvers):
            curve = _median_curve(trails).assign(dispatch=str(dispatch), solver=str(solver), n_runs=len(own))
            parts.append(curve[list(_COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(_COLUMNS))


def draw(curves: pd.DataFrame, looks: Mapping[str, Style]) -> Figure:
    """One plot a dispatch: bounds above the line of the best known saving, incumbents below."""
    dispatches = curves["dispatch"].unique()
    figure = Figure(figsize=(max(7.6, 1.0 + 3.9 * len(dispatches)), 5.2), layout="constrained")
    plots = figure.subplots(1, len(dispatches), sharey=True, squeeze=False)[0]
    for axes, dispatch in zip(plots, dispatches, strict=True):
        axes.set_title(plain(dispatch), fontsize=10)
        axes.axhline(0, color=INK, linewidth=0.8)
        own_dispatch = curves[curves["dispatch"] == dispatch]
        for solver, own in own_dispatch.groupby("solver", sort=False):
            style = looks[str(solver)]
            seconds = own["seconds"].to_numpy(float)
            for side in (own["bound_gap"], -own["saving_gap"]):
                gap = side.where(side <= LARGEST).to_numpy(float)
                axes.step(
                    seconds, gap, where="post", color=style.color, linestyle=style.dashes, linewidth=1.6
                )
                axes.plot(
                    seconds[-1:], gap[-1:], style.marker, color=style.color, markersize=5, clip_on=False
                )
        _time_axis(axes)
    _gap_axis(plots[0], curves)
    return figure


def _tells(trail: pd.DataFrame) -> bool:
    """Whether there is a bound, or a second incumbent."""
    return bool(trail["bound_gap"].notna().any() or len(trail["saving_gap"].dropna().unique()) > 1)


def _median_curve(trails: list[pd.DataFrame]) -> pd.DataFrame:
    """Medians over runs, each with its last known gaps, at the moments at which one of them improves."""
    moments = [np.maximum(trail["seconds"].to_numpy(float), CLOCK_S) for trail in trails]
    seconds = _thinned(np.unique(np.concatenate(moments)))
    curve = {"seconds": seconds}
    for column, before in (("bound_gap", np.inf), ("saving_gap", 1.0)):
        known = [
            np.append(before, trail[column].fillna(before).to_numpy(float))[
                np.searchsorted(times, seconds, side="right")
            ]
            for trail, times in zip(trails, moments, strict=True)
        ]
        curve[column] = np.median(known, axis=0)
    table = pd.DataFrame(curve)
    gaps = table[["bound_gap", "saving_gap"]]
    kept = gaps.ne(gaps.shift()).any(axis=1)
    kept.iloc[-1] = True
    return table[kept]


def _thinned(seconds: FloatArray) -> FloatArray:
    """At most ``MOST_POINTS`` of the moments, the last one among them, evenly on a logarithmic clock."""
    if len(seconds) <= MOST_POINTS:
        return seconds
    grid = np.geomspace(seconds[0], seconds[-1], MOST_POINTS)
    grid[-1] = seconds[-1]
    return seconds[np.unique(np.searchsorted(seconds, grid, side="right") - 1)]


def _time_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("wall time (log scale)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: time_text(x, 1)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def _gap_axis(axes: Axes, curves: pd.DataFrame) -> None:
    """From -100 % (nothing saved) over 0 (the best known saving) to the largest bound drawn."""
    bounds = curves["bound_gap"].to_numpy(float)
    highest = max((float(gap) for gap in bounds if gap <= LARGEST), default=LINEAR)
    top = next((tick for tick in GAP_TICKS if tick >= highest), LARGEST)
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    axes.set_ylim(-1, top)
    axes.yaxis.set_major_locator(FixedLocator([*(-t for t in GAP_TICKS), 0, *GAP_TICKS]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda gap, _: f"{100 * gap:+g} %" if gap else "0"))
    axes.set_ylabel("incumbent below, bound above the best known saving")
