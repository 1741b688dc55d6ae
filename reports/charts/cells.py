"""Data of the filtered figures: a row for each solver and instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import FloatArray
from slimbench.bench.results.results import Results
from slimbench.reports.charts.chart import plain
from slimbench.reports.statistics.aggregates import instance_medians
from slimbench.reports.statistics.profiles import CLOCK_S
from slimbench.reports.statistics.ratios import on_every_instance
from slimbench.reports.tables.numbers import ratio_text

CELLS: Final = "cells"
NOT_REACHED: Final = 2.0  # gap of a solver without a placement: beyond every real one
LOG_OF_ZERO: Final = -1e9  # JSON has no infinity; a geometric mean with it is 0 all the same
FACTORS: Final = {
    "capacity_share": "capacity ÷ all experts",
    "servers": "servers",
    "users": "users",
    "all_experts": "experts",
    "top_k": "K",
    "activations": "activations",
}


def cells(results: Results) -> pd.DataFrame:
    """One row for each solver on each instance of the run.

    Columns
    -------
    solver, instance, suite, dispatch, top_k, and the keys of ``FACTORS``
        Names as a figure can show them; no two solvers and no two instances share one.
    gap_low, gap_high
        1 - ratio for the lower end of the ratio and for the possible one, medians over repeats;
        ``NOT_REACHED`` where a median repeat has no placement.
    log_ratio_low, log_ratio_high
        Natural logarithms of the ratio, ``LOG_OF_ZERO`` of 0; null where there is no placement.
    latency_share
        Median latency per token ÷ that with no expert cached.
    runtime_s, finished_s
        Median wall seconds of the runs that ended ok; null where none did, or where a median repeat did not.
    time_s
        The same of all runs that ended, where those that did not end ok count with their limit.
    ratio
        As text.
    planned
        Whether the solver is planned on the instance; where not, it has no placement and never finishes.
    """
    table = on_every_instance(results)
    columns = ["instance_hash", "dispatch", *dict.fromkeys(["suite", *FACTORS])]
    facts = results.instances.assign(all_experts=_all_experts(results.instances))
    shares = results.runs.assign(latency_share=results.runs["latency_s"] / results.runs["latency_none_s"])
    median = shares.groupby(["solver", "instance_hash"])[["latency_share"]].median().reset_index()
    table = table.merge(facts[columns], on="instance_hash", how="left")
    table = table.merge(median, on=["solver", "instance_hash"], how="left")
    times = instance_medians(results)[["solver", "instance_hash", "time_s"]]
    table = table.merge(times, on=["solver", "instance_hash"], how="left")
    reached = {end: table[f"reached_{end}"].to_numpy(float) for end in ("low", "high")}
    frame = pd.DataFrame(
        {
            "solver": table["solver"].map(labels(table["solver"])),
            "instance": table["instance_hash"].map(instance_labels(results)),
            **{column: table[column] for column in columns[1:]},
            **{f"gap_{end}": np.where(np.isfinite(x), 1 - x, NOT_REACHED) for end, x in reached.items()},
            **{f"log_ratio_{end}": _log(table[f"ratio_{end}"]) for end in ("low", "high")},
            "latency_share": table["latency_share"],
            "runtime_s": table["runtime_s"].clip(lower=CLOCK_S),
            "finished_s": table["finished_s"].where(np.isfinite(table["finished_s"])).clip(lower=CLOCK_S),
            "time_s": table["time_s"],
            "ratio": [ratio_text(*ends) for ends in table[["ratio_low", "ratio_high"]].to_numpy(float)],
            "planned": table["planned"],
        }
    )
    return frame.assign(dispatch=frame["dispatch"].map(plain), suite=frame["suite"].map(plain))


def labels(names: Iterable[str]) -> dict[str, str]:
    """Each name as a figure can show it, told apart where two would look alike."""
    return _distinct({name: name for name in names})


def instance_labels(results: Results) -> dict[str, str]:
    """The same for instances, by hash: two may have one name."""
    pairs = results.instances[["instance_hash", "instance"]].itertuples(index=False)
    return _distinct({str(key): str(name) for key, name in pairs})


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    taken: dict[str, str] = {}
    for key, name in names.items():
        label, again = plain(name), 1
        while label in taken:
            again += 1
            label = f"{plain(name)} ({again})"
        taken[label] = key
    return {key: label for label, key in taken.items()}


def _log(ratios: pd.Series[float]) -> FloatArray:
    values = ratios.to_numpy(float)
    known = np.log(values, out=np.full(len(values), LOG_OF_ZERO), where=values > 0)
    return np.where(np.isnan(values), np.nan, known)


def _all_experts(instances: pd.DataFrame) -> pd.Series[float]:
    """Experts of all models and layers together; NaN where models differ, as ``experts`` is text then."""
    layers, experts = (pd.to_numeric(instances[name], errors="coerce") for name in ("layers", "experts"))
    return layers.astype(float) * experts.astype(float)
