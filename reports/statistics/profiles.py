"""Performance profiles: on which share of the instances a solver is good enough, or fast enough.

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
    parts = []
    for solver, own in instances.groupby("solver", sort=False):
        part = {"solver": solver, "tau": taus}
        for end in ("low", "high"):
            reached = own[f"reached_{end}"].to_numpy(float)
            part[f"share_{end}"] = _share(reached[:, None] >= taus - AGREEMENT)
        parts.append(_steps(pd.DataFrame(part)))
    return _joined(parts, ("solver", "tau", "share_low", "share_high"))


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
    parts = []
    for solver, rows in instances.groupby("solver", sort=False).indices.items():
        share = _share(factors[rows][:, None] <= taus)
        parts.append(_steps(pd.DataFrame({"solver": solver, "tau": taus, "share": share})))
    return _joined(parts, ("solver", "tau", "share"))


def time_distribution(results: Results) -> pd.DataFrame:
    """Share of instances that a solver finished within a wall time.

    Returns
    -------
    DataFrame
        ``solver``, ``seconds`` (where its share changes), ``share`` of all instances; a repeat that
        did not end ``ok`` is never finished.
    """
    parts = []
    for solver, own in on_every_instance(results).groupby("solver", sort=False):
        times = np.maximum(own["finished_s"].to_numpy(float), CLOCK_S)
        seconds = np.unique(times[np.isfinite(times)])
        share = _share(times[:, None] <= seconds)
        parts.append(pd.DataFrame({"solver": solver, "seconds": seconds, "share": share}))
    return _joined(parts, ("solver", "seconds", "share"))


def _steps(curve: pd.DataFrame) -> pd.DataFrame:
    """Only the points where the curve steps, and its two ends."""
    shares = curve.drop(columns=["solver", "tau"])
    kept = shares.ne(shares.shift()).any(axis=1)
    kept.iloc[-1] = True
    return curve[kept]


def _share(counted: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> FloatArray:
    return np.asarray(counted.mean(axis=0), np.float64)


def _joined(parts: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(columns))
