"""``milp``: an exact formulation handed to a MILP solver."""

from __future__ import annotations

import importlib
import math
import time
from dataclasses import replace
from typing import Final, Literal

from slimbench.bench.plugins.context import NoSolutionError, SolveContext
from slimbench.bench.plugins.plugin import Parameters, PluginError, solver
from slimbench.bench.plugins.warm_up import run_on_tiny_instances
from slimbench.bench.solvers.slim_sweep import slim_sweep
from slimbench.formulations import SolverError
from slimbench.formulations.backends import (
    BACKENDS,
    MilpResult,
    SolveOptions,
    Start,
    load_backend,
    solve_milp,
)
from slimbench.formulations.milp.build import ALL_REDUCTIONS, build_milp
from slimbench.formulations.tolerances import tolerance
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import FloatArray

ALL_BUT: Final = "all-but-"


def _library(parameters: Parameters) -> str:
    return BACKENDS[parameters["backend"]][0]


def _load(parameters: Parameters) -> None:
    load_backend(parameters["backend"])
    importlib.import_module("scipy.sparse")  # which scipy loads when it is used first
    if parameters["start"] != "none":
        run_on_tiny_instances(slim_sweep.function, {})


@solver("milp", exact=True, library=_library, prepare=_load)
def milp(
    instance: Instance,
    context: SolveContext,
    *,
    formulation: Literal["cover", "destination", "radius", "assignment"] = "cover",
    backend: Literal["highs", "cbc", "scip", "cp-sat", "gurobi"] = "highs",
    start: Literal["none", "slim-sweep"] = "none",
    time_limit: float | None = None,
    reductions: str = "all",
) -> Placement:
    """Solve an exact formulation to optimality, or to a bound within the time limit (seconds)."""
    chosen = _reductions(reductions)
    end = context.deadline if time_limit is None else min(context.deadline, time.monotonic() + time_limit)
    first = None
    if start == "slim-sweep":
        first = slim_sweep(instance, replace(context, deadline=end, figures={}))
    first_s = 0.0 if first is None else evaluate(instance, first).saving_s
    model = build_milp(instance, formulation, chosen)
    unit = model.seconds_per_unit

    def told(placement: Placement | None, bound: float | None, *, optimal: bool = False) -> None:
        proven = None if bound is None or math.isinf(bound) else bound * unit
        context.report(placement, proven, optimal=optimal)

    def on_incumbent(values: FloatArray, bound: float) -> None:
        worse = first is not None and float(model.objective @ values) * unit < first_s
        told(None if worse else model.placement(values), bound)

    options = SolveOptions(
        time_limit_s=max(0.0, end - time.monotonic()),
        threads=context.threads,
        start=None if first is None else Start.of(model, first),
        log_file=context.log_file,
        on_incumbent=on_incumbent,
        on_bound=lambda bound: told(None, bound),
    )
    result = solve_milp(model, backend, options)
    context.record(
        raw_status=result.raw_status, columns=model.n_columns, rows=model.rows.shape[0], **result.figures
    )
    if result.root_bound is not None:
        context.record(root_bound_s=result.root_bound * unit)
    placement = None if result.values is None else model.placement(result.values)
    if placement is not None and placement.violation(instance) is None:
        saving_s = _checked_saving_s(instance, placement, result, unit, backend)
        if first is not None and saving_s < first_s and result.termination != "optimal":
            placement = first  # the backend did not come to its start
    elif placement is None:
        placement = first
    told(placement, result.bound, optimal=result.termination == "optimal")
    if placement is None:
        raise NoSolutionError(f"{backend} ended with {result.raw_status!r} before it found a placement")
    return placement


def _checked_saving_s(
    instance: Instance, placement: Placement, result: MilpResult, seconds_per_unit: float, backend: str
) -> float:
    """The placement's saving, against which the solver's objective is held; a fractional incumbent shows up.

    An incumbent that is not proven optimal may leave auxiliary columns below their best, so its objective
    may lie below what its placement saves, never above.
    """
    evaluation = evaluate(instance, placement)
    saving = evaluation.saving_s
    claimed = result.objective * seconds_per_unit if result.objective is not None else 0.0
    excess = abs(claimed - saving) if result.termination == "optimal" else claimed - saving
    if excess > tolerance(max(saving, claimed), evaluation.latency_none_s):
        raise SolverError(f"{backend} claims a saving of {claimed:.9g} s, its placement saves {saving:.9g} s")
    return saving


def _reductions(text: str) -> frozenset[str]:
    """``all``, ``none``, names joined by ``+``, or ``all-but-`` and such names."""
    if text in {"all", "none"}:
        return ALL_REDUCTIONS if text == "all" else frozenset()
    names = text.removeprefix(ALL_BUT)
    chosen = frozenset(names.split("+"))
    if unknown := chosen - ALL_REDUCTIONS:
        expected = ", ".join(sorted(ALL_REDUCTIONS))
        raise PluginError(f"solver milp: parameter reductions: unknown {min(unknown)!r}, expected {expected}")
    return chosen if names == text else ALL_REDUCTIONS - chosen
