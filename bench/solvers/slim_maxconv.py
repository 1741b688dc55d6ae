"""``slim-maxconv``: the decomposition accelerated by split layer profiles and max-plus convolution."""

from __future__ import annotations

from functools import partial

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Guarantee, solver
from slimbench.bench.solvers.slim_dp import ratio_from_alpha
from slimbench.formulations.heuristics.decomposition import fill_servers
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement


@solver(
    "slim-maxconv",
    compiled=True,
    guarantee=Guarantee(
        claim="alpha / (1 + alpha), alpha = worst proven quality of the run's subproblems",
        conditions="single, serial, or K = 1; none for parallel with groups of two or more",
        source="docs/MODEL.md fact 4 with the splitting bound (Goundan, Schulz 2007; Fujishige 1980)",
        ratio=ratio_from_alpha,
    ),
)
def slim_maxconv(
    instance: Instance, context: SolveContext, *, exact_experts: int = EXACT_EXPERTS
) -> Placement:
    """Servers in turn; large layers bracketed by an even split, layers joined by max-plus convolution."""
    result = fill_servers(instance, partial(best_cache, max_exact_experts=exact_experts), context.expired)
    context.record(alpha=result.alpha)
    return result.placement
