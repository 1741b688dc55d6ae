"""Which solvers no other one beats in both ratio and time."""

from __future__ import annotations

import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.reports.statistics.aggregates import aggregate_table


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
