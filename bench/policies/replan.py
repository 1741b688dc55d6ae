"""``replan``: the placement of a solver in every period, whatever it costs to fetch."""

from __future__ import annotations

from slimbench.bench import Observation, SolveContext, policy
from slimbench.bench.plugins.policy_planner import plan
from slimbench.instances import Placement


@policy("replan", sees="present")
def replan(seen: Observation, context: SolveContext, *, solver: str = "slim-sweep") -> Placement:
    """What a solver places for the period alone, whatever lies where."""
    return plan(solver, seen.present, context)
