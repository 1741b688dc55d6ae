"""Conditional Poisson sampling of groups of which only each expert's count was measured."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Final

import numpy as np

from slimbench.instances.problem.arrays import FloatArray, IndexArray
from slimbench.instances.problem.errors import InstanceError

MAX_GROUPS: Final = 100_000  # of one layer; all are enumerated
FIT_STEPS: Final = 2_000  # a fixed number, so that no platform stops earlier than another
FIT_TOLERANCE: Final = 1e-12


def conditional_poisson(marginals: FloatArray, k: int) -> tuple[IndexArray, FloatArray]:
    """Groups of k experts, independent but for their number, that call each expert as often as given.

    p(g) is proportional to the product of w_e over e in g, the law of largest entropy with these marginals.
    The weights are the fixed point of w_e <- w_e * marginal_e / (sum of p(g) over g that have e).

    Parameters
    ----------
    marginals : (L, E) float64
        Probability that a token calls expert e of a layer; each row adds up to k.
    k : int

    Returns
    -------
    groups : (C, k) int32
        All groups of k among E experts.
    probabilities : (L, C) float64

    Raises
    ------
    InstanceError
        If a row does not add up to k, has a marginal outside [0, 1), or one so close to 1 that the fit does
        not end; or if C exceeds ``MAX_GROUPS``.

    References
    ----------
    Chen, Dempster, Liu, Weighted finite population sampling to maximize entropy, Biometrika 81, 1994.
    """
    experts = marginals.shape[1]
    if not ((marginals >= 0) & (marginals < 1)).all() or not np.allclose(marginals.sum(axis=1), k):
        raise InstanceError("marginals", f"expected numbers from 0 to below 1 that add up to {k} in each row")
    if math.comb(experts, k) > MAX_GROUPS:
        raise InstanceError(
            "marginals",
            f"have {math.comb(experts, k)} groups of {k} of {experts}, expected at most {MAX_GROUPS}",
        )
    groups = np.array(list(combinations(range(experts), k)), np.int32)
    members = np.zeros((len(groups), experts))
    np.put_along_axis(members, groups, 1.0, axis=1)
    weights = marginals.copy()
    for _ in range(FIT_STEPS):
        probabilities = weights[:, groups].prod(axis=2)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        reached = probabilities @ members
        weights *= np.divide(marginals, reached, out=np.zeros_like(reached), where=reached > 0)
        weights /= weights.max(axis=1, keepdims=True)
    if not np.allclose(reached, marginals, rtol=0, atol=FIT_TOLERANCE):
        raise InstanceError("marginals", f"are not met after {FIT_STEPS} steps, expected none so close to 1")
    return groups, np.asarray(probabilities, np.float64)
