"""``local-search``: add or swap single experts while it helps."""

from __future__ import annotations

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.bench.solvers.popularity import popularity
from slimbench.formulations.heuristics.sweep import sweep
from slimbench.formulations.terms.and_terms import AndTerms, and_terms, marginal_savings
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import BoolArray


@solver("local-search", compiled=True)
def local_search(instance: Instance, context: SolveContext) -> Placement:
    """From ``popularity``, swap one cached expert for a better one, server by server, to a local optimum."""
    holds = popularity(instance, context).holds.copy()

    def improves(server: int) -> bool:
        terms = and_terms(instance, holds, server)
        improved = _improve_server(instance, terms, holds[server], server, context)
        if improved:
            context.report(Placement(holds))
        return improved

    sweep(instance.n_servers, improves, context.expired)
    return Placement(holds)


def _improve_server(
    instance: Instance, terms: AndTerms, cached: BoolArray, server: int, context: SolveContext
) -> bool:
    """Swap out each cached expert for the best one that then fits, and fill free room; in place.

    A drop and an add in one layer interact, so the marginals are taken after the drop.
    """
    sizes = instance.expert_bytes
    improved = False
    for dropped in [None, *np.flatnonzero(cached).tolist()]:  # None: only add
        if context.expired():
            break
        better = cached.copy()
        if dropped is not None:
            better[dropped] = False
        room = instance.capacities_bytes[server] - sizes[better].sum()
        marginal = np.where(better | (sizes > room), -1.0, marginal_savings(terms, better))
        added = int(np.argmax(marginal))
        if marginal[added] <= 0:
            continue
        better[added] = True
        if terms.improves(cached, better):
            cached[:] = better
            improved = True
    return improved
