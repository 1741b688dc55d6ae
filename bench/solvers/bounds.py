"""``bounds``: a proven bound for instances that no MILP solver can take, and the placements it meets."""

from __future__ import annotations

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.formulations.pairs import PairMoves
from slimbench.formulations.price_search import PriceSearch
from slimbench.instances import Instance, Placement


@solver("bounds", exact=True, library=lambda _: "prices", compiled=True)
def bounds(
    instance: Instance,
    context: SolveContext,
    *,
    gap: float = 0.0,
    iterations: int = 2000,
    exact_experts: int = 16,
) -> Placement:
    """Prices lower the bound as far as they can, then placements are made, until within ``gap`` of it."""
    search = PriceSearch(
        instance,
        exact_experts=exact_experts,
        moves=PairMoves(instance),
        expired=lambda: context.expired() or search.bound_s <= search.saving_s * (1 + gap),
        report=context.report,
    )
    search.fill()
    search.descend(iterations, first_rounding=iterations + 1)  # none before the end: bounds come first
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement
