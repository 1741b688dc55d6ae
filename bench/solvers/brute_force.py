"""``brute-force``: every placement of a tiny instance, for certified references."""

from __future__ import annotations

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import Instance, Placement, evaluate


@solver("brute-force", exact=True, compiled=True)
def brute_force(instance: Instance, context: SolveContext, *, limit: int = 200_000) -> Placement:
    """Evaluate every placement that fills all servers; refuses instances with more than ``limit``."""
    placement = best_placement(instance, limit)
    context.report(placement, evaluate(instance, placement).saving_s, optimal=True)
    return placement
