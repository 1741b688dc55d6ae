"""``ftpl``: follow the perturbed leader: what would have saved most so far, after random bonuses.

References
----------
Kalai, Vempala, Efficient algorithms for online decision problems, Journal of Computer and System Sciences 71,
2005.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from slimbench.bench import Observation, SolveContext, policy
from slimbench.bench.plugins.policy_planner import plan
from slimbench.instances import Placement, evaluate
from slimbench.instances.problem.pooling import pooled


@policy("ftpl", sees="past")
def ftpl(
    seen: Observation,
    context: SolveContext,
    *,
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.05,
    window: Annotated[int, msgspec.Meta(ge=0)] = 0,
    solver: str = "slim-sweep",
) -> Placement:
    """What would have saved most so far, over all periods or the last ``window``, after perturbation.

    Every expert on every server is given an exponential bonus of mean  noise * sqrt(t) * (what all experts on
    all servers save in a period, on average) / (experts that fit),  drawn from the same uniform numbers in
    every period, so that noise alone moves little. In period 0 nothing is known and nothing is fetched.
    """
    if not seen.instances:
        return seen.nothing()
    instances, tokens = seen.instances[-window:], seen.tokens[-window:]
    sizes, capacities = seen.expert_bytes, seen.capacities_bytes
    everything = Placement(np.ones_like(seen.held.holds))
    most_s = sum(n * evaluate(i, everything).saving_s for i, n in zip(instances, tokens, strict=True))
    scale_s = noise * most_s / len(instances) ** 0.5
    slots = max(1.0, float(np.minimum(capacities, sizes.sum()).sum() / sizes.mean()))
    uniform = context.rng.random(seen.held.holds.shape)
    bonuses_s = -np.log1p(-uniform) * scale_s / slots
    return plan(solver, pooled(instances, tokens, capacities, bonuses_s), context)
