"""Ratios and times by instance, by solver and by K."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import RATIO_COLUMNS, FloatArray
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.reports.statistics.once import once, with_ratios

TIME_SHIFT_S: Final = 1.0
STATISTICS: Final = ("min", "gmean", "median", "max")
ENDS: Final = ("low", "high")
COUNT_COLUMNS: Final = ("solver", "exact", "n_planned", "n_ok", "n_failed", "n_not_run")
_TOP_K_COLUMNS: Final = (
    "solver", "top_k", "n_instances", "n_placed", "min_low", "min_high", "gmean_low", "gmean_high",
    "worst_instance",
)  # fmt: skip


@once
def per_instance(results: Results) -> pd.DataFrame:
    """One row for each solver and instance: medians over the repeats.

    Columns
    -------
    ratio_low, ratio_high, latency_ratio_low, latency_ratio_high
        Median over the repeats that have a verified placement; NaN if none has.
    reached_low, reached_high
        Median ratio over all repeats, where one without a placement counts as -inf.
    runtime_s
        Median over the repeats that ended ``ok``; NaN if none did.
    finished_s
        Median over all repeats, where one that did not end ``ok`` counts as inf.
    """
    runs = with_ratios(results)
    ok = runs["status"].eq(FINISHED_WELL)
    times = runs["runtime_s"].where(ok)
    runs = runs.assign(
        n_planned=1,
        n_ok=ok,
        n_placed=runs["ratio_low"].notna(),
        reached_low=runs["ratio_low"].fillna(-math.inf),
        reached_high=runs["ratio_high"].fillna(-math.inf),
        runtime_s=times,
        finished_s=times.fillna(math.inf),
    )
    repeats = runs.groupby(["solver", "instance_hash"], sort=False)
    parts = [
        repeats[["instance"]].first(),
        repeats[["n_planned", "n_ok", "n_placed"]].sum(),
        repeats[[*RATIO_COLUMNS, "reached_low", "reached_high", "runtime_s", "finished_s"]].median(),
    ]
    table = pd.concat(parts, axis=1).reset_index()
    return table[["solver", "instance", "instance_hash", *table.columns[3:]]]


@once
def on_every_instance(results: Results) -> pd.DataFrame:
    """``per_instance`` with a row for every solver on every instance of the run: shares are of one set.

    Columns
    -------
    planned
        Whether the solver is planned on the instance. Where not, it reaches no ratio and finishes never.
    """
    table = per_instance(results)
    names = table.groupby("instance_hash", sort=False)["instance"].first()
    pairs = pd.MultiIndex.from_product(
        [table["solver"].unique(), names.index], names=["solver", "instance_hash"]
    )
    full = table.set_index(["solver", "instance_hash"]).reindex(pairs).reset_index()
    ends = {f"reached_{end}": full[f"reached_{end}"].fillna(-math.inf) for end in ENDS}
    return full.assign(
        instance=full["instance_hash"].map(names),
        planned=full["n_planned"].notna(),
        finished_s=full["finished_s"].fillna(math.inf),
        **ends,
    )


def is_heuristic(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row is of a solver that does not prove optima, by ``exact``; it may report bounds."""
    return ~rows["exact"].astype(bool)


@once
def ratio_table(results: Results) -> pd.DataFrame:
    """One row for each solver, the best worst case first.

    Repeats count by their median; minimum, geometric mean, median and maximum are over the ``n_placed`` of
    ``n_instances`` instances that have a placement, as intervals ``_low`` to ``_high``. The share optimal is
    of all instances: certainly to possibly optimal. A geometric mean with a zero is 0.
    """
    instances = per_instance(results)
    rows = []
    for counts in run_counts(results):
        own = instances[instances["solver"] == counts["solver"]]
        placed = own[own["n_placed"] > 0]
        optimal = {end: int((placed[f"ratio_{end}"] >= 1 - AGREEMENT).sum()) / len(own) for end in ENDS}
        rows.append(
            counts
            | {"n_instances": len(own), "n_placed": len(placed)}
            | intervals(placed, "ratio", STATISTICS)
            | {f"optimal_{end}": share for end, share in optimal.items()}
            | intervals(placed, "latency_ratio", ("max",), "latency_")
            | {"worst_instance": worst_instance(placed)}
        )
    columns = (*COUNT_COLUMNS, "n_instances", "n_placed", *(f"{s}_{e}" for s in STATISTICS for e in ENDS),
               "optimal_low", "optimal_high", "latency_max_low", "latency_max_high",
               "worst_instance")  # fmt: skip
    return best_first(pd.DataFrame(rows, columns=pd.Index(columns)))


@once
def runtime_table(results: Results) -> pd.DataFrame:
    """One row for each solver, the fastest first: wall and CPU seconds and memory of its ``n_ok`` runs."""
    ok = results.runs[results.runs["status"].eq(FINISHED_WELL)]
    rows = []
    for counts in run_counts(results):
        runs = ok[ok["solver"].eq(counts["solver"])]
        wall = runs["runtime_s"].dropna().to_numpy(float)
        rows.append(
            counts
            | {
                "median_s": statistic_of("median", wall),
                "shifted_gmean_s": shifted_gmean(wall),
                "max_s": statistic_of("max", wall),
                "total_s": float(wall.sum()),
                "cpu_median_s": runs["cpu_s"].median(),
                "peak_memory_mb": runs["peak_memory_mb"].max(),
            }
        )
    columns = (*COUNT_COLUMNS, "median_s", "shifted_gmean_s", "max_s", "total_s", "cpu_median_s",
               "peak_memory_mb")  # fmt: skip
    table = pd.DataFrame(rows, columns=pd.Index(columns))
    return table.sort_values("median_s", kind="stable", na_position="last", ignore_index=True)


@once
def by_top_k(results: Results) -> pd.DataFrame:
    """One row for each solver and K, in the order of the plan and of K.

    Columns
    -------
    top_k
        Largest K of the instance's models.
    n_instances, n_placed
        Instances planned, and those with a placement, which the rest is over; repeats count by their median.
    min, gmean: each _low, _high
        Of the ratio.
    worst_instance
        With the least ratio.
    """
    table = per_instance(results)
    top_k = results.runs.groupby("instance_hash")["top_k"].first()
    table = table.assign(top_k=table["instance_hash"].map(top_k))
    rows = []
    for solver, of_solver in table.groupby("solver", sort=False):
        for k, own in of_solver.groupby("top_k"):
            placed = own[own["n_placed"] > 0].sort_values(["ratio_low", "ratio_high"], kind="stable")
            counts = {"solver": solver, "top_k": k, "n_instances": len(own), "n_placed": len(placed)}
            worst = {"worst_instance": worst_instance(placed)}
            rows.append(counts | intervals(placed, "ratio", ("min", "gmean")) | worst)
    return pd.DataFrame(rows, columns=pd.Index(_TOP_K_COLUMNS))


def run_counts(results: Results) -> Iterator[dict[str, Any]]:
    """For each solver, in the order of the plan: runs planned, ok, failed, and not run yet."""
    for solver, runs in results.runs.groupby("solver", sort=False):
        counts = status_counts(runs["status"])
        yield {"solver": solver, "exact": bool(runs["exact"].iloc[0]), **counts}


def status_counts(status: pd.Series[str]) -> dict[str, int]:
    """Runs planned, ok, failed, and not run yet."""
    ok, not_run = int(status.eq(FINISHED_WELL).sum()), int(status.eq(NOT_RUN).sum())
    failed = len(status) - ok - not_run
    return {"n_planned": len(status), "n_ok": ok, "n_failed": failed, "n_not_run": not_run}


def shifted_gmean(seconds: FloatArray, shift: float = TIME_SHIFT_S) -> float:
    """(product of (t_i + shift)) ** (1 / n) - shift; NaN of nothing."""
    return float(np.expm1(np.log(seconds / shift + 1).mean()) * shift) if len(seconds) else math.nan


def geometric_mean(values: FloatArray) -> float:
    """(product of x_i) ** (1 / n), 0 as soon as one is 0; NaN of nothing."""
    if not len(values):
        return math.nan
    return float(np.exp(np.log(values).mean())) if np.all(values > 0) else 0.0


def statistic_of(name: str, values: FloatArray) -> float:
    """One of ``STATISTICS``, or the ``mean``; NaN of nothing."""
    if name == "gmean":
        return geometric_mean(values)
    reduce = {"min": min, "median": np.median, "max": max, "mean": np.mean}[name]
    return float(reduce(values)) if len(values) else math.nan


def intervals(
    rows: pd.DataFrame, measure: str, statistics: Iterable[str], prefix: str = ""
) -> dict[str, float]:
    """``_low`` and ``_high`` of statistics of both ends of a ratio."""
    ends = {end: rows[f"{measure}_{end}"].to_numpy(float) for end in ENDS}
    return {
        f"{prefix}{name}_{end}": statistic_of(name, values)
        for name in statistics
        for end, values in ends.items()
    }


def worst_instance(placed: pd.DataFrame) -> str:
    """Name of the instance with the least ratio; "" of none."""
    worst = placed.sort_values(["ratio_low", "ratio_high"], kind="stable")["instance"]
    return str(worst.iloc[0]) if len(worst) else ""


def best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Solvers by their worst case, the best first."""
    by = ["min_low", "gmean_low", "min_high"]
    return table.sort_values(by, ascending=False, kind="stable", na_position="last", ignore_index=True)
