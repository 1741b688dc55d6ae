"""Two solver calls on the same instances: speed-up, and saving lost."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import latencies_none
from slimbench.bench.results.results import Results
from slimbench.formulations.tolerances import ZERO_SAVING
from slimbench.reports.statistics.ratios import geometric_mean, per_instance

SLOW, FAST = "slim-dp", "slim-maxconv"  # exact dynamic programming against max-plus convolution

_COLUMNS: Final = (
    "slow", "fast", "instance", "instance_hash", "activations", "slow_s", "fast_s", "time_factor",
    "slow_saving_s", "fast_saving_s", "loss",
)  # fmt: skip
_SUMMARY_COLUMNS: Final = (
    "slow", "fast", "n_instances", "n_timed", "time_factor_min", "time_factor_gmean", "time_factor_max",
    "loss_mean", "loss_max", "worst_instance",
)  # fmt: skip


def solver_pair(results: Results, slow: str = SLOW, fast: str = FAST) -> pd.DataFrame:
    """One row for each instance on which both calls have a placement, in the order of the plan.

    Columns
    -------
    slow_s, fast_s, time_factor
        Median wall seconds of the repeats that ended ``ok``, and slow / fast.
    slow_saving_s, fast_saving_s, loss
        Median verified savings, seconds per token, and the share of the slow call's saving that the fast one
        loses: 1 - fast / slow, negative where it saves more; 0 where neither saves anything.
    """
    table = per_instance(results)
    runs = results.runs.assign(zero_s=ZERO_SAVING * latencies_none(results))
    repeats = runs.groupby(["solver", "instance_hash"], sort=False)[["saving_s", "zero_s"]].median()
    sizes = results.instances.set_index("instance_hash")["activations"] if len(table) else pd.Series()
    table = table.merge(repeats.reset_index(), on=["solver", "instance_hash"])
    table = table[table["n_placed"] > 0]
    columns = ["instance_hash", "runtime_s", "saving_s"]
    ours = table.loc[table["solver"].eq(slow), [*columns, "instance", "zero_s"]]
    theirs = table.loc[table["solver"].eq(fast), columns]
    both = ours.merge(theirs, on="instance_hash", suffixes=("_slow", "_fast"))
    old, new = (both[f"saving_s_{side}"].to_numpy(float) for side in ("slow", "fast"))
    nothing = np.fmax(old, new) <= both["zero_s"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(nothing, 0.0, 1 - new / old)
    frame = pd.DataFrame(
        {
            "slow": slow,
            "fast": fast,
            "instance": both["instance"],
            "instance_hash": both["instance_hash"],
            "activations": both["instance_hash"].map(sizes),
            "slow_s": both["runtime_s_slow"],
            "fast_s": both["runtime_s_fast"],
            "time_factor": both["runtime_s_slow"] / both["runtime_s_fast"],
            "slow_saving_s": old,
            "fast_saving_s": new,
            "loss": loss,
        }
    )
    return frame[list(_COLUMNS)]


def pair_summary(pair: pd.DataFrame) -> pd.DataFrame:
    """One row about a ``solver_pair``, or none of an empty one.

    Columns
    -------
    n_instances, n_timed
        Instances with both placements, and with both times.
    time_factor_min, time_factor_gmean, time_factor_max
        Slow / fast.
    loss_mean, loss_max, worst_instance
        Share of the saving lost, and where most is.
    """
    if pair.empty:
        return pd.DataFrame(columns=pd.Index(_SUMMARY_COLUMNS))
    factors = pair["time_factor"].dropna().to_numpy(float)
    row = {
        "slow": pair["slow"].iloc[0],
        "fast": pair["fast"].iloc[0],
        "n_instances": len(pair),
        "n_timed": len(factors),
        "time_factor_min": min(factors, default=math.nan),
        "time_factor_gmean": geometric_mean(factors),
        "time_factor_max": max(factors, default=math.nan),
        "loss_mean": pair["loss"].mean(),
        "loss_max": pair["loss"].max(),
        "worst_instance": pair["instance"].iloc[int(pair["loss"].to_numpy(float).argmax())],
    }
    return pd.DataFrame([row], columns=pd.Index(_SUMMARY_COLUMNS))
