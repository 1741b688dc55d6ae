"""``random``: the baseline that every heuristic should beat."""

from __future__ import annotations

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.instances import Instance, Placement


@solver("random")
def random_placement(instance: Instance, context: SolveContext) -> Placement:
    """Each server caches experts in random order while they fit."""
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    for n, room in enumerate(instance.capacities_bytes.tolist()):
        for e in context.rng.permutation(instance.n_experts):
            if instance.expert_bytes[e] <= room:
                holds[n, e] = True
                room -= int(instance.expert_bytes[e])  # noqa: PLW2901  # what is left of this server's room
    return Placement(holds)
