"""Wilcoxon's signed-rank test of paired measurements, Holm's correction, and verdicts with a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

MAX_ENUMERATED: Final = 13  # pairs whose every assignment of signs is looked at, where changes are tied

Verdict = Literal["worse", "better", "changed, not significant", "same", "too few to test"]


def signed_rank_p(changes: npt.NDArray[np.float64]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that paired changes centre on none.

    Parameters
    ----------
    changes : (n,) float64
        Differences of pairs, such as logarithms of after / before; those of 0 are left out, as Wilcoxon did.

    References
    ----------
    Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1, 1945; for comparing
    algorithms over instances: Demšar, Statistical comparisons of classifiers, JMLR 7, 2006.
    """
    return _signed_rank_p(tuple(np.sort(changes[changes != 0]).tolist()))


@lru_cache(maxsize=10_000)
def _signed_rank_p(changes: tuple[float, ...]) -> float:
    if not changes:
        return 1.0
    from scipy.stats import permutation_test, rankdata, wilcoxon  # noqa: PLC0415 - takes a second

    def statistic(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        ranks = rankdata(np.abs(values), axis=axis)
        return np.asarray((np.sign(values) * ranks).sum(axis=axis))

    tied = len(set(map(abs, changes))) < len(changes)
    if tied and len(changes) <= MAX_ENUMERATED:  # as ``wilcoxon`` does, one assignment of signs at a time
        test = permutation_test(
            (np.array(changes),),
            statistic,
            permutation_type="samples",
            vectorized=True,
            n_resamples=2**MAX_ENUMERATED,
        )
        return float(test.pvalue)
    return float(wilcoxon(changes).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, corrected so that all are right together.

    The k-th smallest of m is multiplied by m - k + 1, and none may be below a smaller one's.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scandinavian J. of Statistics 6, 1979.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for k, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - k) * p_values[i]))
        corrected[i] = largest
    return corrected


def fewest_pairs(alpha: float) -> int:
    """The number of pairs from which the test can reject: its least p-value is 2 ** (1 - n)."""
    return 1 + math.ceil(-math.log2(alpha))


def verdict(
    factor: float, p_value: float, n: int, *, threshold: float, alpha: float, more_is_better: bool
) -> Verdict:
    """The verdict on a mean factor after / before, by its threshold and its corrected p-value."""
    if n < fewest_pairs(alpha):
        return "too few to test"
    if 1 / threshold <= factor <= threshold:
        return "same"
    if p_value > alpha:
        return "changed, not significant"
    return "better" if (factor > 1) == more_is_better else "worse"
