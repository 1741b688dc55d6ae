"""Generalisation ratios of placements planned on another instance (docs/ROBUSTNESS.md)."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.results import FINISHED_WELL, NOT_RUN, Results
from slimbench.formulations.tolerances import AGREEMENT
from slimbench.reports.statistics.once import once, transfers_with_ratios
from slimbench.reports.statistics.ratios import ENDS, per_instance

WITHIN: Final = 0.01  # of the saving of the placement planned on the instance itself
OBSERVED: Final = ("tokens", "part")  # kinds of which more is better

_KEY: Final = ["solver", "instance_hash"]
_COUNTS: Final = ("n_planned", "n_ok", "n_failed", "n_not_run")
_MEDIANS: Final = ("ratio_low", "ratio_high", "gap_low", "gap_high", "kept")
_COLUMNS: Final = (
    "solver", "instance", "instance_hash", "dispatch", "top_k", "planning_kind", "planning_amount",
    "n_planned", "n_ok", "n_failed", "n_not_run", "n_placed", "ratio_low", "ratio_high", "least_low",
    "least_high", "most_high", "itself_low", "itself_high", "gap_low", "gap_high", "kept",
)  # fmt: skip
_SUMMARY_COLUMNS: Final = (
    "solver", "planning_kind", "planning_amount", "n_planned", "n_ok", "n_failed", "n_not_run", "n_instances",
    "ratio_low", "ratio_high", "worst_low", "worst_high", "worst_instance", "gap_low", "gap_high", "kept",
)  # fmt: skip
_NEEDED_COLUMNS: Final = (
    "instance", "solver", "planning_kind", "itself_low", "itself_high", "needed", "fewest", "most",
    "fewest_gap_low", "fewest_gap_high", "most_gap_low", "most_gap_high", "n_failed",
)  # fmt: skip


@once
def robustness(results: Results) -> pd.DataFrame:
    """One row for each solver, instance, and kind and amount of planning, over its seeds and repeats.

    Columns
    -------
    n_planned, n_ok, n_failed, n_not_run, n_placed
        Runs, and those with a verified placement, which the ratios are over.
    ratio_low, ratio_high
        Median generalisation ratio: saving on the instance ÷ the instance's optimal saving.
    least_low, least_high, most_high
        Ends of the least of them over the seeds, and the high end of the greatest.
    itself_low, itself_high
        Ratio of the same solver planned on the instance itself, the median over repeats.
    gap_low, gap_high
        Median generalisation gap: ratio planned on itself - generalisation ratio. Both are measured against
        the same optimum, so its interval is narrower than theirs.
    kept
        Median of saving ÷ saving planned on itself, which needs no optimum; a run without a placement counts
        as 0. NaN where the solver saves nothing planned on itself.
    """
    if results.transfers.empty:
        return pd.DataFrame(columns=pd.Index(_COLUMNS))
    itself = per_instance(results)[[*_KEY, "ratio_low", "ratio_high"]]
    itself = itself.rename(columns={f"ratio_{end}": f"itself_{end}" for end in ENDS})
    savings = results.runs.groupby(_KEY)["saving_s"].median().rename("itself_s").reset_index()
    runs = (
        transfers_with_ratios(results).merge(itself, on=_KEY, how="left").merge(savings, on=_KEY, how="left")
    )
    status = runs["status"]
    gaps = np.stack([(runs[f"itself_{end}"] - runs[f"ratio_{end}"]).to_numpy(float) for end in ENDS])
    kept = (runs["saving_s"] / runs["itself_s"].where(runs["itself_s"] > 0)).where(status.ne(NOT_RUN))
    unplaced = runs["saving_s"].isna() & status.ne(NOT_RUN) & (runs["itself_s"] > 0)
    runs = runs.assign(
        n_planned=1,
        n_ok=status.eq(FINISHED_WELL),
        n_not_run=status.eq(NOT_RUN),
        n_placed=runs["ratio_low"].notna(),
        gap_low=gaps.min(axis=0),
        gap_high=gaps.max(axis=0),
        kept=kept.mask(unplaced, 0.0),
    )
    cells = runs.groupby([*_KEY, "planning_kind", "planning_amount"], sort=False)
    counts = cells[["n_planned", "n_ok", "n_not_run", "n_placed"]].sum().astype(int)
    counts["n_failed"] = counts["n_planned"] - counts["n_ok"] - counts["n_not_run"]
    table = pd.concat(
        [
            cells[["instance", "dispatch", "top_k", "itself_low", "itself_high"]].first(),
            counts,
            cells[list(_MEDIANS)].median(),
            cells["ratio_low"].min().rename("least_low"),
            cells["ratio_high"].min().rename("least_high"),
            cells["ratio_high"].max().rename("most_high"),
        ],
        axis=1,
    ).reset_index()
    return table[list(_COLUMNS)]


@once
def robustness_summary(results: Results) -> pd.DataFrame:
    """One row for each solver, and kind and amount of planning, over the instances.

    Columns
    -------
    ratio, gap: each _low, _high; kept
        Medians over the instances of the medians over seeds (``robustness``).
    worst_low, worst_high, worst_instance
        The least ratio over instances and seeds, and where it is.
    """
    rows: list[dict[str, Any]] = []
    cells = robustness(results).groupby(["planning_kind", "planning_amount", "solver"], sort=False)
    for (kind, amount, solver), own in cells:
        placed = own[own["n_placed"] > 0].sort_values("least_low", kind="stable")
        worst = placed.iloc[0] if len(placed) else None
        rows.append(
            {str(name): value for name, value in own[list(_COUNTS)].sum().items()}
            | {str(name): value for name, value in own[list(_MEDIANS)].median().items()}
            | {
                "solver": solver,
                "planning_kind": kind,
                "planning_amount": amount,
                "n_instances": len(placed),
                "worst_low": math.nan if worst is None else worst["least_low"],
                "worst_high": math.nan if worst is None else worst["least_high"],
                "worst_instance": "" if worst is None else worst["instance"],
            }
        )
    return pd.DataFrame(rows, columns=pd.Index(_SUMMARY_COLUMNS))


def observations_needed(results: Results) -> pd.DataFrame:
    """How much must be observed until a placement is as good as the one planned on everything, to 1 %.

    A row for each instance and solver, and each of the kinds ``tokens`` and ``part``.

    Columns
    -------
    needed
        Least amount from which on ``kept`` (``robustness``) is at least 0.99 at every larger amount too;
        infinite where the largest amount does not suffice, NaN where the solver saves nothing even when
        planned on the instance itself.
    fewest, most
        Amounts planned on, and the generalisation gaps there.
    n_failed
        Runs, over all amounts.
    """
    rows: list[dict[str, Any]] = []
    table = robustness(results)
    table = table[table["planning_kind"].isin(OBSERVED)].sort_values("planning_amount", kind="stable")
    for (_, _, kind), own in table.groupby(["instance_hash", "solver", "planning_kind"], sort=False):
        first, last = own.iloc[0], own.iloc[-1]
        rows.append(
            {name: first[name] for name in ("instance", "solver", "itself_low", "itself_high")}
            | {
                "planning_kind": kind,
                "needed": _needed(own),
                "fewest": first["planning_amount"],
                "most": last["planning_amount"],
                "n_failed": own["n_failed"].sum(),
            }
            | {f"fewest_gap_{end}": first[f"gap_{end}"] for end in ENDS}
            | {f"most_gap_{end}": last[f"gap_{end}"] for end in ENDS}
        )
    return pd.DataFrame(rows, columns=pd.Index(_NEEDED_COLUMNS))


def _needed(ascending: pd.DataFrame) -> float:
    kept = ascending["kept"].to_numpy(float)
    if np.isnan(kept).all():
        return math.nan
    amounts = ascending["planning_amount"].to_numpy(float)
    short = np.flatnonzero(~(kept >= 1 - WITHIN - AGREEMENT))
    if not len(short):
        return float(amounts[0])
    return float(amounts[short[-1] + 1]) if short[-1] + 1 < len(amounts) else math.inf
