"""``radius``: an activation's latency falls level by level as its experts come near. Not for ``single``."""

from __future__ import annotations

from slimbench.formulations.milp.cover import served_in_parts
from slimbench.formulations.milp.levels import level_weights, levels
from slimbench.formulations.milp.model import MilpBuilder
from slimbench.formulations.milp.workload import Workload
from slimbench.instances.problem.arrays import IntArray


def build_radius(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """z[a, j] <= cover[P_j, e] for e in g_a; reward rate * (t_{j+1} - t_j) * z[a, j].

    cover[P, e] <= sum over n in P of x[n, e], shared by all users whose j fastest servers are P.
    ``serial``: every expert is a group of its own. A group of one has no z but its cover.
    """
    all_levels = levels(workload)
    groups, sets, weights = level_weights(workload, all_levels, merged=False)
    builder.reward(served_in_parts(builder, workload, all_levels, x, groups, sets), weights)
