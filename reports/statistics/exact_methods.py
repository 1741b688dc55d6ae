"""Exact methods compared: claims, times, models, disagreements, and effects of reductions."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from slimbench.bench.results.ratio_intervals import best_savings, disproved, worthwhile_savings
from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.formulations.tolerances import tolerance
from slimbench.reports.statistics.once import once
from slimbench.reports.statistics.ratios import TIME_SHIFT_S, geometric_mean, is_heuristic, shifted_gmean

OUTCOMES: Final = ("claimed", "open", "time_limit", "failed")  # from the best to the worst
AT_THE_LIMIT: Final = 0.95  # of its time limit; solvers that keep it themselves stop a little earlier
FIGURES: Final = ("rows", "columns", "nodes", "root_bound_s")  # that ``milp`` records

_COLUMNS: Final = (
    "solver", "dispatches", "n_instances", "n_claimed", "n_open", "n_time_limit", "n_failed", "n_disagreeing",
    "disagreeing", "shifted_gmean_s", "factor", "median_nodes", "median_root_gap", "median_rows",
    "median_columns",
)  # fmt: skip
SAME: Final = 1e-9  # relative; root bounds of one model are equal to this
NODE_SHIFT: Final = 1.0
_MEASURES: Final = ("rows", "columns", "nodes", "root_bound_s", "root_gap", "proof_s")

_EFFECT_COLUMNS: Final = (
    "call", "reductions", "n_instances", "n_changed", "rows_factor", "columns_factor",
    "mean_root_gap", "nodes_factor", "time_factor",
)  # fmt: skip


@once
def exact_runs(results: Results) -> pd.DataFrame:
    """The runs of exact solvers that have ended.

    Columns
    -------
    outcome
        ``claimed`` of an optimum; ``time_limit`` of a run that was stopped, or kept its limit itself;
        ``failed``; ``open`` of one that ended by itself without an optimum.
    disagrees
        It claims another optimum than some other run, to 1e-6, or its bound is below a verified saving.
    proof_s
        Its time to a claimed optimum; without one, its time limit.
    rows, columns, nodes, root_bound_s
        As the run recorded them; NaN otherwise.
    root_gap
        root bound / best known saving - 1, at least 0.
    """
    runs = results.runs.assign(best_s=best_savings(results), worthwhile_s=worthwhile_savings(results))
    runs = runs[~is_heuristic(runs) & runs["status"].ne(NOT_RUN)].copy()
    runs["outcome"] = _outcomes(runs)
    runs["disagrees"] = _disagrees(runs)
    runs["proof_s"] = runs["runtime_s"].where(runs["outcome"].eq("claimed"), runs["time_limit_s"])
    for figure in FIGURES:
        runs[figure] = _figure(runs, figure)
    gap = runs["root_bound_s"] / runs["worthwhile_s"] - 1
    runs["root_gap"] = gap.clip(lower=0)  # a root that the incumbent cuts off ends below it
    return runs


@once
def exact_table(results: Results) -> pd.DataFrame:
    """One row for each call of an exact solver, the fastest first.

    Columns
    -------
    n_instances, n_claimed, n_open, n_time_limit, n_failed
        An instance counts by the worst outcome of its repeats.
    n_disagreeing, disagreeing
        Instances on which some run disagrees, and their names.
    shifted_gmean_s, factor
        Geometric means of ``proof_s`` (medians over the repeats), and of its quotient by that of the fastest
        call on the same instance; both times shifted by 1 s.
    median_nodes, median_root_gap, median_rows, median_columns
        Over the instances for which the figure is known.
    """
    every = exact_runs(results)
    times = every.groupby(["solver", "instance_hash"])["proof_s"].median()
    fastest = times.groupby("instance_hash").min()
    rows = []
    for solver, runs in every.groupby("solver", sort=False):
        instances = runs.groupby("instance_hash", sort=False)
        own = times[solver]
        factors = (own + TIME_SHIFT_S) / (fastest[own.index] + TIME_SHIFT_S)
        worst = instances["outcome"].agg(lambda outcomes: max(outcomes, key=OUTCOMES.index))
        disagreeing = runs.loc[runs["disagrees"], "instance"].unique()
        row: dict[str, Any] = {
            "solver": solver,
            "dispatches": ", ".join(runs["dispatch"].unique()),
            "n_instances": instances.ngroups,
            "n_disagreeing": runs.loc[runs["disagrees"], "instance_hash"].nunique(),
            "disagreeing": ", ".join(disagreeing),
            "shifted_gmean_s": shifted_gmean(own.to_numpy(float)),
            "factor": geometric_mean(factors.to_numpy(float)),
        }
        row |= {f"n_{outcome}": int(worst.eq(outcome).sum()) for outcome in OUTCOMES}
        for figure in ("nodes", "root_gap", "rows", "columns"):
            row[f"median_{figure}"] = instances[figure].median().median()
        rows.append(row)
    table = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    return table.sort_values("factor", kind="stable").reset_index(drop=True)


def _outcomes(runs: pd.DataFrame) -> npt.NDArray[np.str_]:
    """One of ``OUTCOMES`` for each run."""
    status = runs["status"]
    late = runs["runtime_s"] >= AT_THE_LIMIT * runs["time_limit_s"]
    stopped = status.isin(["time_limit", "cpu_limit"]) | (late & status.isin([FINISHED_WELL, "no_solution"]))
    well = status.eq(FINISHED_WELL)
    conditions = [well & runs["termination"].eq("optimal"), stopped, well]
    return np.select(conditions, ["claimed", "time_limit", "open"], "failed")


def _disagrees(runs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    best, none = runs["best_s"].to_numpy(float), runs["latency_none_s"].to_numpy(float)
    bound = runs["bound_saving_s"].to_numpy(float)
    optima = runs["saving_s"].where(runs["termination"].eq("optimal"))
    own = optima.to_numpy(float)
    apart = np.zeros(len(runs))
    for extreme in ("min", "max"):
        other = optima.groupby(runs["instance_hash"]).transform(extreme).to_numpy(float)
        apart = np.fmax(apart, np.abs(own - other))
    return np.asarray((apart > tolerance(best, none)) | disproved(best, bound, none))


def _figure(runs: pd.DataFrame, name: str) -> pd.Series[float]:
    values = runs["figures"].map(lambda figures: figures.get(name, math.nan))
    return pd.to_numeric(values, errors="coerce").astype(float)


def reduction_effects(results: Results) -> pd.DataFrame:
    """Calls that differ in their parameter ``reductions`` alone, held against the one with all of them.

    One row for each, on the instances that both have run: first the call with all, then those that change a
    model, the costliest first.

    Columns
    -------
    call, reductions
        The call with all reductions, and the parameter of the row's own call.
    n_instances, n_changed
        Instances in common, and those on which rows, columns or root bound differ.
    rows_factor, columns_factor
        Geometric mean of the quotient by the call with all.
    mean_root_gap
        Mean of root bound / best known saving - 1.
    nodes_factor, time_factor
        Quotient of the geometric means, shifted by 1 node and 1 s; a run without a proof counts with its
        time limit.
    """
    runs = exact_runs(results)
    medians = {
        solver: own.groupby("instance_hash", sort=False)[list(_MEASURES)].median()
        for solver, own in runs.groupby("solver", sort=False)
    }
    parts = []
    for call, every in medians.items():
        rows = []
        for label, own in medians.items():
            base, value = split_reductions(str(label))
            if base == call and value:
                rows.append(_effect(base, value, own, every))
        if rows:
            rows.sort(key=lambda row: (not row["n_changed"], -row["time_factor"]))
            parts += [_effect(str(call), "all", every, every), *rows]
    return pd.DataFrame(parts, columns=pd.Index(_EFFECT_COLUMNS))


def split_reductions(label: str) -> tuple[str, str]:
    """A call without its parameter ``reductions``, and that parameter; "" where it is at its default."""
    name, _, arguments = label.removesuffix("]").partition("[")
    parts = arguments.split(",") if arguments else []
    others = [part for part in parts if not part.startswith("reductions=")]
    value = next((part.partition("=")[2] for part in parts if part not in others), "")
    return (f"{name}[{','.join(others)}]" if others else name), value


def _effect(call: str, value: str, own: pd.DataFrame, every: pd.DataFrame) -> dict[str, Any]:
    common = [key for key in every.index if key in own.index]
    own, every = own.loc[common], every.loc[common]
    quotients = own / every
    apart = (quotients[["rows", "columns", "root_bound_s"]] - 1).abs() > SAME
    return {
        "call": call,
        "reductions": value,
        "n_instances": len(common),
        "n_changed": int(apart.any(axis=1).sum()),
        "rows_factor": geometric_mean(quotients["rows"].dropna().to_numpy(float)),
        "columns_factor": geometric_mean(quotients["columns"].dropna().to_numpy(float)),
        "mean_root_gap": own["root_gap"].mean(),
        "nodes_factor": _quotient(own["nodes"], every["nodes"], NODE_SHIFT),
        "time_factor": _quotient(own["proof_s"], every["proof_s"], TIME_SHIFT_S),
    }


def _quotient(own: pd.Series[float], every: pd.Series[float], shift: float) -> float:
    """Of the shifted geometric means over the instances on which both are known; NaN of nothing."""
    known = (own + every).notna()
    own_mean, mean = (shifted_gmean(np.asarray(x[known], np.float64), shift) for x in (own, every))
    return own_mean / mean if mean else math.nan
