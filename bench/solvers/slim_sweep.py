"""``slim-sweep``: a decomposition, then servers re-optimised in turn until nothing improves."""

from __future__ import annotations

from functools import partial
from typing import Literal

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Guarantee, solver
from slimbench.bench.solvers.slim_dp import exact_cache, ratio_from_alpha, refuse_large_layers
from slimbench.formulations.heuristics.decomposition import fill_servers, sweep_servers
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement


@solver(
    "slim-sweep",
    compiled=True,
    guarantee=Guarantee(
        claim="that of its start: alpha / (1 + alpha), 1/2 with exact subproblems",
        conditions="single, serial, or K = 1; none for parallel with groups of two or more",
        source="docs/MODEL.md fact 4; a sweep never loses saving",
        ratio=ratio_from_alpha,
    ),
)
def slim_sweep(
    instance: Instance,
    context: SolveContext,
    *,
    start: Literal["slim-maxconv", "slim-dp"] = "slim-maxconv",
    exact_experts: int = EXACT_EXPERTS,
) -> Placement:
    """Fill servers as ``start`` does, then re-optimise them in turn until nothing improves."""
    if start == "slim-dp":
        refuse_large_layers(instance)
    fill = exact_cache if start == "slim-dp" else partial(best_cache, max_exact_experts=exact_experts)
    first = fill_servers(instance, fill, context.expired)
    context.record(alpha=first.alpha)
    context.report(first.placement)
    return sweep_servers(instance, first.placement, fill, context.report, context.expired)
