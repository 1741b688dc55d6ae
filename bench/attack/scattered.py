"""Instances whose numbers are drawn freely within the limits: less like a network, and more varied."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from slimbench.bench.attack.draft import EXPERT_BYTES, LATENCIES_S, RATES, Activation, Draft, Limits, rounded
from slimbench.instances import Dispatch, Model
from slimbench.instances.problem.arrays import FloatArray

UNREACHABLE: Final = 0.3  # probability that a user cannot reach a server


def scattered(dispatch: Dispatch, limits: Limits, rng: np.random.Generator) -> Draft:
    """As large as the limits allow; rates and latencies are uniform in their logarithms."""
    n, u, m = limits.servers, limits.users, int(rng.integers(1, limits.models, endpoint=True))
    low, high = EXPERT_BYTES
    models = [
        Model(f"m{i}", 1, limits.experts, limits.top_k, int(rng.integers(low, high, endpoint=True)))
        for i in range(m)
    ]
    edge = _spread(LATENCIES_S, (u, n, m), rng)
    edge[rng.random((u, n)) < UNREACHABLE] = math.inf
    rates = _spread(RATES, (limits.activations,), rng)
    calls = [
        Activation(
            int(rng.integers(u)),
            int(rng.integers(m)),
            0,
            sorted(rng.permutation(limits.experts)[: rng.integers(1, limits.top_k, endpoint=True)].tolist()),
            float(rate),
        )
        for rate in rates
    ]
    draft = Draft(dispatch, [], models, edge, np.full((u, m), LATENCIES_S[1]), calls)
    draft.capacities_bytes = rng.integers(draft.total_bytes // 2, size=n, endpoint=True).tolist()
    return draft


def _spread(ends: tuple[float, float], shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    low, high = (math.log(end) for end in ends)
    exponents = rng.uniform(low, high, math.prod(shape))
    return np.array([rounded(float(np.exp(x)), *ends) for x in exponents]).reshape(shape)
