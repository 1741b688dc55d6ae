"""Instances on which heuristics are known to do badly, from the proofs of docs/MODEL.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from slimbench.bench.attack.draft import EXPERT_BYTES, Activation, Draft, Limits
from slimbench.instances import Dispatch, Model

NEAR_S, FAR_S, CLOUD_S = 0.01, 0.02, 0.1
NEARLY: Final = 0.999  # of another rate or saving, so that no tie decides which call a solver prefers


def traps(dispatch: Dispatch, limits: Limits) -> Iterator[Draft]:
    """Yield the traps that the limits admit."""
    for name, capacities, models, edge_latency_s, calls in _traps(limits):
        edge = np.array(edge_latency_s)
        cloud = np.full((len(edge), len(models)), CLOUD_S)
        draft = Draft(dispatch, capacities, models, edge, cloud, calls, (f"trap: {name}",))
        if limits.admit(draft):
            yield draft


_Trap = tuple[str, list[int], list[Model], list[list[list[float]]], list[Activation]]


def _traps(limits: Limits) -> Iterator[_Trap]:
    """Yield name, capacities, models, edge latencies (U, N, M) and activations of every trap."""
    experts, top_k = limits.experts, limits.top_k

    # The server within reach of all has room for one group; the group that it prefers could have been
    # served by the other. Servers filled in turn serve one of two calls (the bound 1/2 of fact 4).
    first, second = list(range(top_k)), list(range(top_k, 2 * top_k))
    yield (
        "shared server",
        [top_k, top_k],
        [Model("m", 1, max(experts, 2 * top_k), top_k, 1)],
        [[[NEAR_S], [NEAR_S]], [[NEAR_S], [math.inf]]],
        [Activation(0, 0, 0, first, 1.0), Activation(1, 0, 0, second, NEARLY)],
    )

    # Two servers with room for one expert each, a pair, and a third expert called rarely (fact 5).
    yield (
        "split pair",
        [1, 1],
        [Model("m", 1, max(3, top_k), max(2, top_k), 1)],
        [[[NEAR_S], [NEAR_S]]],
        [Activation(0, 0, 0, [0, 1], 1.0), Activation(0, 0, 0, [2], 0.01)],
    )

    # An expert that fills the server, beside one that saves more per byte and leaves no room for it.
    large = EXPERT_BYTES[1]
    yield (
        "giant",
        [large],
        [Model("giant", 1, 1, 1, large), Model("dwarf", 1, 1, 1, 1)],
        [[[NEAR_S, NEAR_S]]],
        [Activation(0, 0, 0, [0], 1.0), Activation(0, 1, 0, [0], 2 / large)],
    )

    # The expert that saves most, and most per byte, leaves no room for either of two that nearly match it:
    # greedy by saving and greedy by saving per byte both take it.
    small = large - 1
    rate = math.floor(1000 * NEARLY * small / large) / 1000
    yield (
        "crowded out",
        [2 * small],
        [Model("large", 1, 1, 1, large), Model("small", 1, 2, 1, small)],
        [[[NEAR_S, NEAR_S]]],
        [Activation(0, 0, 0, [0], 1.0), Activation(0, 1, 0, [0], rate), Activation(0, 1, 0, [1], rate)],
    )

    # Many groups share one expert, and the group that saves most does not contain it.
    yield (
        "popular half",
        [2, 2],
        [Model("m", 1, max(4, experts), max(2, top_k), 1)],
        [[[NEAR_S], [FAR_S]]],
        [Activation(0, 0, 0, [0, e], 0.3) for e in (1, 2, 3)] + [Activation(0, 0, 0, [1, 2], 0.4)],
    )
