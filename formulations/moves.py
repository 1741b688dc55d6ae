"""Moves that pay: placements that save more than it costs to fetch what they add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from slimbench.formulations.and_terms import AndTerms, and_terms
from slimbench.formulations.subproblem import best_cache
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.arrays import BoolArray, FloatArray, csr_rows, offsets_of

EXACT_EXPERTS: Final = 16  # layers with more named experts are split
PRICES_TRIED: Final = 30  # of a byte, by bisection: the last differ by 1e-9 of the largest
ROUNDING: Final = 1e-12  # relative; what improves by less does not


def sweep_priced(
    instance: Instance, start: BoolArray, prices: FloatArray, expired: Callable[[], bool]
) -> BoolArray:
    """Optimise servers in turn until a whole round improves none; servers that never serve stay as they are.

    The objective is  saving(X) - sum over n, e of prices[n, e] x[n, e].  Given the other servers it is a sum
    over AND-terms, with single experts of negative weight, so each server's subproblem is solved exactly
    where ``best_cache`` is exact. Never worse than ``start``.

    Parameters
    ----------
    start : (N, X) bool, feasible
    prices : (N, X) float64, seconds per token, >= 0

    Returns
    -------
    (N, X) bool
    """
    holds = start.copy()
    unchanged = 0
    while unchanged < len(holds):
        for n, capacity in enumerate(instance.capacities_bytes.tolist()):
            if unchanged == len(holds) or expired():
                return holds
            terms = _priced(and_terms(instance, holds, n), instance, prices[n], holds[n])
            value = terms.value(holds[n])
            cache = best_cache(instance, terms, capacity, EXACT_EXPERTS)
            if cache.saving_s - value > ROUNDING * abs(value):
                holds[n] = cache.cached
                unchanged = 0
            unchanged += 1
    return holds


def best_moves(
    instance: Instance,
    held: BoolArray,
    targets: list[Placement],
    fetch_s: FloatArray,
    tokens: float,
    expired: Callable[[], bool],
) -> Placement:
    """A placement of large  tokens * saving - fetching,  from several starts.

    What is held and still has room stays, the smallest experts first: keeping is free.

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
    stays = with_room_filled(instance, np.zeros_like(held), held)
    starts = (stays, *(target.holds for target in targets))
    candidates = [stays, *(sweep_priced(instance, start, prices, expired) for start in starts)]
    net = [evaluate(instance, Placement(c)).saving_s - float((prices * c).sum()) for c in candidates]
    return Placement(with_room_filled(instance, candidates[int(np.argmax(net))], held))


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

    The price of a byte is bisected (Everett 1963): a placement that is optimal at a price is optimal among
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
    room = instance.capacities_bytes - holds @ instance.expert_bytes
    for n in range(len(holds)):
        more = order[held[n, order] & ~holds[n, order]]
        fits = np.cumsum(instance.expert_bytes[more]) <= room[n]
        filled[n, more[fits]] = True
    return filled


def _priced(terms: AndTerms, instance: Instance, prices: FloatArray, held: BoolArray) -> AndTerms:
    """The terms, and a negative one for each expert with a price that is in some term or is ``held``."""
    named = np.bincount(terms.members, minlength=len(prices)) > 0
    priced = np.flatnonzero((named | held) & (prices > 0))
    layers = instance.expert_layers[priced]
    of_terms = np.repeat(np.arange(instance.n_layers), np.diff(terms.layer_offsets))
    order = np.argsort(np.concatenate([of_terms, layers]), kind="stable")
    sizes = np.concatenate([np.diff(terms.offsets), np.ones(len(priced), np.int64)])
    members = np.concatenate([terms.members, priced.astype(np.int32)])
    return AndTerms(
        np.concatenate([terms.weights, -prices[priced]])[order],
        offsets_of(sizes[order]),
        members[csr_rows(offsets_of(sizes), order)[1]],
        terms.layer_offsets + np.searchsorted(layers, np.arange(instance.n_layers + 1)),
    )
