"""Instances on which heuristics are known to do badly, from the proofs of docs/MODEL.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from slimbench.bench.attack.draft import EXPERT_BYTES, Activation, Draft, Limits
from slimbench.instances import Dispatch, Model

NEAR_S, FAR_S, CLOUD_S = 0.01, 0.02, 0.1  # of the traps
NEARLY: Final = 0.999  # of the other's rate: which of two calls a solver prefers is no tie


def traps(dispatch: Dispatch, limits: Limits) -> Iterator[tuple[str, Draft]]:
    """Those of the traps that the limits admit, with their names."""
    for name, trap in TRAPS.items():
        draft = trap(dispatch, limits)
        if draft is not None and limits.admit(draft):
            yield name, draft


def _shared_server(dispatch: Dispatch, limits: Limits) -> Draft | None:
    """A server that all reach has room for one group; the group that it prefers others could have served.

    Servers filled in turn serve one of two calls (the bound 1/2 of fact 4 in docs/MODEL.md).
    """
    if limits.experts < 2 * limits.top_k:
        return None
    first, second = list(range(limits.top_k)), list(range(limits.top_k, 2 * limits.top_k))
    return Draft(
        dispatch,
        [limits.top_k, limits.top_k],
        [Model("m", 1, limits.experts, limits.top_k, 1)],
        np.array([[[NEAR_S], [NEAR_S]], [[NEAR_S], [math.inf]]]),
        np.full((2, 1), CLOUD_S),
        [Activation(0, 0, 0, first, 1.0), Activation(1, 0, 0, second, NEARLY)],
    )


def _split_pair(dispatch: Dispatch, limits: Limits) -> Draft | None:
    """Two servers with room for one expert each, a pair, and a third expert called rarely (fact 5)."""
    if limits.experts < 3 or limits.top_k < 2:
        return None
    return Draft(
        dispatch,
        [1, 1],
        [Model("m", 1, max(3, limits.top_k), limits.top_k, 1)],
        np.full((1, 2, 1), NEAR_S),
        np.full((1, 1), CLOUD_S),
        [Activation(0, 0, 0, [0, 1], 1.0), Activation(0, 0, 0, [2], 0.01)],
    )


def _giant(dispatch: Dispatch, _: Limits) -> Draft:
    """An expert that fills the server beside one that saves more a byte and leaves no room for it."""
    high = EXPERT_BYTES[1]
    models = [Model("giant", 1, 1, 1, high), Model("dwarf", 1, 1, 1, 1)]
    return Draft(
        dispatch,
        [high],
        models,
        np.full((1, 1, 2), NEAR_S),
        np.full((1, 2), CLOUD_S),
        [Activation(0, 0, 0, [0], 1.0), Activation(0, 1, 0, [0], 2 / high)],
    )


def _crowded_out(dispatch: Dispatch, limits: Limits) -> Draft | None:
    """An expert that saves most, and most a byte, leaves no room for either of two that nearly match it.

    Greedy by saving and greedy by saving per byte both take it.
    """
    if limits.experts < 2:
        return None
    large = EXPERT_BYTES[1]
    small = large - 1
    rate = math.floor(1000 * NEARLY * small / large) / 1000
    models = [Model("large", 1, 1, 1, large), Model("small", 1, 2, 1, small)]
    return Draft(
        dispatch,
        [2 * small],
        models,
        np.full((1, 1, 2), NEAR_S),
        np.full((1, 2), CLOUD_S),
        [Activation(0, 0, 0, [0], 1.0), Activation(0, 1, 0, [0], rate), Activation(0, 1, 0, [1], rate)],
    )


def _popular_half(dispatch: Dispatch, limits: Limits) -> Draft | None:
    """Many groups share one expert, and the group that is worth most has none of it."""
    if limits.experts < 4 or limits.top_k < 2:
        return None
    calls = [Activation(0, 0, 0, [0, e], 0.3) for e in (1, 2, 3)] + [Activation(0, 0, 0, [1, 2], 0.4)]
    return Draft(
        dispatch,
        [2, 2],
        [Model("m", 1, limits.experts, limits.top_k, 1)],
        np.array([[[NEAR_S], [FAR_S]]]),
        np.full((1, 1), CLOUD_S),
        calls,
    )


TRAPS: Final[dict[str, Callable[[Dispatch, Limits], Draft | None]]] = {
    "shared server": _shared_server,
    "split pair": _split_pair,
    "giant": _giant,
    "crowded out": _crowded_out,
    "popular half": _popular_half,
}
