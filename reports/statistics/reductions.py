"""What each reduction of a model is worth: the same call with and without it."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.exact_methods import exact_runs
from slimbench.reports.statistics.ratios import TIME_SHIFT_S, geometric_mean, shifted_gmean

SAME: Final = 1e-9  # relative; root bounds of one model are equal to this
NODE_SHIFT: Final = 1.0
_MEASURES: Final = ("rows", "columns", "nodes", "root_bound_s", "root_gap", "proof_s")

_COLUMNS: Final = (
    "call", "reductions", "n_instances", "n_changed", "rows_factor", "columns_factor",
    "mean_root_gap", "nodes_factor", "time_factor",
)  # fmt: skip


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
    return pd.DataFrame(parts, columns=pd.Index(_COLUMNS))


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
