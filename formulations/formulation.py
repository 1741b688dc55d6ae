"""The exact formulations by name, and what all of them share: placement columns and capacities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from slimbench.formulations.assignment import build_assignment
from slimbench.formulations.cover import build_cover
from slimbench.formulations.destination import build_destination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.levels import levels
from slimbench.formulations.milp import ALWAYS, NEVER, Milp, MilpBuilder
from slimbench.formulations.radius import build_radius
from slimbench.formulations.workload import REDUCTIONS, Workload, reduced_workload
from slimbench.instances import Instance
from slimbench.instances.arrays import BoolArray, IndexArray, IntArray, compiled
from slimbench.instances.evaluation import latencies_without_cache

Fill = Callable[[MilpBuilder, Workload, IntArray], None]

FORMULATIONS: Final[dict[str, Fill]] = {
    "cover": build_cover,
    "destination": build_destination,
    "radius": build_radius,
    "assignment": build_assignment,
}
_DISPATCHES: Final = {
    "cover": ("single", "parallel", "serial"),
    "destination": ("single",),
    "radius": ("parallel", "serial"),
    "assignment": ("parallel", "serial"),
}
ALL_REDUCTIONS: Final = frozenset(REDUCTIONS)
SUMS_TRIED: Final = 10**6  # sums of sizes looked at for one server's capacity


def applies(formulation: str, instance: Instance) -> bool:
    """Whether a formulation models the instance: its dispatch does, or no group has two experts."""
    return instance.dispatch in _DISPATCHES[formulation] or instance.max_group_size <= 1


def build_milp(
    instance: Instance, formulation: str = "cover", reductions: frozenset[str] = ALL_REDUCTIONS
) -> Milp:
    """Build the exact model of an instance as arrays (docs/MODEL.md, section on formulations).

    Raises
    ------
    SolverError
        If the formulation or a reduction is unknown, or does not model this dispatch.
    """
    if formulation not in FORMULATIONS:
        raise SolverError(f"formulation is {formulation!r}, expected one of {', '.join(FORMULATIONS)}")
    if unknown := reductions - ALL_REDUCTIONS:
        raise SolverError(f"reduction is {min(unknown)!r}, expected among {', '.join(REDUCTIONS)}")
    if not applies(formulation, instance):
        raise SolverError(
            f"formulation {formulation} does not model dispatch {instance.dispatch} for groups of several"
        )
    workload = reduced_workload(instance, reductions)
    builder = MilpBuilder()
    x = _placement_columns(builder, workload)
    _capacities(builder, workload, x)
    if "symmetry" in reductions:
        _order_identical_servers(builder, instance, x)
    FORMULATIONS[formulation](builder, workload, x)
    none = float(np.dot(instance.rates, latencies_without_cache(instance)))
    return builder.build(x, none)


def _placement_columns(builder: MilpBuilder, workload: Workload) -> IntArray:
    """x[n, e] as (N, X) columns; NEVER where reductions leave the pair out, ALWAYS on roomy servers."""
    instance = workload.instance
    free = _placeable(workload)
    x = np.full(free.shape, NEVER)
    if "roomy-servers" in workload.reductions:
        roomy = free @ instance.expert_bytes <= instance.capacities_bytes
        x[free & roomy[:, None]] = ALWAYS
        free &= ~roomy[:, None]
    x[free] = builder.columns(np.zeros(int(free.sum())))
    return x


def _placeable(workload: Workload) -> BoolArray:
    """(N, X) bool, the pairs (server, expert) that reductions leave."""
    instance, reductions = workload.instance, workload.reductions
    pairs = np.ones((instance.n_servers, instance.n_experts), np.bool_)
    if "unnamed-experts" in reductions:
        pairs &= np.bincount(workload.group_experts, minlength=instance.n_experts) > 0
    if "useless-pairs" in reductions:
        pairs &= _useful(workload)
    if "too-large" in reductions:
        pairs &= instance.expert_bytes <= instance.capacities_bytes[:, None]
    return pairs


def _useful(workload: Workload) -> BoolArray:
    """(N, X) bool, whether a server serves someone faster than the cloud who calls the expert."""
    all_levels = levels(workload)
    n_sets = len(all_levels.inside)
    all_faster = np.full(len(all_levels.offsets) - 1, n_sets)  # a user's last level has all that are faster
    some = np.diff(all_levels.offsets) > 0
    all_faster[some] = all_levels.sets[all_levels.offsets[1:][some] - 1]
    called = np.zeros((n_sets + 1, workload.instance.n_experts), np.bool_)
    _mark(all_faster[workload.pairs], workload.groups, workload.group_offsets, workload.group_experts, called)
    return np.asarray(all_levels.inside.T.astype(np.float32) @ called[:-1] > 0)


@compiled
def _mark(
    rows: IntArray, groups: IntArray, offsets: IntArray, members: IndexArray, marked: BoolArray
) -> None:
    """marked[rows[i], e] for every e in groups[i]."""
    for i in range(len(rows)):
        for entry in range(offsets[groups[i]], offsets[groups[i] + 1]):
            marked[rows[i], members[entry]] = True


def _capacities(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """Capacity in the largest unit that divides every size, so that coefficients stay small integers."""
    instance = workload.instance
    unit = math.gcd(*(model.expert_bytes for model in instance.models))
    server, expert = np.nonzero(x >= 0)
    sizes = instance.expert_bytes // unit
    capacities = np.minimum(instance.capacities_bytes // unit, sizes.sum())
    if "exact-room" in workload.reductions:
        capacities = np.array([_fillable(sizes[row >= 0], c) for row, c in zip(x, capacities, strict=True)])
    counts = np.bincount(server, minlength=instance.n_servers)
    some = counts > 0
    builder.rows(counts[some], x[server, expert], sizes[expert], capacities[some])


def _fillable(sizes: IntArray, capacity: int) -> int:
    """The largest sum of some of the sizes within a capacity; itself where that takes too long to find."""
    kinds, counts = np.unique(sizes, return_counts=True)
    sums = np.zeros(1, np.int64)
    for size, count in zip(kinds[:0:-1], counts[:0:-1], strict=True):
        if len(sums) * (count + 1) > SUMS_TRIED:
            return capacity
        sums = np.unique(np.add.outer(sums, size * np.arange(count + 1)))
        sums = sums[sums <= capacity]
    for size, count in zip(kinds[:1], counts[:1], strict=True):
        sums = sums + size * np.minimum((capacity - sums) // size, count)
    return int(sums.max())


def _order_identical_servers(builder: MilpBuilder, instance: Instance, x: IntArray) -> None:
    last_of: dict[tuple[int, bytes], int] = {}
    for n in range(instance.n_servers):
        twin = (int(instance.capacities_bytes[n]), instance.edge_latency_s[:, n].tobytes())
        if twin in last_of:
            free = x[n] >= 0  # the same on both: nothing tells them apart
            columns = np.concatenate([x[n, free], x[last_of[twin], free]])
            if len(columns):
                builder.rows(
                    np.array([len(columns)]), columns, np.repeat([1.0, -1.0], len(columns) // 2), 0.0
                )
        last_of[twin] = n
