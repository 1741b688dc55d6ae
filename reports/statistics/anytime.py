"""Anytime curves: gaps of bounds and incumbents over time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import FloatArray, worthwhile_savings
from slimbench.bench.results.results import NOT_RUN, Results
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.reports.statistics.exact_methods import split_reductions

CLOCK_S: Final = 1e-3  # earlier is drawn as this
MAX_POINTS: Final = 200  # of one curve
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
        if any(map(_improves, trails)) and not (reductions and base in solvers):
            curve = _median_curve(trails).assign(dispatch=str(dispatch), solver=str(solver), n_runs=len(own))
            parts.append(curve[list(_COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(_COLUMNS))


def _improves(trail: pd.DataFrame) -> bool:
    """True if the run reported a bound, or a second incumbent."""
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
    """At most ``MAX_POINTS`` of the moments, the last one among them, evenly on a logarithmic clock."""
    if len(seconds) <= MAX_POINTS:
        return seconds
    grid = np.geomspace(seconds[0], seconds[-1], MAX_POINTS)
    grid[-1] = seconds[-1]
    return seconds[np.unique(np.searchsorted(seconds, grid, side="right") - 1)]
