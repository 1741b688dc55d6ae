"""``cover`` and ``radius``: latency falls level by level as a user's j fastest servers P serve a group g.

References
----------
Cornuejols, Nemhauser, Wolsey, A canonical representation of simple plant location problems and its
applications, SIAM Journal on Algebraic and Discrete Methods 1, 1980.
Garcia, Labbe, Marin, Solving large p-median problems with a radius formulation, INFORMS Journal on Computing
23, 2011.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slimbench.formulations.milp.levels import Levels, further_servers, level_weights, levels
from slimbench.formulations.milp.model import MilpBuilder
from slimbench.formulations.milp.workload import Workload, further_experts, too_large
from slimbench.formulations.status import NEVER
from slimbench.instances.problem.arrays import IntArray, csr_rows, distinct, offsets_of


def build_cover(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """Maximise the sum over (P, g) of W[P, g] * z[P, g], W = sum of rate * (t_{j+1} - t_j) over all users.

    For all dispatches; activations of all users are merged by (P, g).

    ``single``: p[n, g] <= x[n, e] for e in g, z[P, g] <= sum over n in P of p[n, g].
    ``parallel``: z[P, g] <= cover[P, e] for e in g, cover[P, e] <= sum over n in P of x[n, e].
    ``serial``: every expert is a group of its own. A group of one needs no p, a set of one server no z.
    """
    all_levels = levels(workload)
    merged = "merge-users" in workload.reductions
    groups, sets, weights = level_weights(workload, all_levels, merged=merged)
    serve = _served_whole if workload.instance.dispatch == "single" else _served_in_parts
    builder.reward(serve(builder, workload, all_levels, x, groups, sets), weights)


def build_radius(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """Not for ``single``: z[a, j] <= cover[P_j, e] for e in g_a; reward rate * (t_{j+1} - t_j) * z[a, j].

    cover[P, e] <= sum over n in P of x[n, e], shared by all users whose j fastest servers are P.
    ``serial``: every expert is a group of its own. A group of one has no z but its cover.
    """
    all_levels = levels(workload)
    groups, sets, weights = level_weights(workload, all_levels, merged=False)
    builder.reward(_served_in_parts(builder, workload, all_levels, x, groups, sets), weights)


def _served_in_parts(
    builder: MilpBuilder,
    workload: Workload,
    all_levels: Levels,
    x: IntArray,
    groups: IntArray,
    sets: IntArray,
) -> IntArray:
    """Columns z[P, g] that are 1 where every expert of g is on some server of P.

    Parameters
    ----------
    groups, sets : (.,) int64, in order of group and set
    """
    n_sets = len(all_levels.inside)
    smaller_group, pair, expert = further_experts(workload, groups, sets)
    keys, cover_of = distinct(expert * n_sets + sets[pair], x.shape[1] * n_sets)
    experts, of_expert = np.divmod(keys, n_sets)
    smaller_set, at, server = further_servers(workload, all_levels, experts, of_expert)
    cover = _nested(builder.any_of, all_levels.set_sizes[of_expert], smaller_set, at, x[server, experts[at]])
    return _nested(builder.all_of, workload.group_sizes[groups], smaller_group, pair, cover[cover_of])


def _served_whole(
    builder: MilpBuilder,
    workload: Workload,
    all_levels: Levels,
    x: IntArray,
    groups: IntArray,
    sets: IntArray,
) -> IntArray:
    """Columns z[P, g] that are 1 where some server of P holds all of g."""
    n_servers = len(x)
    smaller_set, pair, server = further_servers(workload, all_levels, groups, sets)
    n_groups = len(workload.group_offsets) - 1
    keys, holder_of = distinct(groups[pair] * n_servers + server, n_groups * n_servers)
    held, holder = np.divmod(keys, n_servers)
    smaller_group, at, expert = further_experts(workload, held, holder)
    parts = x[holder[at], expert]
    parts[too_large(workload, held, holder)[at]] = NEVER
    together = _nested(builder.all_of, workload.group_sizes[held], smaller_group, at, parts)
    return _nested(builder.any_of, all_levels.set_sizes[sets], smaller_set, pair, together[holder_of])


def _nested(
    gate: Callable[[IntArray, IntArray], IntArray],
    sizes: IntArray,
    smaller: IntArray,
    rows: IntArray,
    columns: IntArray,
) -> IntArray:
    """Columns of gates with inputs ``columns`` (in order of ``rows``), and the column of a smaller gate.

    Parameters
    ----------
    gate : MilpBuilder.all_of or any_of
    sizes : (R,) int64
    smaller : (R,) int64, a gate of lesser size, or -1
    """
    counts = np.bincount(rows, minlength=len(sizes)) + (smaller >= 0)
    if (smaller < 0).all():
        return gate(counts, columns)
    offsets = offsets_of(counts)
    inputs = np.empty(offsets[-1], np.int64)
    of_smaller = np.zeros(len(inputs), np.bool_)
    of_smaller[offsets[:-1][smaller >= 0]] = True
    inputs[~of_smaller] = columns
    result = np.empty(len(sizes), np.int64)
    order = np.argsort(sizes, kind="stable")
    for batch in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        nested = batch[smaller[batch] >= 0]
        inputs[offsets[nested]] = result[smaller[nested]]
        result[batch] = gate(counts[batch], inputs[csr_rows(offsets, batch)[1]])
    return result
