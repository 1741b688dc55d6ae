"""The exact formulations by name, and what all of them share: placement columns and capacities."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np

from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.cover import build_cover, build_radius
from slimbench.formulations.milp.expert_assignment import build_assignment
from slimbench.formulations.milp.group_assignment import build_destination
from slimbench.formulations.milp.levels import level_weights, levels
from slimbench.formulations.milp.model import MilpBuilder, MilpModel
from slimbench.formulations.milp.workload import REDUCTIONS, Workload, reduced_workload
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    csr_rows,
    distinct,
    distinct_rows,
    offsets_of,
    padded_groups,
)
from slimbench.instances.problem.evaluation import latencies_without_cache

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
) -> MilpModel:
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
    if "dominated-experts" in reductions:
        _order_experts(builder, workload, x)
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
    n_groups = max(len(workload.group_sizes), 1)
    calls, _ = distinct(all_faster[workload.pairs] * n_groups + workload.groups, (n_sets + 1) * n_groups)
    at, expert = workload.members(calls % n_groups)
    called = np.zeros((n_sets + 1, workload.instance.n_experts), np.bool_)
    called[calls[at] // n_groups, expert] = True
    return np.asarray(all_levels.inside.T.astype(np.float32) @ called[:-1] > 0)


def _capacities(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """Capacity in bytes; backends get smaller numbers (``row_ranges``)."""
    instance = workload.instance
    server, expert = np.nonzero(x >= 0)
    sizes = instance.expert_bytes
    capacities = np.minimum(instance.capacities_bytes, sizes.sum())
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


def _order_experts(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """x[n, e] <= x[n, f] where f saves no less than e beside whatever n holds, if n shares no user."""
    all_levels = levels(workload)
    shared = all_levels.inside[all_levels.set_sizes > 1].any(axis=0)
    lone_sets = np.flatnonzero(~(all_levels.inside & shared).any(axis=1))
    if not len(lone_sets):
        return
    groups, sets, weights = level_weights(workload, all_levels, merged=True)
    for lone in lone_sets:
        of_lone = (sets == lone) & (weights > 0)
        saves_less = _saves_less(workload, groups[of_lone], weights[of_lone])
        for first, last in pairwise(workload.instance.layer_starts.tolist()):
            less = saves_less[first:last, : last - first]
            less &= ~less.T | np.tri(last - first, k=-1, dtype=np.bool_)  # of equals the first one
            lower, upper = np.nonzero(less & ~(less @ less))  # the others follow
            (columns,) = x[all_levels.inside[lone]]
            builder.implies(columns[first + lower], columns[first + upper])


def _saves_less(workload: Workload, groups: IntArray, worth: FloatArray) -> BoolArray:
    """(X, experts of a layer) bool: e is called, and each group without f is worth no more with f for e.

    Most pairs (e, f) fail at one of the first groups, so each round looks at a few more of those left.

    Parameters
    ----------
    groups : (R,) int64, all different
    worth : (R,) float64, > 0
    """
    instance = workload.instance
    table = np.sort(padded_groups(workload.group_offsets, workload.group_experts)[groups], axis=1)
    at, expert = workload.members(groups)
    order = np.lexsort((-worth[at], expert))
    calls = at[order]
    starts = offsets_of(np.bincount(expert, minlength=instance.n_experts))
    layers = np.diff(instance.layer_starts)
    e, f = csr_rows(instance.layer_starts, instance.expert_layers)
    left = np.flatnonzero((e != f) & (starts[e + 1] > starts[e]))
    seen, more = 0, 1
    result = np.zeros((instance.n_experts, int(layers.max())), np.bool_)
    while len(left):
        first = np.minimum(starts[e[left]] + seen, starts[e[left] + 1])
        counts = np.minimum(starts[e[left] + 1] - first, more)
        pair = np.repeat(np.arange(len(left)), counts)
        group = calls[np.repeat(first - offsets_of(counts)[:-1], counts) + np.arange(len(pair))]
        with_f, instead = f[left[pair], None], e[left[pair], None]
        image = np.sort(np.where(table[group] == instead, with_f, table[group]), axis=1)
        rows = np.concatenate([table, image])
        _, places = distinct_rows((d + 1 for d in rows.T), instance.n_experts + 1, len(rows))
        worth_of = np.zeros(len(rows))
        worth_of[places[: len(table)]] = worth
        less = (worth_of[places[len(table) :]] >= worth[group]) | (table[group] == with_f).any(axis=1)
        holds = np.bincount(pair[~less], minlength=len(left)) == 0
        seen, more = seen + more, 2 * more
        done = starts[e[left] + 1] - starts[e[left]] <= seen
        proven = left[holds & done]
        result[e[proven], f[proven] - instance.layer_starts[instance.expert_layers[e[proven]]]] = True
        left = left[holds & ~done]
    return result
