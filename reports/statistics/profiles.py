"""Performance profiles of ratios and times.

All shares are of all instances of the run: where a solver failed, or is not planned, it reaches nothing.

References
----------
Dolan, Moré, Benchmarking optimization software with performance profiles, Mathematical Programming 91, 2002.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import FloatArray
from slimbench.bench.results.results import Results
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.instances.problem.arrays import BoolArray
from slimbench.reports.statistics.ratios import on_every_instance

CLOCK_S: Final = 1e-6  # shorter times are compared as this


def ratio_profile(results: Results) -> pd.DataFrame:
    """Share of instances on which a solver's ratio is at least tau.

    Returns
    -------
    DataFrame
        ``solver``, ``tau`` from 1 down to 0 (the ends, and where its share changes), ``share_low`` by the
        lower ends of the ratios and ``share_high`` by their upper ends. The share is of all instances; a
        repeat without a placement reaches no tau.
    """
    instances = on_every_instance(results)
    ends = instances[["reached_low", "reached_high"]].to_numpy(float)
    taus = np.unique(np.append(np.clip(ends[np.isfinite(ends)], 0, 1), [0.0, 1.0]))[::-1]
    reached = {f"share_{end}": ends[:, [i]] >= taus - AGREEMENT for i, end in enumerate(("low", "high"))}
    return _steps(_curves(instances, "tau", taus, reached))


def time_profile(results: Results) -> pd.DataFrame:
    """Share of instances that a solver finished within tau times the fastest solver's time.

    Returns
    -------
    DataFrame
        ``solver``, ``tau`` from 1 up (the ends, and where its share changes), ``share`` of all
        instances; a repeat that did not end ``ok`` is never finished.
    """
    instances = on_every_instance(results)
    times = np.maximum(instances["finished_s"].to_numpy(float), CLOCK_S)
    best = pd.Series(times).groupby(instances["instance_hash"].to_numpy()).transform("min").to_numpy(float)
    factors = np.divide(times, best, out=np.full(len(times), np.inf), where=np.isfinite(times))
    taus = np.unique(np.append(factors[np.isfinite(factors)], 1.0))
    return _steps(_curves(instances, "tau", taus, {"share": factors[:, None] <= taus}))


def time_distribution(results: Results) -> pd.DataFrame:
    """Share of instances that a solver finished within a wall time.

    Returns
    -------
    DataFrame
        ``solver``, ``seconds`` (where its share changes), ``share`` of all instances; a repeat that
        did not end ``ok`` is never finished.
    """
    instances = on_every_instance(results)
    times = np.maximum(instances["finished_s"].to_numpy(float), CLOCK_S)
    seconds = np.unique(times[np.isfinite(times)])
    curves = _curves(instances, "seconds", seconds, {"share": times[:, None] <= seconds})
    own = curves.merge(pd.DataFrame({"solver": instances["solver"], "seconds": times}).drop_duplicates())
    return own[["solver", "seconds", "share"]]


def _curves(
    instances: pd.DataFrame, argument: str, values: FloatArray, counted: dict[str, BoolArray]
) -> pd.DataFrame:
    """Shares of the instances that count at each value, solver after solver."""
    parts = [
        pd.DataFrame(
            {"solver": solver, argument: values}
            | {name: counts[rows].mean(axis=0) for name, counts in counted.items()}
        )
        for solver, rows in instances.groupby("solver", sort=False).indices.items()
    ]
    columns = pd.Index(["solver", argument, *counted])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _steps(curves: pd.DataFrame) -> pd.DataFrame:
    """Only the points where a curve steps, and its two ends."""
    if curves.empty:
        return curves
    shares = curves.drop(columns=["solver", "tau"])
    solvers = curves["solver"]
    kept = shares.ne(shares.groupby(solvers, sort=False).shift()).any(axis=1) | solvers.ne(solvers.shift(-1))
    return curves[kept].reset_index(drop=True)
