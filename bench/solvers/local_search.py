"""``local-search``: add or swap single experts while it helps."""

from __future__ import annotations

import numpy as np

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.bench.solvers.popularity import popularity
from slimbench.formulations.and_terms import AndTerms, and_terms, marginal_savings
from slimbench.instances import Instance, Placement
from slimbench.instances.arrays import BoolArray


@solver("local-search", compiled=True)
def local_search(instance: Instance, context: SolveContext) -> Placement:
    """From ``popularity``, swap one cached expert for a better one, server by server, to a local optimum."""
    holds = popularity(instance, context).holds.copy()
    unchanged = 0
    while unchanged < instance.n_servers:
        for n in range(instance.n_servers):
            improved = _improve_server(instance, and_terms(instance, holds, n), holds[n], n, context)
            unchanged = 0 if improved else unchanged + 1
            if improved:
                context.report(Placement(holds))
            if unchanged == instance.n_servers or context.expired():
                return Placement(holds)
    return Placement(holds)


def _improve_server(
    instance: Instance, terms: AndTerms, cached: BoolArray, server: int, context: SolveContext
) -> bool:
    """Swap out each cached expert for the best one that then fits, and fill free room; in place.

    A drop and an add in one layer interact, so the marginals are taken after the drop.
    """
    sizes = instance.expert_bytes
    improved = False
    for dropped in [-1, *np.flatnonzero(cached).tolist()]:  # -1: only add
        if context.expired():
            break
        loss = 0.0
        if dropped >= 0:
            loss = marginal_savings(terms, cached)[dropped]
            cached[dropped] = False
        room = instance.capacities_bytes[server] - sizes[cached].sum()
        marginal = np.where(cached | (sizes > room), -1.0, marginal_savings(terms, cached))
        added = int(np.argmax(marginal))
        if marginal[added] > loss * (1 + 1e-12):  # rounding is no improvement
            cached[added] = True
            improved = True
        elif dropped >= 0:
            cached[dropped] = True
    return improved
