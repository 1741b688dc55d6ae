"""Statistics that are computed once for each run's results, however many tables and figures ask for them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from slimbench.bench.results import ratio_intervals
from slimbench.bench.results.results import Results

Statistic = TypeVar("Statistic")


def once(function: Callable[[Results], Statistic]) -> Callable[[Results], Statistic]:
    """Keep with the results what the function returned; a caller may change the frame that it gets.

    Results are frozen, so frames in them must not be changed after a statistic of them is taken.
    """

    @functools.wraps(function)
    def kept(results: Results) -> Statistic:
        known = vars(results).setdefault("_statistics", {})
        if function not in known:
            known[function] = function(results)
        value: Statistic = known[function]
        return value.copy() if isinstance(value, pd.DataFrame) else value

    return kept


with_ratios = once(ratio_intervals.with_ratios)
transfers_with_ratios = once(ratio_intervals.transfers_with_ratios)
