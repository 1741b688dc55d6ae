"""Solving in one helper process per solver library: no two of them may share a process.

The pytest process itself never loads a solver library. scipy's own copy of HiGHS serves as an oracle here.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import multiprocessing
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from slimbench.bench.plugins.context import NoSolutionError, SolveContext
from slimbench.formulations.backends import BACKENDS, MilpResult, SolveOptions, solve_milp
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.milp.model import MilpModel
from slimbench.instances import Instance, Placement

PATIENCE_S = 250  # of the waiting test, below pytest's own limit


@functools.cache
def process_of(library: str) -> ProcessPoolExecutor:
    """The one helper process of a solver library, started when first asked for."""
    return ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=sys.path.__setitem__,
        initargs=(slice(None), list(sys.path)),
    )


def submit(milp: MilpModel, backend: str, time_limit_s: float = math.inf) -> Future[MilpResult]:
    """Solve a model in the process of its backend's library."""
    return process_of(BACKENDS[backend][0]).submit(solve_milp, milp, backend, SolveOptions(time_limit_s))


def solve(milp: MilpModel, backend: str = "highs", time_limit_s: float = math.inf) -> MilpResult:
    """The same, and wait."""
    return submit(milp, backend, time_limit_s).result(PATIENCE_S)


def solve_and_listen(
    milp: MilpModel, backend: str, options: SolveOptions, environment: dict[str, str] | None = None
) -> dict[str, Any]:
    """Solve here and tell everything the backend told; to be called in a helper process."""
    incumbents: list[tuple[float, float]] = []
    bounds: list[float] = []
    listening = dataclasses.replace(
        options,
        on_incumbent=lambda values, bound: incumbents.append((float(milp.objective @ values), bound)),
        on_bound=bounds.append,
    )
    with patch.dict(os.environ, environment or {}):
        result = solve_milp(milp, backend, listening)
    return {"result": result, "incumbents": incumbents, "bounds": bounds}


class ListenerError(Exception):
    """What a listener raises."""


def solve_with_a_bad_listener(milp: MilpModel, backend: str, listener: str) -> int:
    """How often a listener is called that raises each time; it has to come back as it was raised."""
    calls = []

    def bad(*told: object) -> None:
        calls.append(told)
        raise ListenerError(listener)

    try:
        solve_milp(milp, backend, dataclasses.replace(SolveOptions(), **{listener: bad}))
    except ListenerError:
        return len(calls)
    raise AssertionError("nothing came back")


def build_and_solve(
    instance: Instance, formulation: str, choices: dict[str, frozenset[str]]
) -> dict[str, tuple[Placement, float, float]]:
    """Placement, objective and bound in seconds by HiGHS for choices of reductions; in a helper process."""
    found = {}
    for name, reductions in choices.items():
        milp = build_milp(instance, formulation, reductions)
        result = solve_milp(milp, "highs")
        assert result.values is not None
        objective, bound = (
            value * milp.seconds_per_unit for value in (result.objective, result.bound) if value is not None
        )
        found[name] = (milp.placement(result.values), objective, bound)
    return found


def run_milp_solver(
    instance: Instance, deadline_left_s: float, parameters: dict[str, Any], log_file: Path | None = None
) -> dict[str, Any]:
    """Run the ``milp`` plugin here and tell everything it told; to be called in a helper process."""
    return run_solver("milp", instance, deadline_left_s, parameters, log_file)


def run_solver(
    name: str,
    instance: Instance,
    deadline_left_s: float,
    parameters: dict[str, Any],
    log_file: Path | None = None,
) -> dict[str, Any]:
    """The same for any plugin."""
    import time

    from slimbench.bench.plugins.registry import find_solvers

    reports: list[tuple[Placement | None, float | None]] = []
    context = SolveContext(
        np.random.default_rng(0),
        deadline=time.monotonic() + deadline_left_s,
        log_file=log_file,
        on_report=lambda placement, bound: reports.append((placement, bound)),
    )
    try:
        placement = find_solvers()[name](instance, context, **parameters)
    except NoSolutionError:
        placement = None
    return {
        "placement": placement,
        "reports": reports,
        "figures": context.figures,
        "optimal": context.proven_optimal,
    }
