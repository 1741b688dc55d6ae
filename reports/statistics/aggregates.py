"""Ratios and times over instances, by how failures count, and the Pareto front of the two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import RATIO_COLUMNS, latencies_none
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.reports.statistics.bootstrap import mean_limits
from slimbench.reports.statistics.once import once, with_ratios
from slimbench.reports.statistics.ratios import (
    COUNT_COLUMNS,
    ENDS,
    STATISTICS,
    best_first,
    intervals,
    run_counts,
    shifted_gmean,
)

MODES: Final = ("survivors", "penalised", "intersection")

_COLUMNS: Final = (
    "mode", *COUNT_COLUMNS, "n_all", "n_instances",
    *(f"{statistic}_{end}" for statistic in (*STATISTICS, "mean") for end in ENDS),
    "ci_of", "ci_low", "ci_high", "latency_gmean_low", "latency_gmean_high", "latency_max_low",
    "latency_max_high", "n_timed", "shifted_gmean_s",
)  # fmt: skip


@once
def aggregate_table(results: Results) -> pd.DataFrame:
    """One row for each mode and solver, within a mode the best worst case first.

    A solver that answers only where it is easy must not look better for it, so each aggregate is there over

    ``survivors``
        the instances on which the solver has a verified placement; its time is of the runs that ended ``ok``;
    ``penalised``
        all instances: a run without a verified placement counts as ratio 0, even where nothing can be saved,
        with the latency of no expert cached, and one that did not end ``ok`` with its time limit (PAR-1, the
        penalised average runtime with factor 1);
    ``intersection``
        the instances on which every solver of the run has a placement, so that all are measured on the same;
        none if one solver has no placement at all. Times as penalised.

    Repeats count by their median; runs that are only planned count nowhere.

    Columns
    -------
    n_all, n_instances
        Instances that the solver has been run on, and those of them that the mode counts.
    min, gmean, median, max, mean: each _low, _high
        Of the ratio. A geometric mean with a zero is 0.
    ci_of, ci_low, ci_high
        95 % bootstrap confidence interval over instances of the geometric mean, from the low limit of the
        low end to the high limit of the high end: NaN of fewer than 3 instances. Where a ratio is 0 it is of
        the arithmetic ``mean``: one zero makes the geometric mean 0 whatever the others are, so its interval
        would tell only how often the zero is drawn. Repeats are nested in instances and are not drawn.
    latency_gmean_low, latency_gmean_high, latency_max_low, latency_max_high
        Of latency / optimal latency.
    n_timed, shifted_gmean_s
        Instances with a time, and the geometric mean of their times, shifted by 1 s; seconds.

    References
    ----------
    Penalised average runtime: Hutter, Hoos, Leyton-Brown, Stützle, ParamILS, JAIR 36, 2009. Shifted
    geometric mean: Achterberg, Constraint integer programming, 2007, appendix A.
    """
    penalised = _cells(_failures_as_empty(results), results)
    placed = instance_medians(results)
    placed = placed[placed["ratio_low"].notna()]
    n_solvers = results.runs["solver"].nunique()
    shared = placed.groupby("instance_hash")["solver"].transform("nunique").eq(n_solvers)
    by_mode = {
        "survivors": placed.assign(time_s=placed["ok_s"]),
        "penalised": penalised,
        "intersection": placed[shared],
    }
    n_all = penalised["solver"].value_counts()
    rows = [
        {"mode": mode}
        | counts
        | {"n_all": int(n_all.get(counts["solver"], 0))}
        | _aggregates(cells[cells["solver"].eq(counts["solver"])])
        for mode, cells in by_mode.items()
        for counts in run_counts(results)
    ]
    table = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    return pd.concat([best_first(table[table["mode"].eq(mode)]) for mode in MODES], ignore_index=True)


@once
def instance_medians(results: Results) -> pd.DataFrame:
    """Medians over the repeats that ended, for each solver and instance.

    Columns
    -------
    ratio_low, ratio_high, latency_ratio_low, latency_ratio_high
        Over the repeats with a verified placement.
    ok_s, time_s
        Wall seconds of the repeats that ended ``ok``, and of all, where the others count with their limit.
    """
    return _cells(results, results)


def _failures_as_empty(results: Results) -> Results:
    """The same with an empty placement, which saves nothing, wherever a run that ended has none."""
    runs = results.runs.assign(latency_none_s=latencies_none(results))
    missing = runs["saving_s"].isna() & runs["status"].ne(NOT_RUN)
    return replace(results, runs=runs.assign(saving_s=runs["saving_s"].mask(missing, 0.0)))


def _cells(results: Results, measured: Results) -> pd.DataFrame:
    """Medians with ratio 0 for a saving that ``measured``, the same results, lack."""
    runs = with_ratios(results)
    filled = measured.runs["saving_s"].isna() & runs["saving_s"].notna()
    for end in ENDS:
        runs[f"ratio_{end}"] = runs[f"ratio_{end}"].mask(filled, 0.0)
    runs = runs[runs["status"].ne(NOT_RUN)]
    ok_s = runs["runtime_s"].where(runs["status"].eq(FINISHED_WELL))
    runs = runs.assign(ok_s=ok_s, time_s=ok_s.fillna(runs["time_limit_s"]))
    repeats = runs.groupby(["solver", "instance_hash"], sort=False)
    return repeats[[*RATIO_COLUMNS, "ok_s", "time_s"]].median().reset_index()


def _aggregates(cells: pd.DataFrame) -> dict[str, Any]:
    times = cells["time_s"].dropna().to_numpy(float)
    return (
        {"n_instances": len(cells), "n_timed": len(times), "shifted_gmean_s": shifted_gmean(times)}
        | intervals(cells, "ratio", (*STATISTICS, "mean"))
        | intervals(cells, "latency_ratio", ("gmean", "max"), "latency_")
        | _confidence(cells)
    )


def _confidence(cells: pd.DataFrame) -> dict[str, Any]:
    ends = [cells[f"ratio_{end}"].to_numpy(float) for end in ENDS]
    geometric = bool(np.all(ends[0] > 0))
    if geometric:  # the limits of the mean logarithm are the logarithms of the limits
        ends = [np.log(ratios) for ratios in ends]
    low, high = mean_limits(ends[0])[0], mean_limits(ends[1])[1]
    if geometric:
        low, high = np.exp(low), np.exp(high)
    return {"ci_of": "gmean" if geometric else "mean", "ci_low": float(low), "ci_high": float(high)}


def pareto_front(results: Results, mode: str = "intersection") -> pd.DataFrame:
    """Solvers by ratio and time, the fastest first.

    On the same instances for all by default: of aggregates over different ones neither is comparable.

    Parameters
    ----------
    mode : str
        Of ``aggregate_table``.

    Returns
    -------
    DataFrame
        ``solver``, ``n_instances``, ``ratio_low``, ``ratio_high`` (geometric means), ``seconds`` (geometric
        mean shifted by 1 s), ``on_front``: no other solver has a ``ratio_low`` at least as high in a time at
        most as long, and one of the two better. Solvers without either figure are left out.
    """
    table = aggregate_table(results)
    table = table[table["mode"].eq(mode)]
    table = table.rename(
        columns={"gmean_low": "ratio_low", "gmean_high": "ratio_high", "shifted_gmean_s": "seconds"}
    )
    table = table[["solver", "n_instances", "ratio_low", "ratio_high", "seconds"]]
    table = table.dropna(subset=["ratio_low", "seconds"])
    table = table.sort_values(["seconds", "ratio_low"], ascending=[True, False], kind="stable")
    points = list(zip(table["ratio_low"].astype(float), table["seconds"].astype(float), strict=True))
    on_front = [
        not any(r >= ratio and s <= seconds and (r, s) != (ratio, seconds) for r, s in points)
        for ratio, seconds in points
    ]
    return table.assign(on_front=pd.Series(on_front, table.index, dtype=bool)).reset_index(drop=True)
