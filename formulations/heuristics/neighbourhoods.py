"""Large neighbourhoods: a part of a placement is destroyed and filled again as well as possible.

Iterated local search whose perturbation destroys and whose descent repairs: ``shaken`` shuffles a few layers
between servers and fills pairs of servers in them, exactly; ``refilled`` empties a few neighbouring servers
in part and fills one after another, for layers too large for pairs. No guarantee beyond that of the start.

References
----------
Lourenco, Martin, Stuetzle, Iterated local search, Handbook of Metaheuristics, 2003.
Shaw, Using constraint programming and local search methods to solve vehicle routing problems, CP 1998.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from slimbench.formulations.heuristics.decomposition import BestCache, sweep_servers
from slimbench.formulations.heuristics.pairs import PairMoves, sweep_pairs
from slimbench.formulations.terms.and_terms import and_terms
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import BoolArray, IntArray

FEWEST, MOST = 3, 8  # layers that may change
MAX_SHUFFLED: Final = 3  # of them change hands first
MAX_EMPTIED: Final = 3  # servers
WORSE: Final = 1e-4  # relative; how much worse the next start may be, so that plateaus are crossed


def neighbours(
    moves: PairMoves,
    start: Placement,
    fill: BestCache,
    rng: np.random.Generator,
    expired: Callable[[], bool],
) -> Iterator[Placement]:
    """Local optima near ``start`` and its successors; endless.

    Parameters
    ----------
    fill : callable
        Solves one server's subproblem where pairs of servers are out of reach.
    """
    instance = moves.instance
    current, saving = start, evaluate(instance, start).saving_s
    while True:
        if moves.pairs and (moves.narrow or rng.random() < 0.5):
            found = shaken(moves, current, rng, expired)
        else:
            found = refilled(instance, current, fill, rng, expired)
        reached = evaluate(instance, found).saving_s
        if reached > saving * (1 - WORSE * rng.random()):
            current, saving = found, reached
        yield found


def shaken(
    moves: PairMoves, placement: Placement, rng: np.random.Generator, expired: Callable[[], bool]
) -> Placement:
    """In some layers servers swap what they hold, then pairs of servers are filled there."""
    instance = moves.instance
    layers = rng.permutation(instance.n_layers)[: rng.integers(FEWEST, MOST + 1)]
    free = np.isin(np.arange(instance.n_layers), layers)
    swapped = layers[: rng.integers(1, MAX_SHUFFLED + 1)]
    shuffled = _shuffled(instance, placement.holds, swapped, free, rng)
    return sweep_pairs(moves, Placement(shuffled), expired=expired, rng=rng, layers=free)


def refilled(
    instance: Instance,
    placement: Placement,
    fill: BestCache,
    rng: np.random.Generator,
    expired: Callable[[], bool],
) -> Placement:
    """A server and some that see its users lose half of their layers, and are filled in turn."""
    served = instance.edge_latency_s.min(axis=2) < instance.cloud_latency_s.max(axis=1)[:, None]
    center = rng.integers(instance.n_servers)
    near = np.flatnonzero(served[served[:, center]].any(axis=0))
    chosen = rng.permutation(np.union1d(near, center))[: rng.integers(1, MAX_EMPTIED + 1)]
    holds = placement.holds.copy()
    emptied = rng.random(instance.n_layers) < 0.5
    holds[np.ix_(chosen, np.flatnonzero(emptied[instance.expert_layers]))] = False
    for n in chosen.tolist():
        if not expired():
            terms = and_terms(instance, holds, n)
            holds[n] = fill(instance, terms, int(instance.capacities_bytes[n])).cached
    return sweep_servers(instance, Placement(holds), fill, expired=expired, servers=chosen.tolist())


def _shuffled(
    instance: Instance, holds: BoolArray, swapped: IntArray, free: BoolArray, rng: np.random.Generator
) -> BoolArray:
    """Servers take over each other's experts in the layers ``swapped``; what is too much leaves at random."""
    holds = holds.copy()
    for layer in swapped:
        members = np.flatnonzero(instance.expert_layers == layer)
        holds[:, members] = holds[np.ix_(rng.permutation(instance.n_servers), members)]
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        leaving = rng.permutation(np.flatnonzero(holds[n] & free[instance.expert_layers]))
        excess = int(instance.expert_bytes[holds[n]].sum()) - capacity
        gone = np.cumsum(instance.expert_bytes[leaving]) - instance.expert_bytes[leaving] < excess
        holds[n, leaving[gone]] = False
    return holds
