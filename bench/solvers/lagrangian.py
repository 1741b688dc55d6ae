"""``lagrangian``: a placement and a proven bound together, without any MILP solver."""

from __future__ import annotations

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.formulations.pairs import PairMoves
from slimbench.formulations.price_search import PriceSearch
from slimbench.instances import Instance, Placement


@solver("lagrangian", exact=True, library=lambda _: "prices", compiled=True)
def lagrangian(
    instance: Instance,
    context: SolveContext,
    *,
    iterations: int = 2000,
    first_rounding: int = 100,
    exact_experts: int = 16,
) -> Placement:
    """Prices between servers bound the saving; what servers choose under them is improved to placements."""
    search = PriceSearch(
        instance,
        exact_experts=exact_experts,
        moves=PairMoves(instance),
        expired=context.expired,
        report=context.report,
    )
    search.fill()
    search.descend(iterations, first_rounding)
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement
