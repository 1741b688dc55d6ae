"""``random``: the baseline that every heuristic should beat."""

from __future__ import annotations

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.formulations.heuristics.fill import fill_in_order
from slimbench.instances import Instance, Placement


@solver("random")
def random_placement(instance: Instance, context: SolveContext) -> Placement:
    """Each server caches experts in random order while they fit."""
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        fill_in_order(instance, holds[n], context.rng.permutation(instance.n_experts), capacity)
    return Placement(holds)
