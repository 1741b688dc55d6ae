"""``bounds``: a proven bound for instances that no MILP solver can take, and the placements it meets."""

from __future__ import annotations

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.formulations.price_search import PriceSearch
from slimbench.instances import Instance, Placement

FIRST_ROUNDING = 500  # iterations; on the largest instances a placement costs as much as many of them


@solver("bounds", exact=True, library=lambda _: "prices", compiled=True)
def bounds(
    instance: Instance,
    context: SolveContext,
    *,
    gap: float = 0.0,
    iterations: int = 2000,
    exact_experts: int = 16,
) -> Placement:
    """Prices lower the bound until it is within ``gap`` of the best placement met, or time is up."""
    search = PriceSearch(
        instance,
        exact_experts=exact_experts,
        moves=None,
        expired=lambda: context.expired() or search.bound_s <= search.saving_s * (1 + gap),
        report=context.report,
    )
    search.fill()
    search.descend(iterations, FIRST_ROUNDING)
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement
