"""Saving and latency ratios of runs, as intervals where the optimum is open."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from slimbench.bench.results.results import Results
from slimbench.formulations.tolerances import AGREEMENT, ZERO_SAVING, tolerance

FloatArray = npt.NDArray[np.float64]

_REFERENCE_COLUMNS: Final = ("saving_s", "bound_saving_s", "closed", "latency_none_s")
RATIO_COLUMNS: Final = ("ratio_low", "ratio_high", "latency_ratio_low", "latency_ratio_high")


def with_ratios(results: Results) -> pd.DataFrame:
    """Runs with ``ratio_low``, ``ratio_high``, ``latency_ratio_low`` and ``latency_ratio_high``.

    ratio = saving / saving(optimum) lies in [saving / upper bound, min(1, saving / best known)]:

    - a point where the reference is closed, and 1 from 1 - 1e-6 on;
    - 1 where the optimum saves nothing (``references.saves_nothing``);
    - [0, saving / best known] where no bound is known, or the bound is below a verified saving;
    - NaN for a run without a verified placement.

    latency_ratio = latency / latency(optimum) >= 1 follows from the same bracket of the optimum, and ends at
    infinity where the bound leaves the optimal latency open.
    """
    runs = results.runs.copy()
    saving = runs["saving_s"].to_numpy(float)
    none = runs["latency_none_s"].to_numpy(float)
    best, upper, closed = _optimum_brackets(results)
    zero = ZERO_SAVING * none

    with np.errstate(divide="ignore", invalid="ignore"):
        high = np.where(best > zero, np.clip(saving / best, 0, 1), 1.0)
        low = np.where(closed, high, np.clip(saving / upper, 0, 1))
        saves_nothing = upper <= zero
        low, high = np.where(saves_nothing, 1.0, low), np.where(saves_nothing, 1.0, high)
        reached = closed & (high >= 1 - AGREEMENT)
        low, high = np.where(reached, 1.0, low), np.where(reached, 1.0, high)

        latency = none - saving
        latency_low = np.where(latency > zero, np.maximum(1, latency / np.maximum(none - best, 0)), 1.0)
        least = np.maximum(none - upper, 0)
        latency_high = np.where(closed, latency_low, np.maximum(latency_low, latency / least))
        latency_high = np.where(saves_nothing, latency_low, latency_high)
        latency_high = np.where(np.isnan(latency_high), np.inf, latency_high)  # 0 / 0: nothing is known

    for column, values in zip(RATIO_COLUMNS, (low, high, latency_low, latency_high), strict=True):
        runs[column] = np.where(np.isnan(saving), np.nan, values)
    return runs


def transfers_with_ratios(results: Results) -> pd.DataFrame:
    """The same of ``results.transfers``, against the optimum of what they are evaluated on."""
    return with_ratios(replace(results, runs=results.transfers))


def disproved(best: FloatArray, bound: FloatArray, latency_none: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a verified saving refutes a claimed bound (``exceeds``); NaN bounds claim nothing."""
    return np.asarray(best - bound > tolerance(bound, latency_none))


def best_savings(results: Results) -> FloatArray:
    """Best verified saving of anyone on the instance of each run; NaN without one."""
    own = results.runs.groupby("instance_hash")["saving_s"].transform("max").to_numpy(float)
    return np.asarray(np.fmax(own, _references_of_runs(results)["saving_s"].to_numpy(float)))


def worthwhile_savings(results: Results) -> FloatArray:
    """The same; NaN also where nothing can be saved, so that a quotient by it says something."""
    best = best_savings(results)
    return np.where(best > ZERO_SAVING * latencies_none(results), best, np.nan)


def latencies_none(results: Results) -> FloatArray:
    """Latency with no expert cached on the instance of each run, from anyone who has a placement there."""
    own = results.runs.groupby("instance_hash")["latency_none_s"].transform("max").to_numpy(float)
    return np.asarray(np.fmax(own, _references_of_runs(results)["latency_none_s"].to_numpy(float)))


def _optimum_brackets(results: Results) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """For each run: best known saving, its upper bound (inf without a valid one), and whether closed."""
    references = _references_of_runs(results)
    best = best_savings(results)
    upper = references["bound_saving_s"].to_numpy(float)
    invalid = np.isnan(upper) | disproved(best, upper, results.runs["latency_none_s"].to_numpy(float))
    closed = references["closed"].eq(True).to_numpy(bool) & ~invalid
    return best, np.where(invalid, np.inf, np.fmax(upper, best)), closed


def _references_of_runs(results: Results) -> pd.DataFrame:
    if results.references.empty:
        return pd.DataFrame(index=results.runs.index, columns=pd.Index(_REFERENCE_COLUMNS), dtype=float)
    return results.references.set_index("instance_hash").reindex(results.runs["instance_hash"])
