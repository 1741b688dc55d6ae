"""``lp-rounding``: the linear relaxation, rounded at random and repaired."""

from __future__ import annotations

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Parameters, solver
from slimbench.bench.plugins.warm_up import run_on_tiny_instances
from slimbench.formulations.backends import SolveOptions, load_backend, solve_milp
from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch, rounded
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement


def _prepare(parameters: Parameters) -> None:
    """Load HiGHS and the kernels, in the run's own process: a fork server must not load a solver library."""
    load_backend("highs")
    run_on_tiny_instances(lp_rounding.function, parameters)


@solver("lp-rounding", bounds=True, library=lambda _: "highspy", prepare=_prepare)
def lp_rounding(
    instance: Instance, context: SolveContext, *, samples: int = 20, exact_experts: int = EXACT_EXPERTS
) -> Placement:
    """Round the relaxation of ``cover`` by share per byte, then at random; fill servers and pairs from there.

    The bound is that of the relaxation's multipliers (``dual_bound``), whose proof needs no trust in HiGHS.
    """
    search = PrimalDualSearch(instance, exact_experts, context.expired, context.report)
    search.fill()
    model = build_milp(instance).relaxed()
    options = SolveOptions(context.time_left_s, context.threads, log_file=context.log_file)
    result = solve_milp(model, "highs", options)
    context.record(
        raw_status=result.raw_status, columns=model.n_columns, rows=model.rows.shape[0], **result.figures
    )
    if result.bound is not None:
        search.update_bound(result.bound * model.seconds_per_unit)
    if result.values is None or result.termination != "optimal":
        return search.placement
    shares = model.shares(result.values)
    search.improve(rounded(instance, shares))
    for _ in range(samples):
        if context.expired() or search.proven:
            break
        search.improve(rounded(instance, shares, context.rng))
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement
