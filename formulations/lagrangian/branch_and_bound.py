"""Branch and bound on what servers hold, each node bounded by the Lagrangian dual, without linear programs.

A node fixes some experts in or out; multipliers inherited from its parent need few steps to bound it, and
what they prove fixes more. Where groups are served whole the bound is far tighter than that of a linear
relaxation, so the tree stays small (docs/EXACT.md).

References
----------
Fisher, The Lagrangian relaxation method for solving integer programming problems, Management Science 27,
1981.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.reduced_cost_fixing import reduced_cost_fixing
from slimbench.formulations.lagrangian.subgradient import DualBound, LagrangianDual, Steps, run_subgradient
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
        Proven: no placement saves more, unless less than ``cutoff()``.
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
    multipliers: FloatArray
    shares: FloatArray
    status: IntArray


def branch_and_bound(
    dual: LagrangianDual, root: DualBound, cutoff: Callable[[], float]
) -> Iterator[Progress]:
    """Best first; ends when no placement can save as much as ``cutoff()``.

    Exact: the bounds of the open nodes bound every placement that saves ``cutoff()``. The tree may be
    exponential in the number of experts and servers.

    Parameters
    ----------
    root : DualBound
    cutoff : callable
        Seconds per token that are worth finding: a little more than the incumbent saves.
    """
    order = itertools.count()
    nodes = 0
    status = reduced_cost_fixing(dual, root.multipliers, cutoff())
    queue = [(-root.bound_s, next(order), _Node(root.bound_s, root.multipliers, root.shares, status))]
    while queue and -queue[0][0] >= cutoff():
        node = heapq.heappop(queue)[2]
        branch = _most_divided(node)
        found = [Placement(node.status == ALWAYS)] if branch is None else []
        for choice in (ALWAYS, NEVER) if branch is not None else ():
            status = node.status.copy()
            status[branch] = choice
            nodes += 1
            last = _bounded(dual, node.multipliers, status, cutoff)
            if last.bound_s < cutoff():
                continue
            found.append(Placement(last.holds))
            bound = min(last.bound_s, node.bound_s)
            status = reduced_cost_fixing(dual, last.multipliers, cutoff(), status)
            child = _Node(bound, last.multipliers, last.shares, status)
            heapq.heappush(queue, (-bound, next(order), child))
        yield Progress(-queue[0][0] if queue else cutoff(), found, nodes)


def _bounded(
    dual: LagrangianDual, multipliers: FloatArray, status: IntArray, cutoff: Callable[[], float]
) -> DualBound:
    """The last step of a node's subgradient method, which stops as soon as the node is of no interest."""
    steps = run_subgradient(dual, lambda: cutoff() * (1 - OVERSHOOT), multipliers, status, NODE_STEPS)
    for step in itertools.islice(steps, NODE_ITERATIONS):
        if step.bound_s < cutoff():
            break
    return step


def _most_divided(node: _Node) -> tuple[int, int] | None:
    """The free (server, expert) that choices of servers agree on least; None where all are fixed."""
    divided = np.where(node.status == FREE, np.minimum(node.shares, 1 - node.shares), -1.0)
    server, expert = np.unravel_index(int(np.argmax(divided)), divided.shape)
    return (int(server), int(expert)) if divided[server, expert] >= 0 else None
