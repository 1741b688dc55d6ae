"""Branch and bound on what servers hold, each node bounded by prices: no linear program anywhere.

A node fixes some experts in or out; prices inherited from its parent need few steps to bound it, and what
they prove fixes more. Where groups are served whole the bound is far above what a linear relaxation gives,
so the tree stays small (docs/EXACT.md).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.reduced_cost_fixing import fixed_by_prices
from slimbench.formulations.lagrangian.subgradient import PricedBound, PricedCoupling, Steps, priced_bounds
from slimbench.formulations.status import ALWAYS, FREE, NEVER
from slimbench.instances import Placement
from slimbench.instances.problem.arrays import FloatArray, IntArray

NODE_STEPS: Final = Steps(first=0.15, last=2e-3, patience=12, progress=3e-6)
NODE_ITERATIONS: Final = 60
OVERSHOOT: Final = 3e-4  # relative; steps that aim at the very value to get below slow down before it


@dataclass(frozen=True)
class Progress:
    """State of the tree after a node.

    Attributes
    ----------
    bound_s : float
        Proven: no placement saves more, unless less than ``wanted()``.
    placements : list of Placement
        What the servers chose at the node's children.
    nodes : int
        Bounded so far.
    """

    bound_s: float
    placements: list[Placement]
    nodes: int


@dataclass(frozen=True)
class _Node:
    bound_s: float
    prices: FloatArray
    shares: FloatArray
    status: IntArray


def branch_and_bound(
    priced: PricedCoupling, root: PricedBound, wanted: Callable[[], float]
) -> Iterator[Progress]:
    """Best first; ends when no placement can save as much as ``wanted()``.

    Parameters
    ----------
    root : PricedBound
    wanted : callable
        Seconds per token that are worth finding: a little more than the incumbent saves.
    """
    order = itertools.count()
    nodes = 0
    status = fixed_by_prices(priced, root.prices, wanted())
    queue = [(-root.bound_s, next(order), _Node(root.bound_s, root.prices, root.shares, status))]
    while queue and -queue[0][0] >= wanted():
        node = heapq.heappop(queue)[2]
        branch = _most_divided(node)
        found = [Placement(node.status == ALWAYS)] if branch is None else []
        for choice in (ALWAYS, NEVER) if branch is not None else ():
            status = node.status.copy()
            status[branch] = choice
            nodes += 1
            last = _bounded(priced, node.prices, status, wanted)
            if last.bound_s < wanted():
                continue
            found.append(Placement(last.holds))
            bound = min(last.bound_s, node.bound_s)
            status = fixed_by_prices(priced, last.prices, wanted(), status)
            heapq.heappush(queue, (-bound, next(order), _Node(bound, last.prices, last.shares, status)))
        yield Progress(-queue[0][0] if queue else wanted(), found, nodes)


def _bounded(
    priced: PricedCoupling, prices: FloatArray, status: IntArray, wanted: Callable[[], float]
) -> PricedBound:
    """The last step of a node's price method, which stops as soon as the node is of no interest."""
    steps = priced_bounds(priced, lambda: wanted() * (1 - OVERSHOOT), prices, status, NODE_STEPS)
    for step in itertools.islice(steps, NODE_ITERATIONS):
        if step.bound_s < wanted():
            break
    return step


def _most_divided(node: _Node) -> tuple[int, int] | None:
    """The free (server, expert) that choices under the prices agree on least; None where all are fixed."""
    divided = np.where(node.status == FREE, np.minimum(node.shares, 1 - node.shares), -1.0)
    server, expert = np.unravel_index(int(np.argmax(divided)), divided.shape)
    return (int(server), int(expert)) if divided[server, expert] >= 0 else None
