"""A cache of statistics, so that each is computed once for a run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Final, TypeVar

import pandas as pd

from slimbench.bench.results import ratio_intervals
from slimbench.bench.results.results import Results

Statistic = TypeVar("Statistic")
_KEPT: Final = "_statistics"


def remembering(results: Results) -> Results:
    """The same results, which keep each statistic that is taken of them; their frames must not change."""
    copy = dataclasses.replace(results)
    vars(copy)[_KEPT] = {}
    return copy


def once(function: Callable[[Results], Statistic]) -> Callable[[Results], Statistic]:
    """Compute a statistic once for results that are ``remembering``; callers may change their frame of it."""

    @functools.wraps(function)
    def kept(results: Results) -> Statistic:
        known = vars(results).get(_KEPT)
        if known is None:
            return function(results)
        if function not in known:
            known[function] = function(results)
        value: Statistic = known[function]
        return value.copy() if isinstance(value, pd.DataFrame) else value

    return kept


with_ratios = once(ratio_intervals.with_ratios)
transfers_with_ratios = once(ratio_intervals.transfers_with_ratios)
