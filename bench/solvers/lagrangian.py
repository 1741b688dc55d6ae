"""``lagrangian``: a placement and a proven bound together, without any MILP solver."""

from __future__ import annotations

import math
from functools import partial

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import solver
from slimbench.formulations.decomposition import fill_servers, sweep_servers
from slimbench.formulations.lagrangian import coupling, priced_bounds, prices_apply
from slimbench.formulations.repeated import repeated_subproblem
from slimbench.formulations.subproblem import best_cache
from slimbench.instances import Instance, Placement, evaluate

OPTIMAL_GAP = 1e-9  # relative; what is left is rounding


@solver("lagrangian", exact=True, compiled=True)
def lagrangian(
    instance: Instance,
    context: SolveContext,
    *,
    iterations: int = 2000,
    sweep_every: int = 20,
    exact_experts: int = 16,
) -> Placement:
    """Server prices bound the saving; sweeps turn what servers choose under them into placements.

    Prices do not decouple servers that share a group: for ``parallel`` with groups of two or more it only
    sweeps, and proves nothing.
    """
    fill = partial(best_cache, max_exact_experts=exact_experts)
    first = fill_servers(instance, fill, context.expired).placement
    best = _Incumbent(instance, sweep_servers(instance, first, fill, lambda _: None, context.expired))
    context.report(best.placement)
    if not prices_apply(instance):
        return best.placement
    rows = coupling(instance)
    subproblem = repeated_subproblem(instance, rows.structure, exact_experts)
    bound, done = math.inf, 0
    for done, step in enumerate(priced_bounds(instance, subproblem, rows, lambda: best.saving_s)):
        if done % sweep_every == 0:
            swept = sweep_servers(instance, step.placement, fill, lambda _: None, context.expired)
            if best.improved_by(swept):
                context.report(swept)
        if step.bound_s < bound:
            bound = step.bound_s
            context.report(None, bound)
        if done == iterations or context.expired() or bound - best.saving_s <= OPTIMAL_GAP * bound:
            break
    context.record(iterations=done)
    context.report(best.placement, bound, optimal=bound - best.saving_s <= OPTIMAL_GAP * bound)
    return best.placement


class _Incumbent:
    """The best placement so far and what it saves."""

    def __init__(self, instance: Instance, placement: Placement) -> None:
        self.instance, self.placement = instance, placement
        self.saving_s = evaluate(instance, placement).saving_s

    def improved_by(self, placement: Placement) -> bool:
        """Take ``placement`` if it saves more."""
        saving = evaluate(self.instance, placement).saving_s
        if saving <= self.saving_s:
            return False
        self.placement, self.saving_s = placement, saving
        return True
