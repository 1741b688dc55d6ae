"""Large neighbourhoods: a few layers are shuffled between servers and refilled, the rest stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from slimbench.formulations.pairs import PairMoves, sweep_pairs
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.arrays import BoolArray, IntArray

FEWEST, MOST = 3, 8  # layers that may change
MOST_SHUFFLED: Final = 3  # of them change hands first
WORSE: Final = 1e-4  # relative; how much worse the next start may be, so that plateaus are crossed


def shaken(
    moves: PairMoves, start: Placement, rng: np.random.Generator, expired: Callable[[], bool]
) -> Iterator[Placement]:
    """Local optima of pair moves near ``start`` and its successors; endless.

    Iterated local search: in each step some layers are chosen, in a few of them servers swap what they hold,
    and all pairs of servers are refilled in the chosen layers only.
    """
    instance, current = moves.instance, start
    saving = evaluate(instance, current).saving_s
    while True:
        layers = rng.permutation(instance.n_layers)[: rng.integers(FEWEST, MOST + 1)]
        free = np.isin(np.arange(instance.n_layers), layers)
        swapped = layers[: rng.integers(1, MOST_SHUFFLED + 1)]
        shuffled = _shuffled(instance, current.holds, swapped, free, rng)
        found = sweep_pairs(moves, Placement(shuffled), lambda _: None, expired, rng, free)
        reached = evaluate(instance, found).saving_s
        if reached > saving * (1 - WORSE * rng.random()):
            current, saving = found, reached
        yield found


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
