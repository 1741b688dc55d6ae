"""Bootstrap confidence intervals of means over instances."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from slimbench.bench.results.ratio_intervals import FloatArray

CONFIDENCE: Final = 0.95
MIN_INSTANCES: Final = 3  # instances; of two, a resample is one of them or both
RESAMPLES: Final = 4999  # at least 2,000, as DiCiccio and Efron advise for the ends of a 95 % interval
SEED: Final = 20250706
_MOST_DRAWN: Final = 4_000_000  # values in memory at a time


def mean_limits(values: FloatArray) -> tuple[float, float]:
    """Limits of the 95 % confidence interval of the mean of the distribution that values were drawn from.

    The bias-corrected and accelerated bootstrap (BCa) with a fixed seed: equal values, in any order, have
    equal limits. Of values that are all the same it is that point, which says no more than that they are.

    Parameters
    ----------
    values : (n,) float64

    Returns
    -------
    (float, float)
        NaN of fewer than ``MIN_INSTANCES`` values, and where one is not finite.

    References
    ----------
    Efron, Better bootstrap confidence intervals, JASA 82, 1987; DiCiccio, Efron, Bootstrap confidence
    intervals, Statistical Science 11, 1996.
    """
    if len(values) < MIN_INSTANCES or not np.all(np.isfinite(values)):
        return np.nan, np.nan
    return _limits(tuple(np.sort(values).tolist()))


@functools.lru_cache(maxsize=1024)  # the aggregates of several modes are mostly over the same instances
def _limits(values: tuple[float, ...]) -> tuple[float, float]:
    if values[0] == values[-1]:
        return values[0], values[0]
    from scipy.stats import bootstrap  # noqa: PLC0415 - takes a second, and few commands need it

    sample: Any = (np.array(values),)
    interval = bootstrap(
        sample,
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _MOST_DRAWN // len(values)),
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)
