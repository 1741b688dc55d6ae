"""``lns``: large neighbourhood search from the decomposition."""

from __future__ import annotations

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement


@solver("lns", compiled=True)
def lns(
    instance: Instance, context: SolveContext, *, patience: int = 50, exact_experts: int = EXACT_EXPERTS
) -> Placement:
    """Fill servers in turn and by pairs; destroy a part and repair it until ``patience`` tries are in vain.

    Repair is exact dynamic programming on two servers, or on one where layers are too large for two.
    """
    search = PrimalDualSearch(instance, exact_experts, context.expired, context.report)
    search.fill()
    context.record(iterations=search.run_neighbourhoods(search.neighbours(context.rng), patience=patience))
    return search.placement
