"""``radius``: an activation's latency falls level by level as its experts come near. Not for ``single``."""

from __future__ import annotations

from slimbench.formulations.levels import activation_levels, cover_columns, levels
from slimbench.formulations.milp import MilpBuilder
from slimbench.formulations.workload import Workload
from slimbench.instances.arrays import IntArray


def build_radius(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """z[a, j] <= cover[P_j, e] for e in g_a; reward rate * (t_{j+1} - t_j) * z[a, j].

    cover[P, e] <= sum over n in P of x[n, e], shared by all users whose j fastest servers are P.
    ``serial``: every called expert has a z of its own.
    """
    all_levels = levels(workload)
    activation, level = activation_levels(workload, all_levels)
    weight = workload.rates[activation] * all_levels.gaps_s[level]
    position, expert = workload.members(workload.groups[activation])
    cover = cover_columns(builder, x, all_levels.servers, all_levels.sets[level[position]], expert)
    if workload.instance.dispatch == "serial":
        z = builder.columns(weight[position])
        builder.implies(z, cover)
    else:
        z = builder.columns(weight)
        builder.implies(z[position], cover)
