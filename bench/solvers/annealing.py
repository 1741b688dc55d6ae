"""``annealing``: simulated annealing, server by server."""

from __future__ import annotations

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.bench.solvers.popularity import popularity
from slimbench.formulations.heuristics.annealing import anneal_server
from slimbench.formulations.terms.and_terms import and_terms
from slimbench.instances import Instance, Placement, evaluate

COOLING = 1e-3  # the last temperature over the first


@solver("annealing", compiled=True)
def annealing(instance: Instance, context: SolveContext, *, rounds: int = 100) -> Placement:
    """From ``popularity``, move single experts in and out of servers in turn at falling temperatures.

    The first temperature is what a cached expert of the start saves on average; where it saves nothing,
    what every expert would save if each server held all.
    """
    best = popularity(instance, context)
    best_s = evaluate(instance, best).saving_s
    holds = best.holds.copy()
    everywhere = Placement(np.ones_like(holds))
    hottest = best_s / max(holds.sum(), 1) or evaluate(instance, everywhere).saving_s / holds.size
    if hottest == 0:
        return best
    for temperature_s in np.geomspace(hottest, hottest * COOLING, rounds).tolist():
        for n, capacity in enumerate(instance.capacities_bytes.tolist()):
            terms = and_terms(instance, holds, n)
            if context.expired():
                return best
            if len(terms.weights):
                anneal_server(terms, holds[n], instance.expert_bytes, capacity, temperature_s, context.rng)
        placement = Placement(holds)
        saving_s = evaluate(instance, placement).saving_s
        if saving_s > best_s:
            best, best_s = placement, saving_s
            context.report(best)
    return best
