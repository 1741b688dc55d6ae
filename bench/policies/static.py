"""``static``: the placement of a solver for the first period, kept in all."""

from __future__ import annotations

import numpy as np

from slimbench.bench import Observation, SolveContext, policy
from slimbench.bench.plugins.policy_planner import plan
from slimbench.instances import Placement


@policy("static", sees="present")
def static(seen: Observation, context: SolveContext, *, solver: str = "slim-sweep") -> Placement:
    """The plan of the first period in every period; a server that returns is given its part again."""
    first = plan(solver, seen.instances[0], context)
    up = seen.capacities_bytes >= first.used_bytes(seen.instances[0])
    return Placement(first.holds & np.asarray(up)[:, None])
