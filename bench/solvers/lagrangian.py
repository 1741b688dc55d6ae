"""``lagrangian`` and ``bounds``: a placement and a proven bound together, without any MILP solver."""

from __future__ import annotations

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Parameters, solver
from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement


def _library(_: Parameters) -> str:
    return "prices"


@solver("lagrangian", bounds=True, library=_library, compiled=True)
def lagrangian(
    instance: Instance,
    context: SolveContext,
    *,
    iterations: int = 2000,
    first_rounding: int = 100,
    patience: int = 20,
    exact_experts: int = EXACT_EXPERTS,
) -> Placement:
    """Multipliers between servers bound the saving; what servers choose under them is improved to placements.

    Where that proves no optimum, neighbourhoods follow until ``patience`` of them are in vain.
    """
    search = _search(instance, context, 0.0, iterations, first_rounding, exact_experts)
    search.run_neighbourhoods(search.neighbours(context.rng), patience=patience)
    return _report(search, context)


@solver("bounds", bounds=True, library=_library, compiled=True)
def bounds(
    instance: Instance,
    context: SolveContext,
    *,
    gap: float = 0.0,
    iterations: int = 2000,
    exact_experts: int = EXACT_EXPERTS,
) -> Placement:
    """Multipliers lower the bound as far as they can, then placements are made, until within ``gap`` of it.

    For instances that no MILP solver can take.
    """
    never = iterations + 1  # no placement before the end: bounds come first
    search = _search(instance, context, gap, iterations, never, exact_experts)
    return _report(search, context)


def _search(
    instance: Instance,
    context: SolveContext,
    gap: float,
    iterations: int,
    first_rounding: int,
    exact_experts: int,
) -> PrimalDualSearch:
    search = PrimalDualSearch(
        instance,
        exact_experts=exact_experts,
        expired=lambda: context.expired() or search.bound_s <= search.saving_s * (1 + gap),
        report=context.report,
    )
    search.fill()
    search.run_subgradient(iterations, first_rounding)
    return search


def _report(search: PrimalDualSearch, context: SolveContext) -> Placement:
    context.record(iterations=search.iterations)
    context.report(search.placement, search.bound_s, optimal=search.proven)
    return search.placement
