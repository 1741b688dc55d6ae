"""Simulated annealing of one server's cache, all others being fixed.

References
----------
Metropolis et al., Equation of state calculations by fast computing machines, Journal of Chemical Physics 21,
1953. Kirkpatrick, Gelatt, Vecchi, Optimization by simulated annealing, Science 220, 1983.
"""

from __future__ import annotations

import numpy as np

from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray


def anneal_server(
    terms: AndTerms,
    cached: BoolArray,
    sizes: IntArray,
    capacity_bytes: int,
    temperature_s: float,
    rng: np.random.Generator,
) -> None:
    """Try as many moves as there are experts that terms name, and change ``cached`` in place.

    A move takes an expert out, or puts one in and others, drawn at random, out until it fits. It stands where
    it saves more, and else with probability exp(change / temperature). It takes as long as the terms of the
    experts moved are many; no guarantee.

    Parameters
    ----------
    cached : (X,) bool, feasible
    sizes : (X,) int64, bytes of each expert
    temperature_s : float, > 0
        Seconds per token.
    """
    named, members = np.unique(terms.members, return_inverse=True)
    entries = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[entries], np.arange(len(named) + 1))
    term_of = np.repeat(np.arange(len(terms.weights)), np.diff(terms.offsets))[entries]
    missing = np.add.reduceat(~cached[terms.members], terms.offsets[:-1], dtype=np.int64)
    inside = cached[named]
    cached[:] = False  # experts that no term names only take room
    _anneal(terms.weights, term_of, starts, missing, inside, sizes[named], capacity_bytes, temperature_s, rng)
    cached[named] = inside


@compiled
def _anneal(
    weights: FloatArray,
    term_of: IntArray,
    starts: IntArray,
    missing: IntArray,
    inside: BoolArray,
    sizes: IntArray,
    capacity_bytes: int,
    temperature_s: float,
    rng: np.random.Generator,
) -> None:
    """Expert e is in terms ``term_of[starts[e]:starts[e + 1]]``; ``missing`` (T,) experts complete a term."""
    n = len(inside)
    room = capacity_bytes - sizes[inside].sum()
    moved = np.empty(n + 1, np.int64)
    for _ in range(n):
        e = rng.integers(0, n)
        if sizes[e] > capacity_bytes:
            continue
        moved[0], n_moved = e, 1
        change = _flip(e, weights, term_of, starts, missing, inside)
        room += -sizes[e] if inside[e] else sizes[e]
        while room < 0:
            dropped = rng.integers(0, n)
            if inside[dropped] and dropped != e:
                change += _flip(dropped, weights, term_of, starts, missing, inside)
                room += sizes[dropped]
                moved[n_moved] = dropped
                n_moved += 1
        if change < 0 and rng.random() >= np.exp(change / temperature_s):
            for expert in moved[:n_moved]:
                _flip(expert, weights, term_of, starts, missing, inside)
                room += -sizes[expert] if inside[expert] else sizes[expert]


@compiled
def _flip(
    e: int | np.int64,
    weights: FloatArray,
    term_of: IntArray,
    starts: IntArray,
    missing: IntArray,
    inside: BoolArray,
) -> float:
    """Take an expert in or out; returns what that saves."""
    change = 0.0
    for i in term_of[starts[e] : starts[e + 1]]:
        if inside[e]:
            if missing[i] == 0:
                change -= weights[i]
            missing[i] += 1
        else:
            missing[i] -= 1
            if missing[i] == 0:
                change += weights[i]
    inside[e] = not inside[e]
    return change
