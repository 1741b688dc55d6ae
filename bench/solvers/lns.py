"""``lns``: large neighbourhood search from the decomposition."""

from __future__ import annotations

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.formulations.neighbourhoods import neighbours
from slimbench.formulations.pairs import PairMoves
from slimbench.formulations.price_search import PriceSearch
from slimbench.instances import Instance, Placement


@solver("lns", compiled=True)
def lns(
    instance: Instance, context: SolveContext, *, patience: int = 50, exact_experts: int = 16
) -> Placement:
    """Fill servers in turn and by pairs; destroy a part and repair it until ``patience`` tries are in vain.

    Repair is exact dynamic programming on two servers, or on one where layers are too large for two.
    """
    moves = PairMoves(instance)
    search = PriceSearch(
        instance,
        exact_experts=exact_experts,
        moves=moves,
        expired=context.expired,
        report=context.report,
    )
    search.fill()
    near = neighbours(moves, search.placement, search.best_cache, context.rng, context.expired)
    context.record(iterations=search.look_around(near, patience=patience))
    return search.placement
