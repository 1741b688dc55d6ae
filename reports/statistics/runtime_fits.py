"""Power laws of run time against the number of activations."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pandas as pd

from slimbench.bench.results.ratio_intervals import FloatArray
from slimbench.bench.results.results import Results
from slimbench.reports.statistics.once import once
from slimbench.reports.statistics.ratios import per_instance

CONFIDENCE: Final = 0.95
MIN_SIZES: Final = 3  # a line through two says nothing of how well it fits
MIN_FOR_LIMITS: Final = 5  # with fewer instances Sen's limits lie beyond the least and the largest slope

_COLUMNS: Final = (
    "solver", "n_instances", "n_untimed", "n_sizes", "activations_min", "activations_max", "exponent",
    "exponent_low", "exponent_high", "seconds_at_min", "seconds_at_max",
)  # fmt: skip


@once
def runtime_fits(results: Results) -> pd.DataFrame:
    """The exponent b of time = a * activations ** b, one row for each solver in the order of the plan.

    It is the median of the slopes of all pairs of instances, log time over log activations (Theil, Sen). A
    few instances on which a solver ends early, or that are hard beside their size, do not bend it as they do
    a least-squares line, and its confidence interval does not suppose that the scatter is normal and alike at
    all sizes, which it is not: small instances measure overhead.

    Columns
    -------
    n_instances, n_untimed
        Instances with a time (median over the repeats that ended ``ok``), and those without any, which are
        not in the fit: where the slowest are missing, the exponent is too low.
    n_sizes, activations_min, activations_max
        Distinct numbers of activations, and their range.
    exponent, exponent_low, exponent_high
        With its 95 % confidence interval; NaN of fewer than 3 sizes, the interval also of fewer than 5
        instances.
    seconds_at_min, seconds_at_max
        The fitted line at both ends of the range.

    References
    ----------
    Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63, 1968.
    """
    table = per_instance(results)
    sizes = results.instances.set_index("instance_hash")["activations"] if len(table) else pd.Series()
    activations = table["instance_hash"].map(sizes).astype(float)
    table = table.assign(activations=activations.where(activations > 0))  # of none there is no logarithm
    rows = [_fit(str(solver), own) for solver, own in table.groupby("solver", sort=False)]
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS))


def _fit(solver: str, instances: pd.DataFrame) -> dict[str, Any]:
    timed = instances[instances["runtime_s"].gt(0) & instances["activations"].notna()]
    sizes, times = timed["activations"].to_numpy(float), timed["runtime_s"].to_numpy(float)
    row: dict[str, Any] = {
        "solver": solver,
        "n_instances": len(timed),
        "n_untimed": len(instances) - len(timed),
        "n_sizes": len(np.unique(sizes)),
        "activations_min": sizes.min() if len(sizes) else math.nan,
        "activations_max": sizes.max() if len(sizes) else math.nan,
    }
    if row["n_sizes"] < MIN_SIZES:
        return row
    return row | _line(np.log(sizes), np.log(times))


def _line(x: FloatArray, y: FloatArray) -> dict[str, float]:
    from scipy.stats import theilslopes  # noqa: PLC0415 - takes a second, and few commands need it

    fit = theilslopes(y, x, CONFIDENCE)
    intercept = np.median(y - fit.slope * x)
    known = len(x) >= MIN_FOR_LIMITS
    return {
        "exponent": float(fit.slope),
        "exponent_low": float(fit.low_slope) if known else math.nan,
        "exponent_high": float(fit.high_slope) if known else math.nan,
        "seconds_at_min": float(np.exp(intercept + fit.slope * x.min())),
        "seconds_at_max": float(np.exp(intercept + fit.slope * x.max())),
    }
