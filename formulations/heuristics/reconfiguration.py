"""Reconfiguration: placements that save more than it costs to fetch what they add.

References
----------
Everett, Generalized Lagrange multiplier method for solving problems of optimum allocation of resources,
Operations Research 11, 1963.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from slimbench.formulations.heuristics.decomposition import sweep_servers
from slimbench.formulations.heuristics.fill import fill_in_order
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import BoolArray, FloatArray

PRICES_TRIED: Final = 30  # of a byte, by bisection: the last two differ by 1e-9 of the largest


def best_moves(
    instance: Instance,
    held: BoolArray,
    targets: list[Placement],
    fetch_s: FloatArray,
    tokens: float,
    expired: Callable[[], bool],
) -> Placement:
    """A placement of large  tokens * saving - fetching,  from several starts.

    What is held and still has room stays, the smallest experts first: keeping is free. The best of what is
    reached by sweeps of servers, so a local optimum, and no worse than to keep what is held.

    Parameters
    ----------
    held : (N, X) bool
        On the servers now; need not fit.
    targets : list of Placement, feasible
        Starts besides what is held.
    fetch_s : (N, X) float64, seconds to have an expert there
    tokens : float, > 0
    """
    prices = fetch_s / tokens
    fill = partial(best_cache, max_exact_experts=EXACT_EXPERTS)
    stays = Placement(with_room_filled(instance, np.zeros_like(held), held))
    candidates = [
        stays,
        *(
            sweep_servers(instance, start, fill, expired=expired, prices=prices)
            for start in (stays, *targets)
        ),
    ]
    net = [evaluate(instance, c).saving_s - float((prices * c.holds).sum()) for c in candidates]
    return Placement(with_room_filled(instance, candidates[int(np.argmax(net))].holds, held))


def moves_within(
    instance: Instance,
    held: BoolArray,
    targets: list[Placement],
    fetch_s: FloatArray,
    tokens: float,
    budget_bytes: float,
    expired: Callable[[], bool],
) -> Placement:
    """As ``best_moves``, but fetching at most ``budget_bytes``: bytes are priced until few enough move.

    The price of a byte is bisected: a placement that is optimal at a price is optimal among
    those that fetch no more bytes than it does. What the sweeps find is not optimal, so of all placements
    within the budget the best is taken.
    """
    new_bytes = np.where(held, 0, instance.expert_bytes)

    def at(price_s: float) -> tuple[Placement, int, float]:
        placement = best_moves(instance, held, targets, fetch_s + price_s * new_bytes, tokens, expired)
        worth_s = tokens * evaluate(instance, placement).saving_s - float((fetch_s * placement.holds).sum())
        return placement, int((new_bytes * placement.holds).sum()), worth_s

    best, moved, worth_s = at(0.0)
    if moved <= budget_bytes:
        return best
    stays = Placement(with_room_filled(instance, np.zeros_like(held), held))
    best, worth_s = stays, tokens * evaluate(instance, stays).saving_s
    most_s = tokens * evaluate(instance, Placement(np.ones_like(held))).saving_s
    low, high = 0.0, most_s / float(new_bytes[new_bytes > 0].min())
    for _ in range(PRICES_TRIED):
        if expired():
            break
        price_s = (low + high) / 2
        placement, moved, own_worth_s = at(price_s)
        if moved > budget_bytes:
            low = price_s
            continue
        high = price_s
        if own_worth_s > worth_s:
            best, worth_s = placement, own_worth_s
    return best


def with_room_filled(instance: Instance, holds: BoolArray, held: BoolArray) -> BoolArray:
    """``holds`` and as much of ``held`` as has room beside it, smallest experts first, ties by number."""
    order = np.argsort(instance.expert_bytes, kind="stable")
    filled = holds.copy()
    rooms = instance.capacities_bytes - holds @ instance.expert_bytes
    for n, room in enumerate(rooms.tolist()):
        fill_in_order(instance, filled[n], order[held[n, order] & ~holds[n, order]], room)
    return filled
