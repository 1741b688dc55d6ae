"""``milp``: an exact formulation handed to a MILP solver."""

from __future__ import annotations

import math
from typing import Literal

from slimbench.bench.context import NoSolutionError, SolveContext
from slimbench.bench.plugin import Parameters, PluginError, solver
from slimbench.formulations import SolverError
from slimbench.formulations.backends import BACKENDS, MilpResult, load_backend, solve_milp
from slimbench.formulations.formulation import ALL_REDUCTIONS, build_milp
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.arrays import FloatArray

AGREEMENT = 1e-6  # relative; above it solver and evaluation contradict each other


def _library(parameters: Parameters) -> str:
    return BACKENDS[parameters["backend"]][0]


def _load_library(parameters: Parameters) -> None:
    load_backend(parameters["backend"])


@solver("milp", exact=True, library=_library, prepare=_load_library)
def milp(
    instance: Instance,
    context: SolveContext,
    *,
    formulation: Literal["cover", "destination", "radius", "assignment"] = "cover",
    backend: Literal["highs", "cbc", "scip", "cp-sat"] = "highs",
    time_limit: float | None = None,
    reductions: str = "all",
) -> Placement:
    """Solve an exact formulation to optimality, or to a bound within the time limit (seconds)."""
    model = build_milp(instance, formulation, _reductions(reductions))
    limit = context.time_left_s if time_limit is None else min(time_limit, context.time_left_s)

    def on_incumbent(values: FloatArray, bound: float) -> None:
        proven = bound * model.seconds_per_unit if math.isfinite(bound) else None
        context.report(model.placement(values), proven)

    result = solve_milp(model, backend, limit, context.threads, on_incumbent)
    context.record(
        raw_status=result.raw_status, columns=model.n_columns, rows=model.rows.shape[0], **result.figures
    )
    bound = None if result.bound is None else result.bound * model.seconds_per_unit
    if result.values is None:
        context.report(None, bound)
        raise NoSolutionError(f"{backend} ended with {result.raw_status!r} before it found a placement")
    placement = model.placement(result.values)
    violation = placement.violation(instance)
    if violation is None:
        _check_objective(instance, placement, result, model.seconds_per_unit, backend)
    context.report(placement, bound, optimal=result.termination == "optimal")
    return placement


def _check_objective(
    instance: Instance, placement: Placement, result: MilpResult, seconds_per_unit: float, backend: str
) -> None:
    """Hold the solver's objective against the placement's saving; a fractional incumbent shows up here.

    An incumbent that is not proven optimal may leave auxiliary columns below their best, so its objective
    may lie below what its placement saves, never above.
    """
    saving = evaluate(instance, placement).saving_s
    claimed = result.objective * seconds_per_unit if result.objective is not None else 0.0
    excess = abs(claimed - saving) if result.termination == "optimal" else claimed - saving
    if excess > AGREEMENT * max(saving, claimed):
        raise SolverError(f"{backend} claims a saving of {claimed:.9g} s, its placement saves {saving:.9g} s")


def _reductions(text: str) -> frozenset[str]:
    """``all``, ``none``, or names joined by ``+``."""
    if text in {"all", "none"}:
        return ALL_REDUCTIONS if text == "all" else frozenset()
    chosen = frozenset(text.split("+"))
    if unknown := chosen - ALL_REDUCTIONS:
        expected = ", ".join(sorted(ALL_REDUCTIONS))
        raise PluginError(f"solver milp: parameter reductions: unknown {min(unknown)!r}, expected {expected}")
    return chosen
