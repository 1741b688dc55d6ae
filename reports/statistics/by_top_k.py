"""Ratios by the number K of experts that a token calls: greedy against decomposition as K grows."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.ratios import ENDS, per_instance, statistic_of

_COLUMNS: Final = (
    "solver", "top_k", "n_instances", "n_placed", "min_low", "min_high", "gmean_low", "gmean_high",
    "worst_instance",
)  # fmt: skip


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
            row: dict[str, Any] = {
                "solver": solver,
                "top_k": k,
                "n_instances": len(own),
                "n_placed": len(placed),
                "worst_instance": placed["instance"].iloc[0] if len(placed) else "",
            }
            for statistic in ("min", "gmean"):
                for end in ENDS:
                    values = placed[f"ratio_{end}"].to_numpy(float)
                    row[f"{statistic}_{end}"] = statistic_of(statistic, values)
            rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
