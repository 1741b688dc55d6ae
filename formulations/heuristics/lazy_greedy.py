"""Lazy greedy for facility location under rooms: compiled, and resumable so that a deadline can stop it.

References
----------
Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978.
Leskovec et al., Cost-effective outbreak detection in networks (CELF), KDD 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from slimbench.formulations.terms.facility_location import (
    FacilityLocation,
    first_bounds,
    marginal_bound,
    marginal_saving,
    serve,
)
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

STEP_CALLS: Final = 10**7  # calls looked at between two glances at the clock: about 20 ms


class LazyGreedy:
    """Greedy runs over the same calls and sizes: bounds on first savings are computed once.

    Elements (server, expert) are numbered by server, then expert; every tie goes to the smaller number.

    Parameters
    ----------
    calls : FacilityLocation
    sizes : (X,) int64
        What each expert takes of its room.
    rooms : (R,) int64
        Sizes that fit.
    room_of : (N,) int64
        The room that each server fills: its own, or one that it shares with others.
    """

    def __init__(self, calls: FacilityLocation, sizes: IntArray, rooms: IntArray, room_of: IntArray) -> None:
        self._calls, self._sizes, self._rooms, self._room_of = calls, sizes, rooms, room_of
        self._bounds = first_bounds(calls)

    def run(
        self, prices: FloatArray, seed: Sequence[tuple[int, int]], expired: Callable[[], bool]
    ) -> BoolArray:
        """Add the element of largest marginal saving per price that fits until none saves anything.

        Parameters
        ----------
        prices : (X,) float64, > 0
        seed : sequence of (server, expert)
            Held from the start; nothing is held at all if they do not fit.
        expired : callable
            Stop early where it says so.

        Returns
        -------
        (N, X) bool
        """
        calls, room_of = self._calls, self._room_of
        holds = np.zeros(self._bounds.shape, np.bool_)
        rooms = self._rooms.copy()
        current_s = calls.cloud_s.copy()
        picks = np.zeros(len(prices), np.int64)
        for n, e in seed:
            holds[n, e] = True
            rooms[room_of[n]] -= self._sizes[e]
            picks[e] += 1
            serve(calls, current_s, n, e)
        if np.any(rooms < 0):
            return np.zeros_like(holds)
        keys = (self._bounds / prices).ravel()
        heap = np.argsort(-keys, kind="stable")
        heap = heap[: np.count_nonzero(keys > 0)]  # sorted, hence a heap
        seen, exact = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        left = len(heap)
        while left and not expired():
            left = _pick(
                calls, self._sizes, prices, room_of, rooms, current_s, picks, keys, seen,
                exact, heap, left, holds, STEP_CALLS,
            )  # fmt: skip
        return holds


@compiled
def _pick(
    calls: FacilityLocation,
    sizes: IntArray,
    prices: FloatArray,
    room_of: IntArray,
    rooms: IntArray,
    current_s: FloatArray,
    picks: IntArray,
    keys: FloatArray,
    seen: IntArray,
    exact: BoolArray,
    heap: IntArray,
    left: int,
    holds: BoolArray,
    step_calls: int,
) -> int:
    """Pick elements until none is left or ``step_calls`` calls were looked at; returns how many are left.

    A marginal saving changes only when another server gets the same expert, and never grows: an element's
    key bounds what it saved when the expert had been picked ``seen`` times, hence what it saves now. Bounds
    are quick; what reaches the top by its bound is summed up exactly before it is picked, so that ties are
    decided by sums in one order.
    """
    while left and step_calls > 0:
        n, e = divmod(heap[0], len(prices))
        element = heap[0]
        if not holds[n, e] and sizes[e] <= rooms[room_of[n]]:
            step_calls -= calls.offsets[e + 1] - calls.offsets[e]
            stale = seen[element] < picks[e]
            if stale or not exact[element]:
                if stale:
                    saving = marginal_bound(calls, current_s, n, e)
                else:
                    saving = marginal_saving(calls, current_s, n, e)
                keys[element] = saving / prices[e]
                seen[element], exact[element] = picks[e], not stale
                if keys[element] > 0:
                    _sift_down(heap, left, keys)
                    continue
            else:
                holds[n, e] = True
                rooms[room_of[n]] -= sizes[e]
                picks[e] += 1
                serve(calls, current_s, n, e)
        left -= 1
        heap[0] = heap[left]
        _sift_down(heap, left, keys)
    return left


@compiled
def _sift_down(heap: IntArray, left: int, keys: FloatArray) -> None:
    """Let the root of a heap sink to where it belongs: largest key on top, the smaller element on ties."""
    element, key, at = heap[0], keys[heap[0]], 0
    while 2 * at + 1 < left:
        child = 2 * at + 1
        if child + 1 < left:
            a, b = heap[child], heap[child + 1]
            if keys[b] > keys[a] or (keys[b] == keys[a] and b < a):
                child += 1
        below = heap[child]
        if keys[below] < key or (keys[below] == key and below > element):
            break
        heap[at] = below
        at = child
    heap[at] = element
