"""``slim-dp``: SlimCaching's successive greedy decomposition with dynamic programming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Guarantee, Parameters, solver
from slimbench.formulations import SolverError
from slimbench.formulations.heuristics.decomposition import fill_servers
from slimbench.formulations.single_server.solve import ServerCache, best_cache
from slimbench.formulations.terms.and_terms import AndTerms, servers_share_groups
from slimbench.formulations.tolerances import MAX_EXACT_EXPERTS
from slimbench.instances import Instance, Placement


def ratio_from_alpha(instance: Instance, parameters: Parameters, figures: Mapping[str, Any]) -> float | None:
    """The bound alpha / (1 + alpha) of a run; None where decomposition promises nothing."""
    alpha = figures.get("alpha")
    if alpha is None or servers_share_groups(instance):
        return None
    return float(alpha / (1 + alpha))


def refuse_large_layers(instance: Instance) -> None:
    """Refuse instances whose subproblem cannot be enumerated.

    Raises
    ------
    SolverError
        If a layer's groups of two or more name more than 20 experts together.
    """
    if instance.dispatch == "serial":
        return
    in_group = np.repeat(instance.group_sizes > 1, instance.group_sizes)
    layers_with_groups = np.unique(instance.expert_layers[instance.group_experts[in_group]])
    named = np.bincount(
        instance.expert_layers[np.unique(instance.group_experts)], minlength=instance.n_layers
    )
    for layer in layers_with_groups:
        if named[layer] > MAX_EXACT_EXPERTS:
            model, index, _ = instance.expert_triple(int(instance.layer_starts[layer]))
            raise SolverError(
                f"layer {index} of model {instance.models[model].name} has {named[layer]} experts in groups, "
                f"slim-dp enumerates at most {MAX_EXACT_EXPERTS}: use slim-maxconv"
            )


def exact_cache(instance: Instance, terms: AndTerms, capacity_bytes: int) -> ServerCache:
    """One server's optimum: enumerated layers, joined by the plain knapsack recursion."""
    return best_cache(instance, terms, capacity_bytes, MAX_EXACT_EXPERTS, plain=True)


@solver(
    "slim-dp",
    compiled=True,
    guarantee=Guarantee(
        claim="1/2; 0.497 where models' sizes make more than 2^22 pairs of bytes and saving",
        conditions="single, serial, or K = 1; none for parallel with groups of two or more",
        source="docs/MODEL.md fact 4 (Fisher, Nemhauser, Wolsey 1978; Goundan, Schulz 2007)",
        ratio=ratio_from_alpha,
    ),
)
def slim_dp(instance: Instance, context: SolveContext) -> Placement:
    """Servers in turn, each subproblem solved exactly by dynamic programming."""
    refuse_large_layers(instance)
    result = fill_servers(instance, exact_cache, context.expired)
    context.record(alpha=result.alpha)
    return result.placement
